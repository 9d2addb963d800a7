"""The score of a file of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench.errors import PredictionError
from precondbench.quality import Evaluation, evaluate_many
from precondbench.recipes import GENERATED_VERSION
from precondbench.shards import PredictionFile, read_predictions

if TYPE_CHECKING:
    from precondbench.datasets import FactorDataset


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
    names: Sequence[str] = data.names
    by_seed = {}
    for seed in sorted(predictions.seeds):
        values = predictions.by_name(seed, shard)
        by_seed[str(seed)] = {name: values[name] for name in names}
    evaluations = {
        int(seed): evaluation
        for seed, evaluation in evaluate_many(data, by_seed, progress=progress).items()
    }
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
    if predictions.version == GENERATED_VERSION:
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
