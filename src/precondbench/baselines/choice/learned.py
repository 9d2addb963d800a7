"""A network that predicts the iterations of formulas, and takes the best of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from precondbench._internal import Recent, digest_of
from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.choice.chooser import Chooser, cost_of_first, expected_cost
from precondbench.baselines.choice.features import NAMES, features
from precondbench.baselines.choice.formulas import (
    FORMULAS,
    UnitSystem,
    Values,
    formula_values,
    unit_diagonal,
)
from precondbench.baselines.elimination.levels import pattern_of, patterns_of_graphs
from precondbench.factors import LowerPattern
from precondbench.quality import MAXITER, SymmetricProblem


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

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.chooser = Chooser(len(NAMES), len(FORMULAS), rounds, width)
        self.taken: list[str] = []

    def fit(self, batch: GraphBatch) -> None:
        """Measure means and deviations of the features."""
        self.chooser.fit(self._features([case for case, _ in _cases(batch)]))

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
        truth = torch.from_numpy(np.stack([case.iterations for case in cases]))
        predicted = self.predicted(cases)
        return (expected_cost if self.training else cost_of_first)(predicted, truth.to(predicted))

    def predicted(self, cases: list[_Case]) -> Tensor:
        """Logarithm of the iterations of every formula, up to a number for each matrix."""
        found: Tensor = self.chooser(self._features(cases))
        return found

    def _features(self, cases: list[_Case]) -> Tensor:
        found = torch.from_numpy(np.stack([case.features for case in cases]))
        return found.to(self.chooser.mean)


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
        unit, root = unit_diagonal(one, entries[positions])
        yield _case(one, unit), root
