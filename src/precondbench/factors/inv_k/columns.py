"""Columns of Inv-K from the selected inverse, and quadratic forms in columns of any factor.

Every sum has a fixed order, and columns are independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.cholesky.dense import (
    last_inverse_row,
    one_thread,
    potrf,
    routines,
    trsm,
)
from precondbench.factors.inverse.simplicial import SelectedInverse, gather_block
from precondbench.factors.inverse.supernodal import SupernodalInverse, gather_clique
from precondbench.factors.patterns.triangular import LowerPattern
from precondbench.factors.symbolic.supernodes import in_order


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


def by_pieces(
    columns: Callable[[int, int], int], n: int, pieces: int, workers: int, failure: str
) -> None:
    """Run ``columns(first, last)`` on consecutive pieces of the columns 0 to n - 1, in threads.

    It returns the column that broke down or -1; the first becomes a BreakdownError whose message
    is ``failure`` with the column in it. How columns are cut up changes no bit of the result.
    """
    cuts = np.linspace(0, n, pieces + 1).astype(np.int64)

    def run(piece: int) -> int:
        return int(columns(cuts[piece], cuts[piece + 1]))

    failed = [column for column in in_order(run, range(pieces), workers) if column >= 0]
    if failed:
        raise BreakdownError(failure.format(column=failed[0]), failed[0])


ILL_CONDITIONED = (
    "Inv-K broke down at column {column}: the computed inverse is not positive definite there, "
    "the matrix is too ill-conditioned for double precision"
)


def invk_values(
    inverse: SelectedInverse, pattern: LowerPattern, workers: int = 1
) -> NDArray[np.float64]:
    """Inv-K on a pattern from the inverse selected for it; values in the pattern's CSR order.

    BreakdownError if a block of the computed inverse is not positive definite: A is too
    ill-conditioned for double precision.
    """
    structure = pattern.columns()
    out = np.zeros(pattern.nnz)

    def columns(first: int, last: int) -> int:
        return int(_invk_columns(first, last, *structure, *inverse.arrays, out))

    by_pieces(columns, pattern.n, 8 * workers if workers > 1 else 1, workers, ILL_CONDITIONED)
    return out


# Blocks of at most this size are factorised by loops: a call of LAPACK costs more.
SMALL = 12
# Columns are divided into this many pieces for any number of threads.
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

    BreakdownError if a block of the computed inverse is not positive definite.
    """
    structure, supernodes = pattern.columns(), inverse.supernodes
    at = routines()
    out = np.zeros(pattern.nnz)

    def columns(first: int, last: int) -> int:
        z = (supernodes.position, *supernodes.structure, inverse.values)
        return int(_columns_by_runs(at, first, last, *structure, *z, out))

    with one_thread:
        by_pieces(columns, pattern.n, PIECES, workers, ILL_CONDITIONED)
    return out


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
    """Diagonal of L^T A^-1 L from the inverse selected for that pattern or more."""
    forms: NDArray[np.float64] = _quadratic_forms(*pattern.columns(), values, *inverse.arrays)
    return forms


@dataclass(frozen=True)
class TraceForm:
    """trace(L^T A^-1 L) = sum_p weight_p l[first_p] l[second_p], l the entries of L by rows.

    ``first`` and ``second`` are positions of entries of one column of L, ``weight`` is (A^-1)_jk
    for their rows j and k, doubled where j != k. ``log_determinant`` is log det A.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.float64]
    log_determinant: float


@kernel
def _fill_pairs(  # type: ignore[no-untyped-def]
    colptr, rows, where, position, zptr, zrows, zvalues, zdiagonal, first, second, weight
):
    n = colptr.size - 1
    slot = np.full(n, -1, np.int32)
    longest = 0
    for i in range(n):
        longest = max(longest, colptr[i + 1] - colptr[i])
    block = np.empty((longest, longest), np.float64)
    p = 0
    for i in range(n):
        start = colptr[i]
        m = colptr[i + 1] - start
        gather_block(
            rows[start : start + m], position, zptr, zrows, zvalues, zdiagonal, slot, block
        )
        for r in range(m):
            for c in range(r + 1):
                first[p] = where[start + r]
                second[p] = where[start + c]
                weight[p] = block[r, c] if r == c else 2.0 * block[r, c]
                p += 1


def trace_form(inverse: SelectedInverse, pattern: LowerPattern) -> TraceForm:
    """List the pairs of entries that share a column of a pattern, with their weights.

    A column with m entries gives m (m + 1) / 2 pairs.
    """
    colptr, rows, where = pattern.columns()
    lengths = np.diff(colptr)
    count = int(np.sum(lengths * (lengths + 1) // 2))
    first, second = np.empty(count, np.int64), np.empty(count, np.int64)
    weight = np.empty(count, np.float64)
    _fill_pairs(colptr, rows, where, *inverse.arrays, first, second, weight)
    return TraceForm(first, second, weight, inverse.log_determinant)
