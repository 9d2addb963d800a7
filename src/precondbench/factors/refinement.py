"""Columns of A^-1 to nearly full precision, by refinement with residuals in twice the precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.factors.jit import kernel

__all__ = ["refined_inverse_columns"]

Solver = Callable[[NDArray[np.float64]], NDArray[np.float64]]

STEPS = 8


@kernel
def _two_sum(a, b):  # type: ignore[no-untyped-def]
    """Rounded sum of a and b, and its error (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@kernel
def _two_product(a, b):  # type: ignore[no-untyped-def]
    """Rounded product of a and b, and its error (Dekker); no fused operation is assumed."""
    p = a * b
    c = 134217729.0 * a
    a1 = c - (c - a)
    a2 = a - a1
    c = 134217729.0 * b
    b1 = c - (c - b)
    b2 = b - b1
    return p, ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2


@kernel
def _residuals(indptr, indices, data, targets, high, low):  # type: ignore[no-untyped-def]
    """e_j - A (high + low) for each target j, sums kept in twice the working precision."""
    n = indptr.size - 1
    out = np.empty_like(high)
    for k in range(targets.size):
        for i in range(n):
            total = 1.0 if i == targets[k] else 0.0
            rest = 0.0
            for p in range(indptr[i], indptr[i + 1]):
                j = indices[p]
                product, error = _two_product(-data[p], high[k, j])
                total, carried = _two_sum(total, product)
                rest += carried + (error - data[p] * low[k, j])
            out[k, i] = total + rest
    return out


@kernel
def _accumulate(high, low, change):  # type: ignore[no-untyped-def]
    """Add to an unevaluated sum high + low; returns the largest change over the largest entry."""
    worst = 0.0
    for k in range(high.shape[0]):
        largest, moved = 0.0, 0.0
        for i in range(high.shape[1]):
            total, error = _two_sum(high[k, i], change[k, i])
            high[k, i], low[k, i] = _two_sum(total, error + low[k, i])
            largest = max(largest, abs(high[k, i]))
            moved = max(moved, abs(change[k, i]))
        worst = max(worst, moved / largest)
    return worst


def refined_inverse_columns(
    matrix: csr_array, solve: Solver, targets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Some columns of A^-1, refined until they settle.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        A, symmetric.
    solve : callable
        Approximate solution of A X = B for right-hand sides given as rows.
    targets : numpy.ndarray
        int64 (k,): which columns.

    Returns
    -------
    high, low : numpy.ndarray
        float64 (k, n): the columns are high + low, unevaluated.
    settled : float
        Size of the last correction relative to the solution: the relative error that may be
        left. Near 1 or above where cond(A) is beyond the reciprocal of the rounding unit.

    Notes
    -----
    Each step gains a factor of about 1 / (cond(A) eps), whatever the method behind ``solve``, so
    the result is a reference that does not depend on it (Wilkinson 1963; Higham 2002, chapter 12).
    """
    right = np.zeros((targets.size, matrix.shape[0]))
    right[np.arange(targets.size), targets] = 1.0
    high = solve(right)
    low = np.zeros_like(high)
    settled = np.inf
    for _ in range(STEPS):
        residual = _residuals(matrix.indptr, matrix.indices, matrix.data, targets, high, low)
        change = solve(residual)
        if not np.all(np.isfinite(change)):
            return high, low, np.inf
        moved = float(_accumulate(high, low, change))
        # Rounding has been reached, or the steps do not contract.
        if moved >= 0.5 * settled:
            break
        settled = moved
        if settled < 1e-20:
            break
    return high, low, settled
