"""Arithmetic with unevaluated sums of two doubles, about 32 digits, in a fixed order.

Algorithms of Dekker (1971) and Knuth, as in the QD library (Hida, Li and Bailey 2001). A number is
a pair high, low with high the rounded sum. No fused multiply-add is assumed, so the bits are the
same on every machine.
"""

from __future__ import annotations

import numpy as np

from precondbench._internal import kernel


@kernel
def two_sum(a, b):  # type: ignore[no-untyped-def]
    """Rounded sum of a and b, and its error (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@kernel
def two_product(a, b):  # type: ignore[no-untyped-def]
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
def add(a, a_low, b, b_low):  # type: ignore[no-untyped-def]
    """Sum of two pairs, also where they cancel."""
    s, e = two_sum(a, b)
    t, f = two_sum(a_low, b_low)
    s, e = _normalised(s, e + t)
    return _normalised(s, e + f)


@kernel
def _normalised(a, b):  # type: ignore[no-untyped-def]
    s = a + b
    return s, b - (s - a)


@kernel
def multiply(a, a_low, b, b_low):  # type: ignore[no-untyped-def]
    """Product of two pairs."""
    p, e = two_product(a, b)
    return _normalised(p, e + (a * b_low + a_low * b))


@kernel
def divide(a, a_low, b, b_low):  # type: ignore[no-untyped-def]
    """Quotient of two pairs."""
    q = a / b
    p, p_low = multiply(b, b_low, q, 0.0)
    r, r_low = add(a, a_low, -p, -p_low)
    second = r / b
    p, p_low = multiply(b, b_low, second, 0.0)
    r, r_low = add(r, r_low, -p, -p_low)
    q, q_low = _normalised(q, second)
    return add(q, q_low, r / b, 0.0)


@kernel
def root(a, a_low):  # type: ignore[no-untyped-def]
    """Square root of a positive pair (one step of Newton from the rounded root)."""
    x = np.sqrt(a)
    p, p_low = two_product(x, x)
    r, r_low = add(a, a_low, -p, -p_low)
    return _normalised(x, (r + r_low) / (2.0 * x))
