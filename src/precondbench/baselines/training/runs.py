"""Runs: a model trained and its predictions written, for several seeds, or from a grid file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from precondbench._internal import loads
from precondbench.errors import CheckpointError, ConfigurationError, TrainingDivergedError
from precondbench.recipes import FOLDS
from precondbench.shards import find_predictions, write_predictions

# Modules that need torch are imported where a run starts: a folder is read without them.
if TYPE_CHECKING:
    from precondbench.baselines.base import FactorModel
    from precondbench.baselines.training.configuration import RunConfiguration
    from precondbench.baselines.training.fit import TrainingResult
    from precondbench.baselines.training.progress import ReportEpoch

    Progress = Callable[[int], AbstractContextManager[ReportEpoch]]

MOST_RUNS = 10_000


def run_folder(out: str | Path, run: RunConfiguration) -> Path:
    """Return the folder of a run: ``out/<data>/<model>-<rounds>[-<scaling>]/seed-<seed>``.

    That of one fold has another folder below, ``fold-<fold>``.
    """
    data, training = run.data.resolved(), run.training
    names = f"{data.dataset}-{data.version}-{data.configuration}"
    model = f"{training.model}-{training.rounds}"
    if training.scaling != "standardised":
        model += f"-{training.scaling}"
    folder = Path(out) / names / model / f"seed-{training.seed}"
    return folder if data.fold is None else folder / _fold_name(data.fold)


def _fold_name(fold: int) -> str:
    return f"fold-{fold}"


def is_done(run: RunConfiguration, folder: str | Path) -> bool:
    """Whether a run has finished training and made all its predictions."""
    paths = [_prediction_path(folder, split) for split in _predicted_splits(run)]
    results = [one / "result.json" for one in _fold_runs(run, folder)]
    return all(path.is_file() for path in [*results, *paths])


def runs_of_folds(run: RunConfiguration) -> list[RunConfiguration]:
    """Return the runs of all folds; where data has no folds, the run itself."""
    if not run.data.in_folds:
        return [run]
    return [replace(run, data=replace(run.data, fold=fold)) for fold in range(FOLDS)]


def _fold_runs(run: RunConfiguration, folder: str | Path) -> dict[Path, RunConfiguration]:
    """Runs of all folds by their folders."""
    runs = runs_of_folds(run)
    if len(runs) == 1:
        return {Path(folder): run}
    return {Path(folder) / _fold_name(fold): one for fold, one in enumerate(runs)}


def read_run_json(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON file of a run's folder that must be an object with these keys."""
    try:
        values = loads(path.read_text(encoding="utf-8"))
        missing = [key for key in keys if key not in values]
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is damaged: {error}; remove the run's folder") from None
    if missing or not isinstance(values, dict):
        raise CheckpointError(
            f"{path} is damaged: it has no {', '.join(missing) or 'keys'}; remove the run's folder"
        )
    return values


def _predicted_splits(run: RunConfiguration) -> list[str]:
    """Splits of the data that are predicted; of one fold alone none."""
    if run.data.fold is not None:
        return []
    return ["all"] if run.data.in_folds else [s for s in run.data.splits() if s != "train"]


def _prediction_path(folder: str | Path, split: str) -> Path:
    return find_predictions(Path(folder) / f"predictions-{split}.safetensors")


def train_and_predict(
    run: RunConfiguration,
    folder: str | Path,
    *,
    resume: bool = True,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[Path, TrainingResult], list[Path]]:
    """Train one model with one seed, and predict every other split.

    The folder gets the files of ``RunDirectory`` and ``predictions-<split>.safetensors``, whose
    paths are returned; processes of ``torchrun`` but the first write none. On data in folds a model
    is trained on each, in a folder of its own, and ``predictions-all`` holds what each predicts
    for its test matrices. Returned are the results, by their folders, and the paths. ``progress``
    is given the number of epochs and opens the function that is called after each.
    """
    from precondbench.baselines.training.configuration import resolve_device
    from precondbench.baselines.training.distributed import process_group
    from precondbench.baselines.training.fit import train

    folder, run = Path(folder), run.resolved()
    results = {}
    with process_group(resolve_device(run.training.device)) as ranks:
        for place, one in _fold_runs(run, folder).items():
            if ranks.first and not (resume and (place / "result.json").is_file()):
                for ending in ("safetensors", "h5"):
                    for path in folder.glob(f"predictions-*.{ending}"):
                        path.unlink()
            train_set, val_set = (one.data.open_small(split, root) for split in ("train", "val"))
            with progress(one.training.epochs) if progress else nullcontext(None) as report:
                results[place] = train(
                    train_set,
                    val_set,
                    one.training,
                    out_dir=place,
                    resume=resume,
                    data=one.data,
                    progress=report,
                )
        if not ranks.first:
            return results, []
        paths = []
        for split in _predicted_splits(run):
            path = _prediction_path(folder, split)
            if not path.is_file():
                models = {place: result.model for place, result in results.items()}
                _predict_split(run, models, split, path, root)
            paths.append(path)
    return results, paths


@dataclass(frozen=True)
class SeededRun:
    """One seed of :func:`train_seeds`: results by folder, and the paths of its predictions."""

    seed: int
    folder: Path
    results: dict[Path, TrainingResult]
    predictions: list[Path]


def train_seeds(
    run: RunConfiguration,
    seeds: Sequence[int],
    out: str | Path,
    *,
    resume: bool = True,
    root: str | Path | None = None,
    started: Callable[[int, Path], None] | None = None,
    progress: Progress | None = None,
) -> list[SeededRun]:
    """Train one model with several seeds, each in its ``run_folder``.

    ``started(seed, folder)`` is called before each run.
    """
    from precondbench.baselines.training.configuration import resolve_device
    from precondbench.baselines.training.distributed import process_group

    done = []
    # One group for all seeds: processes that leave it at different times could not open another.
    with process_group(resolve_device(run.training.device)):
        for seed in seeds:
            seeded = replace(run, training=replace(run.training, seed=seed))
            folder = run_folder(out, seeded)
            if started is not None:
                started(seed, folder)
            results, paths = train_and_predict(
                seeded, folder, resume=resume, root=root, progress=progress
            )
            done.append(SeededRun(seed, folder, results, paths))
    return done


def predict_with_run(
    run: RunConfiguration,
    folder: str | Path,
    split: str,
    path: Path,
    root: str | Path | None = None,
) -> None:
    """Write predictions of a finished run for a split of its data, or of other data.

    ``run`` is that of the folder, with the data that is predicted.
    """
    from precondbench.baselines.checkpoint import load_model

    models = {
        place: load_model(place / "checkpoint.safetensors") for place in _fold_runs(run, folder)
    }
    _predict_split(run, models, split, path, root)


def _predict_split(
    run: RunConfiguration,
    models: Mapping[Path, FactorModel],
    split: str,
    path: Path,
    root: str | Path | None,
) -> None:
    """Predict a split by the one model, or each test matrix by the model of its fold."""
    from precondbench.baselines.prediction import predict

    training = run.training
    values: dict[str, NDArray[np.float64]] = {}
    for model, one in zip(models.values(), runs_of_folds(run), strict=True):
        data = one.data.open("test" if run.data.in_folds else split, root)
        values |= predict(
            model,
            data,
            batch_size=training.batch_size,
            max_edges=training.max_edges,
            threads=training.threads,
        )
    write_predictions(path, training.method, data.shard, data.label, {training.seed: values})


def read_grid(path: str | Path) -> list[RunConfiguration]:
    """Read the runs of a grid file, in its order.

    A grid is a list of tables ``[[runs]]`` with keys of ``DataSelection`` and
    ``TrainingConfiguration``; a list of values means one run with each. Of several lists the first
    varies slowest.
    """
    from precondbench.baselines.training.configuration import read_toml

    tables = read_toml(path)
    if set(tables) != {"runs"} or not isinstance(tables["runs"], list):
        raise ConfigurationError(f"{path} is not a grid; it must hold tables [[runs]] and no other")
    runs: list[RunConfiguration] = []
    for number, table in enumerate(tables["runs"], start=1):
        if not isinstance(table, dict):
            raise ConfigurationError(
                f"{path}, table {number} of runs is {table!r:.40}; write it as a table, [[runs]]"
            )
        choices = [value if isinstance(value, list) else [value] for value in table.values()]
        count = len(runs) + math.prod(map(len, choices))
        if count > MOST_RUNS:
            raise ConfigurationError(
                f"{path}, table {number} of runs: its lists make {count} runs; at most "
                f"{MOST_RUNS} are read, so make them shorter"
            )
        for values in product(*choices):
            try:
                runs.append(_run(dict(zip(table, values, strict=True))))
            except ConfigurationError as error:
                raise ConfigurationError(f"{path}, table {number} of runs: {error}") from error
    return runs


def _run(settings: Mapping[str, Any]) -> RunConfiguration:
    from precondbench.baselines.training.configuration import RunConfiguration
    from precondbench.datasets import DataSelection

    of_data = {field.name for field in fields(DataSelection)}
    return RunConfiguration.from_mapping(
        {
            "data": {key: value for key, value in settings.items() if key in of_data},
            "training": {key: value for key, value in settings.items() if key not in of_data},
        }
    )


def run_grid(
    runs: Sequence[RunConfiguration],
    out: str | Path,
    *,
    root: str | Path | None = None,
    started: Callable[[int, RunConfiguration, Path], None] | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Train the runs that are not finished, one after the other, and count the outcomes.

    Several processes may work on one folder at once: each takes runs that no other holds. Before
    a run ``started(number, run, folder)`` is called, numbers from 1. Outcomes are ``trained``,
    ``done`` before, ``busy`` in another process, or ``diverged``.
    """
    counts = {"trained": 0, "done": 0, "busy": 0, "diverged": 0}
    for number, run in enumerate(runs, start=1):
        folder = run_folder(out, run)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", timeout=0):
                if is_done(run, folder):
                    counts["done"] += 1
                    continue
                if started is not None:
                    started(number, run, folder)
                train_and_predict(run, folder, root=root, progress=progress)
                counts["trained"] += 1
        except Timeout:
            counts["busy"] += 1
        except TrainingDivergedError as error:
            (folder / "diverged.txt").write_text(f"{error}\n", encoding="utf-8")
            counts["diverged"] += 1
    return counts
