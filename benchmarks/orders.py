"""Train LearnedOrder on the folds of real matrices, and solve every matrix as a test matrix.

    python benchmarks/orders.py TABLES

Needs version 2.0 of the real data. Every matrix is factored and solved in nine ways; TABLES is a
folder that keeps what is finished, so that this can be stopped. Then three seeds are trained on
each of five folds, in seconds, and each matrix is solved with what the model chooses that did not
see its family, by the protocol of the boards. In all about 20 minutes of one core.
Writes the weights of the library, and benchmarks/results/orders.json.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch

from precondbench import SuiteSparseInvK
from precondbench.baselines import LearnedOrder
from precondbench.baselines.choice.fitting import CostTable, save_weights
from precondbench.baselines.choice.formulas import formula_values
from precondbench.baselines.choice.orders import CANDIDATES, TRAINED, Ordered, order_table
from precondbench.leaderboard.entries import read_leaderboard
from precondbench.leaderboard.scoring.intervals import Interval, Resampled, gain_of
from precondbench.leaderboard.tracks import RankedBy
from precondbench.matrices import check_spd_candidate
from precondbench.quality import Context, evaluate_many
from precondbench.recipes import FOLDS, fold_splits

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "orders.json"
TRACK = "suitesparse-invk-2.0-tril-all"
NUMBER: RankedBy = "profile_area"
SEEDS = (0, 1, 2)


def opened() -> SuiteSparseInvK:
    """All matrices."""
    return SuiteSparseInvK(version="2.0", split="all")


def described(number: int, folder: Path) -> None:
    """Write the costs of all candidates on one matrix, unless they are there."""
    pair = opened().pair(number)
    path = folder / f"{pair.name.replace('/', '_')}.npz"
    if path.is_file():
        return
    start = perf_counter()
    found = order_table([pair.A])
    np.savez(path, features=found.features, costs=found.costs)
    print(f"{pair.name}: {perf_counter() - start:.0f} s", flush=True)


def table(folder: Path, jobs: int) -> CostTable:
    """Return the costs of all candidates on all matrices."""
    folder.mkdir(parents=True, exist_ok=True)
    data = opened()
    largest_first = sorted(range(len(data)), key=lambda i: -data.pair(i).A.nnz)
    with ProcessPoolExecutor(jobs) as pool:
        list(pool.map(described, largest_first, [folder] * len(data)))
    pieces = []
    for name in data.names:
        with np.load(folder / f"{name.replace('/', '_')}.npz") as stored:
            pieces.append([torch.from_numpy(stored[key]) for key in ("features", "costs")])
    return CostTable(*(torch.cat(column) for column in zip(*pieces, strict=True)))


@dataclass(frozen=True)
class Chosen:
    """The candidate that was chosen for each matrix, as a method."""

    choices: Mapping[str, tuple[str, str]]

    def setup(self, A: Any, context: Context) -> Any:
        """Return the operator of the matrix."""
        order, formula = self.choices[context.name]
        ordered = Ordered.of(check_spd_candidate(A, "A"), order)
        values = formula_values(ordered.system, formula)
        return None if values is None else ordered.operator(values)


def train(data: CostTable, names: list[str]) -> tuple[list[dict[str, Any]], list[Chosen]]:
    """Train all seeds on all folds; return how that went, and what they choose."""
    number = {name: i for i, name in enumerate(names)}
    choosers, rows, chosen = {}, [], []
    for seed in SEEDS:
        start, steps = perf_counter(), []
        choices: dict[str, tuple[str, str]] = {}
        for fold in range(FOLDS):
            parts = {k: [number[name] for name in v] for k, v in fold_splits(fold).items()}
            model = LearnedOrder(seed=None)
            steps.append(model.fit(data.of(parts["train"]), data.of(parts["val"]), seed).step)
            choosers[f"{seed}-{fold}"] = model.chooser
            with torch.no_grad():
                best = model.chooser(data.features[parts["test"]]).argmin(1).tolist()
            tested = (names[i] for i in parts["test"])
            choices |= {name: CANDIDATES[i] for name, i in zip(tested, best, strict=True)}
        chosen.append(Chosen(choices))
        seconds = round(perf_counter() - start, 1)
        rows.append({"seed": seed, "best_steps": steps, "seconds": seconds})
    save_weights(choosers, TRAINED)
    return rows, chosen


def stated(interval: Interval) -> list[float]:
    """Mean and ends of an interval, to four digits."""
    return [round(value, 4) for value in (interval.mean, interval.low, interval.high)]


def compared(rows: list[Any], others: Mapping[str, Any], families: list[str]) -> dict[str, Any]:
    """Area of some evaluations, and what it is over that of others, with intervals."""
    own = Resampled(NUMBER, families, rows)
    differences = {
        name: stated(own.minus(Resampled(NUMBER, families, [other])))
        for name, other in others.items()
    }
    return {"area": stated(own.interval()), **differences}


def main() -> None:
    """Fill the table, train and test."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tables", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    data = table(given.tables, given.jobs)
    board = read_leaderboard(ROOT / "leaderboard")
    track = board.tracks[TRACK]
    names = [matrix.name for matrix in track.matrices]
    families = [matrix.family for matrix in track.matrices]
    rows, chosen = train(data, names)
    start = Chosen(dict.fromkeys(names, CANDIDATES[0]))
    hindsight = Chosen({n: CANDIDATES[i] for n, i in zip(names, data.costs.argmin(1), strict=True)})
    methods = {**dict(zip(map(str, SEEDS), chosen, strict=True)), "start": start, "best": hindsight}
    found = evaluate_many(opened(), methods, log_k=False)
    learned = [found[str(seed)] for seed in SEEDS]
    classical = {
        name: board.entries[TRACK][name].evaluations(track)[0]
        for name in ("inv-k", "inv-k-after-rcm")
    }
    result = {
        "seeds": rows,
        "taken": Counter(", ".join(one) for method in chosen for one in method.choices.values()),
        "learned": compared(learned, classical, families),
        "gain": gain_of(NUMBER, families, learned, [found["start"]] * len(SEEDS)),
        "solved": [round(float(np.mean(one.solved)), 4) for one in learned],
        "start": compared([found["start"]], {}, families),
        "best": compared([found["best"]], {}, families),
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
