"""95 % intervals of the numbers that rank, and of their differences, by a bootstrap.

Matrices of one family resemble each other, so families are drawn and not matrices. Of G families
G - 1 are drawn with replacement, which gives the variance of the mean without bias, and the tails
that are cut off are those of Student's t with G - 1 degrees of freedom (as Hesterberg, 2015, does
for G draws). Two rows are compared on the same families.

Seeds are drawn independently of the families (the pigeonhole bootstrap of Owen, 2007), S - 1 of S:
training again gives other networks, and two trainings of one model would otherwise count as
different. S is small, so deviations of seeds are widened by the ratio of the quantiles of t for
seeds and for families. benchmarks/interval_coverage.py measures how often such intervals hold the
truth.

All sums are of integers below 2^53 and so are exact: the same bits everywhere, in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from precondbench.leaderboard.tracks import RankedBy
from precondbench.quality import MAXITER, Evaluation, rounded

LEVEL = 0.95
# Resamples times families, and the bounds of the resamples.
DRAWS, FEWEST, MOST = 2**20, 2**12, 2**17
SEED = 20261128
# log2 of the ratios where the area begins and ends: 16 times fewer and 16 times more iterations.
SPAN = 4.0
# Areas and logarithms of one matrix are multiples of 2^-30 in the sums.
_UNIT = {"profile_area": 2.0**30, "iterations_mean": 1.0, "ratio_mean": 2.0**30}
_MOST = {
    "profile_area": 1.0,
    "iterations_mean": float(MAXITER),
    "ratio_mean": float(MAXITER),
}
_DIGITS = 8
# Of seeds and matrices, seeds and families, families or seeds and resamples.
_Matrix = NDArray[np.float64]


class Interval(NamedTuple):
    """A number with the ends of its 95 % interval; they are equal if there is one family."""

    mean: float
    low: float
    high: float

    @property
    def holds_zero(self) -> bool:
        """Whether 0 is in the interval."""
        return self.low <= 0.0 <= self.high


def area_of_one(ratio: float) -> float:
    """Area under the profile of one matrix, from 0 to 1."""
    return 0.0 if math.isinf(ratio) else min(max((SPAN - math.log2(ratio)) / (2 * SPAN), 0.0), 1.0)


def resamples_of(families: int) -> int:
    """Return how many resamples there are for so many families."""
    return min(max(DRAWS // families, FEWEST), MOST)


class Resampled:
    """A row of a board on resampled families: for each resample and seed the number that ranks.

    Parameters
    ----------
    number : {"profile_area", "iterations_mean", "ratio_mean"}
        The number that ranks; a mean of ratios is a geometric one.
    families : sequence of str
        Family of each matrix.
    evaluations : sequence of Evaluation
        One a seed.
    starts : sequence of Evaluation
        What is subtracted, seed by seed, if anything is.
    """

    def __init__(
        self,
        number: RankedBy,
        families: Sequence[str],
        evaluations: Sequence[Evaluation],
        starts: Sequence[Evaluation] = (),
    ) -> None:
        names = {family: place for place, family in enumerate(sorted(set(families)))}
        places = [names[family] for family in families]
        unit = _UNIT[number]
        geometric = number == "ratio_mean"
        draws = _draws(len(names), resamples_of(len(names)), 0)
        sizes = np.bincount(places).astype(np.float64) @ draws

        def resampled(values: _Matrix) -> _Matrix:
            """Mean over the matrices of each resample, by seed."""
            sums = np.zeros((len(values), len(names)))
            np.add.at(sums.T, places, values.T)
            means: _Matrix = (sums @ draws) / (sizes * unit)
            return np.exp2(means) if geometric else means

        values = _contributions(number, evaluations)
        first = _contributions(number, starts) if starts else np.zeros_like(values)
        if geometric:
            self.mean = _geometric_mean(values / unit)
            self._numbers = resampled(values)
            if starts:
                self.mean -= _geometric_mean(first / unit)
                self._numbers -= resampled(first)
        else:
            values = values - first
            self.mean = float(values.sum()) / (values.size * unit)
            self._numbers = resampled(values)
        self.families, self.seeds = len(names), len(values)
        self._quantile = float(stdtrit(max(self.families - 1, 1), _UPPER))
        self._most = _MOST[number]
        self._least = -self._most if starts else 0.0

    def interval(self) -> Interval:
        """Return the number that ranks with its interval."""
        return self._cut(self.mean, self._drawn(1, self.seeds - 1), self._least)

    def minus(self, other: Resampled) -> Interval:
        """Return the number that ranks minus that of another row on the same families."""
        freedom = self.seeds + other.seeds - 2
        values = self._drawn(1, freedom) - other._drawn(2, freedom)
        return self._cut(self.mean - other.mean, values, -self._most)

    def _drawn(self, stream: int, freedom: int) -> _Matrix:
        """Mean over resampled seeds."""
        mean = _added(self._numbers) / self.seeds
        if self.seeds == 1:
            return mean
        drawn = _added(_draws(self.seeds, len(mean), stream) * self._numbers)
        wider = max(rounded(float(stdtrit(freedom, _UPPER)) / self._quantile, _DIGITS), 1.0)
        widened: _Matrix = mean + wider * (drawn / (self.seeds - 1) - mean)
        return widened

    def _cut(self, mean: float, values: _Matrix, least: float) -> Interval:
        """Cut off the tails, and what is out of range."""
        if self.families == 1:
            low = high = mean
        else:
            cut = max(int(ndtr(-self._quantile) * len(values)), 1)
            ends = np.sort(values)
            low, high = max(ends[cut - 1], least), min(ends[-cut], self._most)
        return Interval(*(rounded(float(value), _DIGITS) for value in (mean, low, high)))


def interval_of(
    number: RankedBy, families: Sequence[str], evaluations: Sequence[Evaluation]
) -> tuple[float, float]:
    """Return the 95 % interval of the number that ranks; its ends are equal if G = 1."""
    _, low, high = Resampled(number, families, evaluations).interval()
    return low, high


def gain_of(
    number: RankedBy,
    families: Sequence[str],
    evaluations: Sequence[Evaluation],
    starts: Sequence[Evaluation],
) -> dict[str, float]:
    """Return the number that ranks minus that of the start of each seed, with its interval."""
    return Resampled(number, families, evaluations, starts).interval()._asdict()


_UPPER = (1.0 + LEVEL) / 2.0


def _contributions(number: RankedBy, evaluations: Sequence[Evaluation]) -> _Matrix:
    """What each matrix adds for each seed, in integers."""
    if number == "iterations_mean":
        return np.array([seed.penalised_iterations for seed in evaluations], dtype=np.float64)
    # Rounded first: the last bits of logarithms differ between machines.
    if number == "ratio_mean":
        logarithms = [
            [rounded(math.log2(max(ratio, 1 / MAXITER)), 12) for ratio in seed.penalised_ratios]
            for seed in evaluations
        ]
        return np.rint(np.array(logarithms) * _UNIT[number])
    areas = [[rounded(area_of_one(ratio), 12) for ratio in seed.ratios] for seed in evaluations]
    integers: _Matrix = np.rint(np.array(areas) * _UNIT[number])
    return integers


def _geometric_mean(logarithms: _Matrix) -> float:
    """Mean over the seeds of the geometric mean over the matrices."""
    return math.fsum(2.0 ** (math.fsum(row) / row.size) for row in logarithms) / len(logarithms)


@lru_cache(maxsize=8)
def _draws(items: int, resamples: int, stream: int) -> _Matrix:
    """Count how often each item is among items - 1 draws with replacement: (items, resamples)."""
    size = max(items - 1, 1)
    raw = np.random.PCG64([SEED, stream]).random_raw(resamples * size).reshape(resamples, size)
    # Integer arithmetic; no item is favoured by more than items / 2^32.
    drawn = ((raw >> np.uint64(32)) * np.uint64(items)) >> np.uint64(32)
    flat = drawn.astype(np.int64) * resamples + np.arange(resamples)[:, None]
    counts = np.bincount(flat.ravel(), minlength=resamples * items)
    table: _Matrix = counts.reshape(items, resamples).astype(np.float64)
    return table


def _added(rows: _Matrix) -> _Matrix:
    """Add rows in their order, which numpy.sum need not do."""
    total: _Matrix = rows[0].copy()
    for row in rows[1:]:
        total += row
    return total
