"""Incomplete elimination with memory that compensates what it drops, and its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.autograd.function import once_differentiable

from precondbench.baselines.column_projection import locate, project, project_adjoint
from precondbench.factors.jit import kernel
from precondbench.factors.pattern import LowerPattern

__all__ = ["compensated_elimination", "mended_pivots"]

# What is left of a 2 by 2 minor of the remainder after its pivot is at least this part,
MARGIN = 1.0 + 1e-6
# and the diagonal of the remainder stays within these multiples of that of A.
LEAST, MOST = 1e-10, 1e3
# Where pivots are mended the adjoint grows without bound; it is cut at so many times the largest
# derivative that comes in.
CUT = 100.0


@kernel
def _eliminate(  # type: ignore[no-untyped-def]
    indptr,
    indices,
    colptr,
    rows,
    where,
    a,
    share,
    tilt,
    hidden,
    projects,
    out,
    factor,
    w,
    held,
    mended,
    bound,
):
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
            # Never more than the pivot if the remainder is positive definite; else it mends it.
            least = MARGIN * w[here[x]] ** 2 / w[at[x, x]]
            if pivot < least:
                pivot = least
                mended[k] = True
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
    indptr,
    indices,
    colptr,
    rows,
    where,
    share,
    tilt,
    hidden,
    out,
    factor,
    w,
    held,
    mended,
    bound,
    g,
):
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
        # A mended pivot is taken as given.
        if not mended[k]:
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
        values = _double(a)
        made = _space(values, pattern)
        arrays = (pattern.indptr, pattern.indices, *pattern.columns())
        _eliminate(*arrays, values, *given, True, *made)
        ctx.saved = (*arrays, *given, *made)
        ctx.like = (a, share, tilt)
        return torch.from_numpy(made[0].copy()).to(a)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        saved = list(ctx.saved)
        saved[10] = saved[10].copy()
        found = _derive(*saved, _double(gradient))
        like = zip(found, ctx.like, strict=True)
        return (*(torch.from_numpy(g).to(x) for g, x in like), None, None)


def _space(values: NDArray[np.float64], pattern: LowerPattern) -> tuple[NDArray[Any], ...]:
    factors = (np.zeros_like(values), np.zeros_like(values))
    marks = (np.zeros(pattern.n, np.bool_), np.zeros(pattern.nnz, np.bool_))
    return (*factors, values.copy(), np.zeros_like(values), *marks)


def mended_pivots(a: Tensor, share: Tensor, tilt: Tensor, pattern: LowerPattern) -> Tensor:
    """Return, as bool [n], which pivots :func:`compensated_elimination` has to raise."""
    values = _double(a)
    made = _space(values, pattern)
    arrays = (pattern.indptr, pattern.indices, *pattern.columns())
    hidden = np.zeros(pattern.nnz, np.bool_)
    _eliminate(*arrays, values, _double(share), _double(tilt), hidden, False, *made)
    return torch.from_numpy(made[4])


def compensated_elimination(
    a: Tensor, share: Tensor, tilt: Tensor, pattern: LowerPattern, kept: Tensor | None = None
) -> Tensor:
    r"""Incomplete Cholesky factor whose dropped fill-in is compensated on the diagonal.

    Pivot k would put -f, f = L_ik L_jk, at (i, j). Where (i, j) is not in the pattern it is
    dropped, and s |f| t is added to a_ii, s |f| / t to a_jj, with t = tilt_ik / tilt_jk and
    s = share_k (its first number where f > 0, its second where f < 0).

    With s = 0 this is IC(0). With s = 1 the remainder stays positive definite whatever the
    tilts: what is added to it, [[|f| t, f], [f, |f| / t]], is semidefinite (Ajiz and Jennings
    1984, where t = 1). In between a pivot may come out too small. It is then raised to just
    above the largest w_ik^2 / w_ii, which keeps every diagonal of the remainder w positive, so
    there is no breakdown. The derivative is the adjoint of the recurrence, at its cost; it takes
    mended pivots as given, and is cut where it explodes.

    With ``kept`` the other entries of the pattern are memory: elimination goes on with them,
    but column k of the result is the first column of the Schur complement of the remainder, on
    the rows of column k, onto those that are kept. That is how Inv-K treats rows of A.

    Parameters
    ----------
    a : torch.Tensor
        [entries]: tril(A) on the pattern, diagonals positive.
    share : torch.Tensor
        [n, 2]; a negative one takes from the diagonal, as modified factorisations do.
    tilt : torch.Tensor
        [entries], positive.
    pattern : LowerPattern
        Where the entries stand. Several graphs one after the other are one pattern.
    kept : torch.Tensor, optional
        bool [entries], true on the diagonal; all by default.

    Returns
    -------
    torch.Tensor
        [entries]: L, zero where not kept, computed in float64 on the processor, in the type and
        place of ``a``.

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines.compensated_elimination import compensated_elimination
    >>> from precondbench.factors import lower_pattern
    >>> pattern = lower_pattern([[1, 0, 0], [1, 1, 0], [1, 0, 1]])  # (3, 2) would fill in
    >>> a, ones = torch.tensor([4.0, 2.0, 5.0, 2.0, 5.0]), torch.ones(5)
    >>> compensated_elimination(a, torch.zeros(3, 2), ones, pattern)
    tensor([2., 1., 2., 1., 2.])
    >>> compensated_elimination(a, torch.ones(3, 2), ones, pattern).square()
    tensor([4., 1., 5., 1., 5.])
    """
    everything = torch.ones(pattern.nnz, dtype=torch.bool) if kept is None else kept
    values: Tensor = _Elimination.apply(  # type: ignore[no-untyped-call]
        a, share, tilt, pattern, everything
    )
    return values
