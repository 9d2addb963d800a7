"""Train LearnedMultigrid, and compare the work of its choices with that of fixed parameters.

    python benchmarks/multigrid.py TABLES --train
    python benchmarks/multigrid.py TABLES --test

Matrices are drawn from all families, those of the test from seeds of their own and larger. Each is
solved with every candidate, which takes some minutes of one core for training and validation, and
longer for the test. TABLES is a folder that keeps what is finished, so that this can be stopped.
Work is counted, not timed: iterations plus 24 for the setup, times the entries that a step reads;
`precondbench time PROBLEM --code precondbench.baselines:LearnedMultigrid` measures seconds.
--train writes the weights of the library, and both benchmarks/results/multigrid.json.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from precondbench.baselines import LearnedMultigrid
from precondbench.baselines.choice.chooser import cost_of_first
from precondbench.baselines.choice.fitting import CostTable, save_weights
from precondbench.baselines.choice.multigrid import CANDIDATES, TRAINED, cost_table
from precondbench.leaderboard.timing.problems import drawn_problem
from precondbench.matrices import FAMILIES

RESULTS = Path(__file__).parent / "results" / "multigrid.json"
# Rows -> draws of each family.
DRAWS = {
    "train": {1_000: 20, 4_000: 20, 16_000: 4},
    "val": {1_000: 4, 4_000: 4, 16_000: 2},
    "test": {65_536: 2},
}
# Whose solves need thousands of steps, or whose coarse matrices are nearly full.
MOST_ROWS = {"random-spd": 1_000, "graph": 4_000}
FIRST_SEED = {"train": 20261201_000, "val": 20261202_000, "test": 20261203_000}
SEEDS = (0, 1, 2)


def table(part: str, folder: Path) -> tuple[CostTable, list[str]]:
    """Return the costs of all candidates on the matrices of a part, and their families."""
    folder.mkdir(parents=True, exist_ok=True)
    pieces, families = [], []
    for largest, draws in DRAWS[part].items():
        for family in FAMILIES:
            rows = min(largest, MOST_ROWS.get(family, largest))
            if rows < largest and part != "test":
                continue
            path = folder / f"{part}-{family}-{rows}.npz"
            if not path.is_file():
                start = perf_counter()
                found = cost_table(systems(part, family, rows, draws))
                np.savez(path, features=found.features, costs=found.costs)
                print(f"{path.stem}: {perf_counter() - start:.0f} s", flush=True)
            with np.load(path) as stored:
                pieces.append([torch.from_numpy(stored[name]) for name in ("features", "costs")])
            families += [family] * draws
    features, costs = (torch.cat(column) for column in zip(*pieces, strict=True))
    return CostTable(features, costs), families


def systems(part: str, family: str, rows: int, draws: int) -> Iterator[tuple[Any, Any]]:
    """Yield matrices with what is known about them."""
    for number in range(draws):
        problem = drawn_problem(family, rows, family, FIRST_SEED[part] + number)
        yield problem.A, problem.context


def train(folder: Path) -> dict[str, Any]:
    """Train all seeds, write their weights, and return how that went."""
    data, _ = table("train", folder)
    validation, families = table("val", folder)
    models, rows = {}, []
    for seed in SEEDS:
        start = perf_counter()
        models[seed] = LearnedMultigrid(seed=None)
        fitted = models[seed].fit(data, validation, seed)
        rows.append(
            {
                "seed": seed,
                "best_step": fitted.step,
                "over_default": ratio(fitted.validation - validation.costs[:, 0].mean()),
                "seconds": round(perf_counter() - start, 1),
            }
        )
    save_weights({str(seed): model.chooser for seed, model in models.items()}, TRAINED)
    # One candidate for all matrices, chosen on the same ones.
    fixed = int(torch.cat((data.costs, validation.costs)).mean(0).argmin())
    return {
        "matrices": [data.costs.shape[0], validation.costs.shape[0]],
        "fixed": fixed,
        "parameters": list(astuple(CANDIDATES[fixed])),
        "seeds": rows,
        "validation": compared(validation, families, fixed),
    }


def compared(data: CostTable, families: list[str], fixed: int) -> dict[str, Any]:
    """Work of each seed over that of defaults, of a fixed candidate and of the best, by family."""
    columns = {"default": data.costs[:, 0], "fixed": data.costs[:, fixed]}
    best = data.costs.min(1).values
    for seed in SEEDS:
        chooser = LearnedMultigrid(seed).chooser
        with torch.no_grad():
            columns[str(seed)] = cost_of_first(chooser(data.features), data.costs)
    groups = {"all": list(range(len(families)))}
    for number, family in enumerate(families):
        groups.setdefault(family, []).append(number)
    return {
        group: {name: ratio((column - best)[members].mean()) for name, column in columns.items()}
        for group, members in groups.items()
    }


def ratio(logarithm: Any) -> float:
    """A ratio from its logarithm, to four digits."""
    return round(float(np.exp(float(logarithm))), 4)


def main() -> None:
    """Train or test."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", type=Path)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--test", action="store_true")
    chosen = parser.parse_args()
    found = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {}
    if chosen.train:
        found = {"train": train(chosen.tables)}
    if chosen.test:
        data, families = table("test", chosen.tables)
        found["test"] = compared(data, families, found["train"]["fixed"])
        found["rows"] = max(DRAWS["test"])
    RESULTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
