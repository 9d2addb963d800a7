"""Time to score a submission on the real test split, by part of the scorer.

    python benchmarks/scoring.py runs/suitesparse/MLP-4/seed-0/predictions-test.safetensors

Without a file the prediction is Inv-K times noise of 5 %. Three seeds are scored with one and with
two processes, then the parts are timed apart in one process: conjugate gradients, checks and
cosine, log K with the selected inverse it needs. Written to benchmarks/results/scoring.json.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from precondbench.leaderboard import track_named
from precondbench.leaderboard.scoring.score import score_seeds
from precondbench.leaderboard.tracks import open_track
from precondbench.quality import problem_of
from precondbench.recipes import open_executor
from precondbench.shards import read_predictions

RESULT = Path(__file__).parent / "results" / "scoring.json"
TRACK = "suitesparse-invk-1.0-tril-test"
SEEDS = (0, 1, 2)


def noisy_target(track) -> dict[str, np.ndarray]:
    """Target factors with every entry off by about 5 %."""
    chance = np.random.default_rng(0)
    pairs = [track.pair(i) for i in range(len(track))]
    return {p.name: p.L.data * (1 + 0.05 * chance.standard_normal(p.L.nnz)) for p in pairs}


def timed(function):
    """Seconds of a call, and its result."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def parts(track, predictions) -> dict[str, float]:
    """Seconds of each part, for one seed, in one process."""
    seconds = dict.fromkeys(("preparation", "target", "solve", "without log K", "whole"), 0.0)
    for i in range(len(track)):
        pair = track.pair(i)
        elapsed, problem = timed(lambda pair=pair: problem_of(pair))
        seconds["preparation"] += elapsed
        seconds["target"] += timed(lambda problem=problem: problem.target_iterations)[0]
        values = predictions[pair.name]
        seconds["solve"] += timed(lambda problem=problem, values=values: problem.solve(values))[0]
        seconds["without log K"] += timed(
            lambda problem=problem, values=values: problem.score(values, log_k=False)
        )[0]
        seconds["whole"] += timed(lambda problem=problem, values=values: problem.score(values))[0]
    return {
        "reading and scaling": seconds["preparation"],
        "conjugate gradients, target": seconds["target"],
        "conjugate gradients, one seed": seconds["solve"],
        "checks and cosine, one seed": max(seconds["without log K"] - seconds["solve"], 0.0),
        "log K, selected inverse included": max(seconds["whole"] - seconds["without log K"], 0.0),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("predictions", nargs="?", type=Path)
    arguments = parser.parse_args()
    track = open_track(track_named(TRACK))
    if arguments.predictions is None:
        what, predictions = "Inv-K with 5 % noise", noisy_target(track)
    else:
        found = read_predictions(arguments.predictions)
        seed = min(found.seeds)
        what, predictions = found.method, found.by_name(seed, track.datasets[0].shard)
    methods = {what: dict.fromkeys(SEEDS, predictions)}
    score_seeds(track, methods)  # Kernels are compiled.
    report = {"prediction": what, "matrices": len(track), "seeds": len(SEEDS), "seconds": {}}
    for jobs in (1, 2):
        with open_executor(jobs) as executor:
            elapsed, _ = timed(lambda executor=executor: score_seeds(track, methods, executor))
        report["seconds"][f"{jobs} processes"] = round(elapsed, 2)
    report["parts"] = {name: round(value, 2) for name, value in parts(track, predictions).items()}
    print(json.dumps(report, indent=2))
    known = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    RESULT.write_text(json.dumps({**known, what: report}, indent=2) + "\n")


if __name__ == "__main__":
    main()
