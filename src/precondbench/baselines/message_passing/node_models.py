"""Node models of Graph Network blocks: how a node takes up what its edges say.

To add one, write a class like those below in a module of your own and decorate it with
``register_node_model``; training, checkpoints and prediction then know it by that name.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, GENConv, TransformerConv
from torch_geometric.utils import scatter

from precondbench.baselines.message_passing.graph_network import mlp
from precondbench.baselines.registry import register_node_model


@register_node_model("MLP")
class MLP(nn.Module):
    """h_i <- f(h_i): no exchange between nodes, the baseline without context.

    Depth does not widen its view: L_ij is a function of A_ii, A_jj and A_ij whatever the number
    of blocks, since the edge model reads its two endpoints and these read nothing.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.update = mlp(width, width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations, [nodes, width]."""
        updated: Tensor = self.update(h)
        return updated


@register_node_model("MessagePassingMLP")
class MessagePassingMLP(nn.Module):
    """h_i <- f2(h_i, mean over j in N(i) of f1(h_j, e_ij)), with two perceptrons.

    The paper prints f1(h_i, e_ij). We let f1 read the sender h_j, as Gilmer et al. (2017) do and
    as the node model in the documentation of PyG's ``MetaLayer`` does. The receptive field is
    the same either way, because e_ij has already read h_j in the edge model of the block.
    N(i) includes i itself: A has a diagonal, so no node is without a message.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = mlp(2 * width, width, width)
        self.update = mlp(2 * width, width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations, [nodes, width]."""
        source, target = edge_index
        messages = self.message(torch.cat([h.index_select(0, source), e], dim=1))
        received = scatter(messages, target, dim=0, dim_size=h.shape[0], reduce="mean")
        updated: Tensor = self.update(torch.cat([h, received], dim=1))
        return updated


@register_node_model("GATv2")
class GATv2(nn.Module):
    """Graph attention of Brody et al. (2021), one head: attention reads nodes, not edges.

    ``torch_geometric.nn.GATv2Conv`` without ``edge_dim``, as the paper says of its GAT. What an
    edge knows reaches a node only through the edge model of the next block.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = GATv2Conv(width, width, add_self_loops=False)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations, [nodes, width]."""
        updated: Tensor = self.layer(h, edge_index)
        return updated


@register_node_model("GEN")
class GEN(nn.Module):
    """Generalised aggregation of Li et al. (2020): a softmax over messages of nodes.

    ``torch_geometric.nn.GENConv`` without edge features, as the paper says of its GEN. Its
    perceptron normalises layers here, not batches: batch statistics would let every node see
    all others, in its own graph and in those that happen to share its batch.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = GENConv(width, width, norm="layer")

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations, [nodes, width]."""
        updated: Tensor = self.layer(h, edge_index)
        return updated


@register_node_model("GraphTransformer")
class GraphTransformer(nn.Module):
    """Graph transformer operator of Shi et al. (2020): attention to neighbours and their edges.

    ``torch_geometric.nn.TransformerConv``, one head, with ``edge_dim``: keys and values read
    e_ij. It differs from :class:`GATv2` in what the paper finds to matter, the use of edges.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = TransformerConv(width, width, edge_dim=width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations, [nodes, width]."""
        updated: Tensor = self.layer(h, edge_index, e)
        return updated
