"""Ranks of the entries of a track, by performance profiles against a fixed reference.

Dolan and Moré (2002) compare solvers by the share of problems that each solves within a factor
tau of the best one. With "the best one on the board" an entry's curve changes when another entry
comes, and two entries may change places because of a third (Gould and Scott, 2016). Here the
reference is the target of each matrix, which no entry changes: so an entry keeps its numbers.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from precondbench.leaderboard.entries import Entry, Track
from precondbench.leaderboard.scoring.intervals import Interval, Resampled, area_of_one
from precondbench.leaderboard.tracks import RANKED_BY, RankedBy
from precondbench.quality import Evaluation, rounded

# Of numbers that rank.
DIGITS = 12
TAUS = tuple(2.0**power for power in range(-4, 5))


@dataclass(frozen=True)
class Spread:
    """Mean and extremes of a number over the seeds of an entry."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RankedRow:
    """One entry on the board of its track; every number is of the entry and the track alone.

    A number that exists for no seed is None. Oracles have no rank. Areas exist on real tracks and
    geometric means of ratios on parametric ones only, and medians of ratios only where no seed
    fails on half of the matrices.
    """

    entry: Entry
    evaluations: tuple[Evaluation, ...]
    rank: int | None
    # Minus the next row that is ranked, and minus the first row that has the same rank.
    over_next: Interval | None
    over_first: Interval | None
    area: Spread | None
    ratio_mean: Spread | None
    iterations_mean: Spread
    solved: Spread
    ratio_median: Spread | None
    cosine_mean: Spread | None
    log10_one_minus_cosine_median: Spread | None
    n_log_k_median: Spread | None
    condition_median: Spread | None
    work_median: Spread | None
    effective_hops: Spread | None

    @property
    def ratios(self) -> tuple[float, ...]:
        """Ratios of all seeds, joined: what the performance profile is drawn from."""
        return tuple(ratio for seed in self.evaluations for ratio in seed.ratios)

    @property
    def uneven(self) -> int:
        """Matrices where, with some seed, a right-hand side needs more than twice another."""
        return sum(map(any, zip(*(seed.uneven for seed in self.evaluations), strict=True)))

    @property
    def interval(self) -> Interval:
        """The number that ranks with its 95 % interval."""
        return Interval(self.score.mean, *self.entry.interval)

    @property
    def gain(self) -> Interval | None:
        """The number that ranks minus that of the untrained start, where there is one."""
        gain = self.entry.gain
        return None if gain is None else Interval(gain.mean, gain.low, gain.high)

    @property
    def score(self) -> Spread:
        """The number that ranks: the area, the mean ratio, or the mean iterations."""
        return self.area or self.ratio_mean or self.iterations_mean


def ranked_by(track: Track) -> RankedBy:
    """Name the number that ranks a track."""
    return RANKED_BY[track.kind]


def rank_entries(track: Track, entries: Mapping[str, Entry]) -> list[RankedRow]:
    """Rank the entries of a track, by id, best first.

    Real tracks are ranked by the area under the performance profile, parametric ones by the
    geometric mean of the iterations over the fewest of several classical methods, failures at the
    limit, synthetic ones by mean iterations; the mean over the seeds of an entry counts. Going down
    the board, a row has the rank of the first row of the group above it if the 95 % interval of
    their difference holds 0; otherwise it is the first row of a new group, and its place is its
    rank.
    """
    rows = sorted((_row(track, entry) for entry in entries.values()), key=_place)
    families = [matrix.family for matrix in track.matrices]
    number = ranked_by(track)
    compared: dict[str, RankedRow] = {}
    first: tuple[int, Resampled] | None = None
    last: tuple[RankedRow, Resampled] | None = None
    for place, row in enumerate((row for row in rows if row.entry.kind != "oracle"), 1):
        this = Resampled(number, families, row.evaluations)
        if last is not None:
            above, resampled = last
            compared[above.entry.id] = replace(above, over_next=resampled.minus(this))
        behind = None if first is None else this.minus(first[1])
        if first is None or behind is None or not behind.holds_zero:
            first, behind = (place, this), None
        last = replace(row, rank=first[0], over_first=behind), this
        compared[row.entry.id] = last[0]
    return [compared.get(row.entry.id, row) for row in rows]


def best_of_kind(rows: Iterable[RankedRow], kind: str) -> RankedRow | None:
    """Return the first row of a kind: ``learned``, ``fitted``, ``classical`` or ``oracle``."""
    return next((row for row in rows if row.entry.kind == kind), None)


def _place(row: RankedRow) -> tuple[float, str, str]:
    # Names settle the order of ties, so that it is the same everywhere.
    score = row.score.mean if row.area is None else -row.area.mean
    return score, row.entry.method.casefold(), row.entry.id


def _row(track: Track, entry: Entry) -> RankedRow:
    seeds = tuple(entry.evaluations(track))

    def mean(column: str) -> Spread | None:
        return _of_known(statistics.fmean, [getattr(seed, column) for seed in seeds])

    def median(column: str) -> Spread | None:
        return _of_known(statistics.median, [getattr(seed, column) for seed in seeds])

    medians = [statistics.median(seed.ratios) for seed in seeds]
    number = ranked_by(track)
    areas = [profile_area(seed.ratios) for seed in seeds] if number == "profile_area" else []
    ratios = [ratio_mean(seed) for seed in seeds] if number == "ratio_mean" else []
    return RankedRow(
        entry=entry,
        evaluations=seeds,
        rank=None,
        over_next=None,
        over_first=None,
        area=_spread(areas) if areas else None,
        ratio_mean=_spread(ratios) if ratios else None,
        iterations_mean=_spread([statistics.fmean(seed.penalised_iterations) for seed in seeds]),
        solved=_spread([statistics.fmean(seed.solved) for seed in seeds]),
        ratio_median=None if any(map(math.isinf, medians)) else _spread(medians),
        cosine_mean=mean("cosine"),
        log10_one_minus_cosine_median=median("log10_one_minus_cosine"),
        n_log_k_median=median("n_log_k"),
        condition_median=median("condition"),
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


def profile_area(ratios: Sequence[float]) -> float:
    """Area under a performance profile over log2 tau from -4 to 4, divided by 8.

    Parameters
    ----------
    ratios : sequence of float
        Iterations over those of the target, one a matrix; infinity for a failure.

    Returns
    -------
    float
        From 0 (nothing solved within 16 times the iterations of the target) to 1 (always 16
        times fewer); the target itself has 0.5.

    Examples
    --------
    >>> from precondbench.leaderboard import profile_area
    >>> profile_area([1.0, 1.0]), profile_area([1 / 16, float("inf")]), profile_area([0.5, 2.0])
    (0.5, 0.5, 0.5)
    """
    total = math.fsum(area_of_one(ratio) for ratio in ratios)
    # Equal areas must tie, whatever the last bits of the logarithms are.
    return float(rounded(total / len(ratios), DIGITS))


def ratio_mean(evaluation: Evaluation) -> float:
    """Geometric mean of the iterations, failures at the limit, over those of the target."""
    return float(rounded(statistics.geometric_mean(evaluation.penalised_ratios), DIGITS))


def profile(ratios: Sequence[float]) -> list[tuple[float, float]]:
    """Return the corners (tau, share of ratios that are at most tau) of a performance profile."""
    finite = sorted(ratio for ratio in ratios if not math.isinf(ratio))
    corners: dict[float, float] = {}
    for number, ratio in enumerate(finite, 1):
        corners[ratio] = number / len(ratios)
    return list(corners.items())


def shares_within(ratios: Sequence[float], taus: Sequence[float] = TAUS) -> list[float]:
    """Return the share of ratios that are at most each tau."""
    return [sum(ratio <= tau for ratio in ratios) / len(ratios) for tau in taus]
