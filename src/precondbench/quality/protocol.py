"""The protocol by which a factor is judged on one matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.factors import LowerPattern, scale_symmetrically
from precondbench.matrices import UniformStream, matrix_digest, power_of_two_scaling
from precondbench.quality.pcg import Status, pcg_operator, pcg_values

__all__ = ["MAXITER", "RTOL", "Outcome", "ScoringSystem"]

RTOL = 1e-8
MAXITER = 10_000


@dataclass(frozen=True)
class Outcome:
    """What the solver did with one factor.

    Attributes
    ----------
    status : Status
        Converged, iteration limit, stagnated or invalid.
    iterations : int
        Steps taken; 0 when invalid.
    residual : float
        True relative residual at the end; NaN when invalid.
    reason : str
        Why it is invalid, else empty.
    """

    status: Status
    iterations: int
    residual: float
    reason: str = ""

    @property
    def solved(self) -> bool:
        """Whether the solve converged."""
        return self.status is Status.CONVERGED


class ScoringSystem:
    """The scaled linear system on which factors of one matrix are compared.

    A is scaled by powers of two to a diagonal in [0.5, 2), which maps every factor exactly
    (L -> S L), so raw and scaled views give the same bits. The right-hand side is uniform on
    [-1, 1), drawn from PCG64 seeded by a digest of the matrix.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix, see :func:`precondbench.matrices.check_spd_candidate`.

    Examples
    --------
    >>> from precondbench.matrices import check_spd_candidate
    >>> from precondbench.quality import ScoringSystem
    >>> ScoringSystem(check_spd_candidate([[2.0, -1.0], [-1.0, 2.0]])).solve(None, None).iterations
    2
    """

    def __init__(self, matrix: csr_array) -> None:
        self.scale = power_of_two_scaling(matrix.diagonal())
        self.matrix = scale_symmetrically(matrix, self.scale)
        self.b = right_hand_side(self.matrix)

    def scaled(self, pattern: LowerPattern, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Map a factor of the unscaled matrix to the scaled system, exactly."""
        with np.errstate(over="ignore"):  # What is not finite is refused by whoever solves.
            return values * np.repeat(self.scale, np.diff(pattern.indptr))

    def solve(
        self,
        pattern: LowerPattern | None,
        values: NDArray[np.float64] | None,
        maxiter: int = MAXITER,
    ) -> Outcome:
        """Judge a factor of the unscaled matrix; ``None`` is no preconditioner.

        A factor with a NaN, an infinity or a zero on the diagonal is invalid. A negative
        diagonal entry is allowed: flipping the sign of a column of L leaves L L^T alone.
        """
        if pattern is None or values is None:
            return self._run(None, None, maxiter)
        if values.shape != (pattern.nnz,):
            return _invalid(f"{values.size} values for a pattern of {pattern.nnz}")
        values = np.asarray(values, dtype=np.float64)
        if not np.all(np.isfinite(values)):
            return _invalid(f"{int(np.sum(~np.isfinite(values)))} values are not finite")
        zero = np.flatnonzero(values[pattern.indptr[1:] - 1] == 0.0)
        if zero.size:
            return _invalid(f"diagonal entry {int(zero[0])} is zero")
        return self._run(pattern, self.scaled(pattern, values), maxiter)

    def solve_operator(self, operator: LinearOperator, maxiter: int = MAXITER) -> Outcome:
        """Judge an operator close to the inverse of the unscaled matrix."""

        def apply(r: NDArray[np.float64]) -> NDArray[np.float64]:
            applied = np.asarray(operator.matvec(r / self.scale), dtype=np.float64)
            result: NDArray[np.float64] = applied / self.scale
            return result

        result = pcg_operator(self.matrix, self.b, apply, RTOL, maxiter)
        return Outcome(result.status, result.iterations, result.residual)

    def _run(
        self, pattern: LowerPattern | None, values: NDArray[np.float64] | None, maxiter: int
    ) -> Outcome:
        result = pcg_values(self.matrix, self.b, pattern, values, RTOL, maxiter)
        return Outcome(result.status, result.iterations, result.residual)


def _invalid(reason: str) -> Outcome:
    return Outcome(Status.INVALID, 0, float("nan"), reason)


def right_hand_side(matrix: csr_array) -> NDArray[np.float64]:
    """Uniform numbers on [-1, 1) from a stream named by the digest of the (scaled) matrix.

    The first 16 bytes of :func:`precondbench.matrices.matrix_digest`, as one little-endian
    integer, seed PCG64.
    """
    seed = int.from_bytes(bytes.fromhex(matrix_digest(matrix))[:16], "little")
    return UniformStream(seed).uniform(matrix.shape[0], -1.0, 1.0)
