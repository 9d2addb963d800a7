"""Local-patch Inv-K whose boundary nodes are reduced by a network, and its derivative."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from precondbench._internal import kernel
from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.elimination.levels import pattern_of
from precondbench.baselines.message_passing.graph_network import LowerNetwork, mlp, zero_output
from precondbench.errors import BreakdownError
from precondbench.factors import (
    LowerPattern,
    eliminate_patch,
    forget,
    local_columns,
    schur_column,
    solve_envelope,
)

# The derivative by a number is cut at so many times the largest that comes in: near a singular
# patch it has no bound.
CUT = 1e3


@kernel
def _adjoint(skip, colptr, rows, where, graph, hops, g, g_outside):  # type: ignore[no-untyped-def]
    """Add to ``g_outside`` the derivative by each number outside, from that by the columns."""
    a_indptr, a_indices, a_data, _ = graph
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    slot = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int32)
    offset, end = np.empty(n + 1, np.int64), np.empty(n, np.int64)
    band = np.empty(1024, np.float64)
    y, z = np.zeros(n, np.float64), np.zeros(n, np.float64)
    column, g_column = np.empty(n, np.float64), np.empty(n, np.float64)
    for i in range(n):
        start = colptr[i]
        m = colptr[i + 1] - start
        if skip[i]:
            continue
        count, band = eliminate_patch(
            i, colptr, rows, graph, hops, True, mark, slot, queue, offset, end, band, y
        )
        seeds = rows[start : start + m]
        schur_column(i, seeds, graph, mark, slot, y, column)
        interior = count - m
        # L_t = S_t / S_0^(1/2).
        root = np.sqrt(column[0])
        g_column[0] = 0.5 * g[where[start]] / root
        for t in range(1, m):
            g_column[t] = g[where[start + t]] / root
            g_column[0] -= 0.5 * g_column[t] * column[t] / column[0]
        # S = A_ss - A_so (A_oo - D)^-1 A_os - D_s, so dS_t = -z y dD with z = (A_oo - D)^-1 A_ot.
        z[:interior] = 0.0
        for t in range(m):
            for p in range(a_indptr[seeds[t]], a_indptr[seeds[t] + 1]):
                j = slot[a_indices[p]]
                if j >= 0:
                    z[j] += g_column[t] * a_data[p]
        solve_envelope(interior, 0, offset, end, band, z)
        for j in range(interior):
            node = queue[count - 1 - j]
            for p in range(a_indptr[node], a_indptr[node + 1]):
                if mark[a_indices[p]] != i:
                    g_outside[p] -= z[j] * y[j]
        for p in range(a_indptr[i], a_indptr[i + 1]):
            if mark[a_indices[p]] != i:
                g_outside[p] -= g_column[0]
        forget(m, count, queue, slot)


class _Closed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, outside: Tensor, a: Tensor, pattern: LowerPattern, hops: int) -> Tensor:
        matrix = pattern.symmetric_csr(a.detach().cpu().numpy().astype(np.float64))
        numbers = outside.detach().cpu().numpy().astype(np.float64)
        columns = pattern.columns()
        graph = (matrix.indptr, matrix.indices, matrix.data, numbers)
        out = np.zeros(pattern.nnz)
        failed = _all_columns(np.zeros(pattern.n, np.bool_), columns, graph, hops, out)
        if failed.any():
            # What breaks down with its boundary closed is left open, which cannot break down.
            plain = (*graph[:3], np.empty(0))
            broken = np.flatnonzero(_all_columns(~failed, columns, plain, hops, out))
            if broken.size:
                raise BreakdownError(
                    f"the patch of row {broken[0]} of a batch is not positive definite in double "
                    "precision; leave its matrix out",
                    int(broken[0]),
                )
        ctx.saved = (failed, *columns, graph, hops)
        ctx.like = outside
        return torch.from_numpy(out).to(a.device)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        incoming = gradient.detach().cpu().numpy().astype(np.float64)
        found = np.zeros(ctx.saved[4][1].size)
        _adjoint(*ctx.saved, incoming, found)
        most = CUT * float(np.abs(incoming).max(initial=0.0))
        return torch.from_numpy(np.clip(found, -most, most)).to(ctx.like), None, None, None


def _all_columns(
    skip: NDArray[np.bool_],
    columns: tuple[NDArray[Any], ...],
    graph: tuple[NDArray[Any], ...],
    hops: int,
    out: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Compute the columns not skipped; return which of them broke down."""
    failed = np.zeros(skip.size, np.bool_)
    first = 0
    while first < skip.size:
        broken = int(local_columns(first, skip.size, skip, *columns, graph, hops, out))
        if broken < 0:
            break
        failed[broken] = True
        first = broken + 1
    return failed


def closed_patches(outside: Tensor, a: Tensor, pattern: LowerPattern, hops: int) -> Tensor:
    r"""Local-patch Inv-K of A, each patch reduced on its boundary, see ``local_invk``.

    In the patch P of a column a_pp is replaced by a_pp - sum_q outside_pq over the neighbours q
    of p that are not in P. The Schur complement onto P of all that is outside would reduce it so,
    and change the entries between boundary nodes, too. A column whose reduced patch is not
    positive definite is computed without. The derivative by ``outside`` is the adjoint of the
    solves, at their cost; by A it is not given.

    ``outside`` is in the order of ``pattern.symmetric_csr``, ``a`` is tril(A), and the result is
    float64 on the device of ``a``. A patch that is not positive definite even with its boundary
    open is a BreakdownError.
    """
    values: Tensor = _Closed.apply(outside, a, pattern, hops)  # type: ignore[no-untyped-call]
    return values


# A neighbour beyond the boundary reduces a pivot by at most so many times what it would reduce
# it by if it had no other neighbours, and at first by as much as that.
MOST = 4.0
START = -1.1


class LearnedClosure(Network):
    r"""Local-patch Inv-K with ``rounds`` - 1 hops, and a learned reduction of each boundary node.

    Inv-K eliminates all nodes outside a column; ``local_invk`` eliminates those of a patch, and
    takes A as it is at the boundary, as if there were nothing beyond. Here a node p of the boundary
    keeps a_pp - sum_q w_pq a_pq^2 / a_qq over its neighbours q beyond, w_pq in (0, 4) from
    message passing on A with ``rounds`` rounds: the pivot that eliminating q would leave, if w_pq
    is right. On a tridiagonal matrix the right w_pq make it exact; they depend on all rows on the
    far side of q. Elsewhere, entries between boundary nodes are left as they are.

    It is local: an entry sees about 2 ``rounds`` hops. Each column is the solution of a linear
    system in double precision, and where a reduced patch is not positive definite it is taken
    as it is. Equivariant under scaling of A. ``k-condition`` is the loss that asks for it.

    Parameters
    ----------
    rounds : int
        Rounds of message passing; patches have ``rounds`` - 1 hops.
    width : int
        Width of the network.
    """

    # Patches are solved in double precision.
    core = "tril"
    core_dtype = torch.float64
    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.hops = rounds - 1
        self.network = LowerNetwork(rounds, width, node_features=2, edge_features=3)
        self.decoder = zero_output(mlp(width, width, 1))
        self.start = nn.Parameter(torch.tensor(START))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        x, core = batch.x, batch.core
        assert core is not None
        pattern = pattern_of(batch.edge_index, batch.lower)
        column, row = batch.lower_ends
        scale = core[column == row].sqrt()
        a = core / scale[row] / scale[column]
        # All entries of A by rows, in the order of `symmetric_csr`.
        matrix = pattern.symmetric_csr(a.detach().cpu().numpy())
        near = torch.from_numpy(np.repeat(np.arange(pattern.n), np.diff(matrix.indptr)))
        far = torch.from_numpy(matrix.indices.astype(np.int64))
        near, far = near.to(x.device), far.to(x.device)
        entries = torch.from_numpy(matrix.data).to(a)
        off = torch.where(near == far, 0.0, entries)
        value = entries.to(x.dtype)
        zero = a.new_zeros(pattern.n)
        weight = zero.index_add(0, near, off.square())
        degree = torch.bincount(near, minlength=pattern.n).to(x.dtype)
        nodes = torch.stack([weight.to(x.dtype).log1p(), degree.log()], dim=1)
        edges = torch.stack([value, value.abs(), (near - far).sign().to(x.dtype)], dim=1)
        _, e = self.network(nodes, edges, far, near)
        numbers = MOST * torch.sigmoid(self.start + self.decoder(e).squeeze(1))
        outside = numbers.double() * off.square()
        return scale[row] * closed_patches(outside, a, pattern, self.hops)
