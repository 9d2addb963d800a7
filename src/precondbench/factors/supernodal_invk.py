"""Inv-K columns from a supernodal selected inverse; columns of nested patterns share a block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import BreakdownError
from precondbench.factors.blas import one_thread, potrf, routines, trsm
from precondbench.factors.jit import kernel
from precondbench.factors.pattern import LowerPattern
from precondbench.factors.subtrees import in_order
from precondbench.factors.supernodal_inverse import SupernodalInverse, gather_clique

__all__ = ["supernodal_invk_values"]

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
