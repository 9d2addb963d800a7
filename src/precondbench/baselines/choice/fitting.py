"""Fit a chooser to the costs of candidates on matrices, and keep the weights of several fits."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from precondbench._internal import replacing
from precondbench.baselines.choice.chooser import Chooser, cost_of_first, expected_cost
from precondbench.errors import ConfigurationError

RATE, DECAY, MOST_STEPS, PATIENCE = 3e-3, 1.0, 4000, 1000


@dataclass(frozen=True)
class CostTable:
    """Features of matrices and the costs of all candidates, float64, a row a matrix."""

    features: Tensor
    costs: Tensor

    def of(self, rows: list[int]) -> CostTable:
        """Return some of the matrices."""
        return CostTable(self.features[rows], self.costs[rows])


@dataclass(frozen=True)
class Fitted:
    """How a training ended: the best step, and the mean logarithm of the cost there."""

    step: int
    validation: float


def fit_chooser(chooser: Chooser, train: CostTable, validation: CostTable) -> Fitted:
    """Train until the cost on validation matrices has not become less for some time.

    The chooser is left with the weights of the best step.
    """
    chooser.fit(train.features)
    optimiser = torch.optim.AdamW(chooser.parameters(), lr=RATE, weight_decay=DECAY)
    best, kept = Fitted(0, float("inf")), chooser.state_dict()
    for step in range(MOST_STEPS):
        with torch.no_grad():
            reached = cost_of_first(chooser(validation.features), validation.costs).mean().item()
        if reached < best.validation:
            best, kept = Fitted(step, reached), deepcopy(chooser.state_dict())
        if step - best.step >= PATIENCE:
            break
        optimiser.zero_grad()
        loss = expected_cost(chooser(train.features), train.costs).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    chooser.load_state_dict(kept)
    return best


def save_weights(choosers: Mapping[str, Chooser], path: Path) -> None:
    """Write the weights of several fits, by name, into one file."""
    tensors = {
        f"{fit}.{name}": tensor.contiguous()
        for fit, chooser in choosers.items()
        for name, tensor in chooser.state_dict().items()
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary)


def load_weights(chooser: Chooser, path: Path, fit: str) -> None:
    """Read the weights of a fit; ConfigurationError if there is none of that name."""
    stored = load_file(path)
    found = {
        name.removeprefix(f"{fit}."): tensor
        for name, tensor in stored.items()
        if name.startswith(f"{fit}.")
    }
    if not found:
        known = sorted({name.partition(".")[0] for name in stored})
        raise ConfigurationError(f"there are no weights of {fit}; there are: {', '.join(known)}")
    chooser.load_state_dict(found)
