"""Everything that a GPU changes, in one run of under nine minutes on one device.

    python benchmarks/gpu.py                 # on CUDA where there is one, else on the CPU
    python benchmarks/gpu.py --quick         # small sizes and few repeats: whether it runs through

- ``training``: steps a second of every graph network in our loop and in the standard loop of PyG,
  on matrices with 50, 1,000 and 16,000 rows; for one of them also with torch.compile, and with
  CUDA graphs (``mode="reduce-overhead"``) on CUDA;
- ``scan``: the parallel scan against the loop, by the number of rows (benchmarks/scan.py);
- ``elimination``: LearnedElimination, which takes one step after the other for each level of the
  graph of tril(A), by family and number of rows;
- ``inference``: from a SciPy matrix to a factor on the host, transfers included, by model;
- ``solution``: setup and solve with networks on the device beside classical methods on one core
  (docs/time.md).

A part that would begin after ``--minutes`` is left out, and the file says so. Written to
benchmarks/results/gpu_<device>.json with device, versions and the command.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import scan
from precondbench import ParametricInvK
from precondbench.baselines import build_model, predict_factor
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.training.configuration import resolve_device
from precondbench.baselines.training.run_directory import describe_environment
from precondbench.factors import pattern_of
from precondbench.leaderboard import (
    Effort,
    chosen,
    classical_contenders,
    load_pretrained,
    time_methods,
    trained_contender,
)
from precondbench.leaderboard.timing.problems import timed_problem
from precondbench.leaderboard.timing.work import work_of_chain
from training import BATCH, compare, compiled, dataset_of, wait

RESULTS = Path(__file__).parent / "results"
NETWORKS = (
    "MLP",
    "MessagePassingMLP",
    "GATv2",
    "GEN",
    "GraphTransformer",
    "FastGraphTransformer",
    "GlobalGraphTransformer",
)
PREDICTED = (*NETWORKS, "LearnedElimination", "NeuralIF", "CorrectedIC0", "PatchNetwork")
TRAINED = "parametric-1.0-diffusion-2d-test/learnedelimination-3-rounds-unit-diagonal"
CLASSICAL = ("none", "Jacobi", "IC(0)", "IC(0) after minimum degree", "smoothed-aggregation AMG")
FAMILIES = ("sequence", "diffusion-2d", "mesh-2d", "diffusion-3d", "graph")

Part = Iterator[dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """Sizes and repeats."""

    training: dict[int, int]  # Rows -> matrices.
    epochs: int
    scanned: list[int]
    rows: tuple[int, ...]
    repeats: int
    problems: tuple[str, ...]


FULL = Plan(
    training={50: 2000, 1000: 64, 16_000: 4},
    epochs=3,
    scanned=scan.ROWS,
    rows=(1000, 16_000, 100_000),
    repeats=5,
    problems=("diffusion-2d-16384", "diffusion-2d-102400", "mesh-2d-102400"),
)
QUICK = Plan(
    training={50: 32, 200: 2},
    epochs=1,
    scanned=[100, 300],
    rows=(200, 400),
    repeats=1,
    problems=("diffusion-2d-400",),
)


def training(plan: Plan, device: torch.device) -> Part:
    """Our loop against that of PyG's examples."""
    for n, count in plan.training.items():
        dataset = dataset_of(n, count)
        for name in NETWORKS:
            found = compare(name, 4, dataset, device, plan.epochs)
            yield {"n": n, "matrices": count, "batch": min(BATCH, count), **found}


def compilation(plan: Plan, device: torch.device) -> Part:
    """One step, eager, compiled, and on CUDA recorded as a graph."""
    modes = ["default", *(["reduce-overhead"] if device.type == "cuda" else [])]
    for n, count in plan.training.items():
        dataset = dataset_of(n, max(count, BATCH) if n < 10_000 else count)
        for mode in modes:
            yield {"n": n, "mode": mode, **compiled("MessagePassingMLP", 4, dataset, device, mode)}


def scans(plan: Plan, device: torch.device) -> Part:
    """The parallel scan against the loop."""
    yield from scan.measure(str(device), plan.scanned)


def elimination(plan: Plan, device: torch.device) -> Part:
    """A forward and a backward pass of LearnedElimination, and how many levels it goes through."""
    for name in FAMILIES:
        for n in plan.rows[:-1]:
            dataset = ParametricInvK.generate(name, n=n, count=1)[:1]
            graphs = ResidentGraphs(dataset, device)
            model = build_model("LearnedElimination", rounds=3)
            model.standardisation.fit(graphs.x.cpu(), graphs.edge_attr.cpu())
            model.to(device)
            batch = graphs.batch(torch.arange(1))

            def step(model=model, batch=batch) -> None:
                model(batch).sum().backward()

            A = dataset.pair(0).A
            yield {
                "family": name,
                "n": A.shape[0],
                "levels": work_of_chain(pattern_of(A, "tril")).levels,
                "seconds": median_seconds(step, device, plan.repeats),
            }


def inference(plan: Plan, device: torch.device) -> Part:
    """From a matrix on the host to a factor on the host, by a model that is already there."""
    for n in plan.rows:
        A = timed_problem(f"diffusion-2d-{n}").A
        for name in PREDICTED:
            model = build_model(name, rounds=3).to(device)

            def predict(model=model, A=A) -> None:
                predict_factor(model, A, scaled=True, device=device)

            seconds = median_seconds(predict, device, plan.repeats)
            yield {"model": name, "n": A.shape[0], "seconds": seconds}


def solution(plan: Plan, device: torch.device) -> Part:
    """Time to a solution, networks on the device."""
    start = build_model("CorrectedIC0", rounds=3)  # Untrained it is IC(0).
    learned = [
        trained_contender("LearnedElimination", load_pretrained(TRAINED), str(device)),
        trained_contender("CorrectedIC0, untrained", start, str(device)),
    ]
    contenders = [*chosen(classical_contenders(), CLASSICAL), *learned]
    for name in plan.problems:
        effort = Effort((1,), plan.repeats if plan.repeats < 3 else 2, 5.0)
        found = time_methods(name, contenders, effort)
        for row in found.rows:
            kept = ("method", "kind", "status", "reason", "iterations", "setup", "solve")
            yield {"problem": name, **row.model_dump(include=set(kept), mode="json")}


PARTS: dict[str, Callable[[Plan, torch.device], Part]] = {
    "training": training,
    "inference": inference,
    "elimination": elimination,
    "scan": scans,
    "solution": solution,
    "compilation": compilation,
}


def median_seconds(function: Callable[[], None], device: torch.device, repeats: int) -> float:
    """Median time after a first call that is not counted."""
    times = []
    for _ in range(repeats + 1):
        wait(device)
        start = time.perf_counter()
        function()
        wait(device)
        times.append(time.perf_counter() - start)
    return float(f"{statistics.median(times[1:]):.4g}")


def main() -> None:
    """Measure part by part; what is done is kept, whatever happens to the rest."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--minutes", type=float, default=8.5)
    parser.add_argument("--only", nargs="*", choices=sorted(PARTS), default=[])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = resolve_device(options.device)
    plan = QUICK if options.quick else FULL
    path = options.json or RESULTS / f"gpu_{device.type}.json"
    report: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "environment": describe_environment(device, 1),
        "left_out": [],
        "failed": {},
    }
    start = time.monotonic()
    for name in options.only or PARTS:
        report[name] = []
        if time.monotonic() - start > 60 * options.minutes:
            report["left_out"].append(name)
            continue
        try:
            for row in PARTS[name](plan, device):
                report[name].append(row)
                print(name, json.dumps(row), flush=True)
                path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
                if time.monotonic() - start > 60 * options.minutes:
                    report["left_out"].append(f"{name} after {len(report[name])} rows")
                    break
        # The device is lent for minutes: a part that fails must not cost the others.
        except Exception as error:
            report["failed"][name] = f"{type(error).__name__}: {error}"[:500]
        report.setdefault("seconds", {})[name] = round(time.monotonic() - start, 1)
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}; failed: {report['failed'] or 'nothing'}")


if __name__ == "__main__":
    main()
