"""Results of finished runs: scored split by split, kept as rows in a file, and summarised.

A row is the summary of an evaluation with the settings and circumstances of its run.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precondbench._internal import loads, replacing
from precondbench.baselines import (
    command_settings,
    current_training_command,
    read_run_json,
    training_command,
)
from precondbench.errors import ConfigurationError
from precondbench.leaderboard.tracks import PROTOCOL_VERSION
from precondbench.quality import Evaluation, evaluate_many, rounded
from precondbench.shards import find_predictions, read_predictions

if TYPE_CHECKING:
    from precondbench.baselines import RunConfiguration
    from precondbench.datasets import DataSelection, FactorDataset


SPLITS = ("test", "test_large")
# Of numbers in a file of results.
DIGITS = 10
Progress = Callable[[int, int], None]
Row = dict[str, Any]
_TEXT, _COUNT, _NUMBER = str, int, (int, float)
_OPTIONAL_COUNT, _OPTIONAL_NUMBER = (int, type(None)), (int, float, type(None))
_OPTIONAL_TEXT = (str, type(None))

# key of a row -> types; the order is that of the file.
ROW_KEYS: dict[str, Any] = {
    "dataset": _TEXT,
    "version": _TEXT,
    "configuration": _TEXT,
    "split": _TEXT,
    "label": _TEXT,
    "content_digest": _TEXT,
    "protocol": _COUNT,
    "matrices": _COUNT,
    "model": _TEXT,
    "rounds": _COUNT,
    "width": _COUNT,
    "loss": _TEXT,
    "seed": _COUNT,
    "epochs": _COUNT,
    "max_epochs": _COUNT,
    "best_epoch": _COUNT,
    "learning_rate": _NUMBER,
    "max_rows": _OPTIONAL_COUNT,
    "parameters": _COUNT,
    "seconds": _NUMBER,
    "device": _TEXT,
    "device_name": _OPTIONAL_TEXT,
    "torch": _OPTIONAL_TEXT,
    "cosine_mean": _OPTIONAL_NUMBER,
    "one_minus_cosine_mean": _OPTIONAL_NUMBER,
    "log10_one_minus_cosine_median": _OPTIONAL_NUMBER,
    "iterations_mean": _NUMBER,
    "iterations_median": _NUMBER,
    "solved": _NUMBER,
    "ratio_to_target": _NUMBER,
    "effective_hops": _OPTIONAL_NUMBER,
    "n_log_k_median": _OPTIONAL_NUMBER,
    "key": _TEXT,
    "command": _TEXT,
}

# Of what summarise_results gives mean and extremes.
MEASURES = (
    "cosine_mean",
    "one_minus_cosine_mean",
    "log10_one_minus_cosine_median",
    "iterations_mean",
    "iterations_median",
    "solved",
    "ratio_to_target",
    "effective_hops",
    "n_log_k_median",
    "seconds",
    "epochs",
    "best_epoch",
)
_ORDER = ("dataset", "version", "configuration", "split", "model", "rounds", "seed")
# What runs have in common that differ by their seed only; the most important first.
_KIND = (
    *_ORDER[:-1],
    "label",
    "protocol",
    "loss",
    "max_epochs",
    "max_rows",
    "width",
    "learning_rate",
)
# Options that say where and from which seed, not what was trained.
_OF_THE_RUN = ("seeds", "device", "threads", "max_edges")


_OF_RESULT = ("epochs", "best_epoch", "parameters", "seconds", "device")


@dataclass(frozen=True)
class _Run:
    """A finished run: its folder and the content of its files."""

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
    known: Iterable[Row] = (),
    *,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Score the finished runs under a folder, at any depth; return known and new rows, sorted.

    A run is a folder with ``result.json``; one whose settings and data are among the known rows
    is not scored again on that split, and predictions that are not there yet are passed over.
    """
    rows = [dict(row) for row in known]
    return _sorted([*rows, *_new_rows(folder, splits, rows, root, progress)])


def update_results(
    path: str | Path,
    folder: str | Path,
    splits: Sequence[str] = SPLITS,
    *,
    root: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[list[Row], int]:
    """Add the finished runs under a folder to a file of results.

    Returns the rows of the file, and how many are new. Splits that were scored are in the
    file even if this is interrupted or meets a damaged run.
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
            write_results(path, _sorted(rows))
    if not path.is_file():
        write_results(path, [])
    return _sorted(rows), len(rows) - known


def _check_folder(folder: str | Path) -> None:
    if not Path(folder).is_dir():
        raise ConfigurationError(f"there is no folder {folder}; name one that holds runs")


def _new_rows(
    folder: str | Path,
    splits: Sequence[str],
    known: Iterable[Row],
    root: str | Path | None,
    progress: Progress | None,
) -> Iterator[Row]:
    _check_folder(folder)
    scored = {(row["key"], row["split"]) for row in known}
    _check_protocols({PROTOCOL_VERSION, *(row["protocol"] for row in known)}, "the known results")
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

        def report(matrix: int, matrices: int, before: int = done, count: int = len(runs)) -> None:
            if progress is not None:
                progress(before + count * matrix // matrices, total)

        predictions = {str(k): _predictions(run, name, dataset) for k, run in enumerate(runs)}
        scores = evaluate_many(dataset, predictions, progress=report)
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


def _row(run: _Run, split: str, digest: str, score: Evaluation) -> Row:
    data, training = run.configuration.data, run.configuration.training
    found = {
        "dataset": data.dataset,
        "version": data.version,
        "configuration": data.configuration,
        "split": split,
        "label": data.label,
        "content_digest": digest,
        "protocol": PROTOCOL_VERSION,
        "model": training.model,
        "rounds": training.rounds,
        "width": training.width,
        "loss": training.loss,
        "seed": training.seed,
        "max_epochs": training.epochs,
        "learning_rate": training.learning_rate,
        "max_rows": data.max_rows,
        **{name: run.result[name] for name in _OF_RESULT},
        "device_name": run.environment.get("device_name"),
        "torch": run.environment.get("torch"),
        "effective_hops": None,
        **score.summary,
        "one_minus_cosine_mean": score.one_minus_cosine_mean,
        "key": run.key,
        "command": training_command(run.configuration),
    }
    return {key: rounded(found[key], DIGITS) for key in ROW_KEYS}


def _sort_key(row: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    # None, for no bound on the rows, has no order of its own.
    return tuple((row[key] is not None, row[key] if row[key] is not None else 0) for key in keys)


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (_sort_key(row, _ORDER), row["key"]))


def write_results(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines; the file appears whole or not at all.

    ConfigurationError if a row lacks a key of ``ROW_KEYS`` or a value has another type.
    """
    path = Path(path)
    lines = []
    for number, row in enumerate(rows, start=1):
        _check(row, f"row {number} for {path}")
        lines.append(json.dumps(dict(row), ensure_ascii=False, allow_nan=False) + "\n")
    with replacing(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def read_results(path: str | Path) -> list[Row]:
    """Read a file of rows, in its order.

    ConfigurationError if it is not there, a line is not a row, two rows are of one run and
    split, or of two protocols. Rows that name no protocol are of protocol 1.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read as results: {error}") from None
    rows: list[Row] = []
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines, start=1):
        where = f"{path}, line {number}"
        try:
            row = loads(line)
        except ValueError as error:
            raise ConfigurationError(
                f"{where} is not JSON ({error}); remove the line, and collect its run again with "
                "'precondbench results'"
            ) from None
        if isinstance(row, dict):
            row.setdefault("protocol", 1)
        _check(row, where)
        first = seen.setdefault((row["key"], row["split"]), number)
        if first != number:
            raise ConfigurationError(
                f"{where} and line {first} are of one run and split; remove one"
            )
        rows.append(row)
    _check_protocols({row["protocol"] for row in rows}, str(path))
    return rows


def _check_protocols(found: Collection[int], where: str) -> None:
    if len(found) > 1:
        raise ConfigurationError(
            f"{where} would mix protocols {' and '.join(map(str, sorted(found)))}, whose numbers "
            "cannot be compared; write results of each into a file of its own"
        )


def _check(row: Any, where: str) -> None:
    if not isinstance(row, Mapping):
        raise ConfigurationError(f"{where} holds {row!r:.40}; a row of results is an object")
    missing = [key for key in ROW_KEYS if key not in row]
    if missing:
        raise ConfigurationError(f"{where} is no row of results: it has no {', '.join(missing)}")
    for key, types in ROW_KEYS.items():
        value = row[key]
        if not isinstance(value, types) or isinstance(value, bool):
            raise ConfigurationError(f"{where}: {key} is {value!r}, which cannot be")


def options_of(row: Mapping[str, Any]) -> dict[str, str]:
    """Return the options and settings of a row's command, as text."""
    return command_settings(str(row["command"]))


def summarise_results(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Mean and extremes over the seeds of runs that differ by nothing else, in the order of rows.

    A summary has what the runs have in common, ``seeds``, ``devices``, the ``command`` that trains
    all seeds, and ``mean``, ``min`` and ``max`` of each of ``MEASURES``, or None.
    """

    def kind(row: Mapping[str, Any]) -> tuple[Any, ...]:
        # Settings that a row has no key for stand in its command.
        options = {k: v for k, v in options_of(row).items() if k not in _OF_THE_RUN}
        return _sort_key(row, _KIND), sorted(options.items())

    return [
        _summary(sorted(group, key=lambda row: int(row["seed"])))
        for _, group in groupby(sorted(rows, key=kind), kind)
    ]


def _summary(rows: Sequence[Mapping[str, Any]]) -> Row:
    seeds = sorted({row["seed"] for row in rows})
    # A row's command ends with its seed.
    words = current_training_command(shlex.split(str(rows[0]["command"])))
    command = shlex.join(words[:-1])
    summary = {key: rows[0][key] for key in (*_KIND, "parameters", "matrices")}
    summary |= {
        "seeds": seeds,
        "devices": sorted({str(row["device_name"] or row["device"]) for row in rows}),
        "command": f"{command} {','.join(map(str, seeds))}",
    }
    for measure in MEASURES:
        known = [row[measure] for row in rows if row[measure] is not None]
        summary[measure] = (
            {"mean": sum(known) / len(known), "min": min(known), "max": max(known)}
            if known
            else None
        )
    return summary
