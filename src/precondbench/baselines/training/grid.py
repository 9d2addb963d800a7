"""Many runs from one file: every combination of the values listed in it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from precondbench.baselines.training.runs import is_done, run_folder, train_and_predict
from precondbench.errors import ConfigurationError, TrainingDivergedError

if TYPE_CHECKING:
    from precondbench.baselines.training.configuration import RunConfiguration
    from precondbench.baselines.training.progress import ReportEpoch


MOST_RUNS = 10_000


def read_grid(path: str | Path) -> list[RunConfiguration]:
    """Read the runs of a grid file, in its order.

    A grid is a list of tables ``[[runs]]``. Keys are those of ``DataSelection`` and
    ``TrainingConfiguration``; a value that is a list stands for one run with each of its
    elements. Of several lists the first varies slowest.

    Parameters
    ----------
    path : path-like
        TOML file, for example paper/grid.toml of the repository.

    Returns
    -------
    list of RunConfiguration
        One a run.

    Raises
    ------
    ConfigurationError
        If the file has no such table, or a setting is unknown or has a bad value.

    Examples
    --------
    >>> from pathlib import Path
    >>> from precondbench.baselines import read_grid
    >>> grid = '''[[runs]]
    ... dataset = "synthetic-tridiag"
    ... model = ["MLP", "GATv2"]
    ... seed = [0, 1, 2]
    ... '''
    >>> _ = Path("grid.toml").write_text(grid)
    >>> [(run.training.model, run.training.seed) for run in read_grid("grid.toml")][:4]
    [('MLP', 0), ('MLP', 1), ('MLP', 2), ('GATv2', 0)]
    """
    from precondbench.baselines.training.configuration import read_toml

    tables = read_toml(path)
    if set(tables) != {"runs"} or not isinstance(tables["runs"], list):
        raise ConfigurationError(f"{path} is no grid; it must hold tables [[runs]] and no other")
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
    progress: Callable[[int], AbstractContextManager[ReportEpoch]] | None = None,
) -> dict[str, int]:
    """Train what is not done yet, one run after the other.

    Several processes may work on one folder at once: each takes runs that no other holds.

    Parameters
    ----------
    runs : sequence of RunConfiguration
        What to run, in this order.
    out : path-like
        Folder of the runs, see ``run_folder``.
    root : path-like, optional
        Cache folder.
    started : callable, optional
        Called as ``started(number, run, folder)`` before a run begins, numbers from 1.
    progress : callable, optional
        As for ``train_and_predict``.

    Returns
    -------
    dict of str to int
        How many runs were ``trained``, were ``done`` before, are ``busy`` in another process,
        or ``diverged``.
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
