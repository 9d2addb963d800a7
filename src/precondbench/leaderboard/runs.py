"""A training run with its predictions, and the score of a file of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench.build import select_plans, synthetic
from precondbench.errors import PredictionError
from precondbench.leaderboard.prediction_file import read_predictions, write_predictions
from precondbench.quality import Evaluation, HopLadder, evaluate

if TYPE_CHECKING:
    from precondbench.baselines import TrainingConfiguration, TrainingResult
    from precondbench.baselines.progress import ReportEpoch

__all__ = ["ScoredFile", "score_file", "train_and_predict"]


def train_and_predict(
    dataset: str,
    configuration: TrainingConfiguration,
    out: str | Path,
    *,
    data_configuration: str | None = None,
    label: str | None = None,
    version: str | None = None,
    root: str | Path | None = None,
    progress: Callable[[int], AbstractContextManager[ReportEpoch]] | None = None,
) -> tuple[TrainingResult, list[Path]]:
    """Train one model with one seed, and predict every other split.

    Parameters
    ----------
    dataset : str
        Name of the dataset.
    configuration : TrainingConfiguration
        The protocol.
    out : path-like
        Run directory: configuration, metrics, checkpoint and ``predictions-<split>.h5``.
    data_configuration, label, version : str, optional
        As for ``open_dataset``.
    root : path-like, optional
        Cache folder.
    progress : callable, optional
        Takes the number of epochs and returns a context manager that yields the callback.

    Returns
    -------
    result : TrainingResult
        Model and history.
    paths : list of pathlib.Path
        Files of predictions.
    """
    from contextlib import nullcontext

    from precondbench.baselines import predict, train
    from precondbench.datasets import open_dataset

    def opened(split: str):  # type: ignore[no-untyped-def]
        return open_dataset(
            dataset,
            split,
            configuration=data_configuration,
            label=label,
            version=version,
            root=root,
        )

    train_set, val_set = opened("train"), opened("val")
    with progress(configuration.epochs) if progress else nullcontext(None) as report:
        result = train(train_set, val_set, configuration, out_dir=out, progress=report)
    plans = select_plans(dataset, train_set.version, train_set.configuration)
    splits = [plan.split for plan in plans]
    paths = []
    for split in splits:
        if split == "train":
            continue
        data = opened(split)
        path = Path(out) / f"predictions-{split}.h5"
        values = predict(result.model, data)
        shard = data.shard
        method = f"{configuration.model} ({configuration.rounds} rounds)"
        write_predictions(path, method, shard, data.label, {configuration.seed: values})
        paths.append(path)
    return result, paths


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
    shard = data.shard
    matrices = [data.pair(i).A for i in range(len(data))]
    ladder = HopLadder.where_defined(matrices)
    evaluations = {}
    names: Sequence[str] = data.names
    for seed in sorted(predictions.seeds):
        values = predictions.by_name(seed, shard)
        chosen = {name: values[name] for name in names}
        evaluations[seed] = evaluate(data, chosen, ladder=ladder, progress=progress)
    split = (
        f"{predictions.dataset}/{predictions.version}/{predictions.configuration}"
        f"/{predictions.split}"
    )
    return ScoredFile(predictions.method, split, evaluations)
