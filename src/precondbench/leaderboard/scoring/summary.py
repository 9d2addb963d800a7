"""Methods compared over all families: their places, and one performance profile."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from precondbench.leaderboard.entries import Entry
from precondbench.leaderboard.scoring.ranking import (
    DIGITS,
    RankedRow,
    profile_area,
    shares_within,
)
from precondbench.quality import rounded

if TYPE_CHECKING:
    from precondbench.leaderboard.board import Standing


@dataclass(frozen=True)
class SummaryRow:
    """One method on one split of all families; every family has the same weight.

    Attributes
    ----------
    entry : Entry
        That of the first family, for its name and kind.
    rows : tuple of RankedRow
        Its row on each track.
    places : tuple of int
        Its place on each track among the methods that are on all of them; equal ratios share one.
    mean_rank : float
        Mean of the places.
    ratio : float
        Geometric mean over the families of the ratios that rank.
    solved : float
        Mean share of matrices that are solved.
    area : float
        Area under the performance profile.
    profile : tuple of float
        Share of matrices solved within each of the multiples of ``TAUS``.
    """

    entry: Entry
    rows: tuple[RankedRow, ...]
    places: tuple[int, ...]
    mean_rank: float
    ratio: float
    solved: float
    area: float
    profile: tuple[float, ...]


def summarise(standings: Sequence[Standing]) -> list[SummaryRow]:
    """Compare the methods that stand on every one of some tracks of families, best first.

    Oracles are left out. The order is that of the mean place, then of the ratio.
    """
    if not standings:
        return []
    common = set.intersection(*({row.entry.id for row in s.rows} for s in standings))
    names = sorted(one for one in common if standings[0].by_id[one].entry.kind != "oracle")
    ratios = {one: [_ratio(s.by_id[one]) for s in standings] for one in names}
    found = []
    for one in names:
        rows = tuple(s.by_id[one] for s in standings)
        places = tuple(
            1 + sum(ratios[other][k] < ratios[one][k] for other in names)
            for k in range(len(standings))
        )
        profiles = [shares_within(row.ratios) for row in rows]
        found.append(
            SummaryRow(
                rows[0].entry,
                rows,
                places,
                statistics.fmean(places),
                rounded(statistics.geometric_mean(ratios[one]), DIGITS),
                statistics.fmean(row.solved.mean for row in rows),
                statistics.fmean(profile_area(row.ratios) for row in rows),
                tuple(math.fsum(shares) / len(shares) for shares in zip(*profiles, strict=True)),
            )
        )
    return sorted(found, key=lambda row: (row.mean_rank, row.ratio, row.entry.id))


def _ratio(row: RankedRow) -> float:
    assert row.ratio_mean is not None
    return row.ratio_mean.mean


def family_tracks(standings: Sequence[Standing]) -> dict[str, list[Standing]]:
    """Tracks of families by split; a split with one family is left out."""
    splits: dict[str, list[Standing]] = {}
    for standing in standings:
        if standing.track.kind == "parametric":
            splits.setdefault(standing.track.split, []).append(standing)
    return {split: found for split, found in splits.items() if len(found) > 1}
