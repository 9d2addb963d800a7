"""Entries of A^-1 on the blocks of a supernodal factor (Takahashi's recurrence, by blocks)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.factors.cholesky.dense import gemm, one_thread, routines, trsm
from precondbench.factors.cholesky.supernodal import TILE, SupernodalFactor, locate
from precondbench.factors.symbolic.supernodes import Supernodes, in_order

# Columns that are inverted by loops before BLAS takes over.
STRIP = 24


@dataclass(frozen=True)
class SupernodalInverse:
    """Entries of A^-1 where the supernodal factor of A has entries.

    The values are dense blocks by columns; lower triangles count.
    """

    supernodes: Supernodes
    values: NDArray[np.float64]

    @property
    def diagonal(self) -> NDArray[np.float64]:
        """Diagonal of A^-1 in the order of A, float64 (n,)."""
        first, rowptr, _, block, owner = self.supernodes.structure
        column = np.arange(owner.size)
        inside = column - first[owner]
        height = (np.diff(first) + np.diff(rowptr))[owner]
        diagonal: NDArray[np.float64] = self.values[block[owner] + inside * (height + 1)]
        return diagonal[self.supernodes.position]


@kernel
def _multiply(at, s, c0, c1, tile, index, product, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """Rows c0 to c1 of the product Z_RR L_R; Z_RR is read from the blocks of ancestors."""
    width = first[s + 1] - first[s]
    r = rowptr[s + 1] - rowptr[s]
    own = rows[rowptr[s] : rowptr[s + 1]]
    t0 = 0
    while t0 < c1:
        k = owner[own[t0]]
        t1 = t0 + 1
        while t1 < c1 and own[t1] < first[k + 1]:
            t1 += 1
        size = first[k + 1] - first[k] + rowptr[k + 1] - rowptr[k]
        locate(own, t0, t1, first, rowptr, rows, k, index)
        if t1 > c0:
            locate(own, t1, r, first, rowptr, rows, k, index)
        else:
            locate(own, c0, c1, first, rowptr, rows, k, index)
        # The tile holds columns c0 to c1 of Z_RR. Columns before them give its rows above.
        for t in range(t0, min(t1, c0)):
            column = block[k] + index[t] * size
            for u in range(c0, c1):
                tile[(u - c0) * r + t] = values[column + index[u]]
        for t in range(max(t0, c0), t1):
            column = block[k] + index[t] * size
            target = (t - c0) * r
            for u in range(t, r):
                tile[target + u] = values[column + index[u]]
            for u in range(t + 1, c1):
                tile[(u - c0) * r + t] = tile[target + u]
        t0 = t1
    gemm(
        at, True, False, c1 - c0, width, r, 1.0, tile, 0, r, values, block[s] + width, width + r,
        0.0, product, c0, r,
    )  # fmt: skip


@kernel
def _invert_corner(at, width, height, corner, square, values):  # type: ignore[no-untyped-def]
    """Z_J over ``square``, which holds -Z_R^T L_R: solves Z_J L_J = L_J^-T - Z_R^T L_R.

    From right to left by strips; Z_J is symmetric, so of L_J^-T only the diagonal 1 / L_jj is met.
    """
    right = width
    while right > 0:
        left = max(0, right - STRIP)
        size = right - left
        later = width - right
        strip = left * width
        lower = corner + left * height
        if later > 0:
            gemm(
                at, False, False, later, size, later, -1.0, square, right * width + right, width,
                values, lower + right, height, 1.0, square, strip + right, width,
            )  # fmt: skip
            trsm(
                at, True, False, later, size, values, lower + left, height,
                square, strip + right, width,
            )  # fmt: skip
            gemm(
                at, True, False, size, size, later, -1.0, square, strip + right, width,
                values, lower + right, height, 1.0, square, strip + left, width,
            )  # fmt: skip
        for j in range(right - 1, left - 1, -1):
            column = corner + j * height
            reciprocal = 1.0 / values[column + j]
            for i in range(right - 1, j - 1, -1):
                total = square[j * width + i]
                if i == j:
                    total += reciprocal
                for k in range(j + 1, right):
                    total -= square[i * width + k] * values[column + k]
                square[j * width + i] = total * reciprocal
                square[i * width + j] = square[j * width + i]
            for i in range(right, width):
                square[i * width + j] = square[j * width + i]
        right = left


@kernel
def _finish(at, s, product, square, first, rowptr, block, values):  # type: ignore[no-untyped-def]
    """Z_R = -(Z_RR L_R) L_J^-1 from the product in parentheses, then Z_J; both over L.

    The solves come last on purpose. L_R L_J^-1 can have large entries of both signs that cancel
    in Z_RR (L_R L_J^-1): that order of operations lost two to four digits more at condition
    numbers beyond 1e11. Solved last, this is Takahashi's recurrence from right to left.
    """
    width = first[s + 1] - first[s]
    r = rowptr[s + 1] - rowptr[s]
    height = width + r
    corner = block[s]
    below = corner + width
    square[: width * width] = 0.0
    if r > 0:
        trsm(at, True, False, r, width, values, corner, height, product, 0, r)
        gemm(
            at, True, False, width, width, r, 1.0, product, 0, r, values, below, height, 0.0,
            square, 0, width,
        )  # fmt: skip
    _invert_corner(at, width, height, corner, square, values)
    for t in range(width):
        for u in range(t, width):
            values[corner + t * height + u] = square[t * width + u]
        for u in range(r):
            values[below + t * height + u] = -product[t * r + u]


@kernel
def _multiply_tile(at, s, c0, c1, product, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """One tile of one supernode, with a workspace of its own."""
    r = rowptr[s + 1] - rowptr[s]
    tile = np.empty(r * (c1 - c0), np.float64)
    index = np.empty(r, np.int64)
    _multiply(at, s, c0, c1, tile, index, product, first, rowptr, rows, block, owner, values)


@kernel
def _invert_run(at, nodes, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """Overwrite the blocks L_J, L_R of the given supernodes by Z_J, Z_R, ancestors first."""
    longest = 0
    largest = 0
    widest = 0
    for s in nodes:
        widest = max(widest, first[s + 1] - first[s])
        r = rowptr[s + 1] - rowptr[s]
        longest = max(longest, r)
        largest = max(largest, r * (first[s + 1] - first[s]))
    tile = np.empty(longest * min(longest, TILE), np.float64)
    product = np.empty(largest, np.float64)
    square = np.empty(widest * widest, np.float64)
    index = np.empty(longest, np.int64)
    for s in nodes[::-1]:
        r = rowptr[s + 1] - rowptr[s]
        for c0 in range(0, r, TILE):
            _multiply(
                at, s, c0, min(r, c0 + TILE), tile, index, product, first, rowptr, rows, block,
                owner, values,
            )  # fmt: skip
        _finish(at, s, product, square, first, rowptr, block, values)


def invert_blocks(factor: SupernodalFactor, workers: int = 1) -> SupernodalInverse:
    """Selected inverse of A from its factor, in the memory of the factor, which is overwritten.

    For a supernode J with rows R below: Z_R = -Z_RR L_R L_J^-1 and
    Z_J = (L_J^-T - Z_R^T L_R) L_J^-1. The result does not depend on the number of threads.
    """
    structure, values = factor.supernodes.structure, factor.values
    first, rowptr, _, block, _ = structure
    at = routines()
    with one_thread:
        for nodes, heavy in reversed(factor.subtrees.top):
            if not heavy:
                _invert_run(at, nodes, *structure, values)
                continue
            s = int(nodes[0])
            r = int(rowptr[s + 1] - rowptr[s])
            width = int(first[s + 1] - first[s])
            product = np.empty(r * width)

            def multiply(
                c0: int, s: int = s, r: int = r, product: NDArray[np.float64] = product
            ) -> None:
                _multiply_tile(at, s, c0, min(r, c0 + TILE), product, *structure, values)

            for _ in in_order(multiply, range(0, r, TILE), workers):
                pass
            _finish(at, s, product, np.empty(width**2), first, rowptr, block, values)

        def run(nodes: NDArray[np.int64]) -> None:
            _invert_run(at, nodes, *structure, values)

        for _ in in_order(run, factor.subtrees.parts, workers):
            pass
    return SupernodalInverse(factor.supernodes, values)


@kernel
def gather_clique(steps, first, rowptr, rows, block, owner, values, index, out):  # type: ignore[no-untyped-def]
    """Both triangles of Z[steps, steps] into the m x m matrix ``out``, given by columns.

    ``steps`` are elimination steps in any order, every two of them in a common block. ``index``
    is an int64 workspace of that length.
    """
    m = steps.size
    ascending = np.argsort(steps)
    known = steps[ascending]
    t0 = 0
    while t0 < m:
        k = owner[known[t0]]
        t1 = t0 + 1
        while t1 < m and known[t1] < first[k + 1]:
            t1 += 1
        locate(known, t0, m, first, rowptr, rows, k, index)
        height = first[k + 1] - first[k] + rowptr[k + 1] - rowptr[k]
        for t in range(t0, t1):
            column = block[k] + index[t] * height
            a = ascending[t]
            for u in range(t, m):
                z = values[column + index[u]]
                b = ascending[u]
                out[a * m + b] = z
                out[b * m + a] = z
        t0 = t1
