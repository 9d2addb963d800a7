"""One non-symmetric matrix: what every method on it shares, and the score of each."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import MatrixError, PredictionError
from precondbench.factors import LUPattern
from precondbench.matrices import check_general
from precondbench.quality.cosine import one_minus_cosine
from precondbench.quality.general_protocol import GeneralSystem
from precondbench.quality.pair import LUPair
from precondbench.quality.pcg import Status
from precondbench.quality.predictions import as_array, as_float, called, place_on_pattern
from precondbench.quality.protocol import MAXITER, Outcome
from precondbench.quality.row import Row

__all__ = ["PreparedLUPair", "lu_values_on_pattern"]


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
