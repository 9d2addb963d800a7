"""What the scripts of the ledger share: options, states that training goes on from, results."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from precondbench.baselines.training.run_directory import device_name


def options_parser(description: str, steps: int) -> argparse.ArgumentParser:
    """Return a parser of the options that every script has."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--out", type=Path, default=Path("runs/ledger"))
    return parser


def prepare(out: Path) -> None:
    """Make the folder of states; one thread, as results are of one core."""
    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)


def restored(path: Path, network: nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Any]:
    """Bring training to where the file stopped, if there is one; return what was kept with it."""
    if not path.is_file():
        return {"steps": 0, "seconds": 0.0}
    kept: dict[str, Any] = torch.load(path)
    network.load_state_dict(kept.pop("network"))
    optimiser.load_state_dict(kept.pop("optimiser"))
    return kept


def keep(
    path: Path, network: nn.Module, optimiser: torch.optim.Optimizer, kept: dict[str, Any]
) -> None:
    """Write a state that :func:`restored` reads."""
    states = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save({**kept, **states}, path)


def times(out: Tensor, come: Tensor, values: Tensor, z: Tensor) -> Tensor:
    """Multiply a matrix of values in rows ``out`` and columns ``come`` by a vector."""
    return torch.zeros_like(z).scatter_add(0, out, values * z.index_select(0, come))


def statistics(counts: Sequence[int]) -> dict[str, float]:
    """Return mean and deviation of iterations."""
    return {"mean": round(float(np.mean(counts)), 1), "std": round(float(np.std(counts)), 2)}


def facts(network: nn.Module, seed: int, kept: dict[str, Any]) -> dict[str, Any]:
    """Return what a row says of its training."""
    return {
        "seed": seed,
        "steps": kept["steps"],
        "parameters": sum(one.numel() for one in network.parameters()),
        "seconds": round(kept["seconds"]),
        "device": device_name(torch.device("cpu")),
        "torch": torch.__version__,
    }


def write(path: Path, method: str, paper: str, cases: Sequence[dict[str, Any]]) -> None:
    """Write the rows of a method."""
    content = {"method": method, "paper": paper, "cases": cases}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
