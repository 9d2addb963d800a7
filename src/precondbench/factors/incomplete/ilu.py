"""ILU(0): incomplete LU without fill-in and without pivoting, on the pattern of A."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.patterns.triangular import lu_pattern
from precondbench.matrices import check_general


@kernel
def _ilu0(indptr, indices, diagonal, a):  # type: ignore[no-untyped-def]
    n = indptr.size - 1
    out = a.copy()
    where = np.full(n, -1, np.int64)
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            where[indices[p]] = p
        for p in range(indptr[i], diagonal[i]):
            k = indices[p]
            multiplier = out[p] / out[diagonal[k]]
            out[p] = multiplier
            for q in range(diagonal[k] + 1, indptr[k + 1]):
                position = where[indices[q]]
                if position >= 0:
                    out[position] -= multiplier * out[q]
        for p in range(indptr[i], indptr[i + 1]):
            where[indices[p]] = -1
            if not np.isfinite(out[p]):
                return out, i
        if out[diagonal[i]] == 0.0:
            return out, i
    return out, -1


def ilu0(A: Any) -> tuple[csr_array, csr_array]:
    """Incomplete LU factors without fill-in, in the given order of rows and columns.

    L is unit lower triangular, U upper triangular, both inside the pattern of A, and
    (L U)_ij = A_ij on it. On a tridiagonal matrix they are the exact factors.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real square matrix with every diagonal entry stored, shape (n, n).

    Returns
    -------
    L : scipy.sparse.csr_array
        Unit lower triangular, float64, the ones stored.
    U : scipy.sparse.csr_array
        Upper triangular, float64.

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If a pivot is zero or not finite; ``column`` is its row.

    Examples
    --------
    >>> from precondbench import ilu0
    >>> L, U = ilu0([[2.0, 1.0], [4.0, 5.0]])
    >>> L.toarray()
    array([[1., 0.],
           [2., 1.]])
    >>> U.toarray()
    array([[2., 1.],
           [0., 3.]])
    """
    matrix = check_general(A, "A")
    pattern = lu_pattern(matrix)
    values, row = _ilu0(pattern.indptr, pattern.indices, pattern.diagonal, matrix.data)
    if row >= 0:
        raise BreakdownError(
            f"ILU(0) broke down: the pivot of row {row} is zero or not finite; permute the rows, "
            "or shift the diagonal",
            int(row),
        )
    return pattern.factors(values)


def jacobi_lu(A: Any) -> tuple[csr_array, csr_array]:
    """Jacobi as a pair of factors: L = I, U = diag(A)."""
    matrix = check_general(A, "A")
    pattern = lu_pattern(matrix)
    values = np.zeros(pattern.nnz)
    values[pattern.diagonal] = matrix.data[pattern.diagonal]
    return pattern.factors(values)


def gauss_seidel_lu(A: Any) -> tuple[csr_array, csr_array]:
    """Gauss-Seidel as a pair of factors: L U = tril(A), U = diag(A).

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real square matrix with every diagonal entry stored, shape (n, n).

    Returns
    -------
    L : scipy.sparse.csr_array
        Unit lower triangular, float64, inside the pattern of A.
    U : scipy.sparse.csr_array
        Diagonal.

    Raises
    ------
    BreakdownError
        If a diagonal entry is zero.

    Examples
    --------
    >>> from precondbench.factors import gauss_seidel_lu
    >>> L, U = gauss_seidel_lu([[2.0, 1.0], [4.0, 5.0]])
    >>> (L @ U).toarray()
    array([[2., 0.],
           [4., 5.]])
    """
    matrix = check_general(A, "A")
    pattern = lu_pattern(matrix)
    diagonal = matrix.data[pattern.diagonal]
    zero = np.flatnonzero(diagonal == 0.0)
    if zero.size:
        raise BreakdownError(f"diagonal entry {zero[0]} of A is zero", int(zero[0]))
    strict = pattern.strictly_lower()
    values = np.where(strict, matrix.data / diagonal[pattern.indices], 0.0)
    values[pattern.diagonal] = diagonal
    return pattern.factors(values)
