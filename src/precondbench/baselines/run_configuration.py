"""Data and protocol of a run together, as a TOML file."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from precondbench.baselines.configuration import TrainingConfiguration
from precondbench.datasets import DataSelection
from precondbench.errors import ConfigurationError
from precondbench.files import read_text

__all__ = ["RunConfiguration", "read_toml", "run_tables", "training_to_toml"]


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
