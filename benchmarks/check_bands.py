"""Measure what the bands of `leaderboard check` must leave room for.

    python benchmarks/check_bands.py sides
    python benchmarks/check_bands.py entries [TRACK ...]

`sides` judges reference rows, which are the same on every machine, on right-hand sides that are
bound to other keys; `entries` predicts from the weights of entries that another processor than this
one predicted, and compares outcomes with theirs, on their right-hand sides and on its own. Results
are merged into benchmarks/results/check_bands.json; docs/protocol.md shows them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from precondbench._internal import processor_name
from precondbench.leaderboard.entries import read_leaderboard
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.submissions.predicted import predicted_again
from precondbench.leaderboard.submissions.tolerance import (
    OTHER_SIDES,
    SAME_SIDES,
    UNKNOWN_SIDES,
    outside_band,
)
from precondbench.leaderboard.tracks import open_track, track_named
from precondbench.quality import evaluate_many
from recompute import BOARD, SCORED, distances, relative

RESULTS = Path(__file__).parent / "results" / "check_bands.json"
# Tracks with every kind of spectrum; the keys stand for those that a check draws.
OTHER_KEYS = [f"other {number}" for number in range(5)]
SIDES_OF = (
    *SCORED,
    track_named("synthetic-tridiag-1.0-uniform-test"),
    track_named("synthetic-tridiag-1.0-growth-test"),
    track_named("synthetic-tridiag-1.0-sawtooth-test"),
    track_named("parametric-1.0-jumps-2d-test"),
    track_named("parametric-1.0-elasticity-2d-test"),
    track_named("parametric-1.0-graph-test"),
)
PREDICTED = tuple(
    f"synthetic-tridiag-1.0-{name}-test"
    for name in ("uniform", "twin", "hard", "growth", "sawtooth")
)


def compare_sides() -> dict[str, Any]:
    """By track: how far outcomes of reference rows lie apart on other right-hand sides."""
    result = {}
    for name in SIDES_OF:
        track = open_track(name)
        rows = reference_rows(name, quick=not name.tridiagonal)
        rows = {key: row for key, row in rows.items() if not row.relaxations}
        methods = {f"{row} {key}": rows[row] for row in rows for key in ("", *OTHER_KEYS)}
        keys = {f"{row} {key}": key for row in rows for key in OTHER_KEYS}
        scored = evaluate_many(track, methods, keys=keys, ladder=track.ladder)
        found = {}
        for row in rows:
            own = scored[f"{row} "]
            others = [scored[f"{row} {key}"] for key in OTHER_KEYS]
            pairs = [pair for other in others for pair in zip(own.rows, other.rows, strict=True)]
            means = [np.mean(one.penalised_iterations) for one in (own, *others)]
            found[row] = {
                **distances(pairs, UNKNOWN_SIDES),
                "largest change of a mean": max(relative(means[0], mean) for mean in means[1:]),
                "refused": sum(
                    outside_band([own], [other], UNKNOWN_SIDES, track.ranked_by) is not None
                    for other in others
                ),
            }
            print(f"{name.id}/{row}: {found[row]}", flush=True)
        result[name.id] = found
    return result


def compare_entries(names: list[str]) -> dict[str, Any]:
    """By track: how far outcomes of entries lie apart that another processor predicted."""
    board = read_leaderboard(BOARD)
    here = processor_name()
    result = {}
    for name in names:
        track, facts = open_track(track_named(name)), board.tracks[name]
        methods: dict[str, Any] = {}
        keys, stored = {}, {}
        for entry in board.entries[name].values():
            if not entry.weights or entry.hardware in (None, here):
                continue
            seeds = predicted_again(BOARD, entry, track)
            for before in entry.evaluations(facts):
                values, own = seeds[before.seed]
                for sides, key in (("same sides", before.key), ("own sides", own)):
                    label = f"{entry.id}, {before.seed}, {sides}"
                    methods[label], keys[label], stored[label] = values, key, before
        scored = evaluate_many(track, methods, keys=keys, ladder=track.ladder)
        found: dict[str, Any] = {
            "processors": [
                sorted({str(entry.hardware) for entry in board.entries[name].values()
                        if entry.weights and entry.hardware != here}),
                here,
            ],
        }  # fmt: skip
        for sides, band in (("same sides", SAME_SIDES), ("own sides", OTHER_SIDES)):
            labels = [label for label in methods if label.endswith(sides)]
            pairs = [list(zip(stored[k].rows, scored[k].rows, strict=True)) for k in labels]
            means: dict[str, list[Any]] = {}
            for k in labels:
                both = [np.mean(one.penalised_iterations) for one in (stored[k], scored[k])]
                means.setdefault(k.partition(",")[0], []).append(both)
            found[sides] = {
                "models": len(labels),
                "outside the band": max(distances(one, band)["outside the band"] for one in pairs),
                "largest change of a mean": max(
                    relative(*np.mean(of, axis=0)) for of in means.values()
                ),
            }
            print(f"{name}, {sides}: {found[sides]}", flush=True)
        result[name] = found
    return result


def main() -> None:
    """Run a part and merge what it finds into the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["sides", "entries"])
    parser.add_argument("tracks", nargs="*")
    options = parser.parse_args()
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    names = options.tracks or list(PREDICTED)
    known[options.part] = compare_sides() if options.part == "sides" else compare_entries(names)
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
