"""Measured times: the file of a problem, and the ratios and break-evens that follow."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from precondbench._internal import read_model, replacing
from precondbench.errors import LeaderboardError
from precondbench.leaderboard.scoring.ranking import shares_within

COMPARED = ("classical", "direct")
# What the break-even is counted against.
BASELINE = "IC(0)"


def _positive(value: float) -> float:
    if not (math.isfinite(value) and value >= 0.0):
        raise ValueError("the number is not a time")
    return value


Seconds = Annotated[float, AfterValidator(_positive)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Sides = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}$")]
Short = Annotated[str, StringConstraints(max_length=200)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Counted(_Model):
    """Work as it is counted from the structure of a method, not measured."""

    bytes: Count = Field(description="Read and written.")
    links: Count = Field(description="Rows or entries that need the one just before.")
    levels: Count = Field(description="Stages that must follow one another.")
    operations: Count = Field(description="Multiply-adds, of a setup.")
    dense: Count = Field(default=0, description="Those in dense blocks, by BLAS.")
    calls: Count = Field(default=0, description="Pieces of compiled code called from Python.")


class TimedRow(_Model):
    """Times of one method on one problem."""

    method: Short
    kind: Literal["classical", "direct", "learned", "other"]
    status: Literal["converged", "iteration-limit", "stagnated", "invalid"]
    reason: Annotated[str, StringConstraints(max_length=600)] = ""
    iterations: Count | None = Field(default=None, description="Of the first right-hand side.")
    setup: list[Seconds] = Field(
        description="Seconds, one for each repeat; more for a method whose repeats differed."
    )
    solve: dict[Sides, list[Seconds]] = Field(
        description="Number of right-hand sides -> seconds, one for each repeat."
    )
    measured: dict[Sides, Count] = Field(
        description="Number of right-hand sides -> how many of them were solved; the time of "
        "all is in proportion."
    )
    peak_bytes: Count | None = Field(
        default=None, description="Growth of memory by setup and the first solve."
    )
    setup_work: Counted | None = Field(default=None, description="Of setup, where it is known.")
    step_work: Counted | None = Field(
        default=None, description="Of a step for one right-hand side, where M is known."
    )

    def seconds(self, sides: int) -> float:
        """Return the time of setup and solve, the least of the repeats; infinite if it failed."""
        totals = self._totals(sides)
        return min(totals) if totals else math.inf

    def spread(self, sides: int) -> float:
        """Return the range of this time over repeats, divided by the least."""
        totals = self._totals(sides)
        return (max(totals) - min(totals)) / min(totals) if totals else math.nan

    def agreement(self, sides: int) -> float:
        """Return how far the second least time is above the least, divided by it.

        Other work on a machine only ever adds time. NaN for fewer than two repeats.
        """
        least = sorted(self._totals(sides))[:2]
        return least[1] / least[0] - 1.0 if len(least) == 2 else math.nan

    def _totals(self, sides: int) -> list[float]:
        solves = self.solve.get(str(sides), [])
        return [a + b for a, b in zip(self.setup, solves, strict=False)]


class Times(_Model):
    """Times of several methods on one problem, measured in one run."""

    format_version: Literal[1] = 1
    problem: Short
    rows_of_matrix: Count
    entries: Count
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    machine: Short
    system: Short
    versions: dict[Short, Short]
    date: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    cores: Literal[1] = 1
    repeats: Count
    rows: list[TimedRow]

    @property
    def sides(self) -> list[int]:
        """Numbers of right-hand sides."""
        return sorted({int(sides) for row in self.rows for sides in row.solve})

    def fastest(self, sides: int) -> TimedRow | None:
        """Return the fastest classical or direct method; None if none of them succeeded."""
        rows = [row for row in self.rows if row.kind in COMPARED]
        best = min(rows, key=lambda row: row.seconds(sides), default=None)
        return best if best is not None and math.isfinite(best.seconds(sides)) else None

    def ratios(self, sides: int) -> dict[str, float]:
        """Time of each method over that of the fastest classical or direct one."""
        best = self.fastest(sides)
        if best is None:
            return {}
        return {row.method: row.seconds(sides) / best.seconds(sides) for row in self.rows}

    def break_even(self, row: TimedRow) -> float:
        """Fewest right-hand sides with which a method is as fast as IC(0).

        Setup is paid once, and the time of a side is that of the largest number that was measured.
        Infinite if the method never is; NaN if one of the two failed.
        """
        (base,) = [one for one in self.rows if one.method == BASELINE] or (None,)
        most = max(self.sides, default=0)
        if base is None or not (row.solve.get(str(most)) and base.solve.get(str(most))):
            return math.nan
        more = min(row.setup) - min(base.setup)
        less = (min(base.solve[str(most)]) - min(row.solve[str(most)])) / most
        if more <= less:
            return 1.0
        return math.ceil(more / less) if less > 0.0 else math.inf


@dataclass(frozen=True)
class Figures:
    """What tables show of a row; None for what there is not."""

    row: TimedRow
    setup: float | None
    seconds: list[float | None]
    ratios: list[float | None]
    spread: float | None
    break_even: float | None


def figures_of(times: Times, sides: Sequence[int]) -> list[Figures]:
    """Return the figures of every row, for some numbers of right-hand sides."""
    ratios = [times.ratios(count) for count in sides]
    return [
        Figures(
            row,
            min(row.setup, default=None),
            [_finite(row.seconds(count)) for count in sides],
            [_finite(found.get(row.method, math.nan)) for found in ratios],
            _finite(max((row.spread(count) for count in sides), default=math.nan)),
            _finite(times.break_even(row)),
        )
        for row in times.rows
    ]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def time_profile(
    problems: Iterable[Times], sides: int, factors: Iterable[float]
) -> dict[str, list[float]]:
    """Share of the problems on which a method is within a factor of the fastest one.

    Methods count where they were measured; a failure is beyond every factor.
    """
    ratios: dict[str, list[float]] = {}
    for times in problems:
        for method, ratio in times.ratios(sides).items():
            ratios.setdefault(method, []).append(ratio)
    steps = list(factors)
    return {method: shares_within(found, steps) for method, found in ratios.items()}


def times_path(folder: str | Path, problem: str) -> Path:
    """Return the place of the file of a problem in a folder of the leaderboard."""
    return Path(folder) / "times" / f"{problem.replace('/', '_')}.json"


def write_times(folder: str | Path, times: Times) -> Path:
    """Write the times of a problem, whole or not at all."""
    path = times_path(folder, times.problem)
    with replacing(path) as temporary:
        content = json.dumps(times.model_dump(mode="json"), indent=1)
        temporary.write_text(content + "\n", encoding="utf-8")
    return path


def read_times(path: str | Path) -> Times:
    """Read the file of a problem; LeaderboardError if it is not one."""
    return read_model(Path(path), Times, LeaderboardError, "write it with `precondbench time`")


def all_times(folder: str | Path) -> list[Times]:
    """Read the times that a leaderboard keeps, small problems of a family before large ones."""
    found = [read_times(path) for path in sorted((Path(folder) / "times").glob("*.json"))]
    return sorted(found, key=lambda times: (times.problem.rpartition("-")[0], times.rows_of_matrix))


def compared(stored: Times, again: Times, band: float) -> list[str]:
    """Describe where times that were measured again leave a band around stored ones.

    The same problem, and the same iterations where both solved it, are demanded exactly. Another
    machine has other seconds, so that ratios to the fastest method are compared: they may differ
    by a factor of ``1 + band``.
    """
    if stored.digest != again.digest:
        return [f"{stored.problem} has another digest: {again.digest}"]
    problems = []
    rows: Mapping[str, TimedRow] = {row.method: row for row in stored.rows}
    for row in again.rows:
        before = rows.get(row.method)
        if before is None:
            continue
        if (before.status, before.iterations) != (row.status, row.iterations):
            problems.append(
                f"{row.method}: {row.status} after {row.iterations} iterations, stored is "
                f"{before.status} after {before.iterations}"
            )
    for sides in stored.sides:
        old, new = stored.ratios(sides), again.ratios(sides)
        for method in old.keys() & new.keys():
            pair = sorted((old[method], new[method]))
            if math.isfinite(pair[0]) and pair[1] > (1.0 + band) * pair[0]:
                problems.append(
                    f"{method}, m = {sides}: {new[method]:.3g} times the fastest, stored is "
                    f"{old[method]:.3g}"
                )
    return problems
