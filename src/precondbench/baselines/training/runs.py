"""Training of runs with several seeds, each in a folder of its own, and their predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precondbench._internal import loads
from precondbench.errors import CheckpointError
from precondbench.shards import find_predictions, write_predictions

if TYPE_CHECKING:
    from precondbench.baselines.training.configuration import RunConfiguration
    from precondbench.baselines.training.fit import TrainingResult
    from precondbench.baselines.training.progress import ReportEpoch


def run_folder(out: str | Path, run: RunConfiguration) -> Path:
    """Return the folder of a run: ``out/<data>/<model>-<rounds>/seed-<seed>``.

    A scaling other than that of the paper stands behind the number of rounds.
    """
    data, training = run.data.resolved(), run.training
    names = f"{data.dataset}-{data.version}-{data.configuration}"
    model = f"{training.model}-{training.rounds}"
    if training.scaling != "standardised":
        model += f"-{training.scaling}"
    return Path(out) / names / model / f"seed-{training.seed}"


def is_done(run: RunConfiguration, folder: str | Path) -> bool:
    """Whether a run has finished training and made all its predictions."""
    paths = [_prediction_path(folder, split) for split in _predicted_splits(run)]
    return all(path.is_file() for path in [Path(folder) / "result.json", *paths])


def read_run_json(path: Path, *keys: str) -> dict[str, Any]:
    """Read a JSON file of a run's folder that must be an object with these keys.

    Raises
    ------
    CheckpointError
        If it is missing or damaged.
    """
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
    return [split for split in run.data.splits() if split != "train"]


def _prediction_path(folder: str | Path, split: str) -> Path:
    return find_predictions(Path(folder) / f"predictions-{split}.safetensors")


def train_and_predict(
    run: RunConfiguration,
    folder: str | Path,
    *,
    resume: bool = True,
    root: str | Path | None = None,
    progress: Callable[[int], AbstractContextManager[ReportEpoch]] | None = None,
) -> tuple[TrainingResult, list[Path]]:
    """Train one model with one seed, and predict every other split.

    Parameters
    ----------
    run : RunConfiguration
        Data and protocol.
    folder : path-like
        Run directory: what ``RunDirectory`` lists, and ``predictions-<split>.safetensors``.
    resume : bool
        Go on with an interrupted run in the folder, and only read a finished one.
    root : path-like, optional
        Cache folder.
    progress : callable, optional
        Takes the number of epochs and returns a context manager that yields the callback.

    Returns
    -------
    result : TrainingResult
        Model and history.
    paths : list of pathlib.Path
        Files of predictions; none in processes of ``torchrun`` but the first.
    """
    from contextlib import nullcontext

    from precondbench.baselines.training.configuration import resolve_device
    from precondbench.baselines.training.distributed import process_group
    from precondbench.baselines.training.fit import train

    folder, run = Path(folder), run.resolved()
    with process_group(resolve_device(run.training.device)) as ranks:
        if ranks.first and not (resume and (folder / "result.json").is_file()):
            for ending in ("safetensors", "h5"):
                for path in folder.glob(f"predictions-*.{ending}"):
                    path.unlink()
        train_set, val_set = (run.data.open_small(split, root) for split in ("train", "val"))
        with progress(run.training.epochs) if progress else nullcontext(None) as report:
            result = train(
                train_set,
                val_set,
                run.training,
                out_dir=folder,
                resume=resume,
                data=run.data,
                progress=report,
            )
        if not ranks.first:
            return result, []
        paths = []
        for split in _predicted_splits(run):
            path = _prediction_path(folder, split)
            if not path.is_file():
                _predict_split(run, result, split, path, root)
            paths.append(path)
    return result, paths


@dataclass(frozen=True)
class SeededRun:
    """One seed of :func:`train_seeds`.

    Attributes
    ----------
    seed : int
        The seed.
    folder : pathlib.Path
        Run directory.
    result : TrainingResult
        Model and history.
    predictions : list of pathlib.Path
        Files of predictions; none in processes of ``torchrun`` but the first.
    """

    seed: int
    folder: Path
    result: TrainingResult
    predictions: list[Path]


def train_seeds(
    run: RunConfiguration,
    seeds: Sequence[int],
    out: str | Path,
    *,
    resume: bool = True,
    root: str | Path | None = None,
    started: Callable[[int, Path], None] | None = None,
    progress: Callable[[int], AbstractContextManager[ReportEpoch]] | None = None,
) -> list[SeededRun]:
    """Train one model with several seeds, each in its ``run_folder``.

    Parameters
    ----------
    run : RunConfiguration
        Data and protocol; its own seed is not used.
    seeds : sequence of int
        One run each.
    out : path-like
        Folder of the runs.
    resume, root, progress
        As for :func:`train_and_predict`.
    started : callable, optional
        Called as ``started(seed, folder)`` before each run.
    """
    from precondbench.baselines.training.configuration import resolve_device
    from precondbench.baselines.training.distributed import process_group

    done = []
    # One group for all seeds: processes that leave one at different times cannot meet in a next.
    with process_group(resolve_device(run.training.device)):
        for seed in seeds:
            seeded = replace(run, training=replace(run.training, seed=seed))
            folder = run_folder(out, seeded)
            if started is not None:
                started(seed, folder)
            result, paths = train_and_predict(
                seeded, folder, resume=resume, root=root, progress=progress
            )
            done.append(SeededRun(seed, folder, result, paths))
    return done


def _predict_split(
    run: RunConfiguration, result: TrainingResult, split: str, path: Path, root: str | Path | None
) -> None:
    from precondbench.baselines.prediction import predict

    training = run.training
    data = run.data.open(split, root)
    values = predict(
        result.model,
        data,
        batch_size=training.batch_size,
        max_edges=training.max_edges,
        threads=training.threads,
    )
    write_predictions(path, training.method, data.shard, data.label, {training.seed: values})
