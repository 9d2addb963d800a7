"""IC(0): incomplete Cholesky without fill-in, on the pattern of tril(A)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, tril

from precondbench.errors import BreakdownError
from precondbench.factors.jit import kernel
from precondbench.factors.pattern import LowerPattern, lower_pattern
from precondbench.matrices.checks import check_spd_candidate

__all__ = ["ic0", "ic0_values"]


@kernel
def _ic0(indptr, indices, a):  # type: ignore[no-untyped-def]
    n = indptr.size - 1
    out = np.zeros(a.size, np.float64)
    work = np.zeros(n, np.float64)
    for i in range(n):
        start = indptr[i]
        last = indptr[i + 1] - 1
        pivot = a[last]
        for p in range(start, last):
            k = indices[p]
            # Row i is scattered as it is made, so L_i . L_k is a walk along row k.
            total = a[p]
            q = indptr[k]
            end = indptr[k + 1] - 1
            while q < end:
                total -= out[q] * work[indices[q]]
                q += 1
            entry = total / out[end]
            out[p] = entry
            work[k] = entry
            pivot -= entry * entry
        for p in range(start, last):
            work[indices[p]] = 0.0
        if not (pivot > 0.0 and pivot < np.inf):
            return out, i
        out[last] = np.sqrt(pivot)
    return out, -1


def ic0_values(pattern: LowerPattern, a: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """IC(0) on a pattern: values in CSR order and the column of breakdown, -1 if there is none.

    Parameters
    ----------
    pattern : LowerPattern
        Pattern of tril(A), or any other with the diagonal.
    a : numpy.ndarray
        float64 (pattern.nnz,): tril(A) on it.

    Returns
    -------
    values : numpy.ndarray
        float64 (pattern.nnz,); complete only if there was no breakdown.
    column : int
        First column whose pivot is not positive and finite, or -1.
    """
    values, column = _ic0(pattern.indptr, pattern.indices, a)
    return values, int(column)


def ic0(A: Any) -> csr_array:
    """Incomplete Cholesky factor without fill-in.

    L has the pattern of tril(A) and (L L^T)_ij = A_ij on it (Meijerink and van der Vorst
    1977). It may not exist although A is positive definite (Kershaw 1978).

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).

    Returns
    -------
    scipy.sparse.csr_array
        L, lower triangular, float64, columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If a pivot is not positive; ``column`` says where.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import BreakdownError, ic0
    >>> L = ic0(np.array([[4.0, 2.0], [2.0, 5.0]]))
    >>> L.toarray()
    array([[2., 0.],
           [1., 2.]])
    >>> kershaw = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])
    >>> try:
    ...     ic0(kershaw)
    ... except BreakdownError as error:
    ...     print(error.column)
    3
    """
    matrix = check_spd_candidate(A, "A")
    lower = csr_array(tril(matrix, format="csr"))
    pattern = lower_pattern(lower)
    values, column = ic0_values(pattern, np.asarray(lower.data, dtype=np.float64))
    if column >= 0:
        raise BreakdownError(
            f"IC(0) broke down: the pivot of column {column} is not positive; shift the diagonal "
            "(A + alpha diag(A)), reorder, or use invk, which exists for every SPD matrix",
            column,
        )
    return pattern.csr(values)
