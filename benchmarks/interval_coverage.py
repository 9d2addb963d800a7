"""How often the 95 % intervals of the leaderboard hold the truth, on simulated families.

    python benchmarks/interval_coverage.py [--rows 1000]

Sizes of families are those of committed tracks. A row has an effect of each family, from a law
whose mean is known, noise of each matrix, and, where it has seeds, an effect of each seed. Written
to benchmarks/results/interval_coverage.json:

- ``intervals``: the share of intervals of one row that hold the mean, and, beside it, of the
  interval between the 2.5 % and 97.5 % points of the plain bootstrap of as many families;
- ``differences``: of two trainings of one method, three seeds each, the share of differences whose
  interval excludes 0, where seeds are resampled and where only their mean is kept;
- ``stability``: standard deviation of the ends of intervals of committed entries when the bits of
  the resamples change, in units of the third digit that boards show: 0.001 of area, or 1/1000 of
  the iterations.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from precondbench.leaderboard.board import standings_of
from precondbench.leaderboard.entries import Leaderboard, read_leaderboard
from precondbench.leaderboard.scoring import intervals
from precondbench.leaderboard.scoring.intervals import Resampled, resamples_of
from precondbench.leaderboard.scoring.ranking import ranked_by

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "interval_coverage.json"
TRACKS = (
    "suitesparse-invk-1.0-tril-test",
    "suitesparse-invk-1.0-tril-all",
    "synthetic-tridiag-1.0-twin-test",
    "synthetic-tridiag-1.0-uniform-test",
)
NUMBER = "iterations_mean"
# Effects of families around a mean of 1000; noise of matrices; effects of seeds, as a whole and on
# each matrix.
LAWS = {
    "normal": lambda draw, size: draw.normal(1000, 150, size),
    "skewed": lambda draw, size: 1000 * draw.lognormal(-0.125, 0.5, size),
}
NOISE, SEEDS = 75, 30


def families_of(board: Leaderboard, track: str) -> list[str]:
    """Return the family of each matrix of a track."""
    return [matrix.family for matrix in board.tracks[track].matrices]


def row_of(values: np.ndarray) -> Any:
    """What an interval reads of an evaluation."""
    return SimpleNamespace(penalised_iterations=np.rint(values).clip(0, 10_000))


def drawn_effects(draw: np.random.Generator, families: list[str], law: str) -> np.ndarray:
    """Draw an effect of each family and return it for each matrix."""
    names = sorted(set(families))
    effects = dict(zip(names, LAWS[law](draw, len(names)), strict=True))
    return np.array([effects[family] for family in families])


def percentiles(draw: np.random.Generator, families: list[str], values: np.ndarray) -> bool:
    """Say whether the plain percentile interval holds the mean."""
    names = sorted(set(families))
    place = np.array([names.index(family) for family in families])
    drawn = draw.multinomial(len(names), np.full(len(names), 1 / len(names)), 2000)
    means = drawn @ np.bincount(place, values) / (drawn @ np.bincount(place))
    low, high = np.quantile(means, (0.025, 0.975))
    return bool(low <= 1000 <= high)


def coverage(families: list[str], law: str, rows: int) -> dict[str, float]:
    """Return the share of intervals of one row that hold the mean of the law."""
    draw = np.random.default_rng(1)
    held: Counter[str] = Counter()
    for _ in range(rows):
        values = drawn_effects(draw, families, law) + draw.normal(0, NOISE, len(families))
        found = Resampled(NUMBER, families, [row_of(values)]).interval()
        held["leaderboard"] += found.low <= 1000 <= found.high
        held["percentiles"] += percentiles(draw, families, values)
    return {name: count / rows for name, count in held.items()}


def false_differences(families: list[str], rows: int) -> dict[str, float]:
    """Return the share of pairs of trainings of one method that count as different."""
    draw = np.random.default_rng(2)
    found: Counter[str] = Counter()
    for _ in range(rows):
        base = drawn_effects(draw, families, "normal")
        pair = [
            base + draw.normal(0, SEEDS, (3, 1)) + draw.normal(0, SEEDS, (3, len(families)))
            for _ in range(2)
        ]
        seeds = [Resampled(NUMBER, families, list(map(row_of, values))) for values in pair]
        means = [Resampled(NUMBER, families, [row_of(values.mean(0))]) for values in pair]
        found["leaderboard"] += not seeds[0].minus(seeds[1]).holds_zero
        found["mean of seeds"] += not means[0].minus(means[1]).holds_zero
    return {name: count / rows for name, count in found.items()}


def stability(board: Leaderboard, track: str, times: int = 6) -> dict[str, float]:
    """Return how far the ends of intervals move with the bits of the resamples."""
    families = families_of(board, track)
    (standing,) = standings_of(
        Leaderboard({track: board.tracks[track]}, {track: board.entries[track]})
    )
    number, kept = ranked_by(standing.track), intervals.SEED
    ends: list[list[tuple[float, float]]] = [[] for _ in standing.rows]
    for seed in range(times):
        intervals.SEED = seed
        intervals._draws.cache_clear()
        for row, of_row in zip(standing.rows, ends, strict=True):
            found = Resampled(number, families, row.evaluations).interval()
            unit = 1.0 if standing.real else found.mean
            of_row.append((found.low / unit, found.high / unit))
    intervals.SEED = kept
    intervals._draws.cache_clear()
    moves = [1000 * np.std(of_row, axis=0, ddof=1) for of_row in ends]
    return {"median": round(float(np.median(moves)), 3), "largest": round(float(np.max(moves)), 3)}


def main() -> None:
    """Simulate and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1000)
    rows = parser.parse_args().rows
    board = read_leaderboard(HERE.parent / "leaderboard")
    start = time.perf_counter()
    found: dict[str, Any] = {"rows": rows, "tracks": {}}
    for track in TRACKS:
        families = families_of(board, track)
        found["tracks"][track] = {
            "matrices": len(families),
            "families": len(set(families)),
            "largest_family": max(Counter(families).values()),
            "resamples": resamples_of(len(set(families))),
            "intervals": {law: coverage(families, law, rows) for law in LAWS},
            "differences": false_differences(families, rows),
            "stability": stability(board, track),
        }
        print(track, json.dumps(found["tracks"][track]), flush=True)
    found["seconds"] = round(time.perf_counter() - start)
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
