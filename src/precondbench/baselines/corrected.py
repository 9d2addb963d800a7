"""Classical factors and what a network adds to them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.edge_model import mlp
from precondbench.baselines.lower_network import LowerNetwork
from precondbench.baselines.registry import register_model

__all__ = ["CorrectedIC0", "CorrectedPatch"]


class _Corrected(nn.Module):
    """A classical factor plus alpha times the output of a network; alpha starts at zero."""

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        self.network = LowerNetwork(rounds, width, node_features=2, edge_features=4)
        self.decoder = mlp(width, width, 1)
        self.alpha = nn.Parameter(torch.zeros(()))

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
        column, row = edge_index.index_select(1, lower)
        on_diagonal = column == row
        pivots = core[on_diagonal].log()
        entries = torch.stack(
            [edge_attr[lower, 0], core, core / core[on_diagonal][column], on_diagonal.to(core)],
            dim=1,
        )
        _, e = self.network(torch.cat([x, pivots[:, None]], dim=1), entries, column, row)
        correction = self.alpha * self.decoder(e).squeeze(1)
        return torch.where(on_diagonal, core * correction.clamp(-40, 40).exp(), core + correction)


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


@register_model("CorrectedPatch")
class CorrectedPatch(_Corrected):
    r"""L = local-patch Inv-K + alpha times the output of a network, alpha from zero.

    As ``CorrectedIC0``, from ``local_invk`` with patches of ``rounds`` - 1 hops. It is as local as
    message passing, about 2 ``rounds`` hops, but starts from what a patch tells by linear algebra.

    Parameters
    ----------
    rounds, width : int
        Of the message passing; also one more than the hops of the patches, of which there are
        up to 7.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.core = f"local-patch-{rounds - 1}"
