"""Elimination with memory and compensation as compiled kernels, with its derivative.

A column of the remainder W of an elimination has rows t, the pivot first. Some of them are
hidden, q, the others, s, are wanted. What is wanted is the first column of the Schur complement
of W[t, t] onto s, as Inv-K has it of A. ``at[x, y]``, x >= y, is the position of (t_x, t_y) among
the stored entries of W, or -1.

Where pivot k would put -f, f = L_ik L_jk, at (i, j) outside the pattern, s |f| t is added to a_ii
and s |f| / t to a_jj, with t = tilt_ik / tilt_jk and s = share_k. s = 0 is IC(0). With s = 1 the
remainder stays positive definite, as [[|f| t, f], [f, |f| / t]] is semidefinite (Ajiz and Jennings
1984, where t = 1); s = -1 for f > 0 is that of modified factorisations (Gustafsson 1978). In
between, a pivot that is too small is raised to just above the largest w_ik^2 / w_ii, so there is no
breakdown. The derivative takes raised pivots as given, and is cut where it explodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from precondbench._internal import kernel
from precondbench.factors import LowerPattern

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


# A 2 by 2 minor of the remainder keeps at least this part after its pivot,
MARGIN = 1.0 + 1e-6
# and the diagonal of the remainder stays within these multiples of that of A.
LEAST, MOST = 1e-10, 1e3
# Where pivots are raised the adjoint grows without bound; it is cut at so many times the largest
# derivative that comes in.
CUT = 100.0


@kernel
def _eliminate(  # type: ignore[no-untyped-def]
    pattern, a, share, tilt, hidden, projects, out, factor, w, held, raised, bound
):
    indptr, indices, colptr, rows, where = pattern
    n = indptr.size - 1
    longest = np.max(colptr[1:] - colptr[:-1])
    at = np.empty((longest, longest), np.int64)
    block = np.empty((longest, longest), np.float64)
    q, y = np.empty(longest, np.int64), np.empty(longest, np.float64)
    column = np.empty(longest, np.float64)
    slot = np.full(n, -1, np.int64)
    for k in range(n):
        start, size = colptr[k], colptr[k + 1] - colptr[k]
        here = where[start : start + size]
        locate(indptr, indices, rows[start : start + size], slot, at)
        pivot = w[here[0]]
        for x in range(1, size):
            # At most the pivot if the remainder is positive definite; otherwise it is raised.
            least = MARGIN * w[here[x]] ** 2 / w[at[x, x]]
            if pivot < least:
                pivot = least
                raised[k] = True
        if projects:
            project(at, size, hidden[here], w, pivot, q, block, y, column)
            out[here] = column[:size]
        root = np.sqrt(pivot)
        factor[here[0]] = root
        for x in range(1, size):
            factor[here[x]] = w[here[x]] / root
            held[here[x]] = w[at[x, x]]
        for x in range(1, size):
            for o in range(1, x + 1):
                fill = factor[here[x]] * factor[here[o]]
                if at[x, o] >= 0:
                    w[at[x, o]] -= fill
                else:
                    part = share[k, 0] * fill if fill > 0.0 else -share[k, 1] * fill
                    lean = tilt[here[x]] / tilt[here[o]]
                    w[at[x, x]] += part * lean
                    w[at[o, o]] += part / lean
        for x in range(1, size):
            p = at[x, x]
            value = min(max(w[p], LEAST * a[p]), MOST * a[p])
            bound[here[x]] = value != w[p]
            w[p] = value


@kernel
def _derive(  # type: ignore[no-untyped-def]
    pattern, share, tilt, hidden, out, factor, w, held, raised, bound, g
):
    indptr, indices, colptr, rows, where = pattern
    n = indptr.size - 1
    longest = np.max(colptr[1:] - colptr[:-1])
    at = np.empty((longest, longest), np.int64)
    block = np.empty((longest, longest), np.float64)
    q, y, z = np.empty(longest, np.int64), np.empty(longest), np.empty(longest)
    gl, g_column = np.empty(longest), np.empty(longest)
    slot = np.full(n, -1, np.int64)
    # Adjoints of the remainder; additions to it pass them on unchanged, so one array is enough.
    gw = np.zeros_like(g)
    cut = CUT * np.max(np.abs(g))
    g_share = np.zeros_like(share)
    g_tilt = np.zeros_like(tilt)
    for k in range(n - 1, -1, -1):
        start, size = colptr[k], colptr[k + 1] - colptr[k]
        here = where[start : start + size]
        locate(indptr, indices, rows[start : start + size], slot, at)
        for x in range(1, size):
            gl[x] = 0.0
            if bound[here[x]]:
                gw[at[x, x]] = 0.0
        for x in range(1, size):
            for o in range(1, x + 1):
                fill = factor[here[x]] * factor[here[o]]
                if at[x, o] >= 0:
                    g_fill = -gw[at[x, o]]
                    # The remainder as it was before this pivot.
                    w[at[x, o]] += fill
                else:
                    side = 0 if fill > 0.0 else 1
                    lean = tilt[here[x]] / tilt[here[o]]
                    of_x, of_o = gw[at[x, x]] * lean, gw[at[o, o]] / lean
                    g_fill = share[k, side] * (of_x + of_o) * (1.0 if side == 0 else -1.0)
                    g_share[k, side] += abs(fill) * (of_x + of_o)
                    turned = share[k, side] * abs(fill) * (of_x - of_o)
                    g_tilt[here[x]] += turned / tilt[here[x]]
                    g_tilt[here[o]] -= turned / tilt[here[o]]
                gl[x] += g_fill * factor[here[o]]
                gl[o] += g_fill * factor[here[x]]
        for x in range(1, size):
            w[at[x, x]] = held[here[x]]
        root = factor[here[0]]
        project_adjoint(
            at, size, hidden[here], w, root * root, q, block, y, z, out[here], g[here], gw, g_column
        )
        g_root = 0.0
        for x in range(1, size):
            g_root -= gl[x] * factor[here[x]] / root
            gw[here[x]] = min(max(gl[x] / root + g_column[x], -cut), cut)
        # A raised pivot is taken as given.
        if not raised[k]:
            value = gw[here[0]] + 0.5 * g_root / root + g_column[0]
            gw[here[0]] = min(max(value, -cut), cut)
    return gw, g_share, g_tilt


def _double(values: Tensor) -> NDArray[np.float64]:
    return np.array(values.detach().cpu().numpy(), dtype=np.float64)


class _Elimination(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, a: Tensor, share: Tensor, tilt: Tensor, pattern: LowerPattern, kept: Tensor
    ) -> Tensor:
        given = (_double(share), _double(tilt), ~kept.cpu().numpy())
        arrays, made = _run(a, *given, True, pattern)
        ctx.saved = (arrays, given, made)
        ctx.like = (a, share, tilt)
        return torch.from_numpy(made[0].copy()).to(a)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        arrays, given, (out, factor, w, *rest) = ctx.saved
        found = _derive(arrays, *given, out, factor, w.copy(), *rest, _double(gradient))
        like = zip(found, ctx.like, strict=True)
        return (*(torch.from_numpy(g).to(x) for g, x in like), None, None)


def _run(
    a: Tensor,
    share: NDArray[np.float64],
    tilt: NDArray[np.float64],
    hidden: NDArray[np.bool_],
    projects: bool,
    pattern: LowerPattern,
) -> tuple[tuple[NDArray[Any], ...], tuple[NDArray[Any], ...]]:
    """Eliminate; return the arrays of the pattern, and those that the kernel fills."""
    values = _double(a)
    arrays = (pattern.indptr, pattern.indices, *pattern.columns())
    factors = (np.zeros_like(values), np.zeros_like(values))
    marks = (np.zeros(pattern.n, np.bool_), np.zeros(pattern.nnz, np.bool_))
    made = (*factors, values.copy(), np.zeros_like(values), *marks)
    _eliminate(arrays, values, share, tilt, hidden, projects, *made)
    return arrays, made


def raised_pivots(a: Tensor, share: Tensor, tilt: Tensor, pattern: LowerPattern) -> Tensor:
    """Return, as bool [n], which pivots :func:`compensated_elimination` has to raise."""
    hidden = np.zeros(pattern.nnz, np.bool_)
    _, made = _run(a, _double(share), _double(tilt), hidden, False, pattern)
    return torch.from_numpy(made[4])


def compensated_elimination(
    a: Tensor, share: Tensor, tilt: Tensor, pattern: LowerPattern, kept: Tensor | None = None
) -> Tensor:
    """Incomplete Cholesky factor whose dropped fill-in is compensated on the diagonal.

    ``a`` is tril(A) on the pattern, ``share`` [n, 2] is s for f > 0 and f < 0, ``tilt`` [entries]
    is positive. Entries that are not ``kept`` are memory. The result is zero where not kept, in
    the type and place of ``a``.
    """
    everything = torch.ones(pattern.nnz, dtype=torch.bool) if kept is None else kept
    values: Tensor = _Elimination.apply(  # type: ignore[no-untyped-call]
        a, share, tilt, pattern, everything
    )
    return values
