"""Fit the cost model of docs/time.md to the times of a leaderboard.

    python benchmarks/cost_model.py [--folder leaderboard]

Writes the rates that the library ships, src/precondbench/leaderboard/timing/rates.json, and
benchmarks/results/cost_model.json: shares of variance, and predicted over measured seconds of every
method. Times are those of `precondbench time NAME ... --folder leaderboard`, all of one machine.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from precondbench.leaderboard import fit_model
from precondbench.leaderboard.timing.model import known_rows
from precondbench.leaderboard.timing.times import all_times

ROOT = Path(__file__).parents[1]
RATES = ROOT / "src" / "precondbench" / "leaderboard" / "timing" / "rates.json"
RESULTS = ROOT / "benchmarks" / "results" / "cost_model.json"


def main() -> None:
    """Fit, and write rates and residuals."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=ROOT / "leaderboard")
    options = parser.parse_args()
    problems = all_times(options.folder)
    model, r2 = fit_model(problems)
    RATES.write_text(json.dumps(asdict(model), indent=1) + "\n", encoding="utf-8")
    ratios: dict[str, dict[str, float]] = {}
    for times in problems:
        for row in known_rows(times):
            ratio = model.seconds(row) / row.seconds(1)
            ratios.setdefault(row.method, {})[times.problem] = round(ratio, 3)
    content = {
        "machine": model.machine,
        "problems": len(problems),
        "r2": {part: round(value, 4) for part, value in r2.items()},
        "typical_factor": {
            method: round(float(np.exp(np.mean(np.abs(np.log(list(found.values())))))), 3)
            for method, found in ratios.items()
        },
        "predicted_over_measured": ratios,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(content["r2"]), json.dumps(content["typical_factor"], indent=1))


if __name__ == "__main__":
    main()
