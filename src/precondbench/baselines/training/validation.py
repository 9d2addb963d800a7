"""Validation after an epoch: the loss, or what a solver does with the predicted factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from precondbench.baselines.base import FactorModel
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.losses import Loss, cosine_per_graph
from precondbench.baselines.training.distributed import Ranks
from precondbench.errors import ConfigurationError
from precondbench.quality import Problem, problem_of

# Of a solve in validation, where a failure counts as so many.
MOST_STEPS = 2000


def systems_of(dataset: Any) -> list[Problem]:
    """Return the linear systems of a dataset with ``pair(i)``; ConfigurationError without it."""
    if not hasattr(dataset, "pair"):
        raise ConfigurationError(
            "validation by iterations solves with the matrices themselves; give a precondbench "
            "dataset, or an object with pair(i) besides the graphs"
        )
    return [problem_of(dataset.pair(i)) for i in range(len(dataset))]


@torch.no_grad()
def validate(
    model: FactorModel,
    batches: list[GraphBatch],
    loss: Loss,
    ranks: Ranks,
    systems: Sequence[Problem] | None = None,
) -> tuple[float, float]:
    """Mean loss and mean cosine over the graphs of all processes, in evaluation mode.

    With ``systems``, one for each graph of the batches, the logarithm of iterations takes the place
    of the loss: the worst of four right-hand sides.
    """
    model.eval()
    sums: Tensor = torch.zeros(3, dtype=torch.float64, device=model.device)
    first = 0
    for batch in batches:
        predicted = model(batch)
        if systems is None:
            losses = loss.of(model, batch, predicted)
        else:
            own = systems[first : first + batch.num_graphs]
            losses = log_iterations(predicted, batch, own).to(sums.device)
            first += batch.num_graphs
        cosines = cosine_per_graph(predicted, batch)
        sums += torch.stack([losses.sum(), cosines.sum(), sums.new_tensor(batch.num_graphs)])
    losses_sum, cosines_sum, count = ranks.sum(sums).tolist()
    return losses_sum / count, cosines_sum / count


def log_iterations(predicted: Tensor, batch: GraphBatch, systems: Sequence[Problem]) -> Tensor:
    """Solve with the predicted factor of each graph; the logarithm of iterations, float64."""
    sizes: list[int] = torch.bincount(batch.lower_batch, minlength=batch.num_graphs).tolist()
    found = []
    for values, system in zip(torch.split(predicted.double().cpu(), sizes), systems, strict=True):
        outcome = system.solve(values.numpy(), maxiter=MOST_STEPS)
        steps = min(outcome.penalised_iterations, MOST_STEPS)
        found.append(math.log(max(steps, 1)))
    return torch.tensor(found, dtype=torch.float64)
