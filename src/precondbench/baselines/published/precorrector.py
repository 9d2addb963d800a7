"""PreCorrector: a graph network that corrects IC(0), after Trifonov et al. (2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import scatter

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.message_passing.graph_network import mlp


class PreCorrector(Network):
    """L = IC(0) + alpha times a graph network of IC(0), alpha from zero.

    After Trifonov, Rudikov, Iliev, Laevsky, Oseledets and Muravleva (2024). The network reads the
    entries of IC(0) over the largest of each matrix. A node holds one number, at first one; in
    each of the ``rounds``, h_i <- max_j e_ij h_j over row i, where e_ij is the first number of an
    entry, and e_ij <- MLP(e_ij, h_i, h_j) with the same weights in every round. Where IC(0) breaks
    down, it is that of A with the smallest shift that works.
    """

    raw_features = True
    core = "shifted-ic0"
    core_dtype = torch.float64

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.rounds = rounds
        self.encoder = mlp(1, width, width)
        self.update = mlp(width + 2, width, width)
        self.decoder = mlp(width, width, 1)
        self.alpha = nn.Parameter(torch.zeros(()))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        core = batch.core
        assert core is not None
        column, row = batch.lower_ends
        scale = scatter(core.abs(), batch.lower_batch, reduce="max")[batch.lower_batch]
        e = self.encoder((core / scale).to(batch.x.dtype)[:, None])
        h = e.new_ones(batch.x.shape[0])
        for _ in range(self.rounds):
            messages = e[:, 0] * h.index_select(0, column)
            h = scatter(messages, row, dim_size=h.shape[0], reduce="max")
            ends = [h.index_select(0, end)[:, None] for end in (row, column)]
            e = self.update(torch.cat([e, *ends], dim=1))
        correction: Tensor = self.alpha * scale * self.decoder(e).squeeze(1)
        return core + correction
