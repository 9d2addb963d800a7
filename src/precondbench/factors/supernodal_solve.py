"""Triangular solves with a supernodal Cholesky factor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precondbench.factors.blas import gemm, one_thread, routines, trsm
from precondbench.factors.jit import kernel
from precondbench.factors.supernodal_cholesky import SupernodalFactor

__all__ = ["solve"]


@kernel
def _solve(at, first, rowptr, rows, block, owner, values, x, count):  # type: ignore[no-untyped-def]
    """X = (L L^T)^-1 X for ``count`` columns, stored one after another in elimination order."""
    n = owner.size
    size = first.size - 1
    longest = 0
    for s in range(size):
        longest = max(longest, rowptr[s + 1] - rowptr[s])
    work = np.empty(longest * count, np.float64)
    for s in range(size):
        width = first[s + 1] - first[s]
        r = rowptr[s + 1] - rowptr[s]
        height = width + r
        j = first[s]
        trsm(at, False, False, width, count, values, block[s], height, x, j, n)
        if r == 0:
            continue
        below = block[s] + width
        gemm(
            at, False, False, r, count, width, 1.0, values, below, height, x, j, n, 0.0, work, 0, r
        )
        for c in range(count):
            for t in range(r):
                x[c * n + rows[rowptr[s] + t]] -= work[c * r + t]
    for s in range(size - 1, -1, -1):
        width = first[s + 1] - first[s]
        r = rowptr[s + 1] - rowptr[s]
        height = width + r
        j = first[s]
        if r > 0:
            below = block[s] + width
            for c in range(count):
                for t in range(r):
                    work[c * r + t] = x[c * n + rows[rowptr[s] + t]]
            gemm(
                at, True, False, width, count, r, -1.0, values, below, height, work, 0, r, 1.0,
                x, j, n,
            )  # fmt: skip
        trsm(at, False, True, width, count, values, block[s], height, x, j, n)


def solve(factor: SupernodalFactor, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve A X = B with a factor that has not been overwritten.

    Parameters
    ----------
    factor : SupernodalFactor
        From :func:`factorise_blocks`.
    right : numpy.ndarray
        float64 (columns, n): right-hand sides as rows, in the order of the matrix as given.

    Returns
    -------
    numpy.ndarray
        float64 (columns, n).
    """
    position = factor.supernodes.position
    x = np.empty_like(right)
    x[:, position] = right
    with one_thread:
        _solve(routines(), *factor.supernodes.structure, factor.values, x.reshape(-1), len(right))
    return x[:, position]
