"""Inv-K: the lower-triangular factor that minimises the K-condition number of L^T A^-1 L."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import BreakdownError
from precondbench.factors.jit import kernel
from precondbench.factors.pattern import LowerPattern, lower_pattern
from precondbench.factors.selected_inverse import SelectedInverse, gather_block, selected_inverse
from precondbench.matrices.checks import check_spd_candidate, power_of_two_scaling

__all__ = ["column_quadratic_forms", "invk", "invk_values", "scale_symmetrically"]


@kernel
def _invk_columns(  # type: ignore[no-untyped-def]
    first, last, colptr, rows, where, position, zptr, zrows, zvalues, zdiagonal, out
):
    """Columns first..last-1 of Inv-K into ``out``; returns the column that broke down, or -1.

    With B = Z[s, s] = R R^T, nodes ordered so that i comes last, column i of L is R^-T e_last:
    then B L[s, i] = R e_last = e_last / L_ii, which is v / sqrt(v_1) for v = B^-1 e_1.
    """
    n = colptr.size - 1
    slot = np.full(n, -1, np.int32)
    longest = 0
    for i in range(first, last):
        longest = max(longest, colptr[i + 1] - colptr[i])
    block = np.empty((longest, longest), np.float64)
    nodes = np.empty(longest, np.int32)
    x = np.empty(longest, np.float64)
    for i in range(first, last):
        start = colptr[i]
        m = colptr[i + 1] - start
        for t in range(m):
            nodes[m - 1 - t] = rows[start + t]
        gather_block(nodes[:m], position, zptr, zrows, zvalues, zdiagonal, slot, block)
        for r in range(m):
            for c in range(r + 1):
                total = block[r, c]
                for k in range(c):
                    total -= block[r, k] * block[c, k]
                if c < r:
                    block[r, c] = total / block[c, c]
                else:
                    if not (total > 0.0 and total < np.inf):
                        return i
                    block[r, r] = np.sqrt(total)
        for c in range(m - 1, -1, -1):
            total = 1.0 if c == m - 1 else 0.0
            for r in range(c + 1, m):
                total -= block[r, c] * x[r]
            x[c] = total / block[c, c]
        for t in range(m):
            out[where[start + t]] = x[m - 1 - t]
    return -1


@kernel
def _quadratic_forms(  # type: ignore[no-untyped-def]
    colptr, rows, where, factor, position, zptr, zrows, zvalues, zdiagonal
):
    n = colptr.size - 1
    slot = np.full(n, -1, np.int32)
    longest = 0
    for i in range(n):
        longest = max(longest, colptr[i + 1] - colptr[i])
    block = np.empty((longest, longest), np.float64)
    out = np.empty(n, np.float64)
    for i in range(n):
        start = colptr[i]
        m = colptr[i + 1] - start
        gather_block(
            rows[start : start + m], position, zptr, zrows, zvalues, zdiagonal, slot, block
        )
        total = 0.0
        for r in range(m):
            product = 0.0
            for c in range(m):
                product += block[r, c] * factor[where[start + c]]
            total += product * factor[where[start + r]]
        out[i] = total
    return out


def column_quadratic_forms(
    inverse: SelectedInverse, pattern: LowerPattern, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Diagonal of L^T A^-1 L for a factor on the pattern the inverse was selected for.

    Parameters
    ----------
    inverse : SelectedInverse
        From :func:`precondbench.factors.selected_inverse`.
    pattern : LowerPattern
        The same pattern (or one inside it).
    values : numpy.ndarray
        float64 (pattern.nnz,): L in CSR order.

    Returns
    -------
    numpy.ndarray
        float64 (n,); all ones for Inv-K.
    """
    colptr, rows, where = pattern.columns()
    forms: NDArray[np.float64] = _quadratic_forms(
        colptr,
        rows,
        where,
        values,
        inverse.position,
        inverse.colptr,
        inverse.rows,
        inverse.values,
        inverse.diagonal,
    )
    return forms


def invk_values(
    inverse: SelectedInverse, pattern: LowerPattern, workers: int = 1
) -> NDArray[np.float64]:
    """Inv-K on a pattern from the selected inverse; values in the pattern's CSR order.

    Raises
    ------
    BreakdownError
        If a block of the computed inverse is not positive definite: A is too ill-conditioned
        for double precision.
    """
    colptr, rows, where = pattern.columns()
    out = np.zeros(pattern.nnz)
    # Columns are independent, so how they are cut up changes no bit of the result.
    pieces = max(1, workers) * 8 if workers > 1 else 1
    cuts = np.linspace(0, pattern.n, pieces + 1).astype(np.int64)

    def run(piece: int) -> int:
        return int(
            _invk_columns(
                cuts[piece],
                cuts[piece + 1],
                colptr,
                rows,
                where,
                inverse.position,
                inverse.colptr,
                inverse.rows,
                inverse.values,
                inverse.diagonal,
                out,
            )
        )

    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            failed = [column for column in pool.map(run, range(pieces)) if column >= 0]
    else:
        failed = [column for column in (run(0),) if column >= 0]
    if failed:
        raise BreakdownError(
            f"Inv-K broke down at column {failed[0]}: the computed inverse is not positive "
            "definite there, the matrix is too ill-conditioned for double precision",
            failed[0],
        )
    return out


def scale_symmetrically(matrix: csr_array, scale: NDArray[np.float64]) -> csr_array:
    """Return S A S for a diagonal S, given as a vector."""
    data = matrix.data * scale[matrix.indices]
    data *= np.repeat(scale, np.diff(matrix.indptr))
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def invk(A: Any, pattern: Any = None, *, workers: int = 1) -> csr_array:
    r"""Inv-K factor of a symmetric positive definite matrix on a lower-triangular pattern.

    Column i of L is v / sqrt(v_1) with v = (A^-1)[s_i, s_i]^-1 e_1, where s_i are the rows of
    column i of the pattern (Algorithm 1 of the paper). L minimises
    K(L^T A^-1 L) = (trace / n) / det^{1/n} over all factors of that pattern (Kaporin 1994),
    exists for every SPD matrix, and satisfies diag(L^T A^-1 L) = 1.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n), any sparse format or dense.
    pattern : sparse array or array_like, optional
        Lower-triangular pattern with the whole diagonal; stored entries count. By default
        the lower triangle of A.
    workers : int
        Threads over columns; the result does not depend on it.

    Returns
    -------
    scipy.sparse.csr_array
        L, lower triangular, float64, shape (n, n), columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A or the pattern cannot be used.
    BreakdownError
        If A is not positive definite in double precision; carries the column.

    Notes
    -----
    No inverse is formed: only the entries of A^-1 between rows that share a column are
    needed, and selected inversion gives them (see docs/mathematics.md). The matrix is scaled
    by powers of two to a diagonal of order one first, so ``invk(D A D) = D invk(A)`` to the
    bit when D holds powers of two.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import invk
    >>> A = np.array([[4.0, -1, 0], [-1, 4, -1], [0, -1, 4]])
    >>> L = invk(A)
    >>> np.allclose((L @ L.T).toarray(), A)  # no fill-in: Inv-K is the Cholesky factor
    True
    """
    matrix = check_spd_candidate(A, "A")
    n = matrix.shape[0]
    if pattern is None:
        from scipy.sparse import tril

        wanted = lower_pattern(tril(matrix, format="csr"), n)
    else:
        wanted = lower_pattern(pattern, n)
    scale = power_of_two_scaling(matrix.diagonal())
    inverse = selected_inverse(scale_symmetrically(matrix, scale), wanted)
    values = invk_values(inverse, wanted, workers)
    values /= np.repeat(scale, np.diff(wanted.indptr))
    return wanted.csr(values)
