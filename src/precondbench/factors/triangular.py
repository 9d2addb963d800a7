"""Solves with L L^T in a fixed order of operations."""

from __future__ import annotations

from precondbench.factors.jit import kernel

__all__ = ["solve_factored"]


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
