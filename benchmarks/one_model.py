"""One model for all families, on matrices much larger than those it was trained on.

    python benchmarks/one_model.py RUN... [--rows 65536] [--draws 2] [--only FAMILY ...] [--seed N]

RUN are folders of runs of `precondbench train parametric --config mixed --model LearnedChoice`, one
a seed. New matrices are drawn from every family; random-spd has at most 10,000 rows, as on its
boards. Iterations are the worst of four right-hand sides; what fails counts as 10,000. Hindsight
best is, for each matrix by itself, the fewest of IC(0), Inv-K and MIC(0) with eight relaxations.
Writes benchmarks/results/one_model.json, or one_model_N.json for another seed of the draws, family
by family; formulas of those that are there are kept, and with --again the model predicts again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from precondbench import ParametricInvK
from precondbench.baselines import (
    FactorModel,
    RunConfiguration,
    load_model,
    predict_factor,
    read_toml,
)
from precondbench.matrices import FAMILIES, UniformStream, parametric_family
from precondbench.quality import MAXITER, Pair, problem_of
from precondbench.recipes import RELAXATIONS
from precondbench.recipes.building.systems import mic_name
from precondbench.recipes.parametric import GENERATED_DRAWS

RESULTS = Path(__file__).parent / "results"
SEED = 20261130
MOST_ROWS = {"random-spd": 10_000}
# Names in facts.
HINDSIGHT = ("ic0", "invk", *map(mic_name, RELAXATIONS))


def models_of(runs: Iterable[Path]) -> dict[int, FactorModel]:
    """Return the models of folders of runs by seed."""
    models = {}
    for run in runs:
        settings = RunConfiguration.from_mapping(read_toml(run / "configuration.toml"))
        models[settings.training.seed] = load_model(run / "checkpoint.safetensors")
    return models


def formulas_of(family: str, rows: int, draws: int, seed: int) -> dict[str, Any]:
    """Iterations of formulas, which every labelled matrix knows."""
    data = ParametricInvK.generate(family, n=rows, seed=seed, count=draws)
    facts = [data.facts(i) for i in range(len(data))]
    known = {
        name: [counted(one[f"iterations_{name}"]) for one in facts]
        for name in (*HINDSIGHT, "ic0_shifted")
    }
    # What boards compare with: IC(0) with a shift and Jacobi are among it.
    board = [counted(one["best_iterations"]) for one in facts]
    return {"rows": rows, "matrices": len(data), "formulas": known, "board": board, "seeds": {}}


def systems(family: str, rows: int, draws: int, seed: int) -> Iterator[csr_array]:
    """Yield the same matrices without labels."""
    drawn = parametric_family(family)
    for number in range(draws):
        stream = UniformStream(seed, drawn.stream, GENERATED_DRAWS, rows, number)
        yield from (system.A for system in drawn.draw(stream, rows, {}))


def model_of(matrices: Iterable[csr_array], models: dict[int, FactorModel]) -> dict[str, Any]:
    """Iterations of the model with each seed, what it takes, and for how long."""
    found: dict[str, Any] = {
        str(seed): {"iterations": [], "taken": [], "seconds": []} for seed in models
    }
    for A in matrices:
        problem = problem_of(Pair("A", A, None))
        for seed, model in models.items():
            start = perf_counter()
            factor = predict_factor(model, A, scaled=True)
            seconds = perf_counter() - start
            outcome = problem.solve(problem.place(factor))
            network: Any = model.network
            one = found[str(seed)]
            one["iterations"].append(outcome.iterations if outcome.solved else MAXITER)
            one["taken"] += network.taken
            one["seconds"].append(round(seconds, 2))
    return found


def counted(iterations: Any) -> int:
    """Iterations of a fact, in which a failure is -1."""
    return int(iterations) if iterations > 0 else MAXITER


def summary(families: dict[str, Any]) -> dict[str, Any]:
    """Geometric means of iterations over hindsight best: by family, and over families."""
    ratios: dict[str, dict[str, float]] = {}
    for family, found in families.items():
        best = np.min([found["formulas"][name] for name in HINDSIGHT], axis=0)
        rows = {name: found["formulas"][name] for name in (*HINDSIGHT, "ic0_shifted")}
        rows |= {f"seed {seed}": one["iterations"] for seed, one in found["seeds"].items()}
        ratios[family] = {
            name: round(float(np.exp(np.mean(np.log(np.array(counts) / best)))), 4)
            for name, counts in rows.items()
        }
    names = list(next(iter(ratios.values())))
    means = {
        name: round(float(np.exp(np.mean([np.log(one[name]) for one in ratios.values()]))), 4)
        for name in names
    }
    over = {
        seed: [
            float(np.mean(np.log(np.array(found["seeds"][seed]["iterations"]) / found["board"])))
            for found in families.values()
        ]
        for seed in next(iter(families.values()))["seeds"]
    }
    board = {seed: round(float(np.exp(np.mean(logs))), 4) for seed, logs in over.items()}
    return {"by_family": ratios, "all": means, "over_board": board}


def main() -> None:
    """Measure, and write what there is after every family."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--rows", type=int, default=65_536)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=list(FAMILIES))
    parser.add_argument("--again", action="store_true", help="Predict again what is known.")
    parser.add_argument("--seed", type=int, default=SEED, help="Of the draws.")
    options = parser.parse_args()
    stem = "one_model" if options.seed == SEED else f"one_model_{options.seed}"
    path = RESULTS / f"{stem}.json"
    models = models_of(options.runs)
    training = {}
    for seed, run in zip(models, options.runs, strict=True):
        result = json.loads((run / "result.json").read_text(encoding="utf-8"))
        kept = ("best_epoch", "epochs", "steps", "parameters", "device")
        training[str(seed)] = {name: result[name] for name in kept}
    content: dict[str, Any] = {"rows": options.rows, "seed": options.seed, "families": {}}
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
    content["training"] = training
    families = content["families"]
    for family in options.only:
        rows = min(options.rows, MOST_ROWS.get(family, options.rows))
        if family not in families:
            families[family] = formulas_of(family, rows, options.draws, options.seed)
        elif not options.again:
            continue
        drawn = systems(family, rows, options.draws, options.seed)
        families[family]["seeds"] = model_of(drawn, models)
        content["summary"] = summary(families)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        print(family, json.dumps(content["summary"]["by_family"][family]), flush=True)


if __name__ == "__main__":
    main()
