"""Entries of A^-1 on the blocks of a supernodal factor: Takahashi's recurrence with dense blocks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench.factors.blas import gemm, potri, routines, trsm
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
def _invert_blocks(at, nodes, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    """Overwrite the blocks L_J, L_R of the given supernodes by Z_J, Z_R, ancestors first.

    With Y = L_R L_J^-1:  Z_R = -Z_RR Y  and  Z_J = L_J^-T L_J^-1 + Y^T Z_RR Y, two positive
    definite terms, so nothing cancels. Z_RR lies in the blocks of ancestors.
    """
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
        width = first[s + 1] - first[s]
        start = rowptr[s]
        r = rowptr[s + 1] - start
        height = width + r
        y = block[s] + width
        if r > 0:
            trsm(at, True, False, r, width, values, block[s], height, values, y, height)
        potri(at, width, values, block[s], height)
        if r == 0:
            continue
        own = rows[start : start + r]
        product[: r * width] = 0.0
        for c0 in range(0, r, TILE):
            c1 = min(r, c0 + TILE)
            tall = r - c0
            wide = c1 - c0
            t0 = c0
            while t0 < c1:
                k = owner[own[t0]]
                t1 = t0 + 1
                while t1 < c1 and own[t1] < first[k + 1]:
                    t1 += 1
                locate(own, t0, r, first, rowptr, rows, k, index)
                size = first[k + 1] - first[k] + rowptr[k + 1] - rowptr[k]
                for t in range(t0, t1):
                    column = block[k] + index[t] * size
                    target = (t - c0) * tall - c0
                    for u in range(t, r):
                        tile[target + u] = values[column + index[u]]
                t0 = t1
            for t in range(wide):
                for u in range(t + 1, wide):
                    tile[u * tall + t] = tile[t * tall + u]
            gemm(
                at, False, False, tall, width, wide, 1.0, tile, 0, tall, values, y + c0, height,
                1.0, product, c0, r,
            )  # fmt: skip
            if c1 < r:
                gemm(
                    at, True, False, wide, width, r - c1, 1.0, tile, wide, tall, values, y + c1,
                    height, 1.0, product, c0, r,
                )  # fmt: skip
        gemm(
            at, True, False, width, width, r, 1.0, values, y, height, product, 0, r, 1.0,
            values, block[s], height,
        )  # fmt: skip
        for t in range(width):
            for u in range(r):
                values[y + t * height + u] = -product[t * r + u]


def invert_blocks(factor: SupernodalFactor, workers: int = 1) -> SupernodalInverse:
    """Selected inverse of A from its factor, in the memory of the factor, which is overwritten.

    Parameters
    ----------
    factor : SupernodalFactor
        From :func:`precondbench.factors.supernodal_cholesky.factorise_blocks`; not to be used again.
    workers : int
        Threads over subtrees, beside those of BLAS.

    Returns
    -------
    SupernodalInverse
        A^-1 on the blocks.
    """
    structure = factor.supernodes.structure
    at = routines()

    def run(nodes: NDArray[np.int64]) -> None:
        _invert_blocks(at, nodes, *structure, factor.values)

    run(factor.subtrees.top)
    for _ in in_order(run, factor.subtrees.parts, workers):
        pass
    return SupernodalInverse(factor.supernodes, factor.values, factor.log_determinant)


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
