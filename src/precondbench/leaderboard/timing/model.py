"""A cost model that needs no clock: seconds from counted work, and rates fitted to measurements."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares, nnls

from precondbench.errors import ConfigurationError
from precondbench.leaderboard.timing.times import Counted, TimedRow, Times

# Written by benchmarks/cost_model.py.
_FITTED = "rates.json"
_FEATURES = ("fixed", "byte", "link", "operation", "dense", "call")


@dataclass(frozen=True)
class Rates:
    """Seconds of each unit of counted work.

    Attributes
    ----------
    fixed : float
        Of calls, whatever their size.
    byte, link, level, operation, dense, call : float
        Of each of these.
    """

    fixed: float = 0.0
    byte: float = 0.0
    link: float = 0.0
    level: float = 0.0
    operation: float = 0.0
    dense: float = 0.0
    call: float = 0.0

    def seconds(self, work: Counted) -> float:
        """Return the predicted time of counted work."""
        return (
            self.fixed
            + self.byte * work.bytes
            + self.link * work.links
            + self.level * work.levels
            + self.operation * work.operations
            + self.dense * work.dense
            + self.call * work.calls
        )


@dataclass(frozen=True)
class CostModel:
    """Rates of a machine: for setups, and for steps of PCG.

    Attributes
    ----------
    machine : str
        Where they were measured, or what they stand for.
    setup, step : Rates
        Of one core, or of a GPU.
    """

    machine: str
    setup: Rates
    step: Rates

    def seconds(self, row: TimedRow) -> float:
        """Return the predicted time of setup and solve for one right-hand side; NaN if unknown."""
        if row.setup_work is None or row.step_work is None or row.iterations is None:
            return math.nan
        steps = row.iterations * self.step.seconds(row.step_work)
        return self.setup.seconds(row.setup_work) + steps


# NVIDIA's figure for the memory of an H200, and the order of a kernel launch or a barrier. What
# must wait for something else is a launch of its own. Setups are not predicted. Not measured.
GPU = CostModel("H200, by its data sheet", Rates(), Rates(byte=1 / 4.8e12, level=3e-6))


def fitted_model() -> CostModel:
    """Return the model that is shipped, whose rates were fitted to measured times.

    Returns
    -------
    CostModel
        Of one core of the machine that it names.
    """
    content = json.loads(files(__package__).joinpath(_FITTED).read_text(encoding="utf-8"))
    return CostModel(content["machine"], Rates(**content["setup"]), Rates(**content["step"]))


def fit_model(problems: Iterable[Times]) -> tuple[CostModel, dict[str, float]]:
    """Fit rates to measured times, all of one machine.

    Rates are those with the smallest sum of squared logarithms of predicted over measured seconds.

    Parameters
    ----------
    problems : iterable of Times
        Measured times.

    Returns
    -------
    model : CostModel
        The rates.
    r2 : dict of str to float
        Share of the variance of log seconds that the model explains: of ``setup``, of a ``step``,
        and of the ``total`` for one right-hand side.

    Raises
    ------
    ConfigurationError
        If the times are of several machines, or too few.
    """
    found = list(problems)
    machines = sorted({times.machine for times in found})
    if len(machines) != 1:
        raise ConfigurationError(f"the times are of {len(machines)} machines; give those of one")
    rows = [row for times in found for row in known_rows(times)]
    if len(rows) < 2 * len(_FEATURES):
        raise ConfigurationError(f"there are {len(rows)} rows with work and times; measure more")
    setups = [min(row.setup) for row in rows]
    steps = [step_seconds(row) for row in rows]
    model = CostModel(
        machines[0],
        _fit([_work(row.setup_work) for row in rows], setups),
        _fit([_work(row.step_work) for row in rows], steps),
    )
    r2 = {
        "setup": log_r2([model.setup.seconds(_work(row.setup_work)) for row in rows], setups),
        "step": log_r2([model.step.seconds(_work(row.step_work)) for row in rows], steps),
        "total": log_r2([model.seconds(row) for row in rows], [row.seconds(1) for row in rows]),
    }
    return model, r2


def known_rows(times: Times) -> list[TimedRow]:
    """Return the rows whose work and time for one right-hand side are known."""
    return [
        row
        for row in times.rows
        if row.setup_work and row.step_work and row.iterations and row.solve.get("1")
    ]


def step_seconds(row: TimedRow) -> float:
    """Return the measured seconds of an iteration for one right-hand side."""
    return min(row.solve["1"]) / (row.iterations or 1)


def log_r2(predicted: Sequence[float], measured: Sequence[float]) -> float:
    """Return the share of the variance of log measured that predicted explains.

    >>> log_r2([1.0, 10.0, 100.0], [1.0, 10.0, 100.0])
    1.0
    """
    logs = np.log(measured)
    return float(1.0 - np.sum((np.log(predicted) - logs) ** 2) / np.sum((logs - logs.mean()) ** 2))


def _work(work: Counted | None) -> Counted:
    assert work is not None  # Of known rows.
    return work


def _fit(works: Sequence[Counted], seconds: Sequence[float]) -> Rates:
    counts = np.array(
        [[1, work.bytes, work.links, work.operations, work.dense, work.calls] for work in works],
        np.float64,
    )
    measured = np.array(seconds)
    used = counts.any(axis=0)
    # Rates are positive, so their logarithms are sought, from the best in relative error.
    start, _ = nnls(counts[:, used] / measured[:, np.newaxis], np.ones(measured.size))
    least = 1e-3 * measured.min() / counts[:, used].max(axis=0)

    def errors(logs: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = np.log(counts[:, used] @ np.exp(logs)) - np.log(measured)
        return result

    solution = least_squares(errors, np.log(np.maximum(start, least)))
    rates = np.zeros(len(_FEATURES))
    rates[used] = np.exp(solution.x)
    return Rates(**dict(zip(_FEATURES, map(float, rates), strict=True)))
