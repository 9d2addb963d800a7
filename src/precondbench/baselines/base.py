"""A named network together with the feature map it was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from precondbench.baselines.batch import GraphBatch
from precondbench.errors import ConfigurationError


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


class Standardisation(nn.Module):
    """Affine map of A_ii and A_ij; the direction flag of an edge passes untouched.

    Means and deviations are buffers: they travel with the model into its checkpoint, so that
    another split or another machine sees the map of the training split. Before :meth:`fit` the
    map is the identity.
    """

    node_mean: Tensor
    node_std: Tensor
    edge_mean: Tensor
    edge_std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("node_mean", torch.zeros(1))
        self.register_buffer("node_std", torch.ones(1))
        self.register_buffer("edge_mean", torch.zeros(2))
        self.register_buffer("edge_std", torch.ones(2))

    def fit(self, x: Tensor, edge_attr: Tensor) -> None:
        """Measure the features of a training split: all nodes and all edges of all graphs.

        Parameters
        ----------
        x : torch.Tensor
            [nodes, 1].
        edge_attr : torch.Tensor
            [edges, 2]; only the first column is standardised.

        Raises
        ------
        ConfigurationError
            If a feature is not finite.
        """
        for name, values, mean, std in (
            ("x", x[:, 0], self.node_mean, self.node_std),
            ("edge_attr", edge_attr[:, 0], self.edge_mean, self.edge_std),
        ):
            values = values.double()
            if not bool(torch.isfinite(values).all()):
                raise ConfigurationError(
                    f"{name} of the training set holds values that are not finite; "
                    "scale the matrices (float32 ends at 3.4e38) or leave them out"
                )
            spread = values.std(correction=0)
            mean[0] = values.mean()
            # A constant feature (a unit diagonal, say) carries nothing; leave its scale alone.
            std[0] = spread if spread > 0 else 1.0

    def forward(self, x: Tensor, edge_attr: Tensor) -> tuple[Tensor, Tensor]:
        """Return standardised node and edge features."""
        return (x - self.node_mean) / self.node_std, (edge_attr - self.edge_mean) / self.edge_std


SCALINGS = ("standardised", "unit-diagonal")


def unit_diagonal(graph: GraphBatch) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return features of S^-1 A S^-1 with S = diag(A)^(1/2), and the diagonal of S.

    The factor of D A D is D L for every positive diagonal D, and S^-1 A S^-1 does not depend on
    D. A model that reads these features and whose values are multiplied by S, row by row, is
    equivariant by construction, up to rounding (to the bit where D holds powers of two).

    Parameters
    ----------
    graph : GraphBatch
        Matrices with positive diagonals.

    Returns
    -------
    x : torch.Tensor
        [nodes, 1]: ones.
    edge_attr : torch.Tensor
        [edges, 2]: A_ij / sqrt(A_ii A_jj), and sign(i - j).
    root : torch.Tensor
        [nodes]: sqrt(A_ii).

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines import GraphBatch
    >>> from precondbench.baselines.base import unit_diagonal
    >>> one = torch.zeros(1, dtype=torch.int64)
    >>> graph = GraphBatch(
    ...     x=torch.tensor([[4.0], [9.0]]),
    ...     edge_index=torch.tensor([[0, 1, 0, 1], [0, 0, 1, 1]]),
    ...     edge_attr=torch.tensor([[4.0, 0.0], [-3.0, -1.0], [-3.0, 1.0], [9.0, 0.0]]),
    ...     lower=torch.tensor([0, 2, 3]), batch=one, lower_batch=one, num_graphs=1)
    >>> unit_diagonal(graph)[1][:, 0]
    tensor([ 1.0000, -0.5000, -0.5000,  1.0000])
    """
    root = graph.x[:, 0].clamp_min(torch.finfo(graph.x.dtype).tiny).sqrt()
    source, target = graph.edge_index
    value = graph.edge_attr[:, 0] / root.index_select(0, target) / root.index_select(0, source)
    return torch.ones_like(graph.x), torch.stack([value, graph.edge_attr[:, 1]], dim=1), root
