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
    r"""L = IC(0) with the smallest shift + alpha times the output of a network, alpha from zero.

    After PreCorrector (Trifonov, Rudikov, Iliev, Oseledets and Muravleva 2024), whose network
    corrects an incomplete factor and whose alpha starts at zero, too, so that training starts at
    the classical factor. There the network is trained on one family of matrices; here message
    passing on the lower triangle reads A and the factor, and the diagonal is multiplied by an
    exponential, which keeps it positive.

    Not local: the factor depends on all that elimination depends on.

    Parameters
    ----------
    rounds : int
        Rounds of message passing.
    width : int
        Width of representations.
    """

    core = "shifted-ic0"

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        core, correction = self.decoded(batch)
        scaled = core * correction.clamp(-40, 40).exp()
        return torch.where(batch.on_diagonal, scaled, core + correction)


class CorrectedPatch(_Corrected):
    r"""L = local-patch Inv-K with its columns scaled by a network, which starts from none.

    Column j of ``local_invk`` with patches of ``rounds`` - 1 hops is multiplied by an exponential
    of what ``rounds`` rounds of message passing on A and the factor give at its diagonal. Scaling
    columns makes the diagonal of L^T A^-1 L equal, which Inv-K has and a patch cannot know.
    Ratios within a column are left alone: on ill-conditioned matrices they carry the vectors that
    A nearly annihilates, and a correction entry by entry loses these.

    It is as local as message passing, about 2 ``rounds`` hops.

    Parameters
    ----------
    rounds : int
        Rounds of message passing, 1 to 8; patches have ``rounds`` - 1 hops.
    width : int
        Width of representations.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.core = f"local-patch-{rounds - 1}"

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        core, numbers = self.decoded(batch)
        by_column = numbers[batch.on_diagonal].clamp(-40, 40).exp()
        return core * by_column[batch.lower_ends[0]]
