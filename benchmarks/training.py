"""Training with precondbench and with the standard loop of PyG, in one run.

    python benchmarks/training.py            # on the CPU, or on CUDA where there is one
    python benchmarks/training.py --compile  # also torch.compile and stacked seeds

Matrices are tridiagonal with 50 rows, and 5-point grids with 1,000. Our loop is that of ``train``,
with ``--compile`` also that of ``train --set compile=true``.

The standard loop is that of PyG's examples: ``DataLoader(dataset, batch_size=16, shuffle=True)``,
which collates every batch, ``torch.optim.Adam(model.parameters())``, and edge inputs
concatenated as in ``MetaLayer``. All start from the same weights and see the same batches, so
losses differ by rounding, which training amplifies. The first epoch, in which torch compiles, is
not counted. Epochs alternate, so that a busy machine affects all; the ratio is that of the medians.
Written to benchmarks/results/training.json.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import RandomSampler
from torch_geometric.loader import DataLoader

from precondbench import ParametricInvK, SyntheticTridiag
from precondbench.baselines import TrainingConfiguration, build_model, negative_cosine
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.losses import get_loss
from precondbench.baselines.message_passing.graph_network import EdgeModel
from precondbench.baselines.training.configuration import resolve_device
from precondbench.baselines.training.distributed import Ranks
from precondbench.baselines.training.fit import FitLoop
from precondbench.baselines.training.run_directory import (
    RunDirectory,
    TrainingState,
    describe_environment,
)

RESULT = Path(__file__).parent / "results" / "training.json"
BATCH = 16
# Rows -> matrices.
SIZES = {50: 1000, 1000: 64}


def dataset_of(n: int, count: int) -> Any:
    """Matrices for training: tridiagonal ones of 50 rows, 5-point grids beyond."""
    if n == 50:
        return SyntheticTridiag(split="train", config="uniform")[:count]
    return ParametricInvK.generate("diffusion-2d", n=n, count=count)


class ConcatenatingEdgeModel(nn.Module):
    """The edge model as written in the documentation of PyG's MetaLayer; the same function."""

    def __init__(self, ours: EdgeModel) -> None:
        super().__init__()
        self.layers = nn.Sequential(ours.first, nn.ReLU(), ours.second)

    def forward(self, h, edge_index, e):
        """Return new edge representations."""
        source, target = edge_index
        return self.layers(torch.cat([h[target], h[source], e], dim=1))


def wait(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(epoch: Callable[[], float], device: torch.device) -> tuple[float, float]:
    """Seconds of an epoch, and its mean loss."""
    wait(device)
    start = time.perf_counter()
    loss = epoch()
    wait(device)
    return time.perf_counter() - start, loss


def ours(model, dataset, device, compiled=False) -> Callable[[], float]:
    """Return a function that trains one epoch as ``train`` does."""
    configuration = TrainingConfiguration(batch_size=BATCH)
    graphs = ResidentGraphs(dataset, device)
    state = TrainingState(
        model,
        torch.optim.Adam(model.parameters(), 1e-3, fused=True),
        torch.Generator().manual_seed(0),
    )
    nowhere = RunDirectory(None, "", "")
    stepped = model.compiled() if compiled else model
    fitting = FitLoop(
        stepped, graphs, graphs, get_loss("negative-cosine"), configuration, Ranks(), nowhere, None
    )
    return lambda: fitting.epoch(state, 1e-3)


def stock(model, dataset, device) -> Callable[[], float]:
    """Return a function that trains one epoch as PyG's examples do."""
    # What shuffle=True makes, with a generator of its own: the order of our loop.
    order = RandomSampler(dataset, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(dataset, batch_size=BATCH, sampler=order)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)

    def epoch() -> float:
        model.train()
        total = 0.0
        for batch in loader:
            batch = batch.to(device)
            optimiser.zero_grad()
            loss = negative_cosine(model(batch), batch)
            loss.backward()
            optimiser.step()
            total += loss.item() * batch.num_graphs
        return total / len(dataset)

    return epoch


def compare(
    name: str, rounds: int, dataset, device, epochs: int, compiled: bool = False
) -> dict[str, object]:
    """Time the loops epoch by epoch in turn, ours on request compiled as well."""
    torch.manual_seed(0)
    model = build_model(name, rounds)
    graphs = ResidentGraphs(dataset)
    model.standardisation.fit(graphs.x, graphs.edge_attr)
    same_network = copy.deepcopy(model)
    textbook = copy.deepcopy(model)
    textbook.network.edge_models = nn.ModuleList(
        ConcatenatingEdgeModel(layer) for layer in textbook.network.edge_models
    )
    loops = {"ours": ours(model.to(device), dataset, device)}
    if compiled:
        twin = copy.deepcopy(same_network).to(device)
        loops["ours, compiled"] = ours(twin, dataset, device, compiled=True)
    loops["stock loop, our network"] = stock(same_network.to(device), dataset, device)
    loops["stock"] = stock(textbook.to(device), dataset, device)
    seconds: dict[str, list[float]] = {key: [] for key in loops}
    losses: dict[str, list[float]] = {key: [] for key in loops}
    for _ in range(epochs + 1):
        for key, epoch in loops.items():
            elapsed, loss = timed(epoch, device)
            seconds[key].append(elapsed)
            losses[key].append(loss)
    steps = -(-len(dataset) // BATCH)
    # The first epoch allocates and warms up.
    medians = {key: statistics.median(values[1:]) for key, values in seconds.items()}
    over = {"ours_over_stock": "ours", "compiled_over_stock": "ours, compiled"}
    return {
        "model": name,
        "rounds": rounds,
        "steps_per_second": {key: round(steps / value, 1) for key, value in medians.items()},
        **{
            name: round(medians["stock"] / medians[loop], 2)
            for name, loop in over.items()
            if loop in medians
        },
        "ours_over_stock_loop": round(medians["stock loop, our network"] / medians["ours"], 2),
        "loss_in_first_epoch": {key: round(values[0], 6) for key, values in losses.items()},
        "loss_in_last_epoch": {key: round(values[-1], 6) for key, values in losses.items()},
    }


def compiled(name: str, rounds: int, dataset, device, mode: str = "default") -> dict[str, object]:
    """Measure torch.compile, and stacking three seeds by vmap."""
    graphs = ResidentGraphs(dataset, device)
    batch = graphs.batch(torch.arange(min(BATCH, len(dataset))))
    networks = []
    for seed in range(3):
        torch.manual_seed(seed)
        model = build_model(name, rounds)
        model.standardisation.fit(graphs.x.cpu(), graphs.edge_attr.cpu())
        networks.append(model.to(device))
    x, edge_attr = networks[0].standardisation(batch.x, batch.edge_attr)
    inputs = replace(batch, x=x, edge_attr=edge_attr)

    def per_step(step: Callable[[], None], count: int = 60) -> float:
        step()
        times = []
        for _ in range(count):
            wait(device)
            start = time.perf_counter()
            step()
            wait(device)
            times.append(time.perf_counter() - start)
        return statistics.median(times)

    def stepping(network, parameters) -> Callable[[], None]:
        optimiser = torch.optim.Adam(parameters, fused=True)

        def step() -> None:
            optimiser.zero_grad()
            negative_cosine(network(inputs), batch).backward()
            optimiser.step()

        return step

    network = networks[0].network
    eager = per_step(stepping(network, network.parameters()))
    start = time.perf_counter()
    quick = stepping(torch.compile(network, mode=mode), network.parameters())
    quick()
    compiling = time.perf_counter() - start
    fast = per_step(quick)
    parameters, _ = torch.func.stack_module_state([model.network for model in networks])
    base = copy.deepcopy(network).to("meta")

    def call(values):
        return torch.func.functional_call(base, (values,), (inputs,))

    stacked = torch.vmap(call)
    optimiser = torch.optim.Adam(parameters.values(), fused=True)

    def three() -> None:
        optimiser.zero_grad()
        outputs = stacked(parameters)
        sum(negative_cosine(output, batch) for output in outputs).backward()
        optimiser.step()

    return {
        "model": name,
        "rounds": rounds,
        "milliseconds_a_step": round(1e3 * eager, 3),
        "milliseconds_a_step_compiled": round(1e3 * fast, 3),
        "seconds_to_compile": round(compiling, 1),
        "milliseconds_a_step_of_three_seeds_stacked": round(1e3 * per_step(three), 3),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=7)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = resolve_device(arguments.device)
    report = {"environment": describe_environment(device, 1), "loops": [], "compiled": []}
    for n, count in SIZES.items():
        dataset = dataset_of(n, count)
        for name in ("MLP", "MessagePassingMLP", "GraphTransformer"):
            found = compare(name, 4, dataset, device, arguments.epochs, arguments.compile)
            report["loops"].append({"n": n, "matrices": count, "batch": BATCH, **found})
            print(json.dumps(report["loops"][-1]), flush=True)
    if arguments.compile:
        dataset = dataset_of(50, SIZES[50])
        for name in ("MLP", "MessagePassingMLP"):
            report["compiled"].append(compiled(name, 4, dataset, device))
            print(json.dumps(report["compiled"][-1]))
    path = RESULT if device.type == "cpu" else RESULT.with_stem("training_cuda")
    path.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
