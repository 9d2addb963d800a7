"""The command line that trains a run."""

from __future__ import annotations

import shlex
from dataclasses import fields
from typing import TYPE_CHECKING

from precondbench.build.suitesparse import SUITESPARSE

if TYPE_CHECKING:
    from precondbench.baselines import RunConfiguration

__all__ = ["training_command"]

# Settings that `precondbench train` has an option for, besides those that are always said.
_OPTIONS = (
    "width", "loss", "scaling", "learning_rate", "decay_every", "patience", "batch_size",
    "max_edges", "device", "threads", "compile",
)  # fmt: skip


def training_command(run: RunConfiguration) -> str:
    r"""Return the command that trains a run; it ends with the seed.

    Names of the data, model, rounds and epochs are written out, other settings where they
    differ from the default. A run with a setting that has no option is trained from its file
    ``configuration.toml``.

    Examples
    --------
    >>> from precondbench.baselines import RunConfiguration, TrainingConfiguration
    >>> from precondbench.datasets import DataSelection
    >>> from precondbench.leaderboard.training_command import training_command
    >>> data = DataSelection(dataset="synthetic-tridiag", configuration="twin")
    >>> run = RunConfiguration(data=data, training=TrainingConfiguration(model="MLP", seed=2))
    >>> print(training_command(run).replace(" --model", "\n  --model"))
    precondbench train synthetic-tridiag --config twin --label modified --version 1.0
      --model MLP --rounds 4 --epochs 300 --seeds 2
    """
    from precondbench.baselines import TrainingConfiguration

    data, training = run.data.resolved(), run.training
    defaults = TrainingConfiguration()
    always = ("model", "rounds", "epochs")
    without_option = {
        field.name for field in fields(training) if field.name not in (*always, *_OPTIONS, "seed")
    }
    if any(getattr(training, name) != getattr(defaults, name) for name in without_option):
        words = ["precondbench", "train", "--protocol", "configuration.toml"]
        return shlex.join([*words, "--seeds", str(training.seed)])
    options = {
        "config": data.configuration,
        "label": data.label,
        "version": data.version,
        "max-rows": data.max_rows,
        **{name: getattr(training, name) for name in always},
    }
    for name in _OPTIONS:
        value = getattr(training, name)
        # The command has a default of its own for batches of real matrices.
        own_default = name == "batch_size" and data.dataset == SUITESPARSE
        if own_default or value != getattr(defaults, name):
            options[name.replace("_", "-")] = value
    words = ["precondbench", "train", data.dataset]
    for name, value in options.items():
        if value is not None:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return shlex.join([*words, "--seeds", str(training.seed)])
