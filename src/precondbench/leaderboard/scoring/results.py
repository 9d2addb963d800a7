"""Results of finished runs, scored split by split: one row a run and split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from precondbench.baselines import read_run_json, training_command
from precondbench.errors import ConfigurationError
from precondbench.leaderboard.scoring.result_rows import (
    ROW_KEYS,
    read_results,
    sort_rows,
    write_results,
)
from precondbench.quality import Evaluation, evaluate_many
from precondbench.shards import find_predictions, read_predictions

if TYPE_CHECKING:
    from precondbench.baselines import RunConfiguration
    from precondbench.datasets import DataSelection, FactorDataset


SPLITS = ("test", "test_large")
_SIGNIFICANT_DIGITS = 10


@dataclass(frozen=True)
class _Run:
    """A finished run: its folder and what its files say."""

    folder: Path
    configuration: RunConfiguration
    result: Mapping[str, Any]
    environment: Mapping[str, Any]

    @property
    def key(self) -> str:
        return str(self.result["key"])[:16]

    def predictions(self, split: str) -> Path:
        return find_predictions(self.folder / f"predictions-{split}.safetensors")


def collect_results(
    folder: str | Path,
    splits: Sequence[str] = SPLITS,
    known: Iterable[Mapping[str, Any]] = (),
    *,
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Score the finished runs under a folder.

    Parameters
    ----------
    folder : path-like
        Every folder in it, at any depth, that holds ``result.json`` is a run that
        ``train_and_predict`` finished; a prediction that is not there yet is passed over.
    splits : sequence of str
        Which predictions to score.
    known : iterable of mapping
        Rows scored before. They are returned too, and a run among them, known by its settings
        and training data, is not scored again on that split.
    root : path-like, optional
        Cache folder.
    progress : callable, optional
        Called as ``progress(done, total)``, in files of predictions.

    Returns
    -------
    list of dict
        Known and new rows with the keys of ``ROW_KEYS``, by dataset, version, configuration,
        split, model, rounds and seed; floats have 10 significant digits.

    Raises
    ------
    ConfigurationError
        If there is no such folder, or the configuration of a run is none.
    CheckpointError
        If another file of a run is damaged.
    PredictionError
        If predictions are damaged or for other data.
    """
    rows = [dict(row) for row in known]
    return sort_rows([*rows, *_new_rows(folder, splits, rows, root, progress)])


def update_results(
    path: str | Path,
    folder: str | Path,
    splits: Sequence[str] = SPLITS,
    *,
    root: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[dict[str, Any]], int]:
    """Add the finished runs under a folder to a file of results.

    Splits that were scored are in the file even if this is interrupted or meets a damaged run.

    Parameters
    ----------
    path : path-like
        File of :func:`write_results`; made if it does not exist.
    folder, splits, root, progress
        As for :func:`collect_results`.

    Returns
    -------
    rows : list of dict
        All that is in the file now.
    new : int
        How many of them are new.
    """
    _check_folder(folder)
    path = Path(path)
    rows = read_results(path) if path.is_file() else []
    known = len(rows)
    try:
        for row in _new_rows(folder, splits, list(rows), root, progress):
            rows.append(row)
    finally:
        if len(rows) > known:
            write_results(path, sort_rows(rows))
    if not path.is_file():
        write_results(path, [])
    return sort_rows(rows), len(rows) - known


def _check_folder(folder: str | Path) -> None:
    if not Path(folder).is_dir():
        raise ConfigurationError(f"there is no folder {folder}; name one that holds runs")


def _new_rows(
    folder: str | Path,
    splits: Sequence[str],
    known: Iterable[Mapping[str, Any]],
    root: str | Path | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[dict[str, Any]]:
    _check_folder(folder)
    scored = {(row["key"], row["split"]) for row in known}
    # Runs on the same split stand together, so that one split at a time is in memory.
    work: dict[tuple[DataSelection, str], list[_Run]] = {}
    for path in sorted(Path(folder).rglob("result.json")):
        run = _read_run(path.parent)
        for split in splits:
            if (run.key, split) not in scored and run.predictions(split).is_file():
                scored.add((run.key, split))
                work.setdefault((_whole(run.configuration.data), split), []).append(run)
    total = sum(map(len, work.values()))
    done = 0
    for (data, name), runs in work.items():
        dataset = data.open(name, root)

        def told(matrix: int, matrices: int, before: int = done, count: int = len(runs)) -> None:
            if progress is not None:
                progress(before + count * matrix // matrices, total)

        predictions = {str(k): _predictions(run, name, dataset) for k, run in enumerate(runs)}
        scores = evaluate_many(dataset, predictions, progress=told)
        for run, score in zip(runs, scores.values(), strict=True):
            yield _row(run, name, dataset.shard.content_digest, score)
        done += len(runs)


def _predictions(run: _Run, split: str, dataset: FactorDataset) -> dict[str, Any]:
    seed = run.configuration.training.seed
    values = read_predictions(run.predictions(split)).by_name(seed, dataset.shard)
    return {name: values[name] for name in dataset.names}


def _whole(data: DataSelection) -> DataSelection:
    """Return the data that is predicted: matrices of every size."""
    return replace(data, max_rows=None)


def _read_run(folder: Path) -> _Run:
    from precondbench.baselines import RunConfiguration, read_toml

    path = folder / "configuration.toml"
    tables = read_toml(path)
    try:
        run = RunConfiguration.from_mapping(tables).resolved()
    except ConfigurationError as error:
        raise ConfigurationError(f"{path}: {error}") from None
    result = read_run_json(
        folder / "result.json", "key", "best_epoch", "epochs", "seconds", "device", "parameters"
    )
    return _Run(folder, run, result, read_run_json(folder / "environment.json"))


def _row(run: _Run, split: str, digest: str, score: Evaluation) -> dict[str, Any]:
    data, training = run.configuration.data, run.configuration.training
    distances = [
        10.0**row.log10_one_minus_cosine
        for row in score.rows
        if row.log10_one_minus_cosine is not None
    ]
    found = {
        "dataset": data.dataset,
        "version": data.version,
        "configuration": data.configuration,
        "split": split,
        "label": data.label,
        "content_digest": digest,
        "model": training.model,
        "rounds": training.rounds,
        "width": training.width,
        "loss": training.loss,
        "seed": training.seed,
        "max_epochs": training.epochs,
        "learning_rate": training.learning_rate,
        "max_rows": data.max_rows,
        **{
            name: run.result[name]
            for name in ("epochs", "best_epoch", "parameters", "seconds", "device")
        },
        "device_name": run.environment.get("device_name"),
        "torch": run.environment.get("torch"),
        "effective_hops": None,
        **score.summary,
        "one_minus_cosine_mean": float(np.mean(distances)) if distances else None,
        "key": run.key,
        "command": training_command(run.configuration),
    }
    return {key: _rounded(found[key]) for key in ROW_KEYS}


def _rounded(value: Any) -> Any:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}") if isinstance(value, float) else value
