"""From the entries of a track to ranked rows; pure functions, nothing is read or written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from precondbench.leaderboard.entries import Entry, SeedScores, Track
from precondbench.leaderboard.scoring.profile import Outcomes, outcomes_of, profile_area

RankedBy = Literal["profile_area", "iterations_mean"]


@dataclass(frozen=True)
class Spread:
    """A number of several seeds.

    Attributes
    ----------
    mean, low, high : float
        Over the seeds.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class RankedRow:
    """One entry on the board of its track.

    Every number is of the entry and the track alone: no other entry changes it. A number that
    exists for no seed is None.

    Attributes
    ----------
    entry : Entry
        What was scored.
    rank : int or None
        From 1; equal scores share a rank. Oracles stand in their place, but have none.
    area : Spread or None
        Under the performance profile; on real tracks only, where it ranks.
    iterations_mean : Spread
        Over the matrices, failures at the limit; ranks synthetic tracks.
    solved : Spread
        Share of matrices that converge.
    ratio_median : Spread or None
        Of iterations over those with the target. None if some seed fails on half of the matrices.
    cosine_mean, log10_one_minus_cosine_median : Spread or None
        Over the matrices where it is known.
    n_log_k_median, work_median : Spread or None
        Over the matrices where it is known.
    effective_hops : Spread or None
        As scored, of tridiagonal tracks.
    ratios : tuple of float
        Of all seeds, joined: what the performance profile is drawn from.
    """

    entry: Entry
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
    ratios: tuple[float, ...]

    @property
    def score(self) -> Spread:
        """What ranks: the area, or the mean iterations."""
        return self.iterations_mean if self.area is None else self.area


def ranked_by(track: Track) -> RankedBy:
    """Name the number that ranks a track."""
    return "profile_area" if track.kind == "real" else "iterations_mean"


def rank_entries(track: Track, entries: Mapping[str, Entry]) -> list[RankedRow]:
    """Rank the entries of a track, best first.

    Real tracks are ranked by the area under the performance profile, see
    ``profile.py``; synthetic ones by mean iterations. The mean over
    the seeds of an entry ranks it.

    Parameters
    ----------
    track : Track
        The track.
    entries : mapping of str to Entry
        Its entries by id.
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
    outcomes = [outcomes_of(track, scores) for scores in entry.seeds]

    def by_outcome(number: Callable[[Outcomes], float]) -> Spread:
        return _spread([number(seed) for seed in outcomes])

    medians = [statistics.median(seed.ratios) for seed in outcomes]
    return RankedRow(
        entry=entry,
        rank=None,
        area=by_outcome(lambda o: profile_area(o.ratios)) if track.kind == "real" else None,
        iterations_mean=by_outcome(lambda o: statistics.fmean(o.iterations)),
        solved=by_outcome(lambda o: statistics.fmean(o.solved)),
        ratio_median=None if any(map(math.isinf, medians)) else _spread(medians),
        cosine_mean=_of_known(entry, lambda s: s.cosine, statistics.fmean),
        log10_one_minus_cosine_median=_of_known(
            entry, lambda s: s.log10_one_minus_cosine, statistics.median
        ),
        n_log_k_median=_of_known(entry, lambda s: s.n_log_k, statistics.median),
        work_median=_of_known(entry, lambda s: s.work, statistics.median),
        effective_hops=_of_known(
            entry, lambda s: [_number(s.summary.get("effective_hops"))], statistics.fmean
        ),
        ratios=tuple(ratio for seed in outcomes for ratio in seed.ratios),
    )


def _number(value: float | int | None) -> float | None:
    return None if value is None else float(value)


def _of_known(
    entry: Entry,
    column: Callable[[SeedScores], Sequence[float | None]],
    average: Callable[[Sequence[float]], float],
) -> Spread | None:
    known = [[value for value in column(scores) if value is not None] for scores in entry.seeds]
    averages = [average(values) for values in known if values]
    return _spread(averages) if averages else None


def _spread(values: Sequence[float]) -> Spread:
    # Rounded as entries are: sums of the same numbers must tie, whatever their order.
    mean = float(f"{math.fsum(values) / len(values):.12g}")
    return Spread(mean, min(values), max(values))
