"""Effective hops: how far a factor sees, measured by what the solver makes of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import MatrixError
from precondbench.factors import LowerPattern, khop_factor
from precondbench.matrices import Diagonals, interleave, tridiagonal_pattern
from precondbench.quality.problem import MAXITER, Outcome, ScoringSystem


def is_tridiagonal(matrix: csr_array) -> bool:
    """Whether a symmetric matrix has exactly the tridiagonal pattern, n >= 2.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.

    Returns
    -------
    bool
        True if every entry of the three diagonals is stored, and no other.
    """
    n = matrix.shape[0]
    if n < 2 or matrix.nnz != 3 * n - 2:
        return False
    rows = np.repeat(np.arange(n), np.diff(matrix.indptr))
    return bool(np.all(np.abs(rows - matrix.indices) <= 1))


def tridiagonal_part(matrix: csr_array) -> Diagonals:
    """Diagonals of a symmetric tridiagonal matrix.

    Raises
    ------
    MatrixError
        If the matrix has another pattern.
    """
    if not is_tridiagonal(matrix):
        raise MatrixError("k-hop oracles are defined for tridiagonal matrices only")
    return Diagonals(
        np.asarray(matrix.diagonal(), dtype=np.float64),
        np.asarray(matrix.diagonal(-1), dtype=np.float64),
    )


def khop_values(matrix: csr_array, hops: int) -> tuple[LowerPattern, NDArray[np.float64]]:
    """k-hop oracle of a tridiagonal matrix as values on the pattern of its lower triangle.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked tridiagonal matrix, shape (n, n).
    hops : int
        Rows that a window looks back; n - 1 gives the exact factor.

    Returns
    -------
    pattern : LowerPattern
        That of the lower triangle.
    values : numpy.ndarray
        float64 (2n - 1,), by rows.
    """
    part = tridiagonal_part(matrix)
    return LowerPattern(*tridiagonal_pattern(part.n)), interleave(khop_factor(part, hops))


@dataclass
class HopLadder:
    """Mean iterations of the k-hop oracles on a set of tridiagonal matrices.

    Parameters
    ----------
    matrices : sequence of scipy.sparse.csr_array
        Symmetric tridiagonal matrices.

    Examples
    --------
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.quality import HopLadder
    >>> ladder = HopLadder([tridiagonal_csr(poisson_1d(50))])
    >>> ladder.mean_iterations(49)
    1.0
    >>> ladder.effective_hops(ladder.mean_iterations(4))
    4.0
    """

    matrices: Sequence[csr_array]

    def __post_init__(self) -> None:
        if not len(self.matrices):
            raise MatrixError("a hop ladder needs at least one matrix")
        self._solvers = [self._solver(matrix) for matrix in self.matrices]
        self._known: dict[int, float] = {}
        self.top = max(int(matrix.shape[0]) for matrix in self.matrices) - 1

    @staticmethod
    def _solver(matrix: csr_array) -> Callable[[int], Outcome]:
        """Return what solves the system of a matrix with its k-hop oracle, given k."""
        system = ScoringSystem(matrix)
        return lambda hops: system.solve(*khop_values(matrix, hops))

    @classmethod
    def where_defined(cls, matrices: Sequence[csr_array]) -> Self | None:
        """Return the ladder if every matrix is tridiagonal, else None: there are no oracles."""
        return cls(matrices) if all(map(is_tridiagonal, matrices)) else None

    def mean_iterations(self, hops: int) -> float:
        """Mean iterations with the k-hop oracle; a failure counts as the iteration limit."""
        if hops not in self._known:
            counts = []
            for solve in self._solvers:
                outcome = solve(hops)
                counts.append(outcome.iterations if outcome.solved else MAXITER)
            self._known[hops] = float(np.mean(counts))
        return self._known[hops]

    def effective_hops(self, mean_iterations: float) -> float:
        """Return the k, between whole numbers by linear interpolation, that needs as many.

        The ladder falls with k, so the rungs around ``mean_iterations`` are found by
        bisection. 0 means no better than the 0-hop rule; a submission as good as the exact
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
            # The shortest window that is as good as the whole matrix.
            return float(self._first_at_most(self.mean_iterations(high)))
        high = self._first_at_most(mean_iterations)
        low = high - 1
        above, below = self.mean_iterations(low), self.mean_iterations(high)
        return low + (above - mean_iterations) / (above - below)

    def _first_at_most(self, mean_iterations: float) -> int:
        low, high = 0, self.top
        while low < high:
            middle = (low + high) // 2
            if self.mean_iterations(middle) <= mean_iterations:
                high = middle
            else:
                low = middle + 1
        return low
