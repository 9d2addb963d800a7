"""A track with its ranked rows, and what came of every matrix: what the pages are made from."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from precondbench.leaderboard.entries import Entry, Leaderboard, MatrixInfo, Track
from precondbench.leaderboard.scoring.profile import outcomes_of
from precondbench.leaderboard.scoring.ranking import RankedRow, best_of_kind, rank_entries
from precondbench.leaderboard.site.text import slugs
from precondbench.leaderboard.tracks import TRACKS
from precondbench.recipes import MARGIN

IC0, INVK = "ic-0", "inv-k"
Verdict = Literal["fewer", "only this", "tie", "more", "only IC(0)", "neither"]


@dataclass(frozen=True)
class SeedOutcome:
    """One seed of an entry on one matrix."""

    status: str
    iterations: int
    reason: str

    @property
    def solved(self) -> bool:
        """Whether it converged."""
        return self.status == "converged"


@dataclass(frozen=True)
class MatrixOutcome:
    """One entry on one matrix.

    Attributes
    ----------
    entry : Entry
        The entry.
    matrix : MatrixInfo
        The matrix.
    seeds : list of SeedOutcome
        In the order of the entry's seeds.
    iterations : float
        Mean over the seeds, failures at the limit.
    ratio : float or None
        Of that mean to the iterations with the target; None if any seed fails.
    residual, cosine, log10_one_minus_cosine, n_log_k, work : float or None
        Largest residual, means of the others, over the seeds where they are known.
    """

    entry: Entry
    matrix: MatrixInfo
    seeds: list[SeedOutcome]
    iterations: float
    ratio: float | None
    residual: float | None
    cosine: float | None
    log10_one_minus_cosine: float | None
    n_log_k: float | None
    work: float | None

    @property
    def solved(self) -> bool:
        """Whether every seed converged."""
        return all(seed.solved for seed in self.seeds)

    @property
    def reasons(self) -> list[str]:
        """Why seeds are invalid, each reason once."""
        return list(dict.fromkeys(seed.reason for seed in self.seeds if seed.reason))


class Standing:
    """A track, ranked.

    Parameters
    ----------
    track : Track
        The track.
    entries : mapping of str to Entry
        Its entries by id.
    """

    def __init__(self, track: Track, entries: Mapping[str, Entry]) -> None:
        self.track = track
        self.rows = rank_entries(track, entries)
        self.slugs = slugs(matrix.name for matrix in track.matrices)
        self.by_id = {row.entry.id: row for row in self.rows}

    @property
    def real(self) -> bool:
        """Whether its matrices are real ones, which have pages of their own."""
        return self.track.kind == "real"

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

    def against_target(self, row: RankedRow) -> float | None:
        """How many times the iterations of the target: the median ratio, or that of the means."""
        if self.real:
            return None if row.ratio_median is None else row.ratio_median.mean
        return row.iterations_mean.mean / max(self.target_iterations, 1.0)

    @cached_property
    def outcomes(self) -> dict[str, list[MatrixOutcome]]:
        """Every entry, by id, on every matrix."""
        return {row.entry.id: self._outcomes(row.entry) for row in self.rows}

    def on_matrix(self, index: int) -> list[MatrixOutcome]:
        """Every entry on one matrix, fewest iterations first and failures last."""
        found = [outcomes[index] for outcomes in self.outcomes.values()]
        return sorted(found, key=lambda o: (not o.solved, o.iterations, o.entry.id))

    def verdicts(self, entry: Entry) -> list[Verdict] | None:
        """Compare an entry with IC(0) on every matrix; None where IC(0) is no baseline."""
        baseline = self.by_id.get(IC0)
        if baseline is None or baseline.entry.kind != "classical" or entry.id == IC0:
            return None
        pairs = zip(self.outcomes[entry.id], self.outcomes[IC0], strict=True)
        return [_verdict(this, other) for this, other in pairs]

    def _outcomes(self, entry: Entry) -> list[MatrixOutcome]:
        by_seed = [outcomes_of(self.track, scores) for scores in entry.seeds]
        result = []
        for index, matrix in enumerate(self.track.matrices):
            steps = statistics.fmean(seed.iterations[index] for seed in by_seed)
            solved = all(seed.solved[index] for seed in by_seed)

            def mean(column: str, index: int = index) -> float | None:
                known = _known(entry, column, index)
                return statistics.fmean(known) if known else None

            result.append(
                MatrixOutcome(
                    entry=entry,
                    matrix=matrix,
                    seeds=[
                        SeedOutcome(
                            scores.status[index],
                            scores.iterations[index],
                            scores.reason.get(str(index), ""),
                        )
                        for scores in entry.seeds
                    ],
                    iterations=steps,
                    ratio=max(steps, 1) / max(matrix.target_iterations, 1) if solved else None,
                    residual=max(_known(entry, "residual", index), default=None),
                    cosine=mean("cosine"),
                    log10_one_minus_cosine=mean("log10_one_minus_cosine"),
                    n_log_k=mean("n_log_k"),
                    work=mean("work"),
                )
            )
        return result


def standings_of(board: Leaderboard) -> list[Standing]:
    """Rank every track: real ones first, each kind in the order of ``TRACKS``."""
    place = {track.id: number for number, track in enumerate(TRACKS)}
    tracks = sorted(
        board.tracks.values(), key=lambda t: (t.kind != "real", place.get(t.id, len(place)), t.id)
    )
    return [Standing(track, board.entries.get(track.id, {})) for track in tracks]


def _known(entry: Entry, column: str, index: int) -> list[float]:
    values = [getattr(scores, column)[index] for scores in entry.seeds]
    return [value for value in values if value is not None and math.isfinite(value)]


def _verdict(this: MatrixOutcome, other: MatrixOutcome) -> Verdict:
    """Whose iterations are fewer by more than the margin that labels are compared with."""
    if not other.solved:
        return "only this" if this.solved else "neither"
    if not this.solved:
        return "only IC(0)"
    if this.iterations < (1.0 - MARGIN) * other.iterations:
        return "fewer"
    return "more" if other.iterations < (1.0 - MARGIN) * this.iterations else "tie"
