"""Networks that correct a classical factor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.message_passing.graph_network import LowerNetwork, mlp


class _Corrected(Network):
    """A classical factor, in double precision, and a network that reads it."""

    core_dtype = torch.float64

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.network = LowerNetwork(rounds, width, node_features=2, edge_features=4)
        self.decoder = mlp(width, width, 1)
        self.alpha = nn.Parameter(torch.zeros(()))

    def decoded(self, batch: GraphBatch) -> tuple[Tensor, Tensor]:
        """Return the factor, and alpha times one number for each of its entries."""
        x, core = batch.x, batch.core
        assert core is not None
        column, row = batch.lower_ends
        on_diagonal = column == row
        pivots = core[on_diagonal]
        given = torch.stack([core, core / pivots[column], on_diagonal.to(core)], dim=1).to(x.dtype)
        nodes = torch.cat([x, pivots.log()[:, None].to(x.dtype)], dim=1)
        entries = torch.cat([batch.lower_entries[:, None], given], dim=1)
        _, e = self.network(nodes, entries, column, row)
        return core, self.alpha * self.decoder(e).squeeze(1)


class CorrectedIC0(_Corrected):
    """L = IC(0) with the smallest shift + alpha times the output of a network, alpha from zero.

    After PreCorrector (Trifonov, Rudikov, Iliev, Oseledets and Muravleva 2024); here message
    passing on tril(A) reads A and the factor, and the diagonal is multiplied by an exponential.
    """

    core = "shifted-ic0"

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        core, correction = self.decoded(batch)
        scaled = core * correction.clamp(-40, 40).exp()
        return torch.where(batch.on_diagonal, scaled, core + correction)


class CorrectedPatch(_Corrected):
    """L = local-patch Inv-K with its columns scaled by a network, which starts from none.

    Patches have ``rounds`` - 1 hops, and column j is multiplied by an exponential of what the
    network gives at its diagonal. Ratios within a column carry the vectors that A nearly
    annihilates.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.core = f"local-patch-{rounds - 1}"

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        core, numbers = self.decoded(batch)
        by_column = numbers[batch.on_diagonal].clamp(-40, 40).exp()
        return core * by_column[batch.lower_ends[0]]
