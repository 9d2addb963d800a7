"""Performance profiles against a fixed reference: the iterations with the benchmark's label.

Dolan and Moré (2002) compare solvers by the share of problems that each solves within a factor
tau of the best one. With "the best one on the board" an entry's curve changes when another entry
comes, and two entries may change places because of a third (Gould and Scott, 2016). Here the
reference is the target of each matrix, which no entry changes: so an entry keeps its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from precondbench.quality import rounded

# log2 of the ratios where the area begins and ends: 16 times fewer and 16 times more iterations.
SPAN = 4.0
# Of numbers that rank.
DIGITS = 12
TAUS = tuple(2.0**power for power in range(-4, 5))


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
    >>> from precondbench.leaderboard.scoring.profile import profile_area
    >>> profile_area([1.0, 1.0]), profile_area([1 / 16, float("inf")]), profile_area([0.5, 2.0])
    (0.5, 0.5, 0.5)
    """
    total = math.fsum(_area_of_one(ratio) for ratio in ratios)
    # Equal areas must tie, whatever the last bits of the logarithms are.
    return float(rounded(total / len(ratios), DIGITS))


def _area_of_one(ratio: float) -> float:
    return 0.0 if math.isinf(ratio) else min(max((SPAN - math.log2(ratio)) / (2 * SPAN), 0.0), 1.0)


def profile(ratios: Sequence[float]) -> list[tuple[float, float]]:
    """Return the corners of a performance profile.

    Parameters
    ----------
    ratios : sequence of float
        As for :func:`profile_area`; of several seeds, joined.

    Returns
    -------
    list of (float, float)
        tau, and the share of ratios that are at most tau: from there on, until the next corner.

    Examples
    --------
    >>> from precondbench.leaderboard.scoring.profile import profile
    >>> profile([2.0, 1.0, 2.0, float("inf")])
    [(1.0, 0.25), (2.0, 0.75)]
    """
    finite = sorted(ratio for ratio in ratios if not math.isinf(ratio))
    corners: dict[float, float] = {}
    for number, ratio in enumerate(finite, 1):
        corners[ratio] = number / len(ratios)
    return list(corners.items())


def shares_within(ratios: Sequence[float], taus: Sequence[float] = TAUS) -> list[float]:
    """Return the share of ratios that are at most each tau.

    Parameters
    ----------
    ratios : sequence of float
        As for :func:`profile_area`.
    taus : sequence of float
        Bounds; by default the powers of two from 1/16 to 16.

    Returns
    -------
    list of float
        One share a bound.

    Examples
    --------
    >>> from precondbench.leaderboard.scoring.profile import shares_within
    >>> shares_within([1.0, 4.0, float("inf"), 0.5], [0.5, 1, 16])
    [0.25, 0.5, 0.75]
    """
    return [sum(ratio <= tau for ratio in ratios) / len(ratios) for tau in taus]
