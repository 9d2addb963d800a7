"""Response of trained models to a change of A_11 in rows beyond the eighth, and the true response.

    python benchmarks/far_response.py RUNS [--json FILE] [--matrices 50]

RUNS is the folder of `precondbench train-grid benchmarks/nonlocal_grid.toml`. For every
model in it, and for the 7-hop oracle, on the test matrices of the training configuration: mean and
extremes over the seeds of the median gain and the median relative error of the response.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from precondbench import SyntheticTridiag
from precondbench.baselines import load_model, predict_factor
from precondbench.leaderboard.methods.symmetric import khop
from precondbench.quality import far_response

CONFIGURATIONS = ("uniform", "growth", "sawtooth", "twin")
ORACLE = 7


def response(matrices: list[Any], factor: Callable[[Any], Any]) -> dict[str, float]:
    """Medians of gain and error."""
    found = far_response(matrices, factor)
    return {"gain": float(np.median(found.gain)), "error": float(np.median(found.error))}


def summary(seeds: list[dict[str, float]]) -> dict[str, Any]:
    """Mean, least and largest over the seeds."""
    return {
        key: {
            "mean": float(np.mean([s[key] for s in seeds])),
            "min": float(np.min([s[key] for s in seeds])),
            "max": float(np.max([s[key] for s in seeds])),
        }
        for key in ("gain", "error")
    } | {"seeds": len(seeds)}


def main() -> None:
    """Measure all models."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--matrices", type=int, default=50)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for configuration in CONFIGURATIONS:
        data = SyntheticTridiag(split="test", config=configuration)
        matrices = [data.pair(i).A for i in range(options.matrices)]
        oracle = response(matrices, partial(khop, hops=ORACLE))
        rows.append(
            {"configuration": configuration, "model": f"{ORACLE}-hop oracle"} | summary([oracle])
        )
        folder = options.runs / f"synthetic-tridiag-1.0-{configuration}"
        for model in sorted(folder.iterdir()):
            seeds = [
                response(matrices, partial(predict_factor, load_model(path)))
                for path in sorted(model.glob("seed-*/checkpoint.safetensors"))
                if (path.parent / "result.json").is_file()
            ]
            if seeds:
                rows.append({"configuration": configuration, "model": model.name} | summary(seeds))
                print(rows[-1], flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
