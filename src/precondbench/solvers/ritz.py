"""Condition numbers from the coefficients of conjugate gradients."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel

# Relative width at which bisection ends.
WIDTH = 2.0**-40


@kernel
def _below(alpha, beta, shift):  # type: ignore[no-untyped-def]
    """Count Ritz values below ``shift``: pivots of T - shift I that are negative.

    T = B D B^T with D = diag(1 / alpha) and B unit lower bidiagonal with sqrt(beta). The pivots
    come from B and D by the stationary quotient-difference transform (Dhillon and Parlett 2004),
    which does not form T: small Ritz values keep their relative accuracy.
    """
    count = 0
    s = -shift
    for k in range(alpha.size):
        d = 1.0 / alpha[k]
        pivot = d + s
        if pivot == 0.0:
            pivot = -shift * 2.0**-60
        if pivot < 0.0:
            count += 1
        s = beta[k] * d * (s / pivot) - shift
    return count


@kernel
def extreme_ritz_values(alpha, beta, smallest, largest):  # type: ignore[no-untyped-def]
    """Extend the interval [smallest, largest] to hold all Ritz values of one side.

    Both ends have a relative error of 2^-40 and less. An empty interval is (inf, 0).
    """
    steps = alpha.size
    top = 0.0
    bottom = np.inf
    for k in range(steps):
        d = 1.0 / alpha[k]
        before = beta[k - 1] / alpha[k - 1] if k > 0 else 0.0
        # Gershgorin's bound; 2 sqrt(x y) <= x + y.
        centre = d + before
        radius = np.sqrt(before / alpha[k - 1]) if k > 0 else 0.0
        if k + 1 < steps:
            radius += np.sqrt(beta[k]) * d
        top = max(top, centre + radius)
        bottom = min(bottom, centre)
    top *= 1.0 + 1e-12
    if _below(alpha, beta, largest * (1.0 + WIDTH)) < steps:
        low, high = largest, top
        while high - low > WIDTH * high:
            middle = low + 0.5 * (high - low)
            if middle <= low or middle >= high:
                break
            if _below(alpha, beta, middle) < steps:
                low = middle
            else:
                high = middle
        largest = high
    high = min(bottom * (1.0 + 1e-12), smallest)
    if _below(alpha, beta, high * (1.0 - WIDTH)) > 0:
        low = high
        while low > 0.0 and _below(alpha, beta, low) > 0:
            high = low
            low = 0.25 * low
        while high - low > WIDTH * high:
            middle = low + 0.5 * (high - low)
            if middle <= low or middle >= high:
                break
            if _below(alpha, beta, middle) > 0:
                high = middle
            else:
                low = middle
        smallest = high
    else:
        smallest = min(smallest, high)
    return smallest, largest


def condition_number(
    coefficients: Iterable[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]],
) -> float | None:
    """Return the largest Ritz value of all sides over the smallest, None without a step.

    Each block of sides has alpha and beta, (steps, lanes), and the steps of every lane.
    """
    smallest, largest = np.inf, 0.0
    for alpha, beta, iterations in coefficients:
        for side in np.flatnonzero(iterations):
            steps = iterations[side]
            smallest, largest = extreme_ritz_values(
                np.ascontiguousarray(alpha[:steps, side]),
                np.ascontiguousarray(beta[:steps, side]),
                smallest,
                largest,
            )
    if not (0.0 < smallest < np.inf and 0.0 < largest < np.inf):
        return None
    # Of equal Ritz values the smallest may come out a rounding error above the largest.
    return max(1.0, float(largest / smallest))
