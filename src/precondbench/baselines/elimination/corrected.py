"""Classical factors and what a network adds to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.elimination.levels import LowerNetwork
from precondbench.baselines.message_passing.graph_network import mlp
from precondbench.baselines.registry import register_model


class _Corrected(nn.Module):
    """A classical factor, in double precision, and a network that reads it."""

    core_dtype = torch.float64

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        self.network = LowerNetwork(rounds, width, node_features=2, edge_features=4)
        self.decoder = mlp(width, width, 1)
        self.alpha = nn.Parameter(torch.zeros(()))

    def decoded(self, x: Tensor, ends: Tensor, values: Tensor, core: Tensor) -> Tensor:
        """Alpha times one number for each lower edge; from features, entries of A and factor."""
        column, row = ends
        on_diagonal = column == row
        pivots = core[on_diagonal]
        given = torch.stack([core, core / pivots[column], on_diagonal.to(core)], dim=1).to(x.dtype)
        nodes = torch.cat([x, pivots.log()[:, None].to(x.dtype)], dim=1)
        _, e = self.network(nodes, torch.cat([values[:, None], given], dim=1), column, row)
        numbers: Tensor = self.alpha * self.decoder(e).squeeze(1)
        return numbers


@register_model("CorrectedIC0")
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
    rounds, width : int
        Of the message passing.
    """

    core = "shifted-ic0"

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        lower: Tensor,
        batch: Tensor,
        core: Tensor,
    ) -> Tensor:
        """Return values on the lower edges, corrections of ``core``; see ``GraphNetwork``."""
        ends = edge_index.index_select(1, lower)
        correction = self.decoded(x, ends, edge_attr[lower, 0], core)
        on_diagonal = ends[0] == ends[1]
        return torch.where(on_diagonal, core * correction.clamp(-40, 40).exp(), core + correction)


@register_model("CorrectedPatch")
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
    rounds, width : int
        Of the message passing; also one more than the hops of the patches, of which there are
        up to 7.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.core = f"local-patch-{rounds - 1}"

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        lower: Tensor,
        batch: Tensor,
        core: Tensor,
    ) -> Tensor:
        """Return values on the lower edges, float64; see ``GraphNetwork.forward``."""
        ends = edge_index.index_select(1, lower)
        numbers = self.decoded(x, ends, edge_attr[lower, 0], core)
        by_column = numbers[ends[0] == ends[1]].clamp(-40, 40).exp()
        return core * by_column[ends[0]]
