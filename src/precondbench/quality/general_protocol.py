"""The protocol by which LU factors are judged on one matrix; docs/nonsymmetric.md states it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.factors import lu_pattern
from precondbench.matrices import general_scaling
from precondbench.quality.gmres import gmres_operator, gmres_values
from precondbench.quality.pcg import PCGResult, Status
from precondbench.quality.protocol import MAXITER, RTOL, Outcome, right_hand_side

__all__ = ["GeneralSystem"]


class GeneralSystem:
    """The scaled linear system on which LU factors of one matrix are compared.

    R A C has powers of two in R and C, which map factors exactly (L -> R L R^-1, U -> R U C).
    The right-hand side is uniform on [-1, 1), drawn from PCG64 seeded by a digest of R A C.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked matrix, see :func:`precondbench.matrices.check_general`.

    Examples
    --------
    >>> from precondbench.matrices import check_general
    >>> from precondbench.quality import GeneralSystem
    >>> GeneralSystem(check_general([[2.0, -1.0], [-3.0, 2.0]])).solve(None).iterations
    2
    """

    def __init__(self, matrix: csr_array) -> None:
        self.pattern = lu_pattern(matrix)
        self.row_scale, self.column_scale = general_scaling(matrix)
        by_row = self.row_scale[self.pattern.rows()]
        self.matrix = self.pattern.csr(matrix.data * by_row * self.column_scale[matrix.indices])
        self.b = right_hand_side(self.matrix)

    def scaled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map factors of the unscaled matrix, stored together, to the scaled system, exactly."""
        columns = self.pattern.indices
        on_right = np.where(
            self.pattern.strictly_lower(), 1.0 / self.row_scale[columns], self.column_scale[columns]
        )
        # One power of two, so that no intermediate product leaves the range of float64; where the
        # result does, the solver finds it out.
        with np.errstate(over="ignore", under="ignore"):
            result: NDArray[np.float64] = values * (self.row_scale[self.pattern.rows()] * on_right)
        return result

    def solve(self, values: NDArray[np.float64] | None, maxiter: int = MAXITER) -> Outcome:
        """Judge factors of the unscaled matrix, stored together; ``None`` is no preconditioner.

        Values with a NaN, an infinity or a zero on the diagonal are invalid.
        """
        if values is None:
            return _outcome(gmres_values(self.matrix, self.b, None, None, RTOL, maxiter))
        if values.shape != (self.pattern.nnz,):
            return _invalid(f"{values.size} values for a pattern of {self.pattern.nnz}")
        if not np.all(np.isfinite(values)):
            return _invalid(f"{int(np.sum(~np.isfinite(values)))} values are not finite")
        zero = np.flatnonzero(values[self.pattern.diagonal] == 0.0)
        if zero.size:
            return _invalid(f"diagonal entry {int(zero[0])} of U is zero")
        scaled = self.scaled(values)
        return _outcome(gmres_values(self.matrix, self.b, self.pattern, scaled, RTOL, maxiter))

    def solve_operator(self, operator: LinearOperator, maxiter: int = MAXITER) -> Outcome:
        """Judge an operator close to the inverse of the unscaled matrix."""

        def apply(r: NDArray[np.float64]) -> NDArray[np.float64]:
            applied = np.asarray(operator.matvec(r / self.row_scale), dtype=np.float64)
            result: NDArray[np.float64] = applied / self.column_scale
            return result

        return _outcome(gmres_operator(self.matrix, self.b, apply, RTOL, maxiter))


def _outcome(result: PCGResult) -> Outcome:
    return Outcome(result.status, result.iterations, result.residual)


def _invalid(reason: str) -> Outcome:
    return Outcome(Status.INVALID, 0, float("nan"), reason)
