"""How far a factor sees: effective hops by the solver, and the reach of a change of A."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from precondbench.errors import BreakdownError, MatrixError
from precondbench.factors import factor_values, ic0
from precondbench.matrices import check_spd_candidate
from precondbench.quality.outcome import MAXITER
from precondbench.quality.pair import Pair
from precondbench.quality.problem import Problem, problem_of
from precondbench.quality.values import is_tridiagonal, tridiagonal_part


class HopLadder:
    """Mean iterations of the k-hop oracles on a set of tridiagonal matrices.

    Parameters
    ----------
    problems : iterable of Problem
        Problems of tridiagonal matrices.

    Raises
    ------
    MatrixError
        If there is no problem; at the first solve, if a matrix is not tridiagonal.

    Examples
    --------
    >>> from precondbench import Pair, ic0
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.quality import HopLadder, problem_of
    >>> A = tridiagonal_csr(poisson_1d(50))
    >>> ladder = HopLadder([problem_of(Pair("poisson", A, ic0(A)))])
    >>> ladder.mean_iterations(49)
    1.0
    >>> ladder.effective_hops(ladder.mean_iterations(4))
    4.0
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self._problems = list(problems)
        if not self._problems:
            raise MatrixError("a hop ladder needs at least one matrix")
        self._known: dict[int, float] = {}
        self.top = max(problem.pattern.n for problem in self._problems) - 1

    @classmethod
    def where_defined(cls, pairs: Iterable[Pair]) -> Self | None:
        """Return the ladder if all pairs are tridiagonal and of one kind, else None."""
        problems: list[Problem] = []
        for problem in map(problem_of, pairs):
            problems.append(problem)
            if not is_tridiagonal(problem.matrix) or type(problem) is not type(problems[0]):
                return None
        return cls(problems)

    def mean_iterations(self, hops: int) -> float:
        """Mean iterations with the k-hop oracle; a failure counts as the iteration limit."""
        if hops not in self._known:
            counts = [_window_iterations(problem, hops) for problem in self._problems]
            self._known[hops] = float(np.mean(counts))
        return self._known[hops]

    def effective_hops(self, mean_iterations: float) -> float:
        """Return the k, between whole numbers by linear interpolation, that needs as many.

        0 means no better than the 0-hop rule; a submission as good as the exact
        factor gets the shortest window that is as good.

        Parameters
        ----------
        mean_iterations : float
            Mean iterations of a submission on the same matrices, failures at the limit.

        Returns
        -------
        float
            Effective hops in [0, n - 1].
        """
        low, high = 0, self.top
        if mean_iterations >= self.mean_iterations(low):
            return float(low)
        if mean_iterations <= self.mean_iterations(high):
            return float(self._first_at_most(self.mean_iterations(high)))
        high = self._first_at_most(mean_iterations)
        low = high - 1
        above, below = self.mean_iterations(low), self.mean_iterations(high)
        return low + (above - mean_iterations) / (above - below)

    def _first_at_most(self, mean_iterations: float) -> int:
        # The ladder falls, so its negative rises.
        return bisect_left(
            range(self.top), -mean_iterations, key=lambda hops: -self.mean_iterations(hops)
        )


def _window_iterations(problem: Problem, hops: int) -> int:
    try:
        return problem.solve(problem.window(hops)).penalised_iterations
    except BreakdownError:
        return MAXITER


def locality_profile(
    A: Any, factor: Callable[[Any], Any], row: int = 0, relative_change: float = 1.0
) -> NDArray[np.float64]:
    """Change A[row, row] by a relative amount, refactor, and see how far L changes.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    factor : callable
        Maps A to a lower-triangular factor, for example :func:`~precondbench.factors.invk`, or a
        model.
    row : int
        Row of the changed diagonal entry.
    relative_change : float
        A[row, row] is multiplied by 1 plus this; positive, so that A stays positive definite.

    Returns
    -------
    numpy.ndarray
        float64 (d,): item k is the largest relative change |L'_ii - L_ii| / |L_ii| at k edges of
        the graph of A from the changed row; rows in other components are left out.

    Raises
    ------
    MatrixError
        If A cannot be used, ``row`` is out of range, or the change is not positive.

    Examples
    --------
    >>> from precondbench import ic0
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.quality import locality_profile
    >>> locality_profile(tridiagonal_csr(poisson_1d(4)), ic0).round(3)
    array([0.414, 0.08 , 0.035, 0.02 ])
    """
    matrix = check_spd_candidate(A, "A")
    n = matrix.shape[0]
    if not 0 <= row < n:
        raise MatrixError(f"row is {row}; A has rows 0 to {n - 1}")
    if not relative_change > 0:
        raise MatrixError(f"relative_change is {relative_change}; it must be positive")
    changed = matrix.copy()
    at = int(np.flatnonzero(matrix.indices[matrix.indptr[row] : matrix.indptr[row + 1]] == row)[0])
    changed.data[matrix.indptr[row] + at] *= 1.0 + relative_change
    before, after = _diagonal(factor(matrix)), _diagonal(factor(changed))
    graph = csr_array(
        (np.ones(matrix.nnz), matrix.indices, matrix.indptr.astype(np.int32)), shape=(n, n)
    )
    hops = dijkstra(graph, directed=False, unweighted=True, indices=row)
    reached = np.isfinite(hops)
    distance = hops[reached].astype(np.int64)
    change = np.zeros(int(distance.max()) + 1)
    np.maximum.at(change, distance, np.abs(after - before)[reached] / np.abs(before)[reached])
    return change


def _diagonal(L: Any) -> NDArray[np.float64]:
    pattern, values = factor_values(L)
    return values[pattern.indptr[1:] - 1]


class FarResponse(NamedTuple):
    """Response of a method to a change of A_11, one number a matrix; see :func:`far_response`."""

    gain: NDArray[np.float64]
    error: NDArray[np.float64]


def far_response(
    matrices: Iterable[csr_array],
    factor: Callable[[csr_array], Any],
    *,
    rows: int = 8,
    change: float = 1.0,
) -> FarResponse:
    """Add a number to A_11 of tridiagonal matrices and compare the changes of L in far rows.

    A method that looks back fewer rows than ``rows`` has no response at all. The true response is
    that of the exact factor, which IC(0) is on tridiagonal matrices.

    Parameters
    ----------
    matrices : iterable of scipy.sparse.csr_array
        Tridiagonal SPD matrices with more than ``rows`` + 1 rows.
    factor : callable
        Maps A to a lower-triangular factor, for example ``partial(predict_factor, model)``.
    rows : int
        Rows 1 to ``rows`` + 1 are left out: only entries L_ii and L_(i,i-1) further away count.
    change : float
        What is added to A_11; positive, so that A stays positive definite.

    Returns
    -------
    FarResponse
        ``gain``, float64 (matrices,): length of the method's response along the true one, over
        the length of the true one; 1 is right, 0 no response. ``error``, float64 (matrices,):
        relative error of the response in the 2-norm; 0 is right, 1 as bad as none.

    Raises
    ------
    MatrixError
        If a matrix is not tridiagonal or too small, or the change is not positive.

    Examples
    --------
    >>> from functools import partial
    >>> from precondbench import ic0
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.quality import far_response
    >>> far_response([tridiagonal_csr(poisson_1d(30))], ic0).gain
    array([1.])
    """
    if not change > 0:
        raise MatrixError(f"change is {change}; it must be positive")
    gains, errors = [], []
    for A in matrices:
        n = tridiagonal_part(A).n
        if n < rows + 2:
            raise MatrixError(f"a matrix has {n} rows; {rows + 2} or more are needed")
        changed = A.copy()
        changed.data[0] += change
        true, found = (_far(method(changed), method(A), rows) for method in (ic0, factor))
        size = np.linalg.norm(true)
        gains.append(found @ true / size**2)
        errors.append(np.linalg.norm(found - true) / size)
    return FarResponse(np.array(gains), np.array(errors))


def _far(after: Any, before: Any, rows: int) -> NDArray[np.float64]:
    difference = csr_array(after) - csr_array(before)
    return np.concatenate([difference.diagonal()[rows + 1 :], difference.diagonal(-1)[rows + 1 :]])
