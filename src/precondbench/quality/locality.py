"""How far a change of one entry of A reaches into its factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from precondbench.errors import MatrixError
from precondbench.matrices import Bidiagonal, check_spd_candidate
from precondbench.quality.kcondition import factor_values

__all__ = ["LocalityProfile", "locality_profile", "profile_of_factors"]


@dataclass(frozen=True)
class LocalityProfile:
    """Relative change of L by graph distance from the changed entry of A.

    Attributes
    ----------
    distance : numpy.ndarray
        int64 (d,): 0, 1, 2, ... edges of the graph of A between the changed row and the row
        of the diagonal entry of L.
    change : numpy.ndarray
        float64 (d,): largest |L'_ii - L_ii| / |L_ii| at that distance.
    """

    distance: NDArray[np.int64]
    change: NDArray[np.float64]


def profile_of_factors(before: Bidiagonal, after: Bidiagonal) -> LocalityProfile:
    """Profile of two bidiagonal factors whose matrices differ in entry (1, 1).

    Parameters
    ----------
    before, after : Bidiagonal
        The factors.

    Returns
    -------
    LocalityProfile
        Relative change of L_kk at the distance k - 1.

    Examples
    --------
    >>> from precondbench.matrices import perturbed_factor, semiseparable_factor
    >>> from precondbench.quality import profile_of_factors
    >>> L = semiseparable_factor([1.0, 1.0], [1.0, 1.0])
    >>> profile_of_factors(L, perturbed_factor(L, [1.0, 1.0])).change.round(3)
    array([0.414, 0.225])
    """
    change = np.abs(after.diagonal / before.diagonal - 1.0)
    return LocalityProfile(np.arange(before.n, dtype=np.int64), change)


def locality_profile(
    A: Any, factor: Callable[[Any], Any], row: int = 0, relative_change: float = 1.0
) -> LocalityProfile:
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
    LocalityProfile
        By distance in the graph of A; rows in other components are left out.

    Raises
    ------
    MatrixError
        If A cannot be used, ``row`` is out of range, or the change is not positive.

    Examples
    --------
    >>> from precondbench import ic0
    >>> from precondbench.matrices import poisson_1d, symmetric_csr
    >>> from precondbench.quality import locality_profile
    >>> locality_profile(symmetric_csr(poisson_1d(4)), ic0).change.round(3)
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
    return LocalityProfile(np.arange(change.size, dtype=np.int64), change)


def _diagonal(L: Any) -> NDArray[np.float64]:
    pattern, values = factor_values(L)
    return values[pattern.indptr[1:] - 1]
