"""The protocol by which LU factors are judged on one matrix; docs/nonsymmetric.md states it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import MatrixError, PredictionError
from precondbench.factors import LUPattern, lu_pattern
from precondbench.matrices import check_general, general_scaling
from precondbench.quality.metrics import one_minus_cosine
from precondbench.quality.pair import LUPair
from precondbench.quality.predictions import as_array, as_float, called, place_on_pattern
from precondbench.quality.problem import MAXITER, RTOL, Outcome, Row, right_hand_side
from precondbench.solvers import PCGResult, Status, gmres_operator, gmres_values


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


class PreparedLUPair:
    """A non-symmetric matrix with its target factors, prepared for any number of methods.

    Parameters
    ----------
    pair : LUPair
        Matrix and target factors.

    Attributes
    ----------
    system : GeneralSystem
        The system that is solved.
    """

    def __init__(self, pair: LUPair) -> None:
        self._pair = pair
        self.matrix = check_general(pair.A, pair.name)
        self.system = GeneralSystem(self.matrix)
        self._pattern = self.system.pattern
        target, reason = lu_values_on_pattern((pair.L, pair.U), self._pattern, pair.name)
        if target is None:
            raise MatrixError(f"{pair.name} target: {reason}")
        self._target = target

    @cached_property
    def target_iterations(self) -> int:
        """Iterations with the target; the limit if it fails."""
        goal = self.system.solve(self._target)
        return goal.iterations if goal.solved else MAXITER

    def score(self, prediction: Any, log_k: bool = True) -> Row:
        """Score one prediction.

        Parameters
        ----------
        prediction : array_like, tuple, LinearOperator, callable or None
            Values on the pattern of A, a pair (L, U), an operator close to the inverse of A,
            a function that returns one of these, or None for a failure.
        log_k : bool
            Ignored: n log K is defined for symmetric positive definite matrices.

        Returns
        -------
        Row
            The outcome; a failure is a row with its reason.

        Raises
        ------
        PredictionError
            If the prediction does not fit the matrix.
        """
        given, reason = called(prediction, self._pair)
        if given is None:
            return self._row(None, reason=reason)
        if isinstance(given, LinearOperator):
            entries = getattr(given, "entries", None)
            work = None if entries is None else entries / self._pattern.nnz
            return self._row(self.system.solve_operator(given), work=work)
        values, reason = lu_values_on_pattern(given, self._pattern, self._pair.name)
        if values is None:
            return self._row(None, reason=reason)
        outcome = self.system.solve(values)
        if outcome.status is Status.INVALID:
            return self._row(outcome, reason=outcome.reason)
        distance = one_minus_cosine(values, self._target)
        work = float(np.count_nonzero(values)) / self._pattern.nnz
        return self._row(outcome, distance=distance, work=work)

    def _row(
        self,
        outcome: Outcome | None,
        *,
        distance: float | None = None,
        work: float | None = None,
        reason: str = "",
    ) -> Row:
        if outcome is None:
            outcome = Outcome(Status.INVALID, 0, float("nan"), reason)
        valid = outcome.status is not Status.INVALID
        return Row(
            self._pair.name,
            self._pattern.n,
            self._pattern.nnz,
            str(outcome.status),
            outcome.iterations,
            self.target_iterations,
            outcome.residual if valid else None,
            None if distance is None else 1.0 - distance,
            None if distance is None else float(np.log10(max(distance, 1e-32))),
            reason=reason,
            work=work,
        )


def lu_values_on_pattern(
    given: Any, pattern: LUPattern, name: str
) -> tuple[NDArray[np.float64] | None, str]:
    """L and U stored together in the pattern's order, or None and what is wrong with them.

    Parameters
    ----------
    given : array_like or tuple
        Values in the order of the pattern, or a pair (L, U) inside it. An L whose diagonal is
        not 1 is scaled: L <- L D^-1, U <- D U.
    pattern : LUPattern
        Pattern of A.
    name : str
        How messages call the matrix.

    Raises
    ------
    PredictionError
        If a vector has another length, or a factor another shape or type.
    """
    if not isinstance(given, tuple):
        vector = as_array(given) if not sparse.issparse(given) else given
        if vector.ndim != 1 or vector.size != pattern.nnz:
            raise PredictionError(
                f"{name}: shape {vector.shape}; give {pattern.nnz} values (L and U on the pattern "
                "of A by rows) or a pair (L, U)"
            )
        return as_float(vector, name), ""
    if len(given) != 2:
        raise PredictionError(f"{name}: a tuple of {len(given)}; give a pair (L, U)")
    strict = pattern.strictly_lower()
    together = np.zeros(pattern.nnz)
    unit = np.ones(pattern.n)
    for factor, which in zip(given, "LU", strict=True):
        matrix = factor if sparse.issparse(factor) else as_array(factor)
        if matrix.ndim != 2 or matrix.shape != (pattern.n, pattern.n):
            raise PredictionError(
                f"{name}: {which} has shape {matrix.shape}; A has {pattern.n} rows"
            )
        coo = sparse.coo_array(matrix)
        values, outside = place_on_pattern(coo, pattern.indptr, pattern.indices, name)
        if values is None:
            return None, f"entry {outside} of {which} lies outside the pattern of A"
        wrong = ~strict if which == "L" else strict
        diagonal = values[pattern.diagonal]
        if which == "L":
            unit = diagonal
            wrong[pattern.diagonal] = False
        if np.any(values[wrong] != 0.0):
            return None, f"{which} reaches across the diagonal"
        mine = strict if which == "L" else ~strict
        together[mine] = values[mine]
    zero = np.flatnonzero(unit == 0.0)
    if zero.size:
        return None, f"diagonal entry {int(zero[0])} of L is zero"
    if np.any(unit != 1.0):
        rows, columns = pattern.rows(), pattern.indices
        with np.errstate(all="ignore"):  # what is not finite is found by the system
            together = np.where(strict, together / unit[columns], together * unit[rows])
    return together, ""
