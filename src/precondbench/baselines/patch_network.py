"""A network that sees the patch of a column and gives the column."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from precondbench.baselines.edge_model import mlp
from precondbench.baselines.elimination import pattern_of
from precondbench.baselines.lower_network import LowerNetwork
from precondbench.baselines.patch_graphs import patch_graphs
from precondbench.baselines.registry import register_model

__all__ = ["PatchNetwork"]


@register_model("PatchNetwork")
class PatchNetwork(nn.Module):
    r"""Message passing within the patch of each column, read out where its entries are.

    What ``local_invk`` computes with ``rounds`` - 1 hops by linear algebra, learned: a column of L
    depends on the nodes within ``rounds`` - 1 hops of its rows and on nothing else. Unlike in
    message passing on A, a node has a representation in every patch, which knows how far it is
    from the column and on which side, so that patches do not blur into each other. On a
    tridiagonal matrix ``rounds`` rounds carry everything that is in a patch, and the oracle of
    ``rounds`` - 1 hops is the best that can be reached.

    The price is a graph as many times larger as a patch has nodes.

    Parameters
    ----------
    rounds, width : int
        Rounds of message passing, one more than the hops of the patches; width of representations.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is below 1.
    """

    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        self.hops = rounds - 1
        self.network = LowerNetwork(rounds, width, node_features=4, edge_features=2)
        self.decoder = mlp(width, width, 1)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, lower: Tensor, batch: Tensor
    ) -> Tensor:
        """Return values on the lower edges, see ``GraphNetwork.forward``."""
        pattern = pattern_of(edge_index, lower)
        column, row = edge_index.index_select(1, lower)
        patches = patch_graphs(pattern, self.hops, x.device)
        # Entries of A by rows, in the order in which links name them.
        order = pattern.symmetric_csr(np.arange(pattern.nnz, dtype=np.float64) + 1).data
        place = torch.from_numpy(order.astype(np.int64) - 1).to(x.device)
        values = edge_attr[lower, 0].index_select(0, place[patches.entry])
        side = (patches.node - patches.anchor).sign().to(x.dtype)
        far = patches.distance.to(x.dtype) / (self.hops + 1)
        nodes = torch.stack([x[patches.node, 0], side, far, (far == 0).to(x.dtype)], dim=1)
        turn = (patches.node[patches.target] - patches.node[patches.source]).sign().to(x.dtype)
        entries = torch.stack([values, turn], dim=1)
        _, e = self.network(nodes, entries, patches.source, patches.target)
        numbers = self.decoder(e[patches.wanted]).squeeze(1)
        return torch.where(column == row, (0.5 * numbers.clamp(-40, 40)).exp(), numbers)
