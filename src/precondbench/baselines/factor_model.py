"""A named network together with the feature map it was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from precondbench.baselines.graph_batch import GraphBatch
from precondbench.baselines.normalisation import Standardisation
from precondbench.baselines.scaling import SCALINGS, unit_diagonal
from precondbench.errors import ConfigurationError

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
    scaling : {"standardised", "unit-diagonal"}
        Whether the network is shown A as it is, or A scaled to a unit diagonal and its values
        are scaled back, see ``unit_diagonal``. Either way features are then standardised, unless
        the network has an attribute ``raw_features`` that is true.

    Raises
    ------
    ConfigurationError
        If there is no such scaling.
    """

    def __init__(
        self,
        network: nn.Module,
        name: str,
        rounds: int,
        width: int,
        scaling: str = "standardised",
    ) -> None:
        super().__init__()
        self.name = name
        self.rounds = rounds
        self.width = width
        if scaling not in SCALINGS:
            raise ConfigurationError(
                f"scaling is {scaling!r}; it must be one of {', '.join(SCALINGS)}"
            )
        self.scaling = scaling
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
        if self.scaling == "standardised":
            return self._values(graph)
        x, edge_attr, root = unit_diagonal(graph)
        by_entry = root.index_select(0, graph.edge_index[1].index_select(0, graph.lower))
        core = None if graph.core is None else graph.core / by_entry
        if core is not None and self.core == "tril":  # entries of A, not of a factor
            core = core / root.index_select(0, graph.edge_index[0].index_select(0, graph.lower))
        return by_entry * self._values(replace(graph, x=x, edge_attr=edge_attr, core=core))

    def _values(self, graph: GraphBatch) -> Tensor:
        x, edge_attr = graph.x, graph.edge_attr
        # A network that computes with the entries of A needs them as they are.
        if not getattr(self.network, "raw_features", False):
            x, edge_attr = self.standardisation(x, edge_attr)
        given = (x, graph.edge_index, edge_attr, graph.lower, graph.batch)
        if self.core is None:
            values: Tensor = self.network(*given)
        elif graph.core is None:
            raise ConfigurationError(
                f"{self.name} corrects the factor {self.core!r} of each matrix, which these graphs "
                "do not hold; use train and predict, which compute it"
            )
        else:
            dtype = getattr(self.network, "core_dtype", x.dtype)
            values = self.network(*given, core=graph.core.to(dtype))
        return values

    @property
    def core(self) -> str | None:
        """Name of the classical factor that the network reads, see ``core_values``, or None."""
        core: str | None = getattr(self.network, "core", None)
        return core

    def fit_features(self, graphs: GraphBatch) -> None:
        """Measure means and deviations on the graphs of a training split."""
        x, edge_attr = graphs.x, graphs.edge_attr
        if self.scaling == "unit-diagonal":
            x, edge_attr, _ = unit_diagonal(graphs)
        self.standardisation.fit(x.cpu(), edge_attr.cpu())

    def compiled(self) -> FactorModel:
        """Return a model with the same weights, shared, whose network is compiled by torch."""
        network: nn.Module = torch.compile(self.network)  # type: ignore[assignment]
        other = FactorModel(network, self.name, self.rounds, self.width, self.scaling)
        other.standardisation = self.standardisation
        return other

    def fit_network(self, graphs: GraphBatch) -> None:
        """Let a network that has a method ``fit`` solve for its parameters on labelled graphs."""
        fit = getattr(self.network, "fit", None)
        if fit is not None:
            fit(graphs)

    def parameter_count(self) -> int:
        """Return the number of parameters, trained by descent or fitted."""
        return sum(p.numel() for p in self.parameters())
