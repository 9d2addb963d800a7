"""Columns of Inv-K from the selected inverse, in a fixed order of operations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import BreakdownError
from precondbench.factors.jit import kernel
from precondbench.factors.pattern import LowerPattern
from precondbench.factors.selected_inverse import SelectedInverse, gather_block
from precondbench.factors.small_block import last_inverse_row

__all__ = ["column_quadratic_forms", "invk_values"]


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
        if not last_inverse_row(block, m, x):
            return i
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

    Parameters
    ----------
    inverse : SelectedInverse
        What :func:`selected_inverse` returned for this pattern.
    pattern : LowerPattern
        Pattern of L.
    workers : int
        Threads over columns; the result does not depend on it.

    Returns
    -------
    numpy.ndarray
        float64 (nnz,).

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
