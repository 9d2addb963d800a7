"""Entries of A^-1 on the blocks of a supernodal factor (Takahashi's recurrence, by blocks)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench.factors.blas import gemm, one_thread, potri, routines, trsm
from precondbench.factors.jit import kernel
from precondbench.factors.subtrees import in_order
from precondbench.factors.supernodal_cholesky import TILE, SupernodalFactor, locate
from precondbench.factors.supernodes import Supernodes

__all__ = ["SupernodalInverse", "gather_clique", "invert_blocks"]


@dataclass(frozen=True)
class SupernodalInverse:
    """Entries of A^-1 where the supernodal factor of A has entries.

    Attributes
    ----------
    supernodes : Supernodes
        Structure.
    values : numpy.ndarray
        float64 (supernodes.entries,): dense blocks by columns, lower triangles.
    log_determinant : float
        log det A.
    """

    supernodes: Supernodes
    values: NDArray[np.float64]
    log_determinant: float


@kernel
def _prepare(at, s, first, rowptr, block, values):  # type: ignore[no-untyped-def]
    """Overwrite L_R by Y = L_R L_J^-1 and L_J by L_J^-T L_J^-1."""
    width = first[s + 1] - first[s]
    r = rowptr[s + 1] - rowptr[s]
    height = width + r
    if r > 0:
        y = block[s] + width
        trsm(at, True, False, r, width, values, block[s], height, values, y, height)
    potri(at, width, values, block[s], height)


@kernel
def _multiply(at, s, c0, c1, tile, index, product, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """Rows c0 to c1 of the product Z_RR Y; Z_RR is read from the blocks of ancestors."""
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
    y = block[s] + width
    gemm(
        at, True, False, c1 - c0, width, r, 1.0, tile, 0, r, values, y, width + r, 0.0,
        product, c0, r,
    )  # fmt: skip


@kernel
def _finish(at, s, product, first, rowptr, block, values):  # type: ignore[no-untyped-def]
    """Z_J = L_J^-T L_J^-1 + Y^T (Z_RR Y), then Z_R = -Z_RR Y over Y."""
    width = first[s + 1] - first[s]
    r = rowptr[s + 1] - rowptr[s]
    height = width + r
    y = block[s] + width
    gemm(
        at, True, False, width, width, r, 1.0, values, y, height, product, 0, r, 1.0,
        values, block[s], height,
    )  # fmt: skip
    for t in range(width):
        for u in range(r):
            values[y + t * height + u] = -product[t * r + u]


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
    for s in nodes:
        r = rowptr[s + 1] - rowptr[s]
        longest = max(longest, r)
        largest = max(largest, r * (first[s + 1] - first[s]))
    tile = np.empty(longest * min(longest, TILE), np.float64)
    product = np.empty(largest, np.float64)
    index = np.empty(longest, np.int64)
    for s in nodes[::-1]:
        _prepare(at, s, first, rowptr, block, values)
        r = rowptr[s + 1] - rowptr[s]
        for c0 in range(0, r, TILE):
            _multiply(
                at, s, c0, min(r, c0 + TILE), tile, index, product, first, rowptr, rows, block,
                owner, values,
            )  # fmt: skip
        if r > 0:
            _finish(at, s, product, first, rowptr, block, values)


def invert_blocks(factor: SupernodalFactor, workers: int = 1) -> SupernodalInverse:
    """Selected inverse of A from its factor, in the memory of the factor, which is overwritten.

    With Y = L_R L_J^-1 for a supernode J with rows R below: Z_R = -Z_RR Y, and
    Z_J = L_J^-T L_J^-1 + Y^T Z_RR Y. Both terms of Z_J are positive definite: nothing cancels.

    Parameters
    ----------
    factor : SupernodalFactor
        From ``factorise_blocks``; not to be used again.
    workers : int
        Threads over subtrees and tiles; the result does not depend on it.

    Returns
    -------
    SupernodalInverse
        A^-1 on the blocks.
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
            product = np.empty(r * int(first[s + 1] - first[s]))
            _prepare(at, s, first, rowptr, block, values)

            def multiply(
                c0: int, s: int = s, r: int = r, product: NDArray[np.float64] = product
            ) -> None:
                _multiply_tile(at, s, c0, min(r, c0 + TILE), product, *structure, values)

            for _ in in_order(multiply, range(0, r, TILE), workers):
                pass
            _finish(at, s, product, first, rowptr, block, values)

        def run(nodes: NDArray[np.int64]) -> None:
            _invert_run(at, nodes, *structure, values)

        for _ in in_order(run, factor.subtrees.parts, workers):
            pass
    return SupernodalInverse(factor.supernodes, values, factor.log_determinant)


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
