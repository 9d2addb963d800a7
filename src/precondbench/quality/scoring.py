"""One matrix: what every method on it shares, and the score of each."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError
from precondbench.factors import SelectedInverse, scale_symmetrically, selected_inverse
from precondbench.matrices import check_spd_candidate
from precondbench.quality.cosine import one_minus_cosine
from precondbench.quality.kcondition import factor_values, k_condition_values
from precondbench.quality.pair import Pair
from precondbench.quality.predictions import called, values_on_pattern
from precondbench.quality.protocol import MAXITER, ScoringSystem
from precondbench.quality.row import Row

__all__ = ["PreparedPair"]


class PreparedPair:
    """A pair with what all methods on it share, each made once, when first asked for.

    Parameters
    ----------
    pair : Pair
        Matrix and target factor.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array
        A, checked.
    system : ScoringSystem
        The system that is solved.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.matrix = check_spd_candidate(pair.A, pair.name)
        self._pattern, self._target = factor_values(pair.L, f"{pair.name} target")
        self.system = ScoringSystem(self.matrix)

    @cached_property
    def target_iterations(self) -> int:
        """Iterations with the target; the limit if it fails."""
        goal = self.system.solve(self._pattern, self._target)
        return goal.iterations if goal.solved else MAXITER

    @cached_property
    def _inverse(self) -> SelectedInverse | None:
        scaled = scale_symmetrically(self.matrix, self.system.scale)
        try:
            return selected_inverse(scaled, self._pattern)
        except BreakdownError:
            # A itself is not positive definite in double precision: K is not computable.
            return None

    def score(self, prediction: Any, log_k: bool = True) -> Row:
        """Score one prediction.

        Parameters
        ----------
        prediction : array_like, sparse array, LinearOperator, callable or None
            Values, a factor, an operator close to the inverse of A, a function that returns
            one of these, or None for a failure.
        log_k : bool
            Also compute n log K, which costs a factorisation of A, shared by all methods.

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
            return self._invalid(reason)
        if isinstance(given, LinearOperator):
            return self._score_operator(given)
        values, reason = values_on_pattern(given, self._pattern, self._pair.name)
        if values is None:
            return self._invalid(reason)
        outcome = self.system.solve(self._pattern, values)
        if outcome.reason:
            return self._invalid(outcome.reason)
        distance = one_minus_cosine(self._with_positive_columns(values), self._target)
        n_log_k = self._n_log_k(values) if log_k else None
        return Row(
            self._pair.name,
            self._pattern.n,
            self._pattern.nnz,
            str(outcome.status),
            outcome.iterations,
            self.target_iterations,
            outcome.residual,
            1.0 - distance,
            float(np.log10(max(distance, 1e-32))),
            n_log_k,
            work=2.0 * float(np.count_nonzero(values)) / self._once,
        )

    def _score_operator(self, operator: LinearOperator) -> Row:
        """It has iterations, but no values to compare and no lower factor to have a K."""
        outcome = self.system.solve_operator(operator)
        entries = getattr(operator, "entries", None)
        return Row(
            self._pair.name,
            self._pattern.n,
            self._pattern.nnz,
            str(outcome.status),
            outcome.iterations,
            self.target_iterations,
            outcome.residual,
            work=None if entries is None else entries / self._once,
        )

    @property
    def _once(self) -> int:
        """Stored numbers that a factor on the pattern of tril(A) reads in one application."""
        return int(self.matrix.nnz) + self._pattern.n

    def _invalid(self, reason: str) -> Row:
        n, nnz = self._pattern.n, self._pattern.nnz
        return Row(self._pair.name, n, nnz, "invalid", 0, self.target_iterations, reason=reason)

    def _n_log_k(self, values: NDArray[np.float64]) -> float | None:
        if self._inverse is None:
            return None
        scaled = self.system.scaled(self._pattern, values)
        n_log_k = k_condition_values(self._inverse, self._pattern, scaled).n_log_k
        return n_log_k if np.isfinite(n_log_k) else None

    def _with_positive_columns(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Flip columns with a negative diagonal entry: L L^T is the same, the cosine is not."""
        diagonal = values[self._pattern.indptr[1:] - 1]
        flipped: NDArray[np.float64] = (
            values * np.where(diagonal < 0, -1.0, 1.0)[self._pattern.indices]
        )
        return flipped
