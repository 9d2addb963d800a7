"""How far numbers that are computed again may lie apart; docs/protocol.md has reasons and tables.

`benchmarks/recompute.py` and `benchmarks/check_bands.py` measure what these bounds leave room for.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from precondbench.leaderboard.scoring.ranking import profile_area, ratio_mean
from precondbench.leaderboard.tracks import RankedBy
from precondbench.quality import Evaluation, Row


@dataclass(frozen=True)
class Tolerance:
    """Largest difference of a float, relative to the larger of two, or absolute."""

    relative: float
    absolute: float = 0.0

    def allows(self, one: float, other: float) -> bool:
        """Whether two numbers lie close enough."""
        return math.isclose(one, other, rel_tol=self.relative, abs_tol=self.absolute)


# By name of a column or of a number in a summary, without ``_mean`` and ``_median``; other floats
# are the same to the bit. Entries hold 8 digits, so that two values with equal bits but the last
# may differ by 1e-7, and a median of two such by more: by any share of itself where it is the mean
# of two values of opposite sign.
FLOATS = {
    "cosine": Tolerance(1e-6),
    "log10_one_minus_cosine": Tolerance(1e-6, 1e-7),
    "n_log_k": Tolerance(1e-6, 1e-9),
    "condition": Tolerance(1e-6),
    "ratio_to_target": Tolerance(1e-6),
    "interval": Tolerance(1e-9, 1e-12),
    "gain": Tolerance(1e-9, 1e-12),
    "ceilings": Tolerance(1e-9),
}
_EXACT = Tolerance(0.0)


@dataclass(frozen=True)
class Band:
    """How far outcomes of two sets of predictions may lie apart that should be the same.

    On each matrix the iterations (the worst of the four sides) may differ by ``steps``, or by a
    share ``relative`` of the larger count, whichever is more, and 1 - cosine, n log K and the
    condition number by a share ``floats``; a share ``outside`` of the matrices may lie further
    apart. Condition numbers count up to ``floats`` / eps: rounding errors decide larger ones. The
    mean of the iterations over matrices and seeds may differ by a share ``mean`` or by
    ``mean_steps``, and, where it ranks, the area under the profile by ``area``.
    """

    steps: int
    relative: float
    outside: float
    floats: float
    mean: float
    mean_steps: float
    area: float


# Predictions from the same weights on another processor: on the right-hand sides of the entry, and
# on those that belong to their own digest.
SAME_SIDES = Band(
    steps=2, relative=0.05, outside=0.15, floats=1e-3, mean=0.005, mean_steps=0.05, area=0.002
)
OTHER_SIDES = Band(
    steps=3, relative=0.1, outside=0.15, floats=0.02, mean=0.01, mean_steps=0.1, area=0.01
)
# A method that is run, on sides that it cannot know: wide, since fitted sides give a share of the
# iterations, or one.
UNKNOWN_SIDES = Band(
    steps=3, relative=0.2, outside=0.1, floats=math.inf, mean=0.03, mean_steps=0.5, area=0.02
)
# Predictions of a model that is trained again on another machine.
TRAINED_AGAIN = Band(
    steps=3, relative=0.1, outside=0.02, floats=math.inf, mean=0.05, mean_steps=0.5, area=0.02
)


def first_difference(stored: Any, again: Any, where: str, name: str = "") -> str | None:
    """Describe the first place where two JSON values differ, or return None.

    Integers, texts and truth values agree exactly, floats within :data:`FLOATS`.
    """
    # The version of the library may be another; what it computes may not.
    if where.endswith("scorer.precondbench"):
        return None
    pairs: Iterator[tuple[Any, Any, str, str]]
    if isinstance(stored, float) and isinstance(again, float):
        tolerance = FLOATS.get(name.removesuffix("_mean").removesuffix("_median"), _EXACT)
        if tolerance.allows(stored, again):
            return None
    elif isinstance(stored, dict) and isinstance(again, dict) and stored.keys() == again.keys():
        # Numbers of a field of its own belong to that field, those of a summary to themselves.
        pairs = (
            (stored[key], again[key], f"{where}.{key}", name if name in FLOATS else key)
            for key in stored
        )
        return next(filter(None, (first_difference(*pair) for pair in pairs)), None)
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        pairs = (
            (one, other, f"{where}[{number}]", name)
            for number, (one, other) in enumerate(zip(stored, again, strict=True))
        )
        return next(filter(None, (first_difference(*pair) for pair in pairs)), None)
    elif type(stored) is type(again) and stored == again:
        return None
    return (
        f"{where} is {_short(stored)}, scored again it is {_short(again)}; the entry is not what "
        "its predictions give"
    )


def outside_band(
    ours: Sequence[Evaluation], theirs: Sequence[Evaluation], band: Band, number: RankedBy
) -> str | None:
    """Describe where outcomes, seed by seed, leave a band around those of an entry, or return None.

    ``number`` is the one that ranks; its mean over the seeds is compared.
    """
    if not ours:
        return None
    for stored, again in zip(ours, theirs, strict=True):
        far = [
            name
            for name, one, other in zip(stored.name, stored.rows, again.rows, strict=True)
            if not in_band(one, other, band)
        ]
        if len(far) > band.outside * len(stored.rows):
            first = stored.name.index(far[0])
            return (
                f"seed {stored.seed}: {len(far)} of {len(stored.rows)} matrices lie outside the "
                f"band, first {far[0]} ({again.penalised_iterations[first]} iterations, the entry "
                f"has {stored.penalised_iterations[first]}); {band.outside:.0%} of them may"
            )
    old, new = (fmean(_figure(seed, number) for seed in seeds) for seeds in (ours, theirs))
    if number == "profile_area":
        close = abs(old - new) <= band.area
    else:
        close = math.isclose(old, new, rel_tol=band.mean, abs_tol=band.mean_steps)
    return None if close else f"{number} is {new:.6g}, the entry has {old:.6g}"


def _figure(evaluation: Evaluation, number: RankedBy) -> float:
    if number == "profile_area":
        return profile_area(evaluation.ratios)
    if number == "ratio_mean":
        return ratio_mean(evaluation)
    return fmean(evaluation.penalised_iterations)


def in_band(ours: Row, theirs: Row, band: Band) -> bool:
    """Whether the outcomes of one matrix lie close enough."""
    counts = ours.penalised_iterations, theirs.penalised_iterations
    if abs(counts[0] - counts[1]) > max(band.steps, band.relative * max(counts)):
        return False
    if math.isinf(band.floats):
        return True
    return all(
        one == other
        if one is None or other is None
        else math.isclose(one, other, rel_tol=band.floats, abs_tol=tolerance)
        for (one, tolerance), (other, _) in zip(
            _floats(ours, band), _floats(theirs, band), strict=True
        )
    )


def _floats(row: Row, band: Band) -> list[tuple[float | None, float]]:
    """Return numbers of a row that do not depend on right-hand sides; what counts as zero."""
    distance, condition = row.log10_one_minus_cosine, row.condition
    return [
        (None if distance is None else 10.0**distance, 1e-12),
        (row.n_log_k, 1e-6),
        (None if condition is None else min(condition, band.floats / sys.float_info.epsilon), 0.0),
    ]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
