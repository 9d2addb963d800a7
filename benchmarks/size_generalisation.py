"""Evaluation of models trained at n = 50 on matrices twenty times as large.

    python benchmarks/size_generalisation.py RUNS [--json FILE] [--n 1000] [--count 20]

RUNS is the folder of `precondbench train-grid benchmarks/nonlocal_grid.toml`. Every model
there predicts the factors of COUNT matrices of the law it was trained on; iterations as on the
leaderboard, mean and extremes over the seeds, together with the 7-hop oracle.
"""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from precondbench import SyntheticTridiag, evaluate
from precondbench.baselines import load_model, predict
from precondbench.leaderboard.methods.symmetric import khop

CONFIGURATIONS = ("uniform", "growth", "sawtooth", "twin", "hard")
ORACLE = 7


def row(data: SyntheticTridiag, predictions: list[Any]) -> dict[str, Any]:
    """Mean iterations, share solved and distance of the cosine from 1, over the seeds."""
    found = [evaluate(data, one, log_k=False).summary for one in predictions]
    iterations = [one["iterations_mean"] for one in found]
    return {
        "seeds": len(found),
        "iterations": {
            "mean": float(np.mean(iterations)),
            "min": float(np.min(iterations)),
            "max": float(np.max(iterations)),
        },
        "solved": float(np.mean([one["solved"] for one in found])),
        "one_minus_cosine": float(np.mean([1.0 - one["cosine_mean"] for one in found])),
    }


def main() -> None:
    """Measure all models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--count", type=int, default=20)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for configuration in CONFIGURATIONS:
        data = SyntheticTridiag.generate(
            n=options.n, count=options.count, seed=0, law=configuration
        )
        known = {"configuration": configuration, "n": options.n, "count": options.count}
        rows.append(known | {"model": f"{ORACLE}-hop oracle"} | row(data, [partial(khop, hops=7)]))
        for model in sorted((options.runs / f"synthetic-tridiag-1.0-{configuration}").iterdir()):
            predictions = [
                predict(load_model(path), data)
                for path in sorted(model.glob("seed-*/checkpoint.safetensors"))
                if (path.parent / "result.json").is_file()
            ]
            if predictions:
                rows.append(known | {"model": model.name} | row(data, predictions))
                print(rows[-1], flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
