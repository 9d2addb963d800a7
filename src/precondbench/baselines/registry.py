"""Models by name: what a configuration, a checkpoint or a command line calls them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TypeVar

from torch import nn

from precondbench.baselines.base import FactorModel
from precondbench.baselines.message_passing.graph_network import GraphNetwork
from precondbench.errors import ConfigurationError

NodeModelT = TypeVar("NodeModelT", bound=Callable[[int], nn.Module])
NetworkT = TypeVar("NetworkT", bound=Callable[[int, int], nn.Module])

_NETWORKS: dict[str, tuple[str, Callable[[int, int], nn.Module]]] = {}
_SUMMARIES: dict[str, str] = {}
# The models of this package: each module registers its own when it is imported.
_MODULES = (
    "elimination.chow_patel", "elimination.corrected", "elimination.learned", "elimination.sweep",
    "message_passing.attention", "message_passing.node_models", "message_passing.published",
    "patches.closure", "patches.network", "recurrences.fitted", "recurrences.gru",
    "recurrences.scan",
)  # fmt: skip


def _networks() -> dict[str, tuple[str, Callable[[int, int], nn.Module]]]:
    for module in _MODULES:
        import_module(f"precondbench.baselines.{module}")
    return _NETWORKS


def register_node_model(name: str) -> Callable[[NodeModelT], NodeModelT]:
    """Class decorator: make ``GraphNetwork`` with this node model known as ``name``.

    The class takes ``width`` and has ``forward(h, edge_index, e, batch) -> h'``.

    Parameters
    ----------
    name : str
        Name for ``TrainingConfiguration.model``.

    Returns
    -------
    callable
        The decorator, which returns the class unchanged.

    Examples
    --------
    >>> from torch import nn
    >>> from precondbench.baselines import build_model, register_node_model
    >>> @register_node_model("Linear")
    ... class Linear(nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.linear = nn.Linear(width, width)
    ...
    ...     def forward(self, h, edge_index, e, batch):
    ...         return self.linear(h)
    >>> build_model("Linear", rounds=2).parameter_count()
    3297
    """

    def register(node_model: NodeModelT) -> NodeModelT:
        _add(name, node_model, partial(GraphNetwork, node_model))
        return node_model

    return register


def register_model(name: str) -> Callable[[NetworkT], NetworkT]:
    """Class decorator for a network that is not made of Graph Network blocks.

    The class takes ``(rounds, width)`` and has
    ``forward(x, edge_index, edge_attr, lower, batch) -> values``, see ``GraphNetwork.forward``.

    Parameters
    ----------
    name : str
        Name for ``TrainingConfiguration.model``.

    Returns
    -------
    callable
        The decorator, which returns the class unchanged.
    """

    def register(network: NetworkT) -> NetworkT:
        _add(name, network, network)
        return network

    return register


def build_model(
    name: str, rounds: int = 4, width: int = 16, *, scaling: str = "standardised"
) -> FactorModel:
    """Make an untrained model; its weights come from torch's global random generator.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.
    rounds : int
        Blocks of the processor.
    width : int
        Width of hidden representations.
    scaling : {"standardised", "unit-diagonal"}
        What the model is shown of the scale of A, see ``FactorModel``.

    Returns
    -------
    FactorModel
        In training mode, on the CPU.

    Raises
    ------
    ConfigurationError
        If no model or scaling has that name, or a size is below 1.
    """
    if name not in _networks():
        close = difflib.get_close_matches(name, _NETWORKS, n=1, cutoff=0.5)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise ConfigurationError(
            f"no model is called {name!r}{hint}; known: {', '.join(model_names())}. A model of "
            "your own is known once its module has been imported"
        )
    return FactorModel(_NETWORKS[name][1](rounds, width), name, rounds, width, scaling)


def model_names() -> list[str]:
    """Return the names of all registered models, sorted.

    Returns
    -------
    list of str
        What ``TrainingConfiguration.model`` may be.
    """
    return sorted(_networks())


def model_summary(name: str) -> str:
    """Return the first sentence of a model's docstring, as its class says it.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.

    Returns
    -------
    str
        One sentence.

    Examples
    --------
    >>> from precondbench.baselines import model_summary
    >>> model_summary("MLP")
    'h_i <- f(h_i): no exchange between nodes, the baseline without context.'
    """
    _networks()
    return _SUMMARIES.get(name, "")


def _add(name: str, source: object, factory: Callable[[int, int], nn.Module]) -> None:
    # Running a notebook cell again defines the same class anew; that is no conflict.
    origin = f"{getattr(source, '__module__', '')}.{getattr(source, '__qualname__', source)}"
    if name in _NETWORKS and _NETWORKS[name][0] != origin:
        raise ConfigurationError(
            f"{origin} cannot be registered as {name!r}: {_NETWORKS[name][0]} has that name; "
            "choose another"
        )
    _NETWORKS[name] = (origin, factory)
    _SUMMARIES[name] = (inspect.getdoc(source) or "").split("\n\n")[0].replace("\n", " ")
