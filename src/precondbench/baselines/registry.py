"""Models by name: what a configuration, a checkpoint or a command line calls them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import TypeVar

from precondbench._internal import did_you_mean
from precondbench.baselines.base import FactorModel, Network
from precondbench.baselines.message_passing.graph_network import GraphNetwork, NodeModel
from precondbench.errors import ConfigurationError

ModelClass = type[Network] | type[NodeModel]
ModelT = TypeVar("ModelT", bound=ModelClass)

# Where the class of each model of this package is; a new model is one line here.
_BUILT_IN = {
    "BidirectionalGRU": "recurrences",
    "ChowPatel": "elimination.sweeps",
    "CorrectedIC0": "elimination.corrected",
    "CorrectedPatch": "elimination.corrected",
    "DivisionCell": "recurrences",
    "EliminationSweep": "elimination.sweeps",
    "FastGraphTransformer": "message_passing.node_models",
    "GATv2": "message_passing.node_models",
    "GEN": "message_passing.node_models",
    "GlobalGraphTransformer": "message_passing.node_models",
    "GraphTransformer": "message_passing.node_models",
    "LearnedChoice": "choice.learned",
    "LearnedClosure": "patches",
    "LearnedElimination": "elimination.learned",
    "LiFactor": "message_passing.published",
    "MLP": "message_passing.node_models",
    "MessagePassingMLP": "message_passing.node_models",
    "MoebiusCell": "recurrences",
    "MoebiusScan": "recurrences",
    "MonomialCell": "recurrences",
    "NeuralIF": "message_passing.published",
    "PatchNetwork": "patches",
    "PreCorrector": "published.precorrector",
}
_REGISTERED: dict[str, ModelClass] = {}


def register_model(name: str) -> Callable[[ModelT], ModelT]:
    """Class decorator: make a network known by name.

    Parameters
    ----------
    name : str
        Name for ``TrainingConfiguration.model``.

    Returns
    -------
    callable
        The decorator, which returns the class unchanged. The class derives from ``Network``, or
        from ``NodeModel``: the model is then the ``GraphNetwork`` with this node model.

    Raises
    ------
    ConfigurationError
        If the class derives from neither, or another class has that name.

    Examples
    --------
    >>> from torch import nn
    >>> from precondbench.baselines import NodeModel, build_model, register_model
    >>> @register_model("Linear")
    ... class Linear(NodeModel):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.linear = nn.Linear(width, width)
    ...
    ...     def forward(self, h, edge_index, e, batch):
    ...         return self.linear(h)
    >>> build_model("Linear", rounds=2).parameter_count()
    3297
    """

    def register(model: ModelT) -> ModelT:
        refused = f"{_origin(model)} cannot be registered as {name!r}"
        if not (isinstance(model, type) and issubclass(model, (Network, NodeModel))):
            raise ConfigurationError(
                f"{refused}: derive it from precondbench.baselines.Network, or from NodeModel if "
                "it updates the nodes of a Graph Network"
            )
        # Running a notebook cell again defines the same class again; that is not a conflict.
        if name in model_names() and _origin(_class(name)) != _origin(model):
            raise ConfigurationError(
                f"{refused}: {_origin(_class(name))} has that name; choose another"
            )
        _REGISTERED[name] = model
        return model

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
        Depth of the network: blocks of a Graph Network, sweeps, layers or hops of others.
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
    if name not in model_names():
        known = model_names()
        raise ConfigurationError(
            f"no model is called {name!r}; one of your own is known once its module has been "
            f"imported; there are: {', '.join(known)}{did_you_mean(name, known, cutoff=0.5)}"
        )
    model = _class(name)
    if issubclass(model, NodeModel):
        network: Network = GraphNetwork(model, rounds, width)
    else:
        network = model(rounds, width)
    return FactorModel(network, name, rounds, width, scaling)


def model_names() -> list[str]:
    """Return the names of all registered models, sorted.

    Returns
    -------
    list of str
        What ``TrainingConfiguration.model`` may be.
    """
    return sorted(_BUILT_IN.keys() | _REGISTERED.keys())


def is_built_in(name: str) -> bool:
    """Whether a model is one of this package, which everybody can load."""
    return name in _BUILT_IN and name not in _REGISTERED


def model_summary(name: str) -> str:
    """Return the first sentence of the docstring of a model's class.

    Parameters
    ----------
    name : str
        One of :func:`model_names`.

    Returns
    -------
    str
        One sentence; empty for a name that is not known.

    Examples
    --------
    >>> from precondbench.baselines import model_summary
    >>> model_summary("MLP")
    'h_i <- f(h_i): no exchange between nodes, the baseline without context.'
    """
    if name not in model_names():
        return ""
    # The class's own: without one it would be that of its base class.
    text = inspect.cleandoc(_class(name).__doc__ or "")
    return text.split("\n\n")[0].replace("\n", " ")


def _class(name: str) -> ModelClass:
    if name in _REGISTERED:
        return _REGISTERED[name]
    module = import_module(f"precondbench.baselines.{_BUILT_IN[name]}")
    found: ModelClass = getattr(module, name)
    return found


def _origin(model: object) -> str:
    return f"{getattr(model, '__module__', '')}.{getattr(model, '__qualname__', model)}"
