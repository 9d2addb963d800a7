"""A named network together with the feature map it was trained on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from precondbench.baselines.graph_batch import GraphBatch
from precondbench.baselines.normalisation import Standardisation

__all__ = ["FactorModel"]


class FactorModel(nn.Module):
    """From graphs of A to values of L on the lower triangle; made by ``build_model``.

    Parameters
    ----------
    network : torch.nn.Module
        ``forward(x, edge_index, edge_attr, lower, batch)``, see ``GraphNetwork.forward``.
    name : str
        Name in the registry.
    rounds, width : int
        Sizes the network was built with.
    """

    def __init__(self, network: nn.Module, name: str, rounds: int, width: int) -> None:
        super().__init__()
        self.name = name
        self.rounds = rounds
        self.width = width
        self.standardisation = Standardisation()
        self.network = network

    def forward(self, graphs: Any) -> Tensor:
        """Return values of the lower triangles, graph after graph, in the shard's order.

        Parameters
        ----------
        graphs : GraphBatch, torch_geometric.data.Data or torch_geometric.data.Batch
            The matrices.
        """
        graph = GraphBatch.from_data(graphs)
        x, edge_attr = self.standardisation(graph.x, graph.edge_attr)
        values: Tensor = self.network(x, graph.edge_index, edge_attr, graph.lower, graph.batch)
        return values

    def compiled(self) -> FactorModel:
        """Return a model with the same weights, shared, whose network is compiled by torch."""
        network: nn.Module = torch.compile(self.network)  # type: ignore[assignment]
        other = FactorModel(network, self.name, self.rounds, self.width)
        other.standardisation = self.standardisation
        return other

    def parameter_count(self) -> int:
        """Return the number of trainable parameters."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
