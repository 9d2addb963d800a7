"""The protocol by which a factor is judged on one matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError
from precondbench.factors import (
    LowerPattern,
    SelectedInverse,
    factor_values,
    scale_symmetrically,
    selected_inverse,
)
from precondbench.matrices import (
    UniformStream,
    check_spd_candidate,
    matrix_digest,
    power_of_two_scaling,
)
from precondbench.quality.metrics import k_condition_values, one_minus_cosine
from precondbench.quality.pair import Pair
from precondbench.quality.predictions import called, values_on_pattern
from precondbench.solvers import Status, pcg_operator, pcg_values

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


@dataclass(frozen=True)
class Row:
    """One matrix in an :class:`Evaluation`.

    Attributes
    ----------
    name : str
        Name of the matrix.
    n, nnz : int
        Rows, and entries of the pattern: tril(A), or all of a non-symmetric A.
    status : str
        ``converged``, ``iteration-limit``, ``stagnated`` or ``invalid``.
    iterations : int
        Steps of PCG (non-symmetric: GMRES) taken; 0 when invalid.
    target_iterations : int
        Steps with the target factor; 10000 if it fails.
    residual : float or None
        True relative residual at the end.
    cosine : float or None
        Cosine with the target.
    log10_one_minus_cosine : float or None
        log10(1 - cosine), at least -32.
    n_log_k : float or None
        n log K(L^T A^-1 L), natural logarithm; none for non-symmetric matrices.
    reason : str
        Why it is invalid.
    work : float or None
        Stored numbers that one application of the preconditioner reads, over those of a factor
        on the pattern; for an operator that does not say, None.
    """

    name: str
    n: int
    nnz: int
    status: str
    iterations: int
    target_iterations: int
    residual: float | None = None
    cosine: float | None = None
    log10_one_minus_cosine: float | None = None
    n_log_k: float | None = None
    reason: str = ""
    work: float | None = None

    @property
    def solved(self) -> bool:
        """Whether the solve converged."""
        return self.status == "converged"

    @property
    def penalised_iterations(self) -> int:
        """Iterations; the limit where the solve failed."""
        return self.iterations if self.solved else MAXITER


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
