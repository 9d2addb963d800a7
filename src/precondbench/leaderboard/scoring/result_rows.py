"""Results of runs as rows: what a row holds, a file of them, and their summary over seeds."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from precondbench._internal import loads, replacing
from precondbench.baselines import command_settings, current_training_command
from precondbench.errors import ConfigurationError

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
    "loss",
    "max_epochs",
    "max_rows",
    "width",
    "learning_rate",
)
# Options that say where and from which seed, not what was trained.
_OF_THE_RUN = ("seeds", "device", "threads", "max_edges")


def _sort_key(row: Mapping[str, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    # None, for no bound on the rows, has no order of its own.
    return tuple((row[key] is not None, row[key] if row[key] is not None else 0) for key in keys)


def sort_rows(rows: Iterable[Row]) -> list[Row]:
    """Return rows by dataset, version, configuration, split, model, rounds and seed."""
    return sorted(rows, key=lambda row: (_sort_key(row, _ORDER), row["key"]))


def write_results(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as JSON lines; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        The file, ``.jsonl``.
    rows : iterable of mapping
        Rows with the keys of ``ROW_KEYS``.

    Raises
    ------
    ConfigurationError
        If a key is missing or a value has another type.
    """
    path = Path(path)
    lines = []
    for number, row in enumerate(rows, start=1):
        _check(row, f"row {number} for {path}")
        lines.append(json.dumps(dict(row), ensure_ascii=False, allow_nan=False) + "\n")
    with replacing(path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def read_results(path: str | Path) -> list[Row]:
    """Read rows that :func:`write_results` wrote.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    list of dict
        In the order of the file.

    Raises
    ------
    ConfigurationError
        If the file is not there, a line is no row, or two rows are of one run and split.
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
        _check(row, where)
        first = seen.setdefault((row["key"], row["split"]), number)
        if first != number:
            raise ConfigurationError(
                f"{where} and line {first} are of one run and split; remove one"
            )
        rows.append(row)
    return rows


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
    """Return the options and settings of a row's command, as text.

    Examples
    --------
    >>> from precondbench.leaderboard.scoring.result_rows import options_of
    >>> options_of({"command": "precondbench train d --set batch_size=4 --seeds 0"})
    {'batch_size': '4', 'seeds': '0'}
    """
    return command_settings(str(row["command"]))


def summarise_results(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Mean and extremes over the seeds of runs that differ by nothing else.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of runs.

    Returns
    -------
    list of dict
        One a kind of run and split, in the order of rows: data, model, ``rounds``, ``width``,
        ``loss``, ``max_epochs``, ``learning_rate``, ``max_rows`` and ``parameters`` as in the
        rows; ``seeds`` and ``devices``; ``command``, which trains all seeds; and for each of
        ``MEASURES`` a dictionary of ``mean``, ``min`` and ``max`` over the seeds that have the
        number, or None.

    Examples
    --------
    >>> from precondbench.leaderboard.scoring.result_rows import ROW_KEYS
    >>> from precondbench.leaderboard import summarise_results
    >>> row = dict.fromkeys(ROW_KEYS, 0) | {"seed": 0, "cosine_mean": 0.5, "command": "c --seeds 0"}
    >>> other = row | {"seed": 1, "cosine_mean": 0.75, "command": "c --seeds 1"}
    >>> summary, = summarise_results([row, other])
    >>> summary["cosine_mean"], summary["command"]
    ({'mean': 0.625, 'min': 0.5, 'max': 0.75}, 'c --seeds 0,1')
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
