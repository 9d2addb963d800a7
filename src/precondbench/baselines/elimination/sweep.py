"""Message passing along the elimination DAG of tril(A), level by level."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.elimination.levels import levels
from precondbench.baselines.message_passing.graph_network import EdgeModel, mlp
from precondbench.baselines.registry import register_model
from precondbench.errors import ConfigurationError


@register_model("EliminationSweep")
class EliminationSweep(nn.Module):
    r"""Nodes updated in the order of elimination, from the first row down and back up.

    h_i <- h_i + tanh f(h_i, mean_j m(h_j, e_ij)) over the neighbours j < i, which have been updated
    already: one sweep carries what row 1 holds to the last row, as a triangular solve does. Every
    second sweep goes up, over j > i. Rows of one level of the elimination DAG, of all graphs of
    a batch, are updated together. L_ij is read off (h_i, h_j, e_ij), the diagonal through an
    exponential.

    Non-local with a state of ``width`` numbers a node: exact elimination on a tridiagonal matrix
    needs one. On a mesh it needs as many as a front has entries, and the mean of messages cannot
    tell which pairs of neighbours are joined. The time of a sweep is the number of levels, up to
    n, times some operator calls. Rows must be in the order of elimination.

    Parameters
    ----------
    rounds, width : int
        Sweeps, and width of representations.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is below 1.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        if rounds < 1 or width < 1:
            raise ConfigurationError(
                f"rounds is {rounds} and width is {width}; both must be 1 or more"
            )
        self.node_encoder = mlp(1, width, width)
        self.edge_encoder = mlp(2, width, width)
        self.messages = nn.ModuleList(mlp(2 * width, width, width) for _ in range(rounds))
        self.updates = nn.ModuleList(mlp(2 * width, width, width) for _ in range(rounds))
        self.edge_model = EdgeModel(width)
        self.decoder = mlp(width, width, 1)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, lower: Tensor, batch: Tensor
    ) -> Tensor:
        """Return values on the lower edges, see ``GraphNetwork.forward``."""
        ends = edge_index.index_select(1, lower)
        column, row = ends
        on_diagonal = column == row
        h = self.node_encoder(x)
        e = self.edge_encoder(edge_attr.index_select(0, lower))
        rows = levels(edge_index, lower)
        for sweep, (message, update) in enumerate(zip(self.messages, self.updates, strict=True)):
            down = sweep % 2 == 0
            source, target = (column, row) if down else (row, column)
            h = _sweep(h, e, rows if down else rows[::-1], source, target, message, update)
        values = self.decoder(e + self.edge_model(h, ends, e)).squeeze(1)
        return torch.where(on_diagonal, (0.5 * values.clamp(-40, 40)).exp(), values)


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
    # Edges in the order in which their targets come; sources are then found in what is finished.
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
