"""Networks that sweep over tril(A): messages along the elimination DAG, and Chow-Patel sweeps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.elimination.levels import levels, triples, unit_entries
from precondbench.baselines.message_passing.graph_network import (
    EdgeModel,
    mlp,
    positive_diagonal,
    zero_output,
)

# A pivot of Chow-Patel keeps at least this part of its a_ii, and an entry stays below sqrt(a_ii).
LEAST = 1e-3


class EliminationSweep(Network):
    """Nodes updated in the order of elimination, from the first row down and back up.

    h_i <- h_i + tanh f(h_i, mean_j m(h_j, e_ij)) over the neighbours j < i, already updated; every
    second of ``rounds`` sweeps goes up. Rows of one level of the elimination DAG go together.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.node_encoder = mlp(1, width, width)
        self.edge_encoder = mlp(2, width, width)
        self.messages = nn.ModuleList(mlp(2 * width, width, width) for _ in range(rounds))
        self.updates = nn.ModuleList(mlp(2 * width, width, width) for _ in range(rounds))
        self.edge_model = EdgeModel(width)
        self.decoder = mlp(width, width, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        ends = batch.lower_ends
        column, row = ends
        h = self.node_encoder(batch.x)
        e = self.edge_encoder(batch.edge_attr.index_select(0, batch.lower))
        rows = levels(batch.edge_index, batch.lower)
        for sweep, (message, update) in enumerate(zip(self.messages, self.updates, strict=True)):
            down = sweep % 2 == 0
            source, target = (column, row) if down else (row, column)
            h = _sweep(h, e, rows if down else rows[::-1], source, target, message, update)
        values = self.decoder(e + self.edge_model(h, ends, e)).squeeze(1)
        return positive_diagonal(values, column == row)


def _sweep(
    h: Tensor,
    e: Tensor,
    rows: list[Tensor],
    source: Tensor,
    target: Tensor,
    message: nn.Module,
    update: nn.Module,
) -> Tensor:
    size = h.shape[0]
    off = (source != target).nonzero().squeeze(1)
    place = torch.empty(size, dtype=torch.int64, device=h.device)
    order = torch.cat(rows)
    place[order] = torch.arange(size, device=h.device)
    # Edges in the order of their targets; sources are then among the rows already updated.
    off = off[torch.argsort(place[target[off]], stable=True)]
    sources, targets, values = place[source[off]], place[target[off]], e.index_select(0, off)
    count = torch.bincount(targets, minlength=size)
    lengths = [level.numel() for level in rows]
    edges = [int(part.sum()) for part in torch.split(count.cpu(), lengths)]
    before = h.index_select(0, order)
    # Rows are written in place, which is safe: gathering saves indices, never the state itself.
    # No row is read before it is written, so the first state needs no derivative.
    state = before.detach().clone()
    first = 0
    pieces = zip(
        lengths, torch.split(sources, edges), torch.split(targets, edges),
        torch.split(values, edges), torch.split(before, lengths), torch.split(count, lengths),
        strict=True,
    )  # fmt: skip
    for length, near, far, along, own, degree in pieces:
        if near.numel():
            sent = message(torch.cat([state.index_select(0, near), along], dim=1))
            received = torch.zeros_like(own).index_add(0, far - first, sent)
            received = received / degree.clamp_min(1).unsqueeze(1)
        else:
            received = torch.zeros_like(own)
        # Bounded, or thousands of levels would multiply it up.
        new = own + torch.tanh(update(torch.cat([own, received], dim=1)))
        state = _write(state, first, new)
        first += length
    return state.index_select(0, place)


class _Write(torch.autograd.Function):
    """Write rows in place; the derivative of the rest passes through untouched."""

    @staticmethod
    def forward(ctx, state: Tensor, first: int, new: Tensor) -> Tensor:  # type: ignore[no-untyped-def]
        ctx.first, ctx.length = first, new.shape[0]
        ctx.mark_dirty(state)
        state[first : first + new.shape[0]] = new
        return state

    @staticmethod
    def backward(ctx, gradient: Tensor):  # type: ignore[no-untyped-def]
        return gradient, None, gradient[ctx.first : ctx.first + ctx.length].clone()


def _write(state: Tensor, first: int, new: Tensor) -> Tensor:
    written: Tensor = _Write.apply(state, first, new)  # type: ignore[no-untyped-call]
    return written


class ChowPatel(Network):
    """Fixed-point sweeps towards IC(0), with learned start, damping and products.

    L <- (1 - w) L + w sweep(L), ``rounds`` times, with the sweeps of Chow and Patel (2015); w, a
    factor on the products and one on the start tril(A) are learned. Pivots stay positive.
    """

    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.start = zero_output(mlp(6, width, 1))
        self.sweeps = nn.ModuleList(zero_output(mlp(8, width, 2)) for _ in range(rounds))
        self.damping = nn.Parameter(torch.full((rounds,), 2.0))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        column, row = batch.lower_ends
        entry, first, second = triples(batch.edge_index, batch.lower)
        a, scale = unit_entries(batch)
        on_diagonal = column == row
        diagonals = on_diagonal.nonzero().squeeze(1)
        features = _features(a, column, row, on_diagonal, batch.x.shape[0])
        values = a * self.start(features).squeeze(1).exp()
        for sweep, damping in zip(self.sweeps, self.damping, strict=True):
            products = values.index_select(0, first) * values.index_select(0, second)
            summed = torch.zeros_like(values).index_add(0, entry, products)
            learned = sweep(torch.cat([features, torch.stack([values, summed], dim=1)], dim=1))
            weight = torch.sigmoid(damping + learned[:, 0])
            rest = a - (1 + torch.tanh(learned[:, 1])) * summed
            # The pivot of this sweep divides the entries of its column in the next.
            pivot = values.index_select(0, diagonals).index_select(0, column)
            new = torch.where(
                on_diagonal, rest.clamp_min(LEAST).sqrt(), (rest / pivot).clamp(-1, 1)
            )
            values = (1 - weight) * values + weight * new
        made: Tensor = scale * values
        return made


def _features(a: Tensor, column: Tensor, row: Tensor, on_diagonal: Tensor, nodes: int) -> Tensor:
    """Features of each entry: itself, and squares in its row and column."""
    squares = torch.where(on_diagonal, 0.0, a.square())
    zero = a.new_zeros(nodes)
    before, after = zero.index_add(0, row, squares), zero.index_add(0, column, squares)
    ends = (before[row], after[row], before[column], after[column])
    return torch.stack([a, on_diagonal.to(a), *(end.log1p() for end in ends)], dim=1)
