"""The command that trains a run, and settings written as ``key=value``."""

from __future__ import annotations

import shlex
import tomllib
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precondbench.errors import ConfigurationError

if TYPE_CHECKING:
    from precondbench.baselines.training.configuration import RunConfiguration

# Heavy modules are imported by the functions that need them: commands read options without torch.

# Settings that `precondbench train` has an argument or an option for.
_OWN_OPTIONS = {
    "dataset": "DATASET",
    "configuration": "--config",
    "version": "--version",
    "model": "--model",
    "seed": "--seeds",
}
# Earlier options that are settings now. Commands in published entries have them.
_FORMER_OPTIONS = (
    "label", "max-rows", "rounds", "width", "epochs", "loss", "scaling", "learning-rate",
    "decay-every", "patience", "batch-size", "max-edges", "device", "threads",
)  # fmt: skip
_FORMER_FLAGS = {"--compile": "compile=true", "--no-compile": "compile=false"}


def training_command(run: RunConfiguration) -> str:
    """Return the command that trains a run; it ends with the seed.

    Names of the data, model, rounds and epochs are written out, other settings where they differ
    from the default.
    """
    from precondbench.baselines.training.configuration import TrainingConfiguration
    from precondbench.recipes import dataset_spec

    data, training = run.data.resolved(), run.training
    defaults = TrainingConfiguration()
    always = {"rounds", "epochs"}
    if dataset_spec(data.dataset).batch_size is not None:
        always.add("batch_size")  # The default is that of the dataset.
    settings: dict[str, Any] = {
        "label": data.label,
        "fold": data.fold,
        "max_rows": data.max_rows,
    }
    for field in fields(training):
        value = getattr(training, field.name)
        if field.name in always or value != getattr(defaults, field.name):
            settings[field.name] = value
    words = ["precondbench", "train", data.dataset, "--config", str(data.configuration)]
    words += ["--version", str(data.version), "--model", training.model]
    for name, value in settings.items():
        if value is not None and name not in _OWN_OPTIONS:
            text = str(value).lower() if isinstance(value, bool) else str(value)
            words += ["--set", f"{name}={text}"]
    return shlex.join([*words, "--seeds", str(training.seed)])


def current_training_command(words: Sequence[str]) -> list[str]:
    """Write earlier options of ``precondbench train`` as ``--set key=value``."""
    current = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name.removeprefix("--") in _FORMER_OPTIONS and name.startswith("--"):
            value = value if equals else next(rest, "")
            current += ["--set", f"{name[2:].replace('-', '_')}={value}"]
        elif word in _FORMER_FLAGS:
            current += ["--set", _FORMER_FLAGS[word]]
        else:
            current.append(word)
    return current


def command_settings(command: str) -> dict[str, str]:
    """Return the options of a training command as text, those of ``--set`` by their keys."""
    words = current_training_command(shlex.split(command))
    settings = {}
    for name, value in pairwise(words):
        if name == "--set":
            name, _, value = value.partition("=")
            settings[name] = value
        elif name.startswith("--"):
            settings[name[2:]] = value
    return settings


def run_from_settings(
    names: Mapping[str, str | None],
    assignments: Iterable[str] = (),
    protocol: str | Path | None = None,
) -> RunConfiguration:
    """Return the run that a protocol file, settings ``key=value`` and names describe.

    Of ``names`` (``dataset``, ``configuration``, ``version`` and ``model``) None is left out.
    Names and settings override the file.
    """
    from precondbench.baselines.training.configuration import (
        RunConfiguration,
        read_toml,
        run_tables,
    )
    from precondbench.datasets import DataSelection
    from precondbench.recipes import dataset_specs

    tables = run_tables({} if protocol is None else read_toml(protocol))
    given = {**_read_assignments(assignments), **{k: v for k, v in names.items() if v is not None}}
    of_data = {field.name for field in fields(DataSelection)}
    for name, value in given.items():
        tables["data" if name in of_data else "training"][name] = value
    if "dataset" not in tables["data"]:
        known = ", ".join(spec.name for spec in dataset_specs())
        raise ConfigurationError(f"name a dataset; there are: {known}")
    for spec in dataset_specs():
        if spec.name == tables["data"]["dataset"] and spec.batch_size is not None:
            tables["training"].setdefault("batch_size", spec.batch_size)
    return RunConfiguration.from_mapping(tables).resolved()


def _read_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    from precondbench.baselines.training.configuration import TrainingConfiguration
    from precondbench.datasets import DataSelection

    types = typing.get_type_hints(DataSelection) | typing.get_type_hints(TrainingConfiguration)
    settings: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise ConfigurationError(f"--set {assignment}: write it as key=value, e.g. epochs=100")
        if name in _OWN_OPTIONS:
            raise ConfigurationError(f"--set {assignment}: use {_OWN_OPTIONS[name]} instead")
        if name in settings:
            raise ConfigurationError(f"--set {assignment}: {name} is set twice")
        is_text = str in (types.get(name), *typing.get_args(types.get(name)))
        settings[name] = text if is_text else _number(text)
    return settings


def _number(text: str) -> Any:
    """Read a number or a truth value as TOML does; other text is returned as it is."""
    try:
        tables = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    return tables["value"] if len(tables) == 1 else text
