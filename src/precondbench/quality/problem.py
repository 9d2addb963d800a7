"""The scaled linear system on which preconditioners of one matrix are compared.

docs/protocol.md defines it for symmetric matrices, docs/nonsymmetric.md for others.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError, MatrixError
from precondbench.factors import (
    LowerPattern,
    LUPattern,
    SelectedInverse,
    estimate_cost,
    factor_values,
    lower_part,
    lu_pattern,
    scale_symmetrically,
    selected_inverse,
)
from precondbench.matrices import (
    UniformStream,
    check_general,
    check_spd_candidate,
    general_scaling,
    matrix_digest,
    power_of_two_scaling,
)
from precondbench.quality.metrics import k_condition_values, one_minus_cosine
from precondbench.quality.outcome import MAXITER, REFERENCE, RTOL, SIDES, Outcome, Row
from precondbench.quality.pair import Pair
from precondbench.quality.values import Refusal, lower_values_of, lu_values_of, window_values
from precondbench.solvers import (
    LANES,
    Preconditioner,
    SidesResult,
    Status,
    fault_of,
    function_result,
    gmres_operator,
    gmres_values,
    pcg_operator,
    pcg_values,
)

Vector = NDArray[np.float64]
Apply = Callable[[Vector], Vector]

Usable: TypeAlias = Vector | LinearOperator | Callable[[Vector], Any] | None
# Multiply-adds that n log K may cost, once for each matrix; some minutes of one core.
MOST_OPERATIONS, WITHOUT_TARGET = 1e11, 1e10


class Problem(ABC):
    """The scaled linear system of one matrix, and its target; made by :func:`problem_of`.

    R A C has powers of two in the diagonal matrices R and C, so that factors are mapped exactly
    and a matrix and a scaled copy of it give the same bits. There are four right-hand sides,
    uniform on [-1, 1): one is bound to R A C, three also to a key, which names what is judged. A
    symmetric matrix has R = C and is solved by PCG, another by GMRES; functions r -> z by the
    flexible form of these.

    Attributes
    ----------
    name : str
        Name of the matrix.
    pattern : LowerPattern or LUPattern
        Pattern of a prediction; its order is the order of values.
    matrix : scipy.sparse.csr_array
        R A C.
    row_scale, column_scale : numpy.ndarray
        Diagonals of R and C, float64 (n,).

    Examples
    --------
    >>> from precondbench import Pair, ic0
    >>> from precondbench.matrices import formula_matrix
    >>> from precondbench.quality import problem_of
    >>> A = formula_matrix("HB/gr_30_30")
    >>> problem = problem_of(Pair("grid", A, ic0(A)))
    >>> problem.solve(None).iterations, problem.solve(problem.place(ic0(A))).iterations
    (68, 24)
    """

    pattern: LowerPattern | LUPattern
    # Positions of the diagonal entries that the solver divides by, and whose they are.
    _diagonal: NDArray[np.int64]
    _divisor = ""
    # How often an application reads each stored number; what factors on the pattern read; sides
    # that operators of this library are applied to at once.
    _readings: float
    _once: int
    _lanes = 1

    def __init__(
        self, name: str, A: csr_array, matrix: csr_array, row_scale: Vector, column_scale: Vector
    ) -> None:
        self.name = name
        self.matrix = matrix
        self.row_scale, self.column_scale = row_scale, column_scale
        self._unscaled = A
        self._target: Vector | None = None
        self._best: int | None = None

    @abstractmethod
    def place(self, given: Any) -> Vector | Refusal:
        """Return what is given as values on the pattern.

        Parameters
        ----------
        given : array_like, sparse array or tuple
            Values in the order of the pattern, a lower-triangular factor, or, where A is not
            symmetric, a pair (L, U).

        Returns
        -------
        numpy.ndarray or Refusal
            float64 (nnz,), or why it counts as a failure.

        Raises
        ------
        PredictionError
            If it does not fit the matrix: another length, shape or type.
        """

    @cached_property
    def digest(self) -> str:
        """Sha256 of R A C."""
        return matrix_digest(self.matrix)

    def sides(self, key: str = REFERENCE) -> Vector:
        """Return the right-hand sides, float64 (n, 4).

        Whoever fits a factor to them changes its digest, and with it all but the first.

        Parameters
        ----------
        key : str
            Names what is judged, in ASCII: the digest of all predictions of a split, or
            ``"reference"``, which reference methods share.
        """
        names = [f"{self.digest}:{key}:{k}".encode("ascii") for k in range(1, SIDES)]
        digests = [bytes.fromhex(self.digest), *(hashlib.sha256(name).digest() for name in names)]
        n = self.matrix.shape[0]
        columns = [
            # The first 16 bytes of a digest, as one little-endian integer, seed PCG64.
            UniformStream(int.from_bytes(digest[:16], "little")).uniform(n, -1.0, 1.0)
            for digest in digests
        ]
        return np.ascontiguousarray(np.stack(columns, axis=1))

    def solve(self, given: Usable = None, key: str = REFERENCE, maxiter: int = MAXITER) -> Outcome:
        """Solve the system for its four right-hand sides with a preconditioner of A.

        Parameters
        ----------
        given : numpy.ndarray, LinearOperator, callable or None
            Values as :meth:`place` returns them, an operator close to the inverse of A, a function
            r -> z, or no preconditioner; invalid is what :meth:`unusable` says. A negative diagonal
            entry is allowed: the sign of a column of L does not change L L^T. A function need not
            be linear: its solver is flexible PCG, or flexible GMRES.
        key : str
            What the right-hand sides are bound to, see :meth:`sides`.
        maxiter : int
            Most steps.

        Returns
        -------
        Outcome
            The worst of the four: ``status`` (:class:`~precondbench.solvers.Status`, of the first
            side that failed), ``iterations``, the most (0 when invalid), ``sides``, those of each,
            the limit where one failed, ``residual``, the largest true relative one (NaN when
            invalid), ``condition``, that of the preconditioned matrix as PCG saw it, ``reason`` why
            it is invalid, ``solved``, and ``penalised_iterations``, the limit where it failed.
        """
        reason = self.unusable(given)
        if reason:
            return Outcome.invalid(reason)
        result = self.solve_sides(given, self.sides(key), maxiter)
        failed = [status for status in result.status if status is not Status.CONVERGED]
        return Outcome(
            failed[0] if failed else Status.CONVERGED,
            max(result.iterations),
            tuple(
                count if status is Status.CONVERGED else MAXITER
                for count, status in zip(result.iterations, result.status, strict=True)
            ),
            max(result.residual),
            result.condition,
        )

    def unusable(self, given: Usable) -> str:
        """Why it is invalid, or an empty text.

        Not finite, a zero on the diagonal, an operator for PCG that random vectors tell is not SPD.
        """
        if isinstance(given, LinearOperator):
            return self._fault(partial(self._applied, given.matvec))
        if given is None or callable(given):
            return ""
        if given.shape != (self.pattern.nnz,):
            return f"{given.size} values for a pattern of {self.pattern.nnz}"
        if not np.all(np.isfinite(given)):
            return f"{int(np.sum(~np.isfinite(given)))} values are not finite"
        zero = np.flatnonzero(given[self._diagonal] == 0.0)
        return f"diagonal entry {int(zero[0])}{self._divisor} is zero" if zero.size else ""

    def solve_sides(self, given: Usable, b: Vector, maxiter: int = MAXITER) -> SidesResult:
        """Solve the scaled system for right-hand sides (n, s) with what is not unusable."""
        if isinstance(given, LinearOperator):
            lanes = self._lanes if isinstance(given, Preconditioner) else 1
            apply = partial(self._applied, given.apply_sides if lanes > 1 else given.matvec)
            return self._solve_operator(b, apply, maxiter, lanes=lanes)
        if callable(given):
            apply = partial(self._applied, partial(function_result, given))
            return self._solve_operator(b, apply, maxiter, flexible=True)
        return self._solve_values(b, None if given is None else self.scaled(given), maxiter)

    @abstractmethod
    def scaled(self, values: Vector) -> Vector:
        """Map values of factors of the unscaled matrix to the scaled system, exactly."""

    def window(self, hops: int) -> Vector:
        """Return the k-hop oracle: elimination restarted ``hops`` rows before each row.

        Raises
        ------
        MatrixError
            If the matrix is not tridiagonal.
        """
        return window_values(self._unscaled, hops, isinstance(self.pattern, LowerPattern))

    def log_k(self, values: Vector) -> float | None:
        """Return n log K(L^T A^-1 L); None where it is not defined or not computable."""
        return None

    @cached_property
    def target_iterations(self) -> int:
        """Iterations to compare with, on the sides of reference methods; the limit if it fails.

        Those of the best classical method where the pair has them, else of the target.
        """
        if self._best is not None:
            return self._best if self._best >= 0 else MAXITER
        return self.solve(self._target).penalised_iterations

    def score(self, given: Any, key: str = REFERENCE, log_k: bool = True) -> Row:
        """Score one prediction.

        Parameters
        ----------
        given : array_like, sparse array, tuple, LinearOperator, callable or Refusal
            As for :meth:`place` or :meth:`solve`, or a failure.
        key : str
            What the right-hand sides are bound to, see :meth:`sides`.
        log_k : bool
            Also compute n log K, which costs a factorisation of A, shared by all predictions.

        Returns
        -------
        Row
            One matrix of an :class:`Evaluation`; a failure is a row with its reason.

        Raises
        ------
        PredictionError
            If the prediction does not fit the matrix.
        """
        if callable(given):  # A LinearOperator is, too.
            # It has iterations, but no values to compare and no factor to have a K.
            entries = getattr(given, "entries", None)
            work = None if entries is None else entries / self._once
            return self._row(self.solve(given, key), work=work)
        values = given if isinstance(given, Refusal) else self.place(given)
        if isinstance(values, Refusal):
            return self._row(Outcome.invalid(values.reason))
        outcome = self.solve(values, key)
        if outcome.status is Status.INVALID:
            return self._row(outcome)
        return self._row(
            outcome,
            None if self._target is None else self._distance(values, self._target),
            self.log_k(values) if log_k else None,
            self._readings * float(np.count_nonzero(values)) / self._once,
        )

    def _row(
        self,
        outcome: Outcome,
        distance: float | None = None,
        n_log_k: float | None = None,
        work: float | None = None,
    ) -> Row:
        return Row(
            self.name,
            self.pattern.n,
            self.pattern.nnz,
            str(outcome.status),
            outcome.iterations,
            outcome.sides,
            self.target_iterations,
            None if outcome.status is Status.INVALID else outcome.residual,
            None if distance is None else 1.0 - distance,
            None if distance is None else float(np.log10(max(distance, 1e-32))),
            n_log_k,
            outcome.condition,
            outcome.reason,
            work,
        )

    def _applied(self, function: Callable[[Vector], Any], r: Vector) -> Vector:
        """Apply a function of the unscaled system to residuals of the scaled one."""
        rows, columns = self.row_scale, self.column_scale
        if r.ndim == 2:
            rows, columns = rows[:, np.newaxis], columns[:, np.newaxis]
        result: Vector = np.asarray(function(r / rows), dtype=np.float64) / columns
        return result

    def _fault(self, apply: Apply) -> str:
        """Why a linear operator cannot be solved with, else an empty text."""
        return ""

    @abstractmethod
    def _distance(self, values: Vector, target: Vector) -> float:
        """1 - cosine of values with the target."""

    @abstractmethod
    def _solve_values(self, b: Vector, scaled: Vector | None, maxiter: int) -> SidesResult: ...

    @abstractmethod
    def _solve_operator(
        self, b: Vector, apply: Apply, maxiter: int, flexible: bool = False, lanes: int = 1
    ) -> SidesResult: ...


class SymmetricProblem(Problem):
    """The problem of a symmetric positive definite matrix: values of L, solved by PCG."""

    pattern: LowerPattern
    _readings = 2.0
    _lanes = LANES

    def __init__(
        self, matrix: csr_array, pattern: LowerPattern | None = None, name: str = "A"
    ) -> None:
        scale = power_of_two_scaling(matrix.diagonal())
        super().__init__(name, matrix, scale_symmetrically(matrix, scale), scale, scale)
        self.pattern = pattern or lower_part(matrix)
        self._diagonal = self.pattern.indptr[1:] - 1
        self._once = int(matrix.nnz) + self.pattern.n

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """Return the problem of a pair."""
        matrix = check_spd_candidate(pair.A, pair.name)
        if pair.L is None:
            problem = cls(matrix, name=pair.name)
        else:
            pattern, target = factor_values(pair.L, f"{pair.name} target")
            problem = cls(matrix, pattern, pair.name)
            problem._target = target
        problem._best = pair.best
        return problem

    def place(self, given: Any) -> Vector | Refusal:
        """Values of a lower-triangular factor, or values as they are."""
        return lower_values_of(given, self.pattern, self.name)

    def scaled(self, values: Vector) -> Vector:
        """Map L to S L."""
        with np.errstate(over="ignore"):  # The solver finds what is not finite.
            return values * np.repeat(self.row_scale, np.diff(self.pattern.indptr))

    def log_k(self, values: Vector) -> float | None:
        """N log K; None if not finite, A not positive definite in float64, or too expensive."""
        if self._inverse is None:
            return None
        n_log_k = k_condition_values(self._inverse, self.pattern, self.scaled(values)).n_log_k
        return n_log_k if np.isfinite(n_log_k) else None

    @cached_property
    def _inverse(self) -> SelectedInverse | None:
        # A dense matrix of small order is below the bound; a prediction of the cost takes time.
        most = WITHOUT_TARGET if self._target is None else MOST_OPERATIONS
        if self.pattern.n**3 > most and estimate_cost(self.matrix, self.pattern).operations > most:
            return None
        try:
            return selected_inverse(self.matrix, self.pattern)
        except BreakdownError:
            return None

    def _distance(self, values: Vector, target: Vector) -> float:
        # The sign of a column of L does not change L L^T; it would change the cosine.
        signs = np.where(values[self._diagonal] < 0, -1.0, 1.0)
        return one_minus_cosine(values * signs[self.pattern.indices], target)

    def _solve_values(self, b: Vector, scaled: Vector | None, maxiter: int) -> SidesResult:
        return pcg_values(self.matrix, b, self.pattern, scaled, RTOL, maxiter)

    def _solve_operator(
        self, b: Vector, apply: Apply, maxiter: int, flexible: bool = False, lanes: int = 1
    ) -> SidesResult:
        return pcg_operator(self.matrix, b, apply, RTOL, maxiter, flexible, lanes=lanes)

    def _fault(self, apply: Apply) -> str:
        return fault_of(apply, self.pattern.n)


class GeneralProblem(Problem):
    """The problem of any matrix: values of L and U stored together, solved by GMRES."""

    pattern: LUPattern
    _divisor = " of U"
    _readings = 1.0

    def __init__(self, matrix: csr_array, name: str = "A") -> None:
        self.pattern = lu_pattern(matrix)
        rows, columns = general_scaling(matrix)
        by_row = rows[self.pattern.rows()]
        scaled = self.pattern.csr(matrix.data * by_row * columns[matrix.indices])
        super().__init__(name, matrix, scaled, rows, columns)
        self._diagonal = self.pattern.diagonal
        self._once = self.pattern.nnz

    @classmethod
    def of(cls, pair: Pair) -> Self:
        """Return the problem of a pair."""
        problem = cls(check_general(pair.A, pair.name), pair.name)
        target = problem.place(pair.factors)
        if isinstance(target, Refusal):
            raise MatrixError(f"{pair.name} target: {target.reason}")
        problem._target = target
        return problem

    def place(self, given: Any) -> Vector | Refusal:
        """Values of a pair (L, U), or values as they are."""
        return lu_values_of(given, self.pattern, self.name)

    def scaled(self, values: Vector) -> Vector:
        """Map L to R L R^-1 and U to R U C."""
        columns = self.pattern.indices
        on_right = np.where(
            self.pattern.strictly_lower(), 1.0 / self.row_scale[columns], self.column_scale[columns]
        )
        # One power of two, so that no intermediate product leaves the range of float64; where the
        # result does, the solver finds it.
        with np.errstate(over="ignore", under="ignore"):
            result: Vector = values * (self.row_scale[self.pattern.rows()] * on_right)
        return result

    def _distance(self, values: Vector, target: Vector) -> float:
        return one_minus_cosine(values, target)

    def _solve_values(self, b: Vector, scaled: Vector | None, maxiter: int) -> SidesResult:
        return gmres_values(self.matrix, b, self.pattern, scaled, RTOL, maxiter)

    def _solve_operator(
        self, b: Vector, apply: Apply, maxiter: int, flexible: bool = False, lanes: int = 1
    ) -> SidesResult:
        return gmres_operator(self.matrix, b, apply, RTOL, maxiter, flexible=flexible)


def problem_of(pair: Pair) -> Problem:
    """Return the scaled system of a pair, whether it is symmetric or not.

    Parameters
    ----------
    pair : Pair
        Matrix and target.

    Returns
    -------
    Problem
        With PCG and values of L for a symmetric pair, else with GMRES and values of L and U.

    Raises
    ------
    MatrixError
        If the matrix or the target cannot be used.

    Examples
    --------
    >>> from precondbench import Pair, ilu0
    >>> from precondbench.matrices import formula_matrix
    >>> from precondbench.quality import problem_of
    >>> A = formula_matrix("HB/gr_30_30")
    >>> problem_of(Pair("grid", A, *ilu0(A))).score(ilu0(A)).cosine
    1.0
    """
    return SymmetricProblem.of(pair) if pair.symmetric else GeneralProblem.of(pair)
