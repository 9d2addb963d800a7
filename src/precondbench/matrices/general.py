"""Matrices that need not be symmetric: can they be factored, and how are they scaled?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_array

from precondbench.errors import MatrixError
from precondbench.matrices.checks import check_finite, two_dimensional

__all__ = ["check_general", "general_scaling"]


def check_general(matrix: Any, name: str = "matrix") -> csr_array:
    """Return a float64 CSR copy of a square matrix, or say what is wrong with it.

    Duplicate entries are summed and column indices sorted. Stored zeros off the diagonal are
    dropped; a stored zero on the diagonal stays, since elimination may fill it.

    Parameters
    ----------
    matrix : sparse array, sparse matrix or array_like
        The matrix; integer and boolean types are converted to float64. A dense one counts
        as holding its whole diagonal.
    name : str
        How messages call it.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n), float64, sorted, every diagonal entry stored.

    Raises
    ------
    MatrixError
        If the matrix is not two-dimensional, empty, not square, complex, not finite, or lacks
        a diagonal entry.

    Examples
    --------
    >>> from precondbench.matrices import check_general
    >>> check_general([[0, 2], [-1, 3]]).nnz
    4
    >>> from scipy.sparse import csr_array
    >>> check_general(csr_array([[0, 2], [-1, 3]]), "my A")
    Traceback (most recent call last):
        ...
    precondbench.errors.MatrixError: my A stores no diagonal entry in row 0 (1 such rows); \
permute the rows to a full diagonal (scipy.sparse.csgraph.maximum_bipartite_matching)
    """
    dense = not sparse.issparse(matrix)
    matrix = two_dimensional(matrix, name)
    rows, columns = matrix.shape
    if rows == 0 or rows != columns:
        raise MatrixError(f"{name} has shape {rows} x {columns}; give a square one with entries")
    if matrix.dtype.kind not in "fiub":
        raise MatrixError(f"{name} has entries of type {matrix.dtype}; give real numbers")
    coo = sparse.coo_array(matrix)
    row, column = coo.row.astype(np.int32), coo.col.astype(np.int32)
    with np.errstate(over="ignore"):  # Of longer types; infinity is refused below.
        data = coo.data.astype(np.float64)
    if dense:
        # Zeros on the diagonal of a dense matrix are entries like any other.
        everywhere = np.arange(rows, dtype=np.int32)
        row, column = np.concatenate((row, everywhere)), np.concatenate((column, everywhere))
        data = np.concatenate((data, np.zeros(rows)))
    full = csr_array(sparse.coo_array((data, (row, column)), shape=(rows, rows)))
    full.sum_duplicates()  # Which may overflow.
    check_finite(full, name)
    row = np.repeat(np.arange(rows), np.diff(full.indptr))
    kept = (full.data != 0.0) | (full.indices == row)
    indptr = np.concatenate(([0], np.cumsum(np.bincount(row[kept], minlength=rows))))
    result = csr_array(
        (full.data[kept], full.indices[kept], indptr.astype(full.indptr.dtype)), shape=full.shape
    )
    present = np.zeros(rows, dtype=bool)
    present[row[full.indices == row]] = True
    missing = np.flatnonzero(~present)
    if missing.size:
        raise MatrixError(
            f"{name} stores no diagonal entry in row {int(missing[0])} ({missing.size} such rows); "
            "permute the rows to a full diagonal (scipy.sparse.csgraph.maximum_bipartite_matching)"
        )
    result.has_sorted_indices = True
    return result


def general_scaling(matrix: csr_array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Powers of two r and c such that the largest entry of each row and column is in [0.5, 1).

    Rows first, then columns. A -> R A C, L -> R L R^-1 and U -> R U C are then exact in binary
    arithmetic, barring overflow and underflow, and a unit diagonal of L stays one. Unlike the
    symmetric scaling it does not need the diagonal, which may hold zeros. A row or column of
    zeros gets 1.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked matrix (:func:`check_general`).

    Returns
    -------
    rows, columns : numpy.ndarray
        float64 of shape (n,), each a power of two.

    Examples
    --------
    >>> from precondbench.matrices import check_general, general_scaling
    >>> general_scaling(check_general([[8.0, 1.0], [0.25, 0.25]]))
    (array([0.0625, 2.    ]), array([1., 1.]))
    """
    n = matrix.shape[0]
    row = np.repeat(np.arange(n), np.diff(matrix.indptr))
    size = np.abs(np.asarray(matrix.data, dtype=np.float64))
    r = _to_unit(size, row, n)
    return r, _to_unit(size * r[row], matrix.indices, n)


def _to_unit(size: NDArray[np.float64], group: NDArray[Any], n: int) -> NDArray[np.float64]:
    largest = np.zeros(n)
    np.maximum.at(largest, group, size)
    _, exponent = np.frexp(largest)
    scale: NDArray[np.float64] = np.ldexp(1.0, -exponent)
    return scale
