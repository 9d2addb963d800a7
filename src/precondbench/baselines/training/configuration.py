"""The training protocol as one frozen value."""

from __future__ import annotations

import json
import math
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from precondbench._internal import read_text
from precondbench.baselines.base import SCALINGS
from precondbench.datasets import DataSelection, check_keys
from precondbench.errors import ConfigurationError

# Setting -> largest value. More is a typing error that would fill memory, or never end.
_POSITIVE = {
    "rounds": 1000,
    "width": 4096,
    "epochs": 10**9,
    "decay_every": 10**9,
    "patience": 10**9,
    "batch_size": 10**9,
    "max_edges": 10**12,
    "threads": 4096,
}
_LARGEST_SEED = 2**63 - 1
DEVICES = ("auto", "cpu", "cuda")


@dataclass(frozen=True, kw_only=True)
class TrainingConfiguration:
    """What a run was asked to do; the defaults are the paper's protocol on synthetic data.

    Parameters
    ----------
    model : str
        Name of a registered model.
    rounds : int
        Blocks of the processor; the paper goes up to 7.
    width : int
        Width of hidden representations.
    epochs : int
        At most this many passes over the training split.
    scaling : {"standardised", "unit-diagonal"}
        Whether the model is shown A as it is, as in the paper, or scaled to a unit diagonal; its
        values are then scaled back, so that it is equivariant (A -> D A D) by construction.
    learning_rate : float
        First learning rate of Adam.
    decay_factor : float
        The learning rate is multiplied by it every ``decay_every`` epochs.
    decay_every : int
        Epochs between decays.
    loss : str
        Name of a registered loss: ``negative-cosine`` (the paper's), ``log-relative-error`` or
        ``k-condition``.
    patience : int
        Stop after so many epochs without a smaller loss on the validation split.
    batch_size : int
        Graphs a step: 16 for synthetic matrices, 8 for real ones.
    max_edges : int
        Most edges at a time. A batch with more is taken in pieces whose gradients are added, so
        this bounds memory and changes nothing else; a graph that alone has more goes alone.
    seed : int
        Seeds the weights and the order of the training graphs.
    device : {"auto", "cpu", "cuda"}
        "auto" takes CUDA where there is one.
    compile : bool
        Train through ``torch.compile``: about 1.3 to 1.6 times as many steps a second on a
        processor, after half a minute of compiling, which is kept for the next run. It needs a
        C++ compiler and gives other roundings. Meant for long runs on graphs of one pattern.
    threads : int
        Processor threads. One is fastest for graphs of up to some thousand edges, see
        ``cpu_threads``; give more for large matrices.

    Raises
    ------
    ConfigurationError
        If a value has another type or is out of range.

    Examples
    --------
    >>> from precondbench.baselines import TrainingConfiguration
    >>> TrainingConfiguration(model="MLP", epochs=0)
    Traceback (most recent call last):
        ...
    precondbench.errors.ConfigurationError: epochs is 0; it must be an integer, 1 or more
    """

    model: str = "MessagePassingMLP"
    rounds: int = 4
    width: int = 16
    epochs: int = 300
    loss: str = "negative-cosine"
    scaling: str = "standardised"
    learning_rate: float = 1e-3
    decay_factor: float = 0.6
    decay_every: int = 50
    patience: int = 50
    batch_size: int = 16
    max_edges: int = 1_000_000
    seed: int = 0
    device: str = "auto"
    compile: bool = False
    threads: int = 1

    def __post_init__(self) -> None:
        for name in ("model", "loss"):
            value = getattr(self, name)
            if not isinstance(value, str):
                raise ConfigurationError(f"{name} is {value!r}; it must be the name of a {name}")
        if self.scaling not in SCALINGS:
            raise ConfigurationError(
                f"scaling is {self.scaling!r}; it must be one of {', '.join(SCALINGS)}"
            )
        for name, most in _POSITIVE.items():
            self._check_integer(name, 1, most)
        self._check_integer("seed", 0, _LARGEST_SEED)
        for name, upper in (("learning_rate", math.inf), ("decay_factor", 1.0)):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and 0 < value <= upper and math.isfinite(value)):
                bound = "" if upper == math.inf else f" and at most {upper:g}"
                raise ConfigurationError(
                    f"{name} is {value!r}; it must be a finite number above 0{bound}"
                )
        if not isinstance(self.compile, bool):
            raise ConfigurationError(f"compile is {self.compile!r}; it must be true or false")
        if self.device not in DEVICES:
            raise ConfigurationError(
                f"device is {self.device!r}; it must be one of {', '.join(DEVICES)}"
            )

    def _check_integer(self, name: str, least: int, most: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigurationError(f"{name} is {value!r}; it must be an integer, {least} or more")
        if value > most:
            raise ConfigurationError(f"{name} is {value!r}; it must be at most {most}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> TrainingConfiguration:
        """Read a mapping, for instance a table of a TOML file; unknown keys are errors."""
        check_keys(cls, values, "settings")
        return cls(**values)

    @property
    def method(self) -> str:
        """Name of the method on boards: what sets it apart from others of the same model."""
        scaling = "" if self.scaling == "standardised" else f", {self.scaling}"
        return f"{self.model} ({self.rounds} rounds{scaling})"

    def rate(self, epoch: int) -> float:
        """Learning rate in an epoch, counted from 1."""
        return self.learning_rate * self.decay_factor ** ((epoch - 1) // self.decay_every)


def resolve_device(name: str) -> torch.device:
    """Turn "auto", "cpu" or "cuda" into a device; under torchrun, the one of this process.

    Raises
    ------
    ConfigurationError
        If CUDA is asked for and there is none, or the name is another.
    """
    if name not in DEVICES:
        raise ConfigurationError(f"device is {name!r}; it must be one of {', '.join(DEVICES)}")
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigurationError(
            "device is 'cuda', but torch finds no CUDA device here; use 'auto' or 'cpu'"
        )
    if not available or name == "cpu":
        return torch.device("cpu")
    local_rank = os.environ.get("LOCAL_RANK")
    return torch.device("cuda" if local_rank is None else f"cuda:{local_rank}")


@dataclass(frozen=True, kw_only=True)
class RunConfiguration:
    r"""What to learn from and how; the file ``configuration.toml`` of a run.

    Parameters
    ----------
    data : DataSelection
        Table ``[data]``.
    training : TrainingConfiguration
        Table ``[training]``.

    Examples
    --------
    >>> from precondbench.baselines import RunConfiguration, TrainingConfiguration
    >>> from precondbench.datasets import DataSelection
    >>> run = RunConfiguration(
    ...     data=DataSelection(dataset="synthetic-tridiag", configuration="twin"),
    ...     training=TrainingConfiguration(model="MLP", epochs=100),
    ... )
    >>> print("\n".join(run.to_toml().splitlines()[:7]))
    [data]
    dataset = "synthetic-tridiag"
    configuration = "twin"
    <BLANKLINE>
    [training]
    model = "MLP"
    rounds = 4
    """

    data: DataSelection
    training: TrainingConfiguration

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RunConfiguration:
        """Read the tables ``data`` and ``training``; what is left out takes its default.

        Raises
        ------
        ConfigurationError
            If a table or a setting is unknown or has a bad value.
        """
        tables = run_tables(values)
        return cls(
            data=DataSelection.from_mapping(tables["data"]),
            training=TrainingConfiguration.from_mapping(tables["training"]),
        )

    def resolved(self) -> RunConfiguration:
        """Return the run with every name of its data written out."""
        return replace(self, data=self.data.resolved())

    def to_toml(self) -> str:
        """Return the configuration as TOML, one setting a line; what is None is left out."""
        return table_to_toml("data", asdict(self.data)) + "\n" + training_to_toml(self.training)


def run_tables(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables ``data`` and ``training`` of a file, empty where there is none.

    Raises
    ------
    ConfigurationError
        If there is another table, or something in place of a table.
    """
    unknown = sorted(set(values) - {"data", "training"})
    if unknown:
        raise ConfigurationError(f"unknown tables: {', '.join(unknown)}; known: data, training")
    for name, table in values.items():
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"{name} is {table!r}; it must be a table, [{name}]")
    return {name: dict(values.get(name, {})) for name in ("data", "training")}


def training_to_toml(training: TrainingConfiguration) -> str:
    """Return the table ``[training]``."""
    return table_to_toml("training", asdict(training))


def table_to_toml(name: str, values: Mapping[str, Any]) -> str:
    """Write one flat table of strings, numbers and truth values."""
    # JSON writes these types as TOML does, non-ASCII characters as escapes that TOML shares.
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"[{name}]", *lines]) + "\n"


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    ConfigurationError
        If it is not TOML, or not there.
    """
    text = read_text(Path(path), ConfigurationError)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{path} is not a TOML file: {error}") from error
    except RecursionError:
        raise ConfigurationError(f"{path} is not a TOML file: it is nested too deeply") from None
