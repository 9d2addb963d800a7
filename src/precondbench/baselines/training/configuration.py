"""Settings of training and of a run, and their form as TOML."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import torch
from pydantic import Field

from precondbench._internal import read_text, settings_class
from precondbench.baselines.base import Scaling
from precondbench.datasets import DataSelection
from precondbench.errors import ConfigurationError

Device = Literal["auto", "cpu", "cuda"]
Validation = Literal["loss", "iterations"]
# More of anything is a typing error that would fill memory, or never end.
Count = Annotated[int, Field(ge=1, le=10**9)]


@settings_class
class TrainingConfiguration:
    """Settings of training; the defaults are the protocol of the paper on synthetic data.

    Parameters
    ----------
    model : str
        Name of a registered model.
    rounds : int
        Blocks of the processor; the paper goes up to 7.
    width : int
        Width of hidden representations.
    epochs : int
        At most this many passes over the training split; 0 keeps the initial weights.
    scaling : {"standardised", "unit-diagonal"}
        What the model is shown of the scale of A, see ``FactorModel``.
    learning_rate : float
        First learning rate of Adam.
    decay_factor : float
        The learning rate is multiplied by it every ``decay_every`` epochs.
    decay_every : int
        Epochs between decays.
    loss : str
        Name of a registered loss: ``negative-cosine`` (the paper's), ``log-relative-error`` or
        ``k-condition``.
    validation : {"loss", "iterations"}
        What decides which epoch is best: the loss on the validation split, or the mean logarithm
        of the iterations that its matrices are solved with, at most 2000.
    patience : int
        Stop after so many epochs without a better one on the validation split.
    batch_size : int
        Graphs a step: 16 for synthetic matrices, 8 for real ones.
    max_edges : int
        Most edges at a time, unless one graph has more. A larger batch is taken in pieces whose
        gradients are added, which bounds memory and changes nothing else.
    seed : int
        Seeds the weights and the order of the training graphs.
    device : {"auto", "cpu", "cuda"}
        "auto" takes CUDA where there is one.
    compile : bool
        Train through ``torch.compile``, which needs a C++ compiler and gives other roundings. For
        long runs on graphs of one pattern: 1.3 to 1.6 times as many steps a second on a processor.
    threads : int
        Processor threads. One is fastest for graphs of up to some thousand edges.

    Raises
    ------
    ConfigurationError
        If a value has another type or is out of range, or a setting is unknown.

    Examples
    --------
    >>> from precondbench.baselines import TrainingConfiguration
    >>> TrainingConfiguration(model="MLP", rounds=0)
    Traceback (most recent call last):
        ...
    precondbench.errors.ConfigurationError: rounds is 0; it must be greater than or equal to 1
    """

    model: str = "MessagePassingMLP"
    rounds: Annotated[int, Field(ge=1, le=1000)] = 4
    width: Annotated[int, Field(ge=1, le=4096)] = 16
    epochs: Annotated[int, Field(ge=0, le=10**9)] = 300
    loss: str = "negative-cosine"
    scaling: Scaling = "standardised"
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    decay_factor: Annotated[float, Field(gt=0, le=1)] = 0.6
    decay_every: Count = 50
    validation: Validation = "loss"
    patience: Count = 50
    batch_size: Count = 16
    max_edges: Annotated[int, Field(ge=1, le=10**12)] = 1_000_000
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    device: Device = "auto"
    compile: bool = False
    threads: Annotated[int, Field(ge=1, le=4096)] = 1

    @property
    def method(self) -> str:
        """Name of the method on boards: what sets it apart from others of the same model."""
        scaling = "" if self.scaling == "standardised" else f", {self.scaling}"
        rounds = "1 round" if self.rounds == 1 else f"{self.rounds} rounds"
        return f"{self.model} ({rounds}{scaling})"

    def rate(self, epoch: int) -> float:
        """Learning rate in an epoch, counted from 1."""
        return self.learning_rate * self.decay_factor ** ((epoch - 1) // self.decay_every)


def resolve_device(name: str) -> torch.device:
    """Turn "auto", "cpu" or "cuda" into a device; under torchrun, the one of this process."""
    if name not in get_args(Device):
        raise ConfigurationError(
            f"device is {name!r}; it must be one of {', '.join(get_args(Device))}"
        )
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigurationError(
            "device is 'cuda', but torch finds no CUDA device here; use 'auto' or 'cpu'"
        )
    if not available or name == "cpu":
        return torch.device("cpu")
    local_rank = os.environ.get("LOCAL_RANK")
    return torch.device("cuda" if local_rank is None else f"cuda:{local_rank}")


@settings_class
class RunConfiguration:
    """Data and training of a run; its file ``configuration.toml``."""

    data: DataSelection
    training: TrainingConfiguration

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> RunConfiguration:
        """Read the tables ``data`` and ``training``; settings left out take their defaults."""
        tables = run_tables(values)
        return cls(
            data=DataSelection(**tables["data"]),
            training=TrainingConfiguration(**tables["training"]),
        )

    def resolved(self) -> RunConfiguration:
        """Return the run with every name of its data written out."""
        return replace(self, data=self.data.resolved())

    def to_toml(self) -> str:
        """Return the configuration as TOML, one setting per line, without those that are None."""
        return table_to_toml("data", self.data) + "\n" + table_to_toml("training", self.training)


def run_tables(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the tables ``data`` and ``training`` of a file, empty where there is none."""
    unknown = sorted(set(values) - {"data", "training"})
    if unknown:
        raise ConfigurationError(f"unknown tables: {', '.join(unknown)}; known: data, training")
    for name, table in values.items():
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"{name} is {table!r}; it must be a table, [{name}]")
    return {name: dict(values.get(name, {})) for name in ("data", "training")}


def table_to_toml(name: str, settings: DataSelection | TrainingConfiguration) -> str:
    """Write one flat table of strings, numbers and truth values, without those that are None."""
    # JSON writes these types as TOML does, non-ASCII characters as escapes that TOML shares.
    values = asdict(settings)
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if value is not None]
    return "\n".join([f"[{name}]", *lines]) + "\n"


def read_toml(path: str | Path) -> dict[str, Any]:
    """Read a TOML file; a ConfigurationError says what is wrong with it."""
    text = read_text(Path(path), ConfigurationError)
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"{path} is not a TOML file: {error}") from error
    except RecursionError:
        raise ConfigurationError(f"{path} is not a TOML file: it is nested too deeply") from None
