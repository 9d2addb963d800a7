"""Two published models of factors, built from their descriptions, under this protocol."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.message_passing.graph_network import EdgeModel, mlp, positive_diagonal


def _mean(values: Tensor, target: Tensor, size: int) -> Tensor:
    count = torch.bincount(target, minlength=size).clamp_min(1)
    return values.new_zeros(size, values.shape[1]).index_add(0, target, values) / count[:, None]


class NeuralIF(Network):
    """Message passing down the lower and up the upper triangle in turn, skips from A.

    In the style of Häusner, Öktem and Sjölund (2023): ``rounds`` blocks of two steps, each of which
    reads the entries of A again; the diagonal is an exponential. 2 ``rounds`` - 1 hops.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.node_encoder = mlp(3, width, width)
        self.edges = nn.ModuleList(EdgeModel(width) for _ in range(2 * rounds))
        self.skips = nn.ModuleList(nn.Linear(2, width) for _ in range(2 * rounds))
        self.nodes = nn.ModuleList(mlp(2 * width, width, width) for _ in range(2 * rounds - 1))
        self.decoder = mlp(width, width, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        x, down, on_diagonal = batch.x, batch.lower_ends, batch.on_diagonal
        a = torch.stack([batch.lower_entries, on_diagonal.to(x)], dim=1)
        degrees = [torch.bincount(end, minlength=x.shape[0]).to(x).log() for end in down]
        h = self.node_encoder(torch.cat([x, torch.stack(degrees, dim=1)], dim=1))
        e = h.new_zeros(a.shape[0], h.shape[1])
        for step, (edge_model, skip) in enumerate(zip(self.edges, self.skips, strict=True)):
            ends = down if step % 2 == 0 else down.flip(0)
            e = edge_model(h, ends, e + skip(a))
            if step < len(self.nodes):
                received = _mean(e, ends[1], x.shape[0])
                h = self.nodes[step](torch.cat([h, received], dim=1))
        return positive_diagonal(self.decoder(e).squeeze(1), on_diagonal)


class LiFactor(Network):
    """Graph Network whose two values of an edge are averaged, with diag(L) = diag(A)^(1/2).

    In the style of Li, Chen, Du and Matusik (2023), without the right-hand side: residual blocks of
    edge and node updates, the values of (i, j) and (j, i) averaged. ``rounds`` - 1 hops.
    """

    # The diagonal is computed from A as it is.
    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.node_encoder = mlp(1, width, width)
        self.edge_encoder = mlp(2, width, width)
        self.edges = nn.ModuleList(EdgeModel(width) for _ in range(rounds))
        self.nodes = nn.ModuleList(mlp(2 * width, width, width) for _ in range(rounds - 1))
        self.decoder = mlp(width, width, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        x, edge_index, lower = batch.x, batch.edge_index, batch.lower
        size = x.shape[0]
        h, e = self.node_encoder(x), self.edge_encoder(batch.edge_attr)
        for step, edge_model in enumerate(self.edges):
            e = e + edge_model(h, edge_index, e)
            if step < len(self.nodes):
                received = _mean(e, edge_index[1], size)
                h = h + self.nodes[step](torch.cat([h, received], dim=1))
        both = self.decoder(e).squeeze(1)
        mean = 0.5 * (both[lower] + both[_mirrors(edge_index, lower, size)])
        return torch.where(batch.on_diagonal, x[:, 0].sqrt()[batch.lower_ends[1]], mean)


def _mirrors(edge_index: Tensor, lower: Tensor, size: int) -> Tensor:
    """Positions of the edges (i, j) for the lower edges (j, i): A has a symmetric pattern."""
    key, mirrored = (ends[0] * size + ends[1] for ends in (edge_index, edge_index.flip(0)))
    order = torch.argsort(key)
    return order[torch.searchsorted(key[order], mirrored[lower])]
