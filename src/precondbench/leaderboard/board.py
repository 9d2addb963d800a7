"""Tracks with their ranked rows and every outcome: what the pages of the site show."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from precondbench.leaderboard.entries import Entry, Leaderboard, MatrixInfo, Track
from precondbench.leaderboard.scoring.intervals import Interval, Resampled
from precondbench.leaderboard.scoring.ranking import (
    RankedRow,
    best_of_kind,
    rank_entries,
    ranked_by,
)
from precondbench.leaderboard.site.text import slugs
from precondbench.leaderboard.tracks import RANKED_BY, TRACKS
from precondbench.quality import Row
from precondbench.recipes import MARGIN

Tier = Literal["scored", "reproduced", "reference"]
NONE, IC0, INVK = "none", "ic-0", "inv-k"
Verdict = Literal["fewer", "only this", "tie", "more", "only IC(0)", "neither"]


@dataclass(frozen=True)
class MatrixOutcome:
    """One entry on one matrix: a row of the evaluation of each seed, and their means."""

    entry: Entry
    matrix: MatrixInfo
    seeds: list[Row]

    @cached_property
    def iterations(self) -> float:
        """Mean over the seeds, failures at the limit."""
        return statistics.fmean(seed.penalised_iterations for seed in self.seeds)

    @property
    def solved(self) -> bool:
        """Whether every seed converged."""
        return all(seed.solved for seed in self.seeds)

    @property
    def ratio(self) -> float | None:
        """Mean iterations over those with the target; None if any seed fails."""
        return self.hardness if self.solved else None

    @property
    def hardness(self) -> float:
        """Mean iterations over those with the target, failures at the limit."""
        return max(self.iterations, 1) / max(self.matrix.target_iterations, 1)

    @property
    def residual(self) -> float | None:
        """Largest residual of the seeds."""
        return max(self._known("residual"), default=None)

    @property
    def condition(self) -> float | None:
        """Largest condition number of the seeds."""
        return max(self._known("condition"), default=None)

    @property
    def uneven(self) -> bool:
        """Whether, with some seed, a right-hand side needs more than twice another."""
        return any(seed.uneven for seed in self.seeds)

    @property
    def cosine(self) -> float | None:
        """Mean of the cosines that are known."""
        return self._mean("cosine")

    @property
    def log10_one_minus_cosine(self) -> float | None:
        """Mean of log10(1 - cosine)."""
        return self._mean("log10_one_minus_cosine")

    @property
    def n_log_k(self) -> float | None:
        """Mean of n log K."""
        return self._mean("n_log_k")

    @property
    def work(self) -> float | None:
        """Mean work of one application."""
        return self._mean("work")

    @property
    def reasons(self) -> list[str]:
        """Why seeds are invalid, each reason once."""
        return list(dict.fromkeys(seed.reason for seed in self.seeds if seed.reason))

    def _known(self, column: str) -> list[float]:
        values = [getattr(seed, column) for seed in self.seeds]
        return [value for value in values if value is not None and math.isfinite(value)]

    def _mean(self, column: str) -> float | None:
        known = self._known(column)
        return statistics.fmean(known) if known else None


class Standing:
    """A track with its entries, ranked, and the outcome of each on every matrix."""

    def __init__(
        self,
        track: Track,
        entries: Mapping[str, Entry],
        reproduced: frozenset[str] = frozenset(),
    ) -> None:
        self.track = track
        self.reproduced = reproduced
        self.rows = rank_entries(track, entries)
        self.slugs = slugs(matrix.name for matrix in track.matrices)
        self.by_id = {row.entry.id: row for row in self.rows}
        self.families = len({matrix.family for matrix in track.matrices})
        # How many rows have a rank.
        self.sharing = Counter(row.rank for row in self.rows)

    def tier(self, entry: Entry) -> Tier:
        """How far an entry has been verified."""
        return "reproduced" if entry.id in self.reproduced else entry.tier

    @property
    def real(self) -> bool:
        """Whether its matrices are real ones, which have pages of their own."""
        return self.track.kind == "real"

    @property
    def ranked_as(self) -> str:
        """Name of the number that ranks, for headings."""
        names = {"profile_area": "area", "ratio_mean": "ratio", "iterations_mean": "iterations"}
        return names[ranked_by(self.track)]

    @property
    def target_iterations(self) -> float:
        """Mean iterations with the target."""
        return statistics.fmean(matrix.target_iterations for matrix in self.track.matrices)

    @property
    def best_learned(self) -> RankedRow | None:
        """Best learned entry."""
        return best_of_kind(self.rows, "learned")

    @property
    def best_classical(self) -> RankedRow | None:
        """Best entry that learned nothing."""
        return best_of_kind(self.rows, "classical")

    @cached_property
    def lead(self) -> Interval | None:
        """Number of the best learned row minus that of the best classical one."""
        if self.best_learned is None or self.best_classical is None:
            return None
        families = [matrix.family for matrix in self.track.matrices]
        learned, classical = (
            Resampled(ranked_by(self.track), families, row.evaluations)
            for row in (self.best_learned, self.best_classical)
        )
        return learned.minus(classical)

    def rank(self, row: RankedRow) -> str:
        """Write a rank, with = where rows share it; empty for an oracle."""
        if row.rank is None:
            return ""
        return f"{'=' if self.sharing[row.rank] > 1 else ''}{row.rank}"

    def against_target(self, row: RankedRow) -> float | None:
        """How many times the iterations of the target: the median or mean ratio, or of means."""
        if row.ratio_mean is not None:
            return row.ratio_mean.mean
        if self.real:
            return None if row.ratio_median is None else row.ratio_median.mean
        return row.iterations_mean.mean / max(self.target_iterations, 1.0)

    @cached_property
    def outcomes(self) -> dict[str, list[MatrixOutcome]]:
        """Every entry, by id, on every matrix."""
        return {
            row.entry.id: [
                MatrixOutcome(row.entry, matrix, list(seeds))
                for matrix, *seeds in zip(
                    self.track.matrices, *(seed.rows for seed in row.evaluations), strict=True
                )
            ]
            for row in self.rows
        }

    def on_matrix(self, index: int) -> list[MatrixOutcome]:
        """Every entry on one matrix, fewest iterations first and failures last."""
        found = [outcomes[index] for outcomes in self.outcomes.values()]
        return sorted(found, key=lambda o: (not o.solved, o.iterations, o.entry.id))

    def verdicts(self, entry: Entry) -> list[Verdict] | None:
        """Compare an entry with IC(0) on every matrix; None where IC(0) is not a baseline."""
        baseline = self.by_id.get(IC0)
        if baseline is None or baseline.entry.kind != "classical" or entry.id == IC0:
            return None
        pairs = zip(self.outcomes[entry.id], self.outcomes[IC0], strict=True)
        return [_verdict(this, other) for this, other in pairs]


def standings_of(board: Leaderboard) -> list[Standing]:
    """Rank every track: real ones first, the newest version first, then as in ``TRACKS``."""
    place = {track.id: number for number, track in enumerate(TRACKS)}
    kinds = list(RANKED_BY)
    tracks = sorted(board.tracks.values(), key=lambda t: (place.get(t.id, len(place)), t.id))
    tracks.sort(key=lambda t: t.version, reverse=True)
    tracks.sort(key=lambda t: kinds.index(t.kind))
    return [
        Standing(
            track, board.entries.get(track.id, {}), board.reproduced.get(track.id, frozenset())
        )
        for track in tracks
    ]


def _verdict(this: MatrixOutcome, other: MatrixOutcome) -> Verdict:
    """Whose iterations are fewer by more than the margin that labels are compared with."""
    if not other.solved:
        return "only this" if this.solved else "neither"
    if not this.solved:
        return "only IC(0)"
    if this.iterations < (1.0 - MARGIN) * other.iterations:
        return "fewer"
    return "more" if other.iterations < (1.0 - MARGIN) * this.iterations else "tie"
