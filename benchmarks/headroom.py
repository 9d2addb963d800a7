"""Largest gain in n log K from correcting local-patch Inv-K, and the gain of a constant correction.

    python benchmarks/headroom.py [--splits train test] [--max-rows 5000] [--json FILE]

On real matrices (SuiteSparseInvK, version 1.0). The best scaling of the columns of a factor L is
known from A^-1: with p_j = (L^T A^-1 L)_jj it divides column j by sqrt(p_j), since the
K-condition of L scaled by s is, but for a constant, the mean of the s_j^2 p_j over their geometric
mean. The closure by a constant gives every node of the boundary of a patch the same share w of the
reduction that eliminating its neighbour would be (see LearnedClosure).
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch

from precondbench.baselines import GraphBatch, build_model
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.losses import get_loss
from precondbench.baselines.patches import MOST_REDUCED, LearnedClosure
from precondbench.datasets import DataSelection

CORES = ("shifted-ic0", "local-patch-1", "local-patch-3")
HOPS = (1, 2)
SHARES = (0.5, 1.0, 2.0)


def column_scaled(values: torch.Tensor, batch: GraphBatch) -> torch.Tensor:
    """Return the factor with optimally scaled columns."""
    assert batch.inverse is not None
    column = batch.edge_index[0, batch.lower]
    first, second, weight = batch.inverse.first, batch.inverse.second, batch.inverse.weight
    norms = torch.zeros(batch.batch.numel(), dtype=values.dtype)
    norms.index_add_(0, column[first], weight * values[first] * values[second])
    return values * norms.rsqrt()[column]


def closed(batch: GraphBatch, hops: int, share: float) -> torch.Tensor:
    """Return local-patch Inv-K with its boundaries closed by one constant; 0 leaves them open."""
    model = build_model("LearnedClosure", hops + 1, scaling="unit-diagonal")
    assert isinstance(model.network, LearnedClosure)
    # A sigmoid reaches 0 only at minus infinity.
    part = max(share / MOST_REDUCED, 1e-30)
    with torch.no_grad():
        model.network.start.fill_(math.log(part / (1 - part)))
        values: torch.Tensor = model(batch)
    return values


def measure(split: str, max_rows: int) -> list[dict[str, Any]]:
    """Measure n log K of every factor on every matrix, one row per factor."""
    dataset = DataSelection(
        dataset="suitesparse-invk", version="1.0", label="invk", max_rows=max_rows
    ).open_small(split)
    names = [dataset[i].name for i in range(len(dataset))]
    per_graph = get_loss("relative-k-condition").per_graph
    rows: list[dict[str, Any]] = []

    def note(factor: str, values: torch.Tensor, batch: GraphBatch) -> None:
        found = per_graph(values.double(), batch).expm1().tolist()
        n_log_k = dict(zip(names, found, strict=True))
        rows.append({"split": split, "factor": factor, "n_log_k": n_log_k})
        print(f"{split} {factor:36s}", " ".join(f"{value:9.4g}" for value in found), flush=True)

    for core in CORES:
        held = ResidentGraphs(dataset)
        held.invert(dataset)
        held.add_core(dataset, core)
        batch = held.whole()
        assert batch.core is not None
        values = batch.core.double()
        if core == CORES[0]:
            assert batch.y is not None
            note("Inv-K", batch.y, batch)
        note(core, values, batch)
        note(f"{core}, columns scaled at best", column_scaled(values, batch), batch)
    held = ResidentGraphs(dataset)
    held.invert(dataset)
    held.add_core(dataset, "tril")
    batch = held.whole()
    for hops in HOPS:
        for share in (0.0, *SHARES):
            name = f"{hops} hops, " + (f"closed by {share:g}" if share else "open")
            note(name, closed(batch, hops, share), batch)
    note(f"{HOPS[-1] + 1} hops, open", closed(batch, HOPS[-1] + 1, 0.0), batch)
    return rows


def main() -> None:
    """Measure the splits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", nargs="+", default=["train", "test"])
    parser.add_argument("--max-rows", type=int, default=5000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [row for split in options.splits for row in measure(split, options.max_rows)]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
