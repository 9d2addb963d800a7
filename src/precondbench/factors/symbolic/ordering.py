"""Orders of rows: of little fill, and of a small bandwidth."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import spilu

from precondbench._internal import kernel
from precondbench.errors import ConfigurationError


def minimum_degree(graph: csr_array) -> NDArray[np.int64]:
    """Multiple minimum degree order of a symmetric pattern, by SuperLU.

    Parameters
    ----------
    graph : scipy.sparse.csr_array
        Symmetric pattern; values are ignored, stored zeros count as entries.

    Returns
    -------
    numpy.ndarray
        int64 of shape (n,): position[i] is the step in which row i is eliminated.

    Notes
    -----
    SciPy does not expose the order alone. An incomplete factorisation that drops everything
    computes it on the way and costs little more; the values given to it are diagonally
    dominant, so that pivoting stays on the diagonal. The order is found by integer
    arithmetic only and does not depend on the machine.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import minimum_degree
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> sorted(minimum_degree(tridiagonal_csr(poisson_1d(4))).tolist())
    [0, 1, 2, 3]
    """
    n = graph.shape[0]
    if n == 1:
        return np.zeros(1, dtype=np.int64)
    counts = np.diff(graph.indptr)
    rows = np.repeat(np.arange(n), counts)
    values = np.where(rows == graph.indices, np.repeat(counts, counts).astype(np.float64), -0.5)
    # Symmetric, so CSR arrays are CSC arrays of the same matrix; SuperLU wants 32-bit indices.
    dominant = csc_array(
        (values, graph.indices.astype(np.int32), graph.indptr.astype(np.int32)), shape=(n, n)
    )
    factor = spilu(
        dominant,
        permc_spec="MMD_AT_PLUS_A",
        drop_tol=1.0,
        fill_factor=1.0,
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return np.asarray(factor.perm_c, dtype=np.int64)


def has_metis() -> bool:
    """Whether the optional package pymetis can be imported."""
    return find_spec("pymetis") is not None


def nested_dissection(graph: csr_array) -> NDArray[np.int64]:
    """Nested dissection order of a symmetric pattern, by METIS: the step of each row."""
    if not has_metis():
        raise ConfigurationError(
            "ordering 'metis' needs the package pymetis: pip install pymetis, or leave the "
            "ordering to the library"
        )
    import pymetis

    n = graph.shape[0]
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    # METIS wants no loops, and its order of a graph without edges is of no use.
    off = rows != graph.indices
    if not off.any():
        return np.arange(n, dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows[off], minlength=n))])
    adjacency = pymetis.CSRAdjacency(starts.astype(np.int32), graph.indices[off].astype(np.int32))
    _, position = pymetis.nested_dissection(adjacency)
    return np.asarray(position, dtype=np.int64)


def permuted(matrix: csr_array, position: NDArray[np.int64]) -> csr_array:
    """Return P A P^T, the matrix with its rows and columns in another order.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Shape (n, n).
    position : numpy.ndarray
        int64 of shape (n,), as :func:`reverse_cuthill_mckee` returns it: row i becomes row
        position[i].

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n), columns sorted.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse import csr_array
    >>> from precondbench.factors import permuted
    >>> permuted(csr_array([[1.0, 2, 0], [2, 3, 0], [0, 0, 4]]), np.array([2, 0, 1])).toarray()
    array([[3., 0., 2.],
           [0., 4., 0.],
           [2., 0., 1.]])
    """
    rows = np.argsort(position)
    found = csr_array(matrix[rows][:, rows])
    found.sort_indices()
    return found


def reverse_cuthill_mckee(graph: csr_array) -> NDArray[np.int64]:
    """Reverse Cuthill-McKee order of a symmetric pattern: small bandwidth.

    Parameters
    ----------
    graph : scipy.sparse.csr_array
        Symmetric pattern; values are ignored, stored zeros count as entries.

    Returns
    -------
    numpy.ndarray
        int64 of shape (n,): position[i] is the new number of row i.

    Notes
    -----
    Each component starts from a pseudo-peripheral node (George and Liu, 1979), and of rows of the
    same degree the first comes first. SciPy's function of this name starts from any row of least
    degree; which one of several depends on the processor, because its sort is not stable.

    Examples
    --------
    >>> from precondbench.factors import reverse_cuthill_mckee
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> reverse_cuthill_mckee(tridiagonal_csr(poisson_1d(4))).tolist()
    [3, 2, 1, 0]
    """
    order = _cuthill_mckee(graph.indptr, graph.indices)
    position = np.empty(order.size, dtype=np.int64)
    position[order] = np.arange(order.size - 1, -1, -1)
    return position


@kernel
def _cuthill_mckee(indptr, indices):  # type: ignore[no-untyped-def]
    """Rows in the order of a breadth-first search that takes neighbours by degree."""
    n = indptr.size - 1
    degrees = np.zeros(n, np.int64)
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            degrees[i] += indices[p] != i
    order = np.empty(n, np.int64)
    # The last search that met a row; -1 for ordered rows.
    seen = np.zeros(n, np.int64)
    search = found = 0
    for first in range(n):
        if seen[first] < 0:
            continue
        root, depth = first, -1
        while True:
            search += 1
            end, last, levels = _levels(indptr, indices, root, search, seen, order, found)
            if levels <= depth:
                break
            depth = levels
            previous, root = root, order[last]
            for k in range(last + 1, end):
                if (degrees[order[k]], order[k]) < (degrees[root], root):
                    root = order[k]
        order[found] = previous
        seen[previous] = -1
        k, found = found, found + 1
        while k < found:
            i = order[k]
            k += 1
            start = found
            for p in range(indptr[i], indptr[i + 1]):
                j = indices[p]
                if seen[j] >= 0:
                    seen[j] = -1
                    order[found] = j
                    found += 1
            added = np.sort(order[start:found])
            order[start:found] = added[np.argsort(degrees[added], kind="mergesort")]
    return order


@kernel
def _levels(indptr, indices, root, search, seen, order, start):  # type: ignore[no-untyped-def]
    """Write the breadth-first search from a root: its end, where its last level begins, levels."""
    order[start] = root
    seen[root] = search
    level, end, levels = start, start + 1, 0
    k = start
    while True:
        levels += 1
        last = end
        for k in range(level, last):
            i = order[k]
            for p in range(indptr[i], indptr[i + 1]):
                j = indices[p]
                if seen[j] != search:
                    seen[j] = search
                    order[end] = j
                    end += 1
        if end == last:
            return end, level, levels
        level = last
