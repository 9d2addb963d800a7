"""Predictions of an entry made again: from its weights, and by the same model untrained."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from precondbench.baselines import current_training_command, run_from_settings, runs_of_folds
from precondbench.errors import ConfigurationError, SubmissionError
from precondbench.leaderboard.entries import Entry, weights_path
from precondbench.leaderboard.pretrained import load_weights
from precondbench.leaderboard.tracks import OpenTrack
from precondbench.quality import Predictions, values_digest
from precondbench.recipes import FOLDS, MIXED, fold_splits

if TYPE_CHECKING:
    from precondbench.baselines import FactorModel, RunConfiguration

# Options of a command that may be run: none names a file, a module or a folder.
_OPTIONS = {"--config": "configuration", "--version": "version", "--model": "model"}
Judged = dict[int | None, tuple[Predictions, str]]


def training_runs(command: str | None) -> dict[int, RunConfiguration]:
    """Return the runs, by seed, that an entry's command trains: ``precondbench train`` lines.

    The command is untrusted. Nothing of it is run, by a shell least of all; it is read as the
    settings of runs, and other programs and options are refused.
    """
    runs: dict[int, RunConfiguration] = {}
    for line in filter(str.strip, (command or "").split("\n")):
        for seed, run in _runs_of_line(line):
            if seed in runs:
                raise SubmissionError(f"the command trains seed {seed} twice")
            runs[seed] = run
    if not runs:
        raise SubmissionError("the entry states no command; there is nothing to run again")
    return runs


def _runs_of_line(line: str) -> Iterator[tuple[int, RunConfiguration]]:
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise SubmissionError(f"the command {line!r} cannot be read: {error}") from None
    if words[:2] != ["precondbench", "train"]:
        raise SubmissionError(
            f"{line!r} is not `precondbench train ...`; other commands are run by hand, after "
            "reading what they do"
        )
    names: dict[str, str | None] = {}
    settings = []
    seeds = "0"
    rest = iter(current_training_command(words[2:]))
    for word in rest:
        option, equals, value = word.partition("=")
        if not word.startswith("-"):
            option, value = "DATASET", word
        elif option in (*_OPTIONS, "--set", "--seeds") and not equals:
            value = next(rest, "")
        if option == "--set":
            settings.append(value)
        elif option == "--seeds":
            seeds = value
        elif option in _OPTIONS or (option == "DATASET" and "dataset" not in names):
            names[_OPTIONS.get(option, "dataset")] = value
        else:
            raise SubmissionError(
                f"{line!r} uses {word}, which is not a setting of training; run it by hand, after "
                "reading what it does"
            )
    try:
        run = run_from_settings(names, settings)
        for seed in seeds.split(","):
            yield int(seed), replace(run, training=replace(run.training, seed=int(seed)))
    except (ConfigurationError, ValueError) as error:
        raise SubmissionError(f"the command {line!r} cannot be run: {error}") from None


def runs_for(track: OpenTrack, command: str | None, seeds: Sequence[int]) -> list[RunConfiguration]:
    """Return the runs of some seeds; SubmissionError unless they train on the data of the track.

    All families together are data of the track of each.
    """
    runs = training_runs(command)
    missing = sorted(set(seeds) - set(runs))
    if missing:
        raise SubmissionError(f"the command does not train seed {missing[0]}")
    name = track.name
    wanted = (name.dataset, name.version, name.configuration, name.label)
    for seed in seeds:
        data = runs[seed].data.resolved()
        found = (data.dataset, data.version, data.configuration, data.label)
        if found not in (wanted, (name.dataset, name.version, MIXED, name.label)):
            raise SubmissionError(
                f"the command of seed {seed} trains on {', '.join(map(str, found))}; the track is "
                f"{', '.join(wanted)}"
            )
    return [runs[seed] for seed in seeds]


def predicted_again(folder: str | Path, entry: Entry, track: OpenTrack) -> Judged:
    """Predict a track from the weights of an entry; with each seed stands the digest."""
    seeds = sorted(map(int, entry.weights))
    found: Judged = {}
    for seed, run in zip(seeds, runs_for(track, entry.command, seeds), strict=True):
        path = weights_path(folder, track.name, entry.id, seed)
        models = load_weights(path, entry.weights[str(seed)])
        model, training = models[0], run.training
        if len(models) != len(runs_of_folds(run)):
            raise SubmissionError(
                f"{path} holds {len(models)} models; the command trains {len(runs_of_folds(run))}"
            )
        if (model.name, model.rounds, model.width, model.scaling) != (
            training.model,
            training.rounds,
            training.width,
            training.scaling,
        ):
            raise SubmissionError(f"{path} holds another model than the command trains")
        if model.fitted != (entry.kind == "fitted"):
            raise SubmissionError(
                f"the entry is {entry.kind}; {path} holds a model that is "
                + ("solved for" if model.fitted else "trained")
            )
        if entry.parameters not in (None, model.parameter_count()):
            raise SubmissionError(
                f"the entry states {entry.parameters} parameters, {path} has "
                f"{model.parameter_count()}"
            )
        found[seed] = _predict(models, run, track)
    return found


def starts_of(
    command: str | None, seeds: Sequence[int], track: OpenTrack, root: str | Path | None = None
) -> Judged:
    """Predict a track by the models that a command starts from, as with 0 epochs."""
    from precondbench.baselines import initial_model

    found: Judged = {}
    for seed, run in zip(seeds, runs_for(track, command, seeds), strict=True):
        models = []
        for one in runs_of_folds(run):
            train_set = _training_set(one.data, None if root is None else str(root))
            models.append(initial_model(train_set, run.training))
        found[seed] = _predict(models, run, track)
    return found


@lru_cache(maxsize=FOLDS)
def _training_set(data: Any, root: str | None) -> Any:
    """Open a training split; entries of one track have the same."""
    return data.open_small("train", root)


def _predict(
    models: Sequence[FactorModel], run: RunConfiguration, track: OpenTrack
) -> tuple[Mapping[str, Any], str]:
    """Predict by the one model, or each matrix by that of the fold that it is a test matrix of."""
    from precondbench.baselines import predict

    (data,) = track.datasets
    training = run.training
    by_name: dict[str, Any] = {}
    for model, one in zip(models, runs_of_folds(run), strict=True):
        tested = set(data.names)
        if one.data.fold is not None:
            tested &= set(fold_splits(one.data.fold)["test"])
        chosen = [i for i, name in enumerate(data.names) if name in tested]
        by_name |= predict(
            model,
            data if len(chosen) == len(data) else data[chosen],
            batch_size=training.batch_size,
            max_edges=training.max_edges,
            threads=training.threads,
        )
    # In the order of the shard, as a file of predictions has them.
    values = np.concatenate([by_name[name] for name in data.shard.names])
    return by_name, values_digest(values)
