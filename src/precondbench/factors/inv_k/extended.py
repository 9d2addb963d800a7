"""Inv-K and quadratic forms from an inverse with 32 digits: what the double ones are judged by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.cholesky.twofold import add, divide, multiply, root
from precondbench.factors.inv_k.columns import ILL_CONDITIONED
from precondbench.factors.inverse.extended import ExtendedInverse
from precondbench.factors.inverse.simplicial import gather_block
from precondbench.factors.patterns.triangular import LowerPattern

# Entries smaller than this, of the largest in their column, are judged as if they had that size.
SMALL_ENTRY = 1e-3


@kernel
def _last_inverse_row(block, low, m, x, x_low):  # type: ignore[no-untyped-def]
    """As ``last_inverse_row`` of the double kernels."""
    for r in range(m):
        for c in range(r + 1):
            total, rest = block[r, c], low[r, c]
            for k in range(c):
                z, z_low = multiply(block[r, k], low[r, k], block[c, k], low[c, k])
                total, rest = add(total, rest, -z, -z_low)
            if c < r:
                block[r, c], low[r, c] = divide(total, rest, block[c, c], low[c, c])
            else:
                if not (total > 0.0 and total < np.inf):
                    return False
                block[r, r], low[r, r] = root(total, rest)
    for c in range(m - 1, -1, -1):
        total, rest = (1.0 if c == m - 1 else 0.0), 0.0
        for r in range(c + 1, m):
            z, z_low = multiply(block[r, c], low[r, c], x[r], x_low[r])
            total, rest = add(total, rest, -z, -z_low)
        x[c], x_low[c] = divide(total, rest, block[c, c], low[c, c])
    return True


@kernel
def _columns(  # type: ignore[no-untyped-def]
    longest, colptr, rows, where, position, zptr, zrows, z, z_low, zdiagonal, zdiagonal_low, out
):
    """Inv-K, rounded, into ``out``; returns the column that broke down, or -1."""
    n = colptr.size - 1
    slot = np.full(n, -1, np.int32)
    block = np.empty((longest, longest), np.float64)
    low = np.empty((longest, longest), np.float64)
    nodes = np.empty(longest, np.int32)
    x = np.empty(longest, np.float64)
    x_low = np.empty(longest, np.float64)
    for i in range(n):
        start = colptr[i]
        m = colptr[i + 1] - start
        for t in range(m):
            nodes[m - 1 - t] = rows[start + t]
        gather_block(nodes[:m], position, zptr, zrows, z, zdiagonal, slot, block)
        gather_block(nodes[:m], position, zptr, zrows, z_low, zdiagonal_low, slot, low)
        if not _last_inverse_row(block, low, m, x, x_low):
            return i
        for t in range(m):
            out[where[start + t]] = x[m - 1 - t]
    return -1


def _longest(pattern: LowerPattern) -> int:
    return int(np.bincount(pattern.indices).max())


def extended_invk_values(inverse: ExtendedInverse, pattern: LowerPattern) -> NDArray[np.float64]:
    """Inv-K computed with 32 digits and rounded at the end; values in the pattern's CSR order."""
    out = np.zeros(pattern.nnz)
    column = int(_columns(_longest(pattern), *pattern.columns(), *inverse.arrays, out))
    if column >= 0:
        raise BreakdownError(ILL_CONDITIONED.format(column=column), column)
    return out


def entry_error(
    pattern: LowerPattern, values: NDArray[np.float64], exact: NDArray[np.float64]
) -> float:
    """Largest relative error of an entry, or of a small one relative to 1e-3 of its column."""
    colptr, _, where = pattern.columns()
    size = np.abs(exact)
    largest = np.maximum.reduceat(size[where], colptr[:-1])
    scale = np.maximum(size, SMALL_ENTRY * largest[pattern.indices])
    error = np.abs(values - exact) / scale
    return float(np.max(error)) if np.all(np.isfinite(error)) else float("inf")


@kernel
def _quadratic_forms(  # type: ignore[no-untyped-def]
    longest, colptr, rows, where, factor, position, zptr, zrows, z, z_low, zdiagonal, zdiagonal_low
):
    n = colptr.size - 1
    slot = np.full(n, -1, np.int32)
    block = np.empty((longest, longest), np.float64)
    low = np.empty((longest, longest), np.float64)
    out = np.empty(n, np.float64)
    for i in range(n):
        start = colptr[i]
        m = colptr[i + 1] - start
        nodes = rows[start : start + m]
        gather_block(nodes, position, zptr, zrows, z, zdiagonal, slot, block)
        gather_block(nodes, position, zptr, zrows, z_low, zdiagonal_low, slot, low)
        total, rest = 0.0, 0.0
        for r in range(m):
            product, product_low = 0.0, 0.0
            for c in range(m):
                y, y_low = multiply(block[r, c], low[r, c], factor[where[start + c]], 0.0)
                product, product_low = add(product, product_low, y, y_low)
            y, y_low = multiply(product, product_low, factor[where[start + r]], 0.0)
            total, rest = add(total, rest, y, y_low)
        out[i] = total
    return out


def extended_quadratic_forms(
    inverse: ExtendedInverse, pattern: LowerPattern, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Diagonal of L^T A^-1 L, summed with 32 digits: terms of both signs may cancel."""
    forms: NDArray[np.float64] = _quadratic_forms(
        _longest(pattern), *pattern.columns(), values, *inverse.arrays
    )
    return forms
