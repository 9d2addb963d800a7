"""Node models that are single layers of PyTorch Geometric.

Self-loops are edges of the graph already (A has a diagonal), so no layer adds its own.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, GENConv, TransformerConv

from precondbench.baselines.registry import register_node_model

__all__ = ["GEN", "GATv2", "GraphTransformer"]


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
