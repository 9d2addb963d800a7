"""A network that predicts the cost of candidates from numbers that describe a matrix."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from precondbench.baselines.message_passing.graph_network import zero_output

# Standardised features beyond this say no more.
MOST_DEVIATION = 3.0
# A feature that differs by less is the same for all.
ROUNDING = 1e-12
# Of the choice in training: costs that differ by a factor of e^(1 / SHARP) are alike.
SHARP = 4.0
# Most logarithm of a cost over the least in training: a failure is not worse.
MOST_REGRET = 4.0
# Of log n, so that what is learned of small sizes changes slowly with the size.
STEEP = 0.5


class Chooser(nn.Module):
    """Predicts the logarithm of the cost of each candidate, float64.

    A network with ``rounds`` hidden layers of the features after the first, which is log n, plus
    another times log n. Untrained, all candidates cost the same.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, features: int, candidates: int, rounds: int, width: int) -> None:
        super().__init__()
        sizes = [features - 1, *([width] * rounds)]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.SiLU()]
        last = nn.Linear(width, 2 * candidates)
        self.network = zero_output(nn.Sequential(*layers, last)).double()
        self.register_buffer("mean", torch.zeros(features, dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(features, dtype=torch.float64))

    def fit(self, found: Tensor) -> None:
        """Measure means and deviations of features (matrices, features)."""
        self.mean.copy_(found.mean(0))
        spread = found.std(0, correction=0)
        differ = spread > ROUNDING * found.abs().amax(0)
        self.deviation.copy_(torch.where(differ, spread, torch.ones_like(spread)))

    def forward(self, found: Tensor) -> Tensor:
        """Return logarithms of costs (matrices, candidates), up to a number for each matrix."""
        centred = found - self.mean
        rest = (centred[:, 1:] / self.deviation[1:]).clamp(-MOST_DEVIATION, MOST_DEVIATION)
        constant, slope = self.network(rest).chunk(2, dim=1)
        result: Tensor = constant + STEEP * slope * centred[:, :1]
        return result


def expected_cost(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the mean logarithm of the cost, where what is predicted to be cheap is often taken."""
    best = truth.min(1, keepdim=True).values
    regret = (truth - best).clamp_max(MOST_REGRET)
    share = torch.softmax(-SHARP * predicted, dim=1)
    return best.squeeze(1) + (share * regret).sum(1)


def cost_of_first(predicted: Tensor, truth: Tensor) -> Tensor:
    """Return the logarithm of the cost of the candidate that is predicted to be cheapest."""
    return truth.gather(1, predicted.argmin(1, keepdim=True)).squeeze(1)
