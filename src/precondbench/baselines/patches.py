"""Networks on the patch of each column: message passing, and local-patch Inv-K with a closure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from precondbench._internal import kernel
from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.elimination.levels import pattern_of
from precondbench.baselines.message_passing.graph_network import (
    LowerNetwork,
    mlp,
    positive_diagonal,
    zero_output,
)
from precondbench.errors import BreakdownError, ConfigurationError
from precondbench.factors import (
    LowerPattern,
    eliminate_patch,
    forget,
    grow_patch,
    local_columns,
    schur_column,
    solve_envelope,
)

# Edges of all patches of a batch; beyond this they would not fit in memory.
MOST_EDGES = 50_000_000
# The derivative of a closure is cut at so many times the largest that comes in: near a singular
# patch it has no bound.
CUT = 1e3


class PatchGraphs(NamedTuple):
    """Patches side by side; a node of A is in as many as contain it. All int64.

    A place is a node in the patch of a column (``anchor``). A link joins two places by the CSR
    position of an entry of A; ``wanted`` is the link of each entry of tril(A) in its column.
    """

    node: Tensor
    anchor: Tensor
    distance: Tensor
    source: Tensor
    target: Tensor
    entry: Tensor
    wanted: Tensor


@kernel
def _sizes(colptr, rows, indptr, indices, hops):  # type: ignore[no-untyped-def]
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    places, links = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    for i in range(n):
        seeds = rows[colptr[i] : colptr[i + 1]]
        count, _ = grow_patch(seeds, hops, indptr, indices, mark, i, queue)
        inside = 0
        for t in range(count):
            for p in range(indptr[queue[t]], indptr[queue[t] + 1]):
                inside += mark[indices[p]] == i
        places[i + 1], links[i + 1] = places[i] + count, links[i] + inside
    return places, links


@kernel
def _fill(colptr, rows, where, indptr, indices, hops, places, links, of_place, of_link, wanted):  # type: ignore[no-untyped-def]
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    slot = np.empty(n, np.int64)
    for i in range(n):
        m = colptr[i + 1] - colptr[i]
        seeds = rows[colptr[i] : colptr[i + 1]]
        count, _ = grow_patch(seeds, hops, indptr, indices, mark, i, queue)
        first, link = places[i], links[i]
        for t in range(count):
            slot[queue[t]] = first + t
            of_place[0, first + t], of_place[1, first + t] = queue[t], i
            of_place[2, first + t] = 0 if t < m else -1
        for t in range(count):
            for p in range(indptr[queue[t]], indptr[queue[t] + 1]):
                other = indices[p]
                if mark[other] != i:
                    continue
                of_link[0, link], of_link[1, link] = slot[other], first + t
                of_link[2, link] = p
                if other == i and t < m:
                    wanted[where[colptr[i] + t]] = link
                link += 1
                # Breadth first: nearer nodes have their distance already.
                if of_place[2, slot[other]] < 0:
                    of_place[2, slot[other]] = of_place[2, first + t] + 1


def patch_graphs(pattern: LowerPattern, hops: int, device: torch.device) -> PatchGraphs:
    """Return the patches of all columns, as ``local_invk`` has them."""
    matrix = pattern.symmetric_csr(np.ones(pattern.nnz))
    columns = pattern.columns()
    graph = (matrix.indptr, matrix.indices, hops)
    places, links = _sizes(*columns[:2], *graph)
    if links[-1] > MOST_EDGES:
        raise ConfigurationError(
            f"the patches of a batch have {links[-1]:,} edges, more than {MOST_EDGES:,}; take "
            "fewer rounds, smaller batches (max_edges) or smaller matrices (max_rows)"
        )
    of_place = np.empty((3, places[-1]), np.int64)
    of_link = np.empty((3, links[-1]), np.int64)
    wanted = np.empty(pattern.nnz, np.int64)
    _fill(*columns, *graph, places, links, of_place, of_link, wanted)
    made = (torch.from_numpy(part).to(device) for part in (*of_place, *of_link, wanted))
    return PatchGraphs(*made)


class PatchNetwork(Network):
    """Message passing within the patch of each column, read out where its entries are.

    Patches have ``rounds`` - 1 hops, as in ``local_invk``. A node has a representation in every
    patch, with its distance from the column and its side, so that patches do not mix.
    """

    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.hops = rounds - 1
        self.network = LowerNetwork(rounds, width, node_features=4, edge_features=2)
        self.decoder = mlp(width, width, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        x, pattern = batch.x, pattern_of(batch.edge_index, batch.lower)
        patches = patch_graphs(pattern, self.hops, x.device)
        # Entries of A by rows, in the order in which links name them.
        order = pattern.symmetric_csr(np.arange(pattern.nnz, dtype=np.float64) + 1).data
        place = torch.from_numpy(order.astype(np.int64) - 1).to(x.device)
        values = batch.lower_entries.index_select(0, place[patches.entry])
        side = (patches.node - patches.anchor).sign().to(x.dtype)
        far = patches.distance.to(x.dtype) / (self.hops + 1)
        nodes = torch.stack([x[patches.node, 0], side, far, (far == 0).to(x.dtype)], dim=1)
        turn = (patches.node[patches.target] - patches.node[patches.source]).sign().to(x.dtype)
        entries = torch.stack([values, turn], dim=1)
        _, e = self.network(nodes, entries, patches.source, patches.target)
        return positive_diagonal(self.decoder(e[patches.wanted]).squeeze(1), batch.on_diagonal)


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
    """Local-patch Inv-K of A with a_pp - sum_q outside_pq, over neighbours q outside, for a_pp.

    ``outside`` is in the order of ``pattern.symmetric_csr``, ``a`` is tril(A). A column whose
    reduced patch is not positive definite is computed without the reduction.
    """
    values: Tensor = _Closed.apply(outside, a, pattern, hops)  # type: ignore[no-untyped-call]
    return values


# A neighbour beyond the boundary reduces a pivot by at most so many times what it would reduce
# it by if it had no other neighbours, and at first by as much as that.
MOST_REDUCED = 4.0
START = -1.1


class LearnedClosure(Network):
    """Local-patch Inv-K with ``rounds`` - 1 hops, and a learned reduction of each boundary node.

    A node p of the boundary keeps a_pp - sum_q w_pq a_pq^2 / a_qq over its neighbours q beyond,
    with w_pq in (0, 4) from message passing. Equivariant under scaling of A. Where a reduced patch
    is not positive definite, it is taken as it is.
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
        numbers = MOST_REDUCED * torch.sigmoid(self.start + self.decoder(e).squeeze(1))
        outside = numbers.double() * off.square()
        return scale[row] * closed_patches(outside, a, pattern, self.hops)
