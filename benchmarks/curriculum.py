"""Generalisation of a recurrent model to longer matrices, by the laws and sizes it is trained on.

    python benchmarks/curriculum.py [--configurations growth] [--seeds 0 1 2] [--json FILE]

BidirectionalGRU (one layer, width 32, unit diagonal, log-relative-error, as in nonlocal_grid.toml)
with the same number of rows in every variant:

- `n = 50`: the training split of the configuration;
- `n = 25 to 200`: sizes mixed, an eighth of the graphs at 200;
- `with easier laws`: n = 50, half of the graphs from `uniform`.

Validation is that of the configuration, n = 50. Test: the test split, n = 200 (test_large), and 20
matrices with n = 1000.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from precondbench import SyntheticTridiag, evaluate
from precondbench.baselines import TrainingConfiguration, predict, train

EPOCHS = 40
# Streams of `generate` that no split uses.
SEED = 77_000


def of_one_size(law: str, graphs: int) -> list[Any]:
    """Return graphs of the training split."""
    data = SyntheticTridiag(split="train", config=law)
    return [data[i] for i in range(min(graphs, len(data)))]


def of_mixed_sizes(law: str, graphs: int) -> list[Any]:
    """Return the same number of rows in total, a quarter of them at each of four sizes."""
    rows = 50 * graphs
    return [
        graph
        for n in (25, 50, 100, 200)
        for graph in SyntheticTridiag.generate(n=n, count=rows // 4 // n, seed=SEED + n, law=law)
    ]


def with_easier_laws(law: str, graphs: int) -> list[Any]:
    """Return a set with half of the graphs from uniform."""
    return of_one_size(law, graphs // 2) + of_one_size("uniform", graphs // 2)


VARIANTS: dict[str, Callable[[str, int], list[Any]]] = {
    "n = 50": of_one_size,
    "n = 25 to 200": of_mixed_sizes,
    "with easier laws": with_easier_laws,
}


def measure(law: str, variant: str, seeds: Sequence[int]) -> dict[str, Any]:
    """Train one variant, and solve at three sizes; means over the seeds."""
    val = SyntheticTridiag(split="val", config=law)
    graphs = VARIANTS[variant](law, len(SyntheticTridiag(split="train", config=law)))
    tests = {
        "50": SyntheticTridiag(split="test", config=law),
        "200": SyntheticTridiag(split="test_large", config=law),
        "1000": SyntheticTridiag.generate(n=1000, count=20, seed=0, law=law),
    }
    iterations: dict[str, list[float]] = {n: [] for n in tests}
    for seed in seeds:
        configuration = TrainingConfiguration(
            model="BidirectionalGRU",
            rounds=1,
            width=32,
            scaling="unit-diagonal",
            loss="log-relative-error",
            learning_rate=5e-3,
            decay_every=EPOCHS // 10,
            epochs=EPOCHS,
            seed=seed,
            device="cpu",
        )
        model = train(graphs, val, configuration).model
        for n, data in tests.items():
            found = evaluate(data, predict(model, data), log_k=False).summary
            iterations[n].append(float(found["iterations_mean"] or np.nan))
    return {
        "configuration": law,
        "variant": variant,
        "graphs": len(graphs),
        "epochs": EPOCHS,
        "seeds": list(seeds),
        "iterations": iterations,
    }


def main() -> None:
    """Train and measure every variant."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--configurations", nargs="+", default=["growth"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for law in options.configurations:
        for variant in VARIANTS:
            rows.append(measure(law, variant, options.seeds))
            print(rows[-1], flush=True)
            if options.json:
                options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
