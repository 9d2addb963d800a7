"""From the entries of a track to ranked rows; pure functions, nothing is read or written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from precondbench.leaderboard.entries import Entry, Track
from precondbench.leaderboard.scoring.profile import DIGITS, profile_area
from precondbench.quality import Evaluation, rounded

RankedBy = Literal["profile_area", "iterations_mean"]


@dataclass(frozen=True)
class Spread:
    """Mean and extremes of a number over the seeds of an entry."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RankedRow:
    """One entry on the board of its track.

    Every number is of the entry and the track alone: no other entry changes it. A number that
    exists for no seed is None. Oracles are placed among the others, but have no rank. Areas exist
    on real tracks only, which they rank, and medians of ratios only where no seed fails on half
    of the matrices.
    """

    entry: Entry
    evaluations: tuple[Evaluation, ...]
    rank: int | None
    area: Spread | None
    iterations_mean: Spread
    solved: Spread
    ratio_median: Spread | None
    cosine_mean: Spread | None
    log10_one_minus_cosine_median: Spread | None
    n_log_k_median: Spread | None
    work_median: Spread | None
    effective_hops: Spread | None

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ratios of all seeds, joined: what the performance profile is drawn from."""
        return tuple(ratio for seed in self.evaluations for ratio in seed.ratios)

    @property
    def score(self) -> Spread:
        """The number that ranks: the area, or the mean iterations."""
        return self.iterations_mean if self.area is None else self.area


def ranked_by(track: Track) -> RankedBy:
    """Name the number that ranks a track."""
    return "profile_area" if track.kind == "real" else "iterations_mean"


def rank_entries(track: Track, entries: Mapping[str, Entry]) -> list[RankedRow]:
    """Rank the entries of a track, by id, best first.

    Real tracks are ranked by the area under the performance profile, synthetic ones by mean
    iterations; the mean over the seeds of an entry counts.
    """
    rows = sorted((_row(track, entry) for entry in entries.values()), key=_place)
    ranks: dict[str, int] = {}
    count, last = 0, math.nan
    for row in rows:
        if row.entry.kind == "oracle":
            continue
        count += 1
        tied = row.score.mean == last
        ranks[row.entry.id] = max(ranks.values(), default=1) if tied else count
        last = row.score.mean
    return [replace(row, rank=ranks.get(row.entry.id)) for row in rows]


def best_of_kind(rows: Iterable[RankedRow], kind: str) -> RankedRow | None:
    """Return the first row of a kind (``learned``, ``classical`` or ``oracle``)."""
    return next((row for row in rows if row.entry.kind == kind), None)


def _place(row: RankedRow) -> tuple[float, str, str]:
    # Names settle the order of ties, so that it is the same everywhere.
    score = row.iterations_mean.mean if row.area is None else -row.area.mean
    return score, row.entry.method.casefold(), row.entry.id


def _row(track: Track, entry: Entry) -> RankedRow:
    seeds = tuple(entry.evaluations(track))

    def mean(column: str) -> Spread | None:
        return _of_known(statistics.fmean, [getattr(seed, column) for seed in seeds])

    def median(column: str) -> Spread | None:
        return _of_known(statistics.median, [getattr(seed, column) for seed in seeds])

    medians = [statistics.median(seed.ratios) for seed in seeds]
    real = ranked_by(track) == "profile_area"
    return RankedRow(
        entry=entry,
        evaluations=seeds,
        rank=None,
        area=_spread([profile_area(seed.ratios) for seed in seeds]) if real else None,
        iterations_mean=_spread([statistics.fmean(seed.penalised_iterations) for seed in seeds]),
        solved=_spread([statistics.fmean(seed.solved) for seed in seeds]),
        ratio_median=None if any(map(math.isinf, medians)) else _spread(medians),
        cosine_mean=mean("cosine"),
        log10_one_minus_cosine_median=median("log10_one_minus_cosine"),
        n_log_k_median=median("n_log_k"),
        work_median=median("work"),
        effective_hops=_of_known(
            statistics.fmean, [[seed.summary.get("effective_hops")] for seed in seeds]
        ),
    )


def _of_known(
    average: Callable[[Sequence[float]], float], columns: Sequence[Sequence[float | None]]
) -> Spread | None:
    known = [[value for value in column if value is not None] for column in columns]
    averages = [average(values) for values in known if values]
    return _spread(averages) if averages else None


def _spread(values: Sequence[float]) -> Spread:
    # Sums of the same numbers must tie, whatever their order.
    return Spread(rounded(math.fsum(values) / len(values), DIGITS), min(values), max(values))
