"""Solves with L L^T in a fixed order of operations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.factors.cholesky.blas import gemm, one_thread, routines, trsm
from precondbench.factors.cholesky.supernodal import SupernodalFactor


@kernel
def solve_factored(indptr, indices, factor, x):  # type: ignore[no-untyped-def]
    """Overwrite x by (L L^T)^-1 x; L by rows, columns ascending, diagonal last in each."""
    n = x.size
    for i in range(n):
        last = indptr[i + 1] - 1
        total = x[i]
        for p in range(indptr[i], last):
            total -= factor[p] * x[indices[p]]
        x[i] = total / factor[last]
    for i in range(n - 1, -1, -1):
        last = indptr[i + 1] - 1
        x[i] /= factor[last]
        for p in range(indptr[i], last):
            x[indices[p]] -= factor[p] * x[i]


@kernel
def last_inverse_row(block, m, x):  # type: ignore[no-untyped-def]
    """With block[:m, :m] = R R^T, overwrite x[:m] by R^-T e_last; False if there is no R.

    Only the lower triangle is read; R is left there.
    """
    for r in range(m):
        for c in range(r + 1):
            total = block[r, c]
            for k in range(c):
                total -= block[r, k] * block[c, k]
            if c < r:
                block[r, c] = total / block[c, c]
            else:
                if not (total > 0.0 and total < np.inf):
                    return False
                block[r, r] = np.sqrt(total)
    for c in range(m - 1, -1, -1):
        total = 1.0 if c == m - 1 else 0.0
        for r in range(c + 1, m):
            total -= block[r, c] * x[r]
        x[c] = total / block[c, c]
    return True


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
