"""Columns of Inv-K from the selected inverse, in a fixed order of operations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.cholesky.blas import one_thread, potrf, routines, trsm
from precondbench.factors.cholesky.solves import last_inverse_row
from precondbench.factors.inverse.simplicial import SelectedInverse, gather_block
from precondbench.factors.inverse.supernodal import SupernodalInverse, gather_clique
from precondbench.factors.patterns.lower import LowerPattern
from precondbench.factors.symbolic.subtrees import in_order


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


# Blocks of at most this size are factorised by loops: a call of LAPACK costs more.
SMALL = 12
# Columns are handed out in this many pieces, however many threads there are.
PIECES = 64


@kernel
def _columns_by_runs(  # type: ignore[no-untyped-def]
    at, begin, end, colptr, rows, where, position, first, rowptr, zrows, block, owner, z, out
):
    """Columns begin..end-1 of Inv-K into ``out``; returns the column that broke down, or -1.

    If s_{i+1} is s_i without i, and so on, one Cholesky factor R of Z[s_i, s_i], nodes in
    descending order, serves the whole run: its leading blocks are the factors of the smaller
    ones. A column of L is R^-T e for the unit vector of its own node.
    """
    longest = 0
    for i in range(begin, end):
        longest = max(longest, colptr[i + 1] - colptr[i])
    square = np.empty(longest * longest, np.float64)
    index = np.empty(longest, np.int64)
    i = begin
    while i < end:
        start = colptr[i]
        m = colptr[i + 1] - start
        run = 1
        nested = True
        while nested and run < m and i + run < end:
            after = colptr[i + run]
            if rows[start + run] != i + run or colptr[i + run + 1] - after != m - run:
                break
            for t in range(m - run):
                if rows[after + t] != rows[start + run + t]:
                    nested = False
                    break
            if nested:
                run += 1
        steps = np.empty(m, np.int64)
        for t in range(m):
            steps[m - 1 - t] = position[rows[start + t]]
        gather_clique(steps, first, rowptr, zrows, block, owner, z, index, square)
        if m > SMALL:
            info = potrf(at, m, square, 0, m)
            if info != 0:
                return rows[start + m - info]
            x = np.zeros(m * run, np.float64)
            for c in range(run):
                x[c * m + m - 1 - c] = 1.0
            trsm(at, False, True, m, run, square, 0, m, x, 0, m)
        else:
            for c in range(m):
                for r in range(c, m):
                    total = square[c * m + r]
                    for k in range(c):
                        total -= square[k * m + r] * square[k * m + c]
                    if r > c:
                        square[c * m + r] = total / square[c * m + c]
                    elif total > 0.0 and total < np.inf:
                        square[c * m + c] = np.sqrt(total)
                    else:
                        return rows[start + m - 1 - c]
            x = np.zeros(m * run, np.float64)
            for c in range(run):
                last = m - 1 - c
                for k in range(last, -1, -1):
                    total = 1.0 if k == last else 0.0
                    for r in range(k + 1, last + 1):
                        total -= square[k * m + r] * x[c * m + r]
                    x[c * m + k] = total / square[k * m + k]
        for c in range(run):
            for t in range(m - c):
                out[where[colptr[i + c] + t]] = x[c * m + m - 1 - c - t]
        i += run
    return -1


def supernodal_invk_values(
    inverse: SupernodalInverse, pattern: LowerPattern, workers: int = 1
) -> NDArray[np.float64]:
    """Inv-K on a pattern from the supernodal selected inverse; values in the pattern's CSR order.

    Raises
    ------
    BreakdownError
        If a block of the computed inverse is not positive definite.
    """
    colptr, rows, where = pattern.columns()
    out = np.zeros(pattern.nnz)
    at = routines()
    position = inverse.supernodes.position
    structure = inverse.supernodes.structure
    cuts = np.linspace(0, pattern.n, PIECES + 1).astype(np.int64)

    def run(piece: int) -> int:
        return int(
            _columns_by_runs(
                at, cuts[piece], cuts[piece + 1], colptr, rows, where, position, *structure,
                inverse.values, out,
            )
        )  # fmt: skip

    with one_thread:
        failed = [column for column in in_order(run, range(PIECES), workers) if column >= 0]
    if failed:
        raise BreakdownError(
            f"Inv-K broke down at column {failed[0]}: the computed inverse is not positive "
            "definite there, the matrix is too ill-conditioned for double precision",
            failed[0],
        )
    return out
