"""Arithmetic on rows of interleaved right-hand sides, one lane for each.

Vectors of several systems are stored side by side, float64 (n, lanes) in C order, and a kernel
works on a row of them at a time. In compiled code a row is a vector of LLVM
(``_internal.vectors``), so that four lanes take one instruction; interpreted, it is a tuple. A lane
has the bits of a single system.

Numba's cache of a kernel of another module does not see changes here: delete ``__pycache__`` then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from precondbench._internal import at, compiled_as, kernel, load, splat, store

Row = tuple[float, ...]
# Systems in lockstep. Kernels are compiled for this number and for one.
LANES = 4


def zeros(x: NDArray[np.float64]) -> Row:
    """Return a row of zeros for x of shape (n, lanes), which tells kernels the number of lanes."""
    return (0.0,) * int(x.shape[1])


@compiled_as(lambda builder, zero: zero)
def nothing(zero: Row) -> Row:
    """Return a row of zeros to add to."""
    return zero


@compiled_as(lambda builder, zero, x, i: load(builder, zero, x, i))
def row(zero: Row, x: Any, i: int) -> Row:
    """Return row i of x; ``zero`` tells the number of lanes."""
    return tuple(x[i, k] for k in range(len(zero)))


@compiled_as(
    lambda builder, zero, a, x, i: builder.fmul(splat(builder, zero, a), load(builder, zero, x, i))
)
def scaled_row(zero: Row, a: float, x: Any, i: int) -> Row:
    """Return a number times row i of x."""
    return tuple(a * x[i, k] for k in range(len(zero)))


@compiled_as(
    lambda builder, t, a, x, i: builder.fadd(
        t, builder.fmul(splat(builder, t, a), load(builder, t, x, i))
    )
)
def plus(t: Row, a: float, x: Any, i: int) -> Row:
    """Return t + a x[i] for a number a."""
    return tuple(t[k] + a * x[i, k] for k in range(len(t)))


@compiled_as(
    lambda builder, t, a, x, i: builder.fsub(
        t, builder.fmul(splat(builder, t, a), load(builder, t, x, i))
    )
)
def minus(t: Row, a: float, x: Any, i: int) -> Row:
    """Return t - a x[i] for a number a."""
    return tuple(t[k] - a * x[i, k] for k in range(len(t)))


@compiled_as(lambda builder, t, a, u: builder.fadd(t, builder.fmul(a, u)))
def moved(t: Row, a: Row, u: Row) -> Row:
    """Return t + a u, lane by lane."""
    return tuple(t[k] + a[k] * u[k] for k in range(len(t)))


@compiled_as(lambda builder, t, a, u: builder.fadd(t, builder.fmul(splat(builder, t, a), u)))
def along(t: Row, a: float, u: Row) -> Row:
    """Return t + a u for a number a."""
    return tuple(t[k] + a * u[k] for k in range(len(t)))


@compiled_as(lambda builder, t, a: builder.fdiv(t, splat(builder, t, a)))
def over(t: Row, a: float) -> Row:
    """Return t / a for a number a."""
    return tuple(t[k] / a for k in range(len(t)))


@compiled_as(lambda builder, t, u: builder.fadd(t, u))
def added(t: Row, u: Row) -> Row:
    """Return t + u."""
    return tuple(t[k] + u[k] for k in range(len(t)))


@compiled_as(lambda builder, t, u: builder.fsub(t, u))
def difference(t: Row, u: Row) -> Row:
    """Return t - u."""
    return tuple(t[k] - u[k] for k in range(len(t)))


@compiled_as(
    lambda builder, t, u: builder.select(
        builder.fcmp_ordered(">", u, u.type(None)), builder.fdiv(t, u), u.type(None)
    )
)
def ratio(t: Row, u: Row) -> Row:
    """Return t / u, and 0 in lanes where u is 0."""
    return tuple(t[k] / u[k] if u[k] > 0.0 else 0.0 for k in range(len(t)))


@compiled_as(lambda builder, x, i, t: store(builder, x, i, t), returns=False)
def put(x: Any, i: int, t: Row) -> None:
    """Write t to row i of x."""
    for k in range(len(t)):
        x[i, k] = t[k]


@register_jitable
def no_sums(zero):  # type: ignore[no-untyped-def]
    """Return four partial sums of no terms."""
    t = nothing(zero)
    return t, t, t, t


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
    sums = no_sums(zero)
    for i in range(x.shape[0]):
        sums = accumulate(sums, row(zero, x, i), row(zero, y, i))
    return total(sums, x.shape[0])


@kernel
def dot_backwards(zero, x, y):  # type: ignore[no-untyped-def]
    """x^T y, last row to first: the order in which backward substitution finds its solution."""
    sums = no_sums(zero)
    n = x.shape[0]
    for i in range(n - 1, -1, -1):
        sums = accumulate(sums, row(zero, x, i), row(zero, y, i))
    return total(sums, n)


@kernel
def multiply(zero, matrix, x, out):  # type: ignore[no-untyped-def]
    """Write A x to ``out`` and return x^T A x; A is (indptr, indices, data)."""
    indptr, indices, data = matrix
    sums = no_sums(zero)
    n = x.shape[0]
    for i in range(n):
        t = nothing(zero)
        for p in range(at(indptr, i), at(indptr, i + 1)):
            t = plus(t, at(data, p), x, at(indices, p))
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
