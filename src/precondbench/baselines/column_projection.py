"""Compiled pieces of an elimination with memory: one column, and the adjoint of its projection.

A column of the remainder W of an elimination has rows t, the pivot first. Some of them are
hidden, q, the others, s, are wanted. What is wanted is the first column of the Schur complement
of W[t, t] onto s, as Inv-K has it of A. ``at[x, y]``, x >= y, is the position of (t_x, t_y) among
the stored entries of W, or -1.
"""

from __future__ import annotations

import numpy as np

from precondbench.factors.jit import kernel

__all__ = ["locate", "project", "project_adjoint"]

# A hidden row whose pivot is smaller, relative to its diagonal, is left out of the projection,
# and a wanted pivot keeps this part of what it was.
SINGULAR = 1e-10
KEPT = 1e-6


@kernel
def locate(indptr, indices, rows, slot, at):  # type: ignore[no-untyped-def]
    """Fill ``at`` for the rows of a column."""
    for x in range(rows.size):
        i = rows[x]
        for q in range(indptr[i], indptr[i + 1]):
            slot[indices[q]] = q
        for y in range(x + 1):
            at[x, y] = slot[rows[y]]
        for q in range(indptr[i], indptr[i + 1]):
            slot[indices[q]] = -1


@kernel
def _entry(at, w, x, y):  # type: ignore[no-untyped-def]
    q = at[x, y] if x >= y else at[y, x]
    return w[q] if q >= 0 else 0.0


@kernel
def _solve(block, count, v):  # type: ignore[no-untyped-def]
    for c in range(count):
        for d in range(c):
            v[c] -= block[c, d] * v[d]
        v[c] /= block[c, c]
    for c in range(count - 1, -1, -1):
        for d in range(c + 1, count):
            v[c] -= block[d, c] * v[d]
        v[c] /= block[c, c]


@kernel
def _hidden_weights(at, size, hidden, w, q, block, y):  # type: ignore[no-untyped-def]
    """Find the hidden rows q, factorise W[q, q] and solve it for y, W[q, q] y = W[q, pivot]."""
    count = 0
    for x in range(1, size):
        if hidden[x]:
            q[count] = x
            count += 1
    for c in range(count):
        for d in range(c + 1):
            block[c, d] = _entry(at, w, q[c], q[d])
    for c in range(count):
        for d in range(c + 1):
            value = block[c, d]
            for z in range(d):
                value -= block[c, z] * block[d, z]
            if d < c:
                block[c, d] = value / block[d, d]
            elif value > SINGULAR * block[c, c]:
                block[c, c] = np.sqrt(value)
            else:
                block[c, c] = 1e150
        y[c] = w[at[q[c], 0]]
    _solve(block, count, y)
    return count


@kernel
def project(at, size, hidden, w, pivot, q, block, y, column):  # type: ignore[no-untyped-def]
    """Put the wanted column, scaled as one of a factor, in ``column``; zero where hidden."""
    count = _hidden_weights(at, size, hidden, w, q, block, y)
    left = pivot
    for c in range(count):
        left -= y[c] * w[at[q[c], 0]]
    root = np.sqrt(max(left, KEPT * pivot))
    column[0] = root
    for x in range(1, size):
        value = 0.0
        if not hidden[x]:
            value = w[at[x, 0]]
            for c in range(count):
                value -= y[c] * _entry(at, w, x, q[c])
        column[x] = value / root


@kernel
def project_adjoint(  # type: ignore[no-untyped-def]
    at, size, hidden, w, pivot, q, block, y, z, column, g, gw, g_column
):
    """From derivatives ``g`` by the wanted column to those by W, and by the column of W itself."""
    count = _hidden_weights(at, size, hidden, w, q, block, y)
    left = pivot
    for c in range(count):
        left -= y[c] * w[at[q[c], 0]]
    root = column[0]
    g_root = g[0]
    for x in range(1, size):
        g_column[x] = 0.0 if hidden[x] else g[x] / root
        g_root -= g_column[x] * column[x]
    g_left = 0.5 * g_root / root
    if left < KEPT * pivot:
        g_column[0] = KEPT * g_left
        g_left = 0.0
    else:
        g_column[0] = g_left
    for c in range(count):
        z[c] = -g_left * w[at[q[c], 0]]
        for x in range(1, size):
            if not hidden[x]:
                z[c] -= g_column[x] * _entry(at, w, x, q[c])
    _solve(block, count, z)
    for c in range(count):
        for x in range(1, size):
            if not hidden[x]:
                p = at[x, q[c]] if x >= q[c] else at[q[c], x]
                if p >= 0:
                    gw[p] -= g_column[x] * y[c]
        for d in range(c + 1):
            p = at[q[c], q[d]]
            if p >= 0:
                gw[p] -= z[c] * y[d] if c == d else z[c] * y[d] + z[d] * y[c]
        g_column[q[c]] = z[c] - g_left * y[c]
