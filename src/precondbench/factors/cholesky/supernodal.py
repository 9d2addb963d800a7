"""Supernodal Cholesky factorisation A = L L^T with dense blocks, parallel over subtrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.factors.cholesky.dense import gemm, one_thread, potrf, routines, syrk, trsm
from precondbench.factors.cholesky.simplicial import not_positive_definite
from precondbench.factors.symbolic.supernodes import Subtrees, Supernodes, in_order, split_tree

# Columns of an update that are formed at a time: bounds the workspace to TILE times the tallest
# block, and is wide enough for BLAS to run at full speed.
TILE = 512


@dataclass(frozen=True)
class SupernodalFactor:
    """L of A = L L^T by supernodes.

    The values are one array of dense blocks by columns that can be overwritten; upper triangles
    are unspecified. ``subtrees`` may be worked on at the same time.
    """

    supernodes: Supernodes
    subtrees: Subtrees
    values: NDArray[np.float64]


@kernel
def locate(wanted, start, stop, first, rowptr, rows, s, index):  # type: ignore[no-untyped-def]
    """Rows of block s that hold wanted[start:stop], ascending, into index[start:stop].

    All of them are known to be there. Gallops: few rows are found in a tall block without
    reading it, many rows in one pass.
    """
    left, right = first[s], first[s + 1]
    shift = right - left - rowptr[s]
    low = rowptr[s]
    for t in range(start, stop):
        i = wanted[t]
        if i < right:
            index[t] = i - left
            continue
        step = 1
        high = low
        while rows[high] < i:
            low = high + 1
            high = min(high + step, rowptr[s + 1] - 1)
            step *= 2
        while low < high:
            middle = (low + high) // 2
            if rows[middle] < i:
                low = middle + 1
            else:
                high = middle
        index[t] = low + shift


@kernel
def _insert(indptr, indices, data, order, position, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """Lower triangle of the permuted matrix into its blocks."""
    n = order.size
    slot = np.empty(n, np.int32)
    for s in range(first.size - 1):
        width = first[s + 1] - first[s]
        height = width + rowptr[s + 1] - rowptr[s]
        for t in range(width):
            slot[first[s] + t] = t
        for t in range(height - width):
            slot[rows[rowptr[s] + t]] = width + t
        for t in range(width):
            j = first[s] + t
            old = order[j]
            for p in range(indptr[old], indptr[old + 1]):
                i = position[indices[p]]
                if i >= j:
                    values[block[s] + t * height + slot[i]] = data[p]


@kernel
def _subtract(target, offset, height, columns, index, start, stop, tile, tall, c0):  # type: ignore[no-untyped-def]
    """Block columns index[start:stop] -= lower columns of an update tile whose first row is c0."""
    for t in range(start, stop):
        column = offset + columns[t] * height
        source = (t - c0) * tall - c0
        for u in range(t, index.size):
            target[column + index[u]] -= tile[source + u]


@kernel
def _eliminate(at, s, first, rowptr, block, values):  # type: ignore[no-untyped-def]
    """Columns of supernode s once all updates are in; returns the column that broke down, or -1."""
    width = first[s + 1] - first[s]
    r = rowptr[s + 1] - rowptr[s]
    height = width + r
    info = potrf(at, width, values, block[s], height)
    if info != 0:
        return first[s] + info - 1
    if r > 0:
        below = block[s] + width
        trsm(at, True, True, r, width, values, block[s], height, values, below, height)
    return -1


@kernel
def _update(  # type: ignore[no-untyped-def]
    at, s, c0, c1, tile, index, limit, outer, passed, first, rowptr, rows, block, owner, values
):
    """Subtract columns c0 to c1 of L_R L_R^T from the blocks of the ancestors of s.

    Updates of columns from ``limit`` on are collected in the dense matrix ``passed`` over the rows
    ``outer`` instead. Different tiles write to different columns.
    """
    width = first[s + 1] - first[s]
    r = rowptr[s + 1] - rowptr[s]
    height = width + r
    below = block[s] + width
    own = rows[rowptr[s] : rowptr[s + 1]]
    tall = r - c0
    wide = c1 - c0
    syrk(at, wide, width, 1.0, values, below + c0, height, 0.0, tile, 0, tall)
    if c1 < r:
        gemm(
            at, False, True, r - c1, wide, width, 1.0, values, below + c1, height,
            values, below + c0, height, 0.0, tile, wide, tall,
        )  # fmt: skip
    t0 = c0
    while t0 < c1:
        t1 = t0 + 1
        if own[t0] >= limit:
            t1 = c1
            u = 0
            for t in range(t0, r):
                while outer[u] < own[t]:
                    u += 1
                index[t] = u
            size = outer.size
            _subtract(passed, 0, size, index, index[:r], t0, t1, tile, tall, c0)
        else:
            k = owner[own[t0]]
            while t1 < c1 and own[t1] < first[k + 1]:
                t1 += 1
            locate(own, t0, r, first, rowptr, rows, k, index)
            size = first[k + 1] - first[k] + rowptr[k + 1] - rowptr[k]
            _subtract(values, block[k], size, index, index[:r], t0, t1, tile, tall, c0)
        t0 = t1


@kernel
def _update_tile(at, s, c0, c1, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """One tile of one supernode, with a workspace of its own."""
    r = rowptr[s + 1] - rowptr[s]
    tile = np.empty((r - c0) * (c1 - c0), np.float64)
    index = np.empty(r, np.int64)
    outer = np.empty(0, np.int32)
    passed = np.empty(0, np.float64)
    _update(
        at, s, c0, c1, tile, index, owner.size, outer, passed, first, rowptr, rows, block, owner,
        values,
    )  # fmt: skip


@kernel
def _factorise_run(  # type: ignore[no-untyped-def]
    at, nodes, limit, outer, passed, first, rowptr, rows, block, owner, values
):
    """Factorise the given supernodes; returns the column that broke down, or -1.

    Subtrees that are factorised at the same time write to different memory: updates of columns
    from ``limit`` on, outside the subtree, go into its own ``passed``.
    """
    longest = 0
    for s in nodes:
        longest = max(longest, rowptr[s + 1] - rowptr[s])
    tile = np.empty(longest * min(longest, TILE), np.float64)
    index = np.empty(longest, np.int64)
    for s in nodes:
        failed = _eliminate(at, s, first, rowptr, block, values)
        if failed >= 0:
            return failed
        r = rowptr[s + 1] - rowptr[s]
        for c0 in range(0, r, TILE):
            c1 = min(r, c0 + TILE)
            _update(
                at, s, c0, c1, tile, index, limit, outer, passed, first, rowptr, rows, block, owner,
                values,
            )  # fmt: skip
    return -1


@kernel
def _absorb(outer, passed, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """Add the updates that a subtree collected for its ancestors to their blocks."""
    r = outer.size
    index = np.empty(r, np.int64)
    t0 = 0
    while t0 < r:
        k = owner[outer[t0]]
        t1 = t0 + 1
        while t1 < r and outer[t1] < first[k + 1]:
            t1 += 1
        locate(outer, t0, r, first, rowptr, rows, k, index)
        height = first[k + 1] - first[k] + rowptr[k + 1] - rowptr[k]
        for t in range(t0, t1):
            column = block[k] + index[t] * height
            for u in range(t, r):
                values[column + index[u]] += passed[t * r + u]
        t0 = t1


def _factorise_parts(
    supernodes: Supernodes, subtrees: Subtrees, values: NDArray[np.float64], workers: int
) -> int:
    """Factorise all subtrees, and add their updates to their ancestors."""
    at, structure = routines(), supernodes.structure

    def run(nodes: NDArray[np.int64]) -> tuple[int, NDArray[np.int32], NDArray[np.float64]]:
        root = int(nodes[-1])
        limit = int(supernodes.first[root + 1])
        outer = supernodes.rows[supernodes.rowptr[root] : supernodes.rowptr[root + 1]]
        passed = np.zeros(outer.size**2)
        failed = _factorise_run(at, nodes, limit, outer, passed, *structure, values)
        return int(failed), outer, passed

    # In a fixed order, so that the sums do not depend on which thread is done first.
    for failed, outer, passed in in_order(run, subtrees.parts, workers):
        if failed >= 0:
            return failed
        _absorb(outer, passed, *structure, values)
    return -1


def _factorise_top(
    supernodes: Supernodes, subtrees: Subtrees, values: NDArray[np.float64], workers: int
) -> int:
    """Factorise the supernodes above the subtrees in order, heavy ones by tiles in parallel."""
    at, structure = routines(), supernodes.structure
    first, rowptr, _, block, owner = structure
    nothing, no_sums = np.empty(0, np.int32), np.empty(0)
    for nodes, heavy in subtrees.top:
        if not heavy:
            failed = _factorise_run(at, nodes, owner.size, nothing, no_sums, *structure, values)
        else:
            s = int(nodes[0])
            failed = _eliminate(at, s, first, rowptr, block, values)

            r = int(rowptr[s + 1] - rowptr[s])

            def update(c0: int, s: int = s, r: int = r) -> None:
                _update_tile(at, s, c0, min(r, c0 + TILE), *structure, values)

            if failed < 0:
                for _ in in_order(update, range(0, r, TILE), workers):
                    pass
        if failed >= 0:
            return int(failed)
    return -1


def factorise_blocks(
    matrix: csr_array, supernodes: Supernodes, workers: int = 1
) -> SupernodalFactor:
    """Numeric factorisation of a symmetric matrix whose pattern lies inside the one analysed.

    The result does not depend on the number of threads. BreakdownError if the matrix is not
    positive definite in double precision.
    """
    position = supernodes.position
    order = np.empty_like(position)
    order[position] = np.arange(order.size)
    values = np.zeros(supernodes.entries)
    structure = supernodes.structure
    _insert(matrix.indptr, matrix.indices, matrix.data, order, position, *structure, values)
    subtrees = split_tree(supernodes)
    with one_thread:
        failed = _factorise_parts(supernodes, subtrees, values, workers)
        if failed < 0:
            failed = _factorise_top(supernodes, subtrees, values, workers)
    if failed >= 0:
        raise not_positive_definite(order, failed)
    return SupernodalFactor(supernodes, subtrees, values)


@kernel
def _solve(at, first, rowptr, rows, block, owner, values, x, count):  # type: ignore[no-untyped-def]
    """X = (L L^T)^-1 X for ``count`` columns in elimination order; a row of X is in one place.

    BLAS, which stores matrices by columns, is shown X^T.
    """
    size = first.size - 1
    longest = 0
    for s in range(size):
        longest = max(longest, rowptr[s + 1] - rowptr[s])
    work = np.empty(longest * count, np.float64)
    for s in range(size):
        width = first[s + 1] - first[s]
        r = rowptr[s + 1] - rowptr[s]
        height = width + r
        own = first[s] * count
        # Columns of the identity meet few supernodes: those on their paths to a root.
        if not np.any(x[own : own + width * count]):
            continue
        trsm(at, True, True, count, width, values, block[s], height, x, own, count)
        if r == 0:
            continue
        below = block[s] + width
        gemm(
            at, False, True, count, r, width, 1.0, x, own, count, values, below, height, 0.0,
            work, 0, count,
        )  # fmt: skip
        for t in range(r):
            row = rows[rowptr[s] + t] * count
            for c in range(count):
                x[row + c] -= work[t * count + c]
    for s in range(size - 1, -1, -1):
        width = first[s + 1] - first[s]
        r = rowptr[s + 1] - rowptr[s]
        height = width + r
        own = first[s] * count
        if r > 0:
            below = block[s] + width
            for t in range(r):
                row = rows[rowptr[s] + t] * count
                for c in range(count):
                    work[t * count + c] = x[row + c]
            gemm(
                at, False, False, count, width, r, -1.0, work, 0, count, values, below, height,
                1.0, x, own, count,
            )  # fmt: skip
        trsm(at, True, False, count, width, values, block[s], height, x, own, count)


def solve_blocks(factor: SupernodalFactor, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve A X = B for B of shape (n, s) with a factor that has not been overwritten."""
    position = factor.supernodes.position
    x = np.empty(right.shape)
    x[position] = right
    with one_thread:
        _solve(
            routines(), *factor.supernodes.structure, factor.values, x.reshape(-1), right.shape[1]
        )
    return x[position]
