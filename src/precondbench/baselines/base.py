"""Base class of networks, and a network together with the feature map it was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Literal, get_args

import torch
from scipy.sparse import csr_array
from torch import Tensor, nn

from precondbench._internal import whole_number
from precondbench.baselines.batch import GraphBatch
from precondbench.errors import ConfigurationError
from precondbench.quality import Context

Scaling = Literal["standardised", "unit-diagonal"]


class Network(nn.Module):
    """Base class of networks that predict a factor from the graph of A.

    A subclass is made with ``(rounds, width)`` and implements :meth:`forward`; ``register_model``
    gives it a name. Class attributes declare what it needs. A network that is fitted by least
    squares implements :meth:`fit`.

    Parameters
    ----------
    rounds : int
        Depth, at least 1. Each network documents what it counts: blocks, layers, sweeps or hops.
    width : int
        Width of hidden representations, at least 1.

    Attributes
    ----------
    raw_features : bool
        Whether the network reads the entries of A as they are. By default they are standardised.
    core : str or None
        Name of a classical factor that the network reads as ``GraphBatch.core``:
        ``"shifted-ic0"``, ``"local-patch-0"`` to ``"local-patch-7"``, or ``"tril"``, which is A
        itself.
    core_dtype : torch.dtype
        Type in which ``core`` is given.
    tridiagonal_only : bool
        Whether matrices must be tridiagonal.
    choosing : bool
        Whether the network takes one of a few factors, so that different weights may predict the
        same.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is not an integer of 1 or more.
    """

    raw_features: ClassVar[bool] = False
    core: str | None = None
    core_dtype: ClassVar[torch.dtype] = torch.float32
    tridiagonal_only: ClassVar[bool] = False
    choosing: ClassVar[bool] = False

    def __init__(self, rounds: int, width: int) -> None:
        whole_number("rounds", rounds, least=1)
        whole_number("width", width, least=1)
        super().__init__()

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return one value for each element of ``batch.lower``, in its order.

        Parameters
        ----------
        batch : GraphBatch
            Graphs of several matrices, with the features that the class attributes ask for.

        Returns
        -------
        torch.Tensor
            Values of L on the lower triangles of all graphs.
        """
        raise NotImplementedError

    def fit(self, batch: GraphBatch) -> None:
        """Solve for parameters on all labelled training graphs, before the first epoch."""

    def log_iterations(self, batch: GraphBatch) -> Tensor:
        """Return what the loss ``log-iterations`` is, one number for each graph.

        A network that chooses among factors solves with them: expected iterations in training,
        those of its choice otherwise.

        Raises
        ------
        ConfigurationError
            If the network has no such choice.
        """
        raise ConfigurationError(
            "the loss log-iterations is for a network that chooses among factors, such as "
            "LearnedChoice; use another loss"
        )


class FactorModel(nn.Module):
    """From graphs of A to values of L on the lower triangle; made by ``build_model``.

    Parameters
    ----------
    network : Network
        The network.
    name : str
        Name in the registry.
    rounds, width : int
        Sizes the network was built with.
    scaling : {"standardised", "unit-diagonal"}
        Whether the network is shown A as it is, or A scaled to a unit diagonal, in which case its
        values are scaled back. Either way features are then standardised, unless the network
        declares ``raw_features``.

    Raises
    ------
    ConfigurationError
        If there is no such scaling.
    """

    def __init__(
        self,
        network: Network,
        name: str,
        rounds: int,
        width: int,
        scaling: str = "standardised",
    ) -> None:
        super().__init__()
        self.name = name
        self.rounds = rounds
        self.width = width
        if scaling not in get_args(Scaling):
            raise ConfigurationError(
                f"scaling is {scaling!r}; it must be one of {', '.join(get_args(Scaling))}"
            )
        self.scaling = scaling
        self.standardisation = Standardisation()
        self.network = network

    def forward(self, graphs: Any) -> Tensor:
        """Return values of the lower triangles, graph after graph, of a batch in any form."""
        batch = GraphBatch.from_data(graphs)
        if self.scaling == "standardised":
            return self._values(batch)
        x, edge_attr, root = unit_diagonal(batch)
        column, row = batch.lower_ends
        by_entry = root.index_select(0, row)
        core = None if batch.core is None else batch.core / by_entry
        if core is not None and self.core == "tril":  # entries of A, not of a factor
            core = core / root.index_select(0, column)
        return by_entry * self._values(replace(batch, x=x, edge_attr=edge_attr, core=core))

    def _values(self, batch: GraphBatch) -> Tensor:
        network = self.network
        self._check_pattern(batch)
        if not network.raw_features:
            x, edge_attr = self.standardisation(batch.x, batch.edge_attr)
            batch = replace(batch, x=x, edge_attr=edge_attr)
        if network.core is not None:
            if batch.core is None:
                raise ConfigurationError(
                    f"{self.name} reads the factor {network.core!r} of each matrix, which these "
                    "graphs do not hold; use train and predict, which compute it"
                )
            batch = replace(batch, core=batch.core.to(network.core_dtype))
        values: Tensor = network(batch)
        return values

    def log_iterations(self, batch: GraphBatch) -> Tensor:
        """Return what the network says of its iterations, see ``Network.log_iterations``."""
        return self.network.log_iterations(batch)

    def _check_pattern(self, batch: GraphBatch) -> None:
        if not self.network.tridiagonal_only:
            return
        column, row = batch.lower_ends
        if bool((row - column > 1).any()):
            raise ConfigurationError(
                f"{self.name} is a recurrence for tridiagonal matrices, and one of these has an "
                "entry further from the diagonal; train it on synthetic-tridiag"
            )

    def setup(self, A: csr_array, context: Context) -> csr_array:
        """Predict the factor of one matrix: a model is a :class:`~precondbench.quality.Method`."""
        from precondbench.baselines.prediction import predict_factor

        return predict_factor(self, A)

    @property
    def core(self) -> str | None:
        """Name of the classical factor that the network reads, or None."""
        return self.network.core

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.standardisation.node_mean.device

    @property
    def choosing(self) -> bool:
        """Whether the network takes one of a few factors, see :class:`Network`."""
        return self.network.choosing

    def fit_features(self, batch: GraphBatch) -> None:
        """Measure means and deviations on the graphs of a training split."""
        x, edge_attr = batch.x, batch.edge_attr
        if self.scaling == "unit-diagonal":
            x, edge_attr, _ = unit_diagonal(batch)
        self.standardisation.fit(x.cpu(), edge_attr.cpu())

    def fit_network(self, batch: GraphBatch) -> None:
        """Let the network solve for parameters on labelled graphs, see ``Network.fit``."""
        self._check_pattern(batch)
        self.network.fit(batch)

    @property
    def fitted(self) -> bool:
        """Whether all parameters are solved for, so that training has nothing to descend on."""
        return not any(parameter.requires_grad for parameter in self.parameters())

    def compiled(self) -> FactorModel:
        """Return a model with the same weights, shared, whose network is compiled by torch."""
        network: Network = torch.compile(self.network)  # type: ignore[assignment]
        other = FactorModel(network, self.name, self.rounds, self.width, self.scaling)
        other.standardisation = self.standardisation
        return other

    def parameter_count(self) -> int:
        """Return the number of parameters, trained by descent or fitted."""
        return sum(p.numel() for p in self.parameters())


class Standardisation(nn.Module):
    """Affine map of A_ii and A_ij; the direction flag of an edge passes unchanged.

    Means and deviations are buffers: the checkpoint holds them, so that another split or another
    machine uses the map of the training split. Before :meth:`fit` the map is the identity.
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
        """Measure ``x`` [nodes, 1] and the first column of ``edge_attr`` [edges, 2]."""
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
            # A constant feature (a unit diagonal, say) keeps its scale.
            std[0] = spread if spread > 0 else 1.0

    def forward(self, x: Tensor, edge_attr: Tensor) -> tuple[Tensor, Tensor]:
        """Return standardised node and edge features."""
        return (x - self.node_mean) / self.node_std, (edge_attr - self.edge_mean) / self.edge_std


def unit_diagonal(batch: GraphBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Return features of S^-1 A S^-1 with S = diag(A)^(1/2), and the diagonal of S, [nodes].

    The factor of D A D is D L for every positive diagonal D, and S^-1 A S^-1 does not depend on
    D. A model that reads these features and whose values are multiplied by S, row by row, is
    equivariant by construction, up to rounding (to the bit where D holds powers of two).
    """
    root = batch.x[:, 0].clamp_min(torch.finfo(batch.x.dtype).tiny).sqrt()
    source, target = batch.edge_index
    value = batch.edge_attr[:, 0] / root.index_select(0, target) / root.index_select(0, source)
    return torch.ones_like(batch.x), torch.stack([value, batch.edge_attr[:, 1]], dim=1), root
