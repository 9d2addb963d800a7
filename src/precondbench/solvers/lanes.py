"""Arithmetic on rows of interleaved right-hand sides, one lane for each.

Vectors of several systems are stored side by side, float64 (n, lanes) in C order, and a kernel
works on a row of them at a time. A row is a tuple, whose length is a constant of the compiled code:
four lanes become one vector instruction, and a lane has the bits of a single system.

Numba's cache of a kernel of another module does not see changes here: delete ``__pycache__`` then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import overload, register_jitable
from numpy.typing import NDArray

from precondbench._internal import kernel

# Systems in lockstep. Kernels are compiled for this number and for one.
LANES = 4


def zeros(x: NDArray[np.float64]) -> tuple[float, ...]:
    """Return a row of zeros for x of shape (n, lanes), which tells kernels the number of lanes."""
    return (0.0,) * int(x.shape[1])


def _lanewise(one: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of tuples that applies ``one(lane, first, ...)`` to every lane of first."""
    lane = register_jitable(one)

    def every(first: Any, *rest: Any) -> Any:
        return tuple(one(k, first, *rest) for k in range(len(first)))

    @overload(every)
    def _compiled(first, *rest):  # type: ignore[no-untyped-def]
        if len(first) == 1:
            return lambda first, *rest: (lane(0, first, *rest),)
        return lambda first, *rest: (
            lane(0, first, *rest),
            lane(1, first, *rest),
            lane(2, first, *rest),
            lane(3, first, *rest),
        )

    return every


@_lanewise
def row(k, zero, x, i):  # type: ignore[no-untyped-def]
    """Return row i of x; ``zero`` tells the number of lanes."""
    return x[i, k]


@_lanewise
def scaled_row(k, zero, a, x, i):  # type: ignore[no-untyped-def]
    """Return a number times row i of x."""
    return a * x[i, k]


@_lanewise
def plus(k, t, a, x, i):  # type: ignore[no-untyped-def]
    """Return t + a x[i] for a number a."""
    return t[k] + a * x[i, k]


@_lanewise
def minus(k, t, a, x, i):  # type: ignore[no-untyped-def]
    """Return t - a x[i] for a number a."""
    return t[k] - a * x[i, k]


@_lanewise
def moved(k, t, a, u):  # type: ignore[no-untyped-def]
    """Return t + a u, lane by lane."""
    return t[k] + a[k] * u[k]


@_lanewise
def along(k, t, a, u):  # type: ignore[no-untyped-def]
    """Return t + a u for a number a."""
    return t[k] + a * u[k]


@_lanewise
def over(k, t, a):  # type: ignore[no-untyped-def]
    """Return t / a for a number a."""
    return t[k] / a


@_lanewise
def added(k, t, u):  # type: ignore[no-untyped-def]
    """Return t + u."""
    return t[k] + u[k]


@_lanewise
def difference(k, t, u):  # type: ignore[no-untyped-def]
    """Return t - u."""
    return t[k] - u[k]


@_lanewise
def ratio(k, t, u):  # type: ignore[no-untyped-def]
    """Return t / u, and 0 in lanes where u is 0."""
    return t[k] / u[k] if u[k] > 0.0 else 0.0


@register_jitable
def put(x, i, t):  # type: ignore[no-untyped-def]
    """Write t to row i of x."""
    for k in range(len(t)):
        x[i, k] = t[k]


@register_jitable
def accumulate(sums, u, v):  # type: ignore[no-untyped-def]
    """Add u v to the oldest of four partial sums, which take the terms in turn."""
    return sums[1], sums[2], sums[3], moved(sums[0], u, v)


@register_jitable
def total(sums, terms):  # type: ignore[no-untyped-def]
    """Add the partial sums: (s0 + s1) + (s2 + s3), where s0 took the first term."""
    for _ in range(-terms % 4):
        sums = (sums[1], sums[2], sums[3], sums[0])
    return added(added(sums[0], sums[1]), added(sums[2], sums[3]))


@kernel
def dot(zero, x, y):  # type: ignore[no-untyped-def]
    """Return x^T y, first row to last."""
    sums = (zero, zero, zero, zero)
    for i in range(x.shape[0]):
        sums = accumulate(sums, row(zero, x, i), row(zero, y, i))
    return total(sums, x.shape[0])


@kernel
def dot_backwards(zero, x, y):  # type: ignore[no-untyped-def]
    """x^T y, last row to first: the order in which backward substitution finds its solution."""
    sums = (zero, zero, zero, zero)
    n = x.shape[0]
    for i in range(n - 1, -1, -1):
        sums = accumulate(sums, row(zero, x, i), row(zero, y, i))
    return total(sums, n)


@kernel
def multiply(zero, matrix, x, out):  # type: ignore[no-untyped-def]
    """Write A x to ``out`` and return x^T A x; A is (indptr, indices, data)."""
    indptr, indices, data = matrix
    sums = (zero, zero, zero, zero)
    n = x.shape[0]
    for i in range(n):
        t = zero
        for p in range(indptr[i], indptr[i + 1]):
            t = plus(t, data[p], x, indices[p])
        put(out, i, t)
        sums = accumulate(sums, row(zero, x, i), t)
    return total(sums, n)


@kernel
def residual(zero, matrix, x, b, out):  # type: ignore[no-untyped-def]
    """Write b - A x to ``out`` and return the square of its norm."""
    multiply(zero, matrix, x, out)
    for i in range(x.shape[0]):
        put(out, i, difference(row(zero, b, i), row(zero, out, i)))
    return dot(zero, out, out)
