"""A training run with its predictions, and the score of a file of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench.build import synthetic
from precondbench.errors import PredictionError
from precondbench.leaderboard.prediction_file import (
    PredictionFile,
    read_predictions,
    write_predictions,
)
from precondbench.quality import Evaluation, HopLadder, evaluate

if TYPE_CHECKING:
    from precondbench.baselines import RunConfiguration, TrainingResult
    from precondbench.baselines.progress import ReportEpoch
    from precondbench.datasets import FactorDataset

__all__ = [
    "ScoredFile",
    "is_done",
    "open_predicted",
    "run_folder",
    "score_file",
    "train_and_predict",
]


def run_folder(out: str | Path, run: RunConfiguration) -> Path:
    """Return the folder of a run: ``out/<data>/<model>-<rounds>/seed-<seed>``."""
    data, training = run.data.resolved(), run.training
    names = f"{data.dataset}-{data.version}-{data.configuration}"
    return Path(out) / names / f"{training.model}-{training.rounds}" / f"seed-{training.seed}"


def is_done(run: RunConfiguration, folder: str | Path) -> bool:
    """Whether a run has finished training and made all its predictions."""
    paths = [_prediction_path(folder, split) for split in _predicted_splits(run)]
    return all(path.is_file() for path in [Path(folder) / "result.json", *paths])


def _predicted_splits(run: RunConfiguration) -> list[str]:
    return [split for split in run.data.splits() if split != "train"]


def _prediction_path(folder: str | Path, split: str) -> Path:
    return Path(folder) / f"predictions-{split}.h5"


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
        Run directory: what ``RunDirectory`` lists, and ``predictions-<split>.h5``.
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

    from precondbench.baselines import train
    from precondbench.baselines.configuration import resolve_device
    from precondbench.baselines.distributed import process_group

    folder, run = Path(folder), run.resolved()
    with process_group(resolve_device(run.training.device)) as ranks:
        if ranks.first and not (resume and (folder / "result.json").is_file()):
            for path in folder.glob("predictions-*.h5"):
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


def _predict_split(
    run: RunConfiguration, result: TrainingResult, split: str, path: Path, root: str | Path | None
) -> None:
    from precondbench.baselines import predict

    training = run.training
    data = run.data.open(split, root)
    values = predict(
        result.model,
        data,
        batch_size=training.batch_size,
        max_edges=training.max_edges,
        threads=training.threads,
    )
    method = f"{training.model} ({training.rounds} rounds)"
    write_predictions(path, method, data.shard, data.label, {training.seed: values})


@dataclass(frozen=True)
class ScoredFile:
    """Score of a file of predictions.

    Attributes
    ----------
    method : str
        Name of the method.
    split : str
        ``dataset/version/configuration/split``.
    evaluations : dict of int to Evaluation
        By seed.
    """

    method: str
    split: str
    evaluations: dict[int, Evaluation]


def score_file(
    path: str | Path,
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ScoredFile:
    """Score a file of predictions on the split it names.

    Parameters
    ----------
    path : path-like
        File of :func:`write_predictions`.
    root : path-like, optional
        Cache folder.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    ScoredFile
        One evaluation a seed.

    Raises
    ------
    PredictionError
        If the file is damaged, for other data, or for data of one's own.
    """
    predictions, data = open_predicted(path, root)
    shard = data.shard
    matrices = [data.pair(i).A for i in range(len(data))]
    ladder = HopLadder.where_defined(matrices)
    evaluations = {}
    names: Sequence[str] = data.names
    for seed in sorted(predictions.seeds):
        values = predictions.by_name(seed, shard)
        chosen = {name: values[name] for name in names}
        evaluations[seed] = evaluate(data, chosen, ladder=ladder, progress=progress)
    return ScoredFile(predictions.method, predictions.where, evaluations)


def open_predicted(
    path: str | Path, root: str | Path | None = None
) -> tuple[PredictionFile, FactorDataset]:
    """Read a file of predictions and open the split it is for.

    Raises
    ------
    PredictionError
        If the file is damaged, or for data of one's own.
    """
    from precondbench.datasets import open_dataset

    predictions = read_predictions(path)
    if predictions.version == synthetic.GENERATED_VERSION:
        raise PredictionError(
            f"{path} is for generated data, which no manifest knows and so cannot be looked up "
            "by name; score it in Python: evaluate(SyntheticTridiag.from_shard(...), predictions)"
        )
    data = open_dataset(
        predictions.dataset,
        predictions.split,
        configuration=predictions.configuration,
        label=predictions.label,
        version=predictions.version,
        root=root,
    )
    return predictions, data
