"""FSAI: a sparse lower-triangular G with G A G^T close to the identity."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.cholesky.dense import last_inverse_row
from precondbench.factors.patterns.triangular import matrix_and_pattern


@kernel
def _fsai(indptr, indices, a_indptr, a_indices, a_data):  # type: ignore[no-untyped-def]
    """Row i of G is R^-T e_last with A[J, J] = R R^T, J the pattern of row i, i last in it."""
    n = indptr.size - 1
    out = np.zeros(indices.size, np.float64)
    slot = np.full(n, -1, np.int64)
    longest = 0
    for i in range(n):
        longest = max(longest, indptr[i + 1] - indptr[i])
    block = np.empty((longest, longest), np.float64)
    for i in range(n):
        start = indptr[i]
        m = indptr[i + 1] - start
        for t in range(m):
            slot[indices[start + t]] = t
        for t in range(m):
            for s in range(t + 1):
                block[t, s] = 0.0
            row = indices[start + t]
            for p in range(a_indptr[row], a_indptr[row + 1]):
                s = slot[a_indices[p]]
                if 0 <= s <= t:
                    block[t, s] = a_data[p]
        for t in range(m):
            slot[indices[start + t]] = -1
        if not last_inverse_row(block, m, out[start : start + m]):
            return out, i
    return out, -1


def fsai(A: Any, pattern: Any = None) -> csr_array:
    r"""Factorised sparse approximate inverse: G^T G approximates A^-1.

    Row i of G is y / sqrt(y_i) with y = A[J_i, J_i]^-1 e_i, where J_i are the columns of row i
    of the pattern (Kolotilina and Yeremin 1993). G minimises K(G A G^T) over all
    lower-triangular matrices of that pattern, exists for every SPD matrix, and satisfies
    diag(G A G^T) = 1. Inv-K does the same to A^-1.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    pattern : sparse array or array_like, optional
        Lower-triangular pattern with the whole diagonal; by default that of tril(A).

    Returns
    -------
    scipy.sparse.csr_array
        G, lower triangular, float64, columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A or the pattern cannot be used.
    BreakdownError
        If A is not positive definite in double precision; carries the row.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import fsai
    >>> A = np.array([[4.0, 2.0], [2.0, 5.0]])
    >>> G = fsai(A)  # of a full pattern: the inverse of the Cholesky factor
    >>> np.allclose((G @ A @ G.T), np.eye(2))
    True
    """
    matrix, wanted = matrix_and_pattern(A, pattern)
    values, row = _fsai(wanted.indptr, wanted.indices, matrix.indptr, matrix.indices, matrix.data)
    if row >= 0:
        raise BreakdownError(
            f"FSAI broke down at row {row}: a principal submatrix of A is not positive definite "
            "in double precision",
            int(row),
        )
    return wanted.csr(values)
