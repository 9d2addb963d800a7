"""A network that predicts the iterations of formulas, and takes the best of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from precondbench._internal import Recent, digest_of
from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.choice.features import NAMES, features
from precondbench.baselines.choice.formulas import FORMULAS, UnitSystem, Values, formula_values
from precondbench.baselines.elimination.levels import pattern_of, patterns_of_graphs
from precondbench.baselines.message_passing.graph_network import zero_output
from precondbench.factors import LowerPattern
from precondbench.quality import MAXITER, SymmetricProblem

# Standardised features beyond this say no more.
MOST_DEVIATION = 3.0
# Of the choice in training: iterations that differ by a factor of e^(1 / SHARP) are alike.
SHARP = 4.0
# Most logarithm of iterations over the fewest in training: a failure is not worse.
MOST_REGRET = 4.0
# Of log n, so that what is learned of small sizes changes slowly with the size.
STEEP = 0.5


class _Case:
    """A matrix, and what was computed of it; formulas are tried when they are asked for."""

    def __init__(self, pattern: LowerPattern, lower: Values) -> None:
        self.pattern = pattern
        self.lower = lower
        self.values: dict[str, Values | None] = {}

    def formula(self, name: str) -> Values | None:
        """Values of a formula."""
        if name not in self.values:
            self.values[name] = formula_values(UnitSystem(self.pattern, self.lower), name)
        return self.values[name]

    @cached_property
    def features(self) -> Values:
        """See :func:`features`."""
        return features(UnitSystem(self.pattern, self.lower))

    @cached_property
    def iterations(self) -> Values:
        """Logarithm of the iterations of every formula, the worst of four right-hand sides."""
        system = UnitSystem(self.pattern, self.lower)
        problem = SymmetricProblem(system.matrix)
        counts = []
        for name in FORMULAS:
            values = formula_values(system, name)
            outcome = None if values is None else problem.solve(values)
            solved = outcome is not None and outcome.solved
            counts.append(outcome.iterations if outcome is not None and solved else MAXITER)
        return np.log(np.maximum(counts, 1))

    @property
    def size(self) -> int:
        """Bytes, about."""
        return self.lower.nbytes * (2 + len(self.values))


# Training reads every matrix in every epoch.
_KNOWN: Recent[_Case] = Recent(2**29, lambda case: case.size)


def _case(pattern: LowerPattern, lower: Values) -> _Case:
    key = digest_of(pattern.indptr, pattern.indices, lower)
    return _KNOWN.get(key, lambda: _Case(pattern, lower))


class LearnedChoice(Network):
    """Predicts the iterations of classical and modified factors from A, and takes the best.

    Candidates are IC(0), the elimination with memory that ``LearnedElimination`` starts from and
    four like it, Inv-K, MIC(0) of A + sigma I that preserves its solution for a right-hand side of
    ones, for seven sigma, and four MIC(0) of A with a part of its positive entries moved to the
    diagonal. The logarithm of the iterations of each is a network of numbers that
    describe the matrix, with ``rounds`` hidden layers, plus another times log n. Train it with the
    loss ``log-iterations``, which solves with every candidate once. Equivariant under scaling of A.

    Attributes
    ----------
    taken : list of str
        The formula of each graph of the last batch.
    """

    core = "tril"
    core_dtype = torch.float64
    raw_features = True
    choosing = True
    mean: Tensor
    deviation: Tensor

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        sizes = [len(NAMES) - 1, *([width] * rounds)]
        layers: list[nn.Module] = []
        for inputs, outputs in itertools.pairwise(sizes):
            layers += [nn.Linear(inputs, outputs), nn.SiLU()]
        last = nn.Linear(width, 2 * len(FORMULAS))
        self.network = zero_output(nn.Sequential(*layers, last)).double()
        self.taken: list[str] = []
        self.register_buffer("mean", torch.zeros(len(NAMES), dtype=torch.float64))
        self.register_buffer("deviation", torch.ones(len(NAMES), dtype=torch.float64))

    def fit(self, batch: GraphBatch) -> None:
        """Measure means and deviations of the features."""
        found = self._features([case for case, _ in _cases(batch)])
        self.mean.copy_(found.mean(0))
        spread = found.std(0, correction=0)
        self.deviation.copy_(torch.where(spread > 0, spread, torch.ones_like(spread)))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        cases = list(_cases(batch))
        taken = self._taken([case for case, _ in cases])
        self.taken = [name for name, _ in taken]
        pieces = [
            values * np.repeat(root, np.diff(case.pattern.indptr))
            for (case, root), (_, values) in zip(cases, taken, strict=True)
        ]
        return torch.from_numpy(np.concatenate(pieces)).to(batch.x.device)

    @torch.no_grad()
    def _taken(self, cases: list[_Case]) -> list[tuple[str, Values]]:
        """The first formula, in the order of predicted iterations, that has a factor."""
        names = list(FORMULAS)
        taken = []
        orders = self.predicted(cases).argsort(dim=1, stable=True).tolist()
        for case, order in zip(cases, orders, strict=True):
            found = ((names[number], case.formula(names[number])) for number in order)
            # IC(0) with a shift is always there.
            taken.append(next((name, values) for name, values in found if values is not None))
        return taken

    def log_iterations(self, batch: GraphBatch) -> Tensor:
        """Return the logarithm of iterations: expected in training, else of what is taken."""
        cases = [case for case, _ in _cases(batch)]
        truth = torch.from_numpy(np.stack([case.iterations for case in cases])).to(self.mean)
        predicted = self.predicted(cases)
        if not self.training:
            return truth.gather(1, predicted.argmin(1, keepdim=True)).squeeze(1)
        best = truth.min(1, keepdim=True).values
        regret = (truth - best).clamp_max(MOST_REGRET)
        share = torch.softmax(-SHARP * predicted, dim=1)
        return best.squeeze(1) + (share * regret).sum(1)

    def predicted(self, cases: list[_Case]) -> Tensor:
        """Logarithm of the iterations of every formula, up to a number for each matrix."""
        found = self._features(cases) - self.mean
        rest = (found[:, 1:] / self.deviation[1:]).clamp(-MOST_DEVIATION, MOST_DEVIATION)
        constant, slope = self.network(rest).chunk(2, dim=1)
        result: Tensor = constant + STEEP * slope * found[:, :1]
        return result

    def _features(self, cases: list[_Case]) -> Tensor:
        return torch.from_numpy(np.stack([case.features for case in cases])).to(self.mean)


def iterations_of(batch: GraphBatch) -> Values:
    """Return the logarithm of the iterations of every formula, float64 (graphs, formulas)."""
    return np.stack([case.iterations for case, _ in _cases(batch)])


def _cases(batch: GraphBatch) -> Iterator[tuple[_Case, NDArray[np.float64]]]:
    """Yield each matrix of a batch with a unit diagonal, and the roots of the diagonal it had."""
    assert batch.core is not None
    pattern = pattern_of(batch.edge_index, batch.lower)
    entries = batch.core.double().cpu().numpy()
    nodes = torch.bincount(batch.batch).tolist()
    for _, positions, one in patterns_of_graphs(pattern, nodes):
        values = entries[positions]
        root = np.sqrt(values[one.indptr[1:] - 1])
        yield _case(one, values / np.repeat(root, np.diff(one.indptr)) / root[one.indices]), root
