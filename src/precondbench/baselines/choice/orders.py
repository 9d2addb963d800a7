"""A factor on tril(A) after a permutation: a network chooses the order and the formula."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from precondbench.baselines.choice.chooser import Chooser
from precondbench.baselines.choice.fitting import CostTable, Fitted, fit_chooser, load_weights
from precondbench.baselines.choice.formulas import UnitSystem, formula_values, unit_diagonal
from precondbench.factors import (
    lower_part,
    lower_values,
    minimum_degree,
    permuted,
    reverse_cuthill_mckee,
)
from precondbench.matrices import UniformStream, check_spd_candidate
from precondbench.quality import MAXITER, Context, SymmetricProblem
from precondbench.solvers import FactoredPreconditioner

Values = NDArray[np.float64]
ORDERS: dict[str, Callable[[csr_array], NDArray[np.int64]]] = {
    "given": lambda graph: np.arange(graph.shape[0], dtype=np.int64),
    "RCM": reverse_cuthill_mckee,
    "minimum degree": minimum_degree,
}
FORMULAS = ("IC(0), smallest shift", "memory of level 2, share 0", "Inv-K")
# The first is what an untrained network takes.
CANDIDATES = tuple(product(ORDERS, FORMULAS))
# Steps of conjugate gradients after which a candidate is looked at.
PROBES = (4, 16)
# A residual, and a condition number, beyond which nothing more is said.
LEAST = 1e-12
NAMES = (
    "rows", "entries", "shift",
    *(f"{what}, {steps} steps" for steps in PROBES for what in ("residual", "condition")),
    *ORDERS, *FORMULAS,
)  # fmt: skip
ROUNDS, WIDTH = 1, 16
TRAINED = Path(__file__).parent / "orders.safetensors"


class _Shared(Chooser):
    """One network for all candidates; features are (matrices, candidates, features)."""

    def __init__(self) -> None:
        super().__init__(len(NAMES), 1, ROUNDS, WIDTH)

    def fit(self, found: Tensor) -> None:
        """Measure means and deviations over all candidates."""
        super().fit(found.flatten(0, 1))

    def forward(self, found: Tensor) -> Tensor:
        """Return logarithms of costs (matrices, candidates)."""
        scores: Tensor = super().forward(found.flatten(0, 1))
        return scores.view(found.shape[:2])


@dataclass(frozen=True)
class Ordered:
    """A matrix with a unit diagonal in one of the orders."""

    order: str
    position: NDArray[np.int64]
    root: Values
    system: UnitSystem
    problem: SymmetricProblem

    @classmethod
    def of(cls, A: csr_array, order: str) -> Ordered:
        """Permute and scale a checked matrix."""
        position = ORDERS[order](A)
        moved = permuted(A, position)
        pattern = lower_part(moved)
        unit, root = unit_diagonal(pattern, lower_values(moved, pattern))
        system = UnitSystem(pattern, unit)
        return cls(order, position, root, system, SymmetricProblem(system.matrix, pattern))

    def operator(self, values: Values) -> FactoredPreconditioner:
        """Return the preconditioner of A that values on the pattern stand for."""
        pattern = self.system.pattern
        scaled = values * np.repeat(self.root, np.diff(pattern.indptr))
        return FactoredPreconditioner(pattern, scaled, self.position)

    def described(self, formula: str, values: Values | None) -> Values:
        """Describe a candidate by the first steps of a solve with it, float64 (NAMES,)."""
        n = self.system.pattern.n
        b = UniformStream(0).uniform(n, -1.0, 1.0)[:, None]
        seen = []
        for steps in PROBES:
            found = None if values is None else self.problem.solve_sides(values, b, steps)
            residual = math.inf if found is None else found.residual[0]
            condition = (found and found.condition) or 1.0
            seen += [_log(residual), _log(condition)]
        shift = self.system.ic0[1] if formula == FORMULAS[0] else 0.0
        return np.array(
            [
                math.log(n),
                math.log(self.system.matrix.nnz / n),
                math.log2(max(shift, 2.0**-21)),
                *seen,
                *(float(self.order == order) for order in ORDERS),
                *(float(formula == name) for name in FORMULAS),
            ]
        )

    def cost(self, values: Values | None) -> float:
        """Logarithm of the iterations with a candidate, the worst of four right-hand sides."""
        outcome = None if values is None else self.problem.solve(values)
        solved = outcome is not None and outcome.solved
        return math.log(max(outcome.iterations, 1) if outcome is not None and solved else MAXITER)


def _log(value: float) -> float:
    return math.log(min(max(value, LEAST), 1.0 / LEAST)) if value == value else -math.log(LEAST)


def order_table(matrices: Iterable[csr_array]) -> CostTable:
    """Describe and solve every matrix with every candidate."""
    features, costs = [], []
    for A in matrices:
        checked = check_spd_candidate(A, "A")
        rows, work = [], []
        for order in ORDERS:
            ordered = Ordered.of(checked, order)
            for formula in FORMULAS:
                values = formula_values(ordered.system, formula)
                rows.append(ordered.described(formula, values))
                work.append(ordered.cost(values))
        features.append(np.stack(rows))
        costs.append(work)
    return CostTable(torch.from_numpy(np.stack(features)), torch.tensor(costs, dtype=torch.float64))


class LearnedOrder:
    """IC(0), Inv-K or elimination with memory, in one of three orders: a network chooses.

    Candidates are three factors on tril(A) in the order given, in reverse Cuthill-McKee and in
    minimum-degree order, all of the same memory. A network, one for all candidates, predicts the
    logarithm of the iterations from four and sixteen steps of conjugate gradients with each: the
    residuals and the condition numbers of the Ritz values. So the setup computes nine factors, and
    takes about 180 steps. A method for boards that take any operator, see
    :class:`precondbench.quality.Method`.

    Parameters
    ----------
    seed : int, optional
        Of the training whose weights it has, 0 to 2; without one it is untrained and takes IC(0)
        with the smallest shift, in the order given.
    fold : int
        Of version 2.0 of the real data that it was trained on, 0 to 4.

    Attributes
    ----------
    taken : tuple of str or None
        Order and formula that it took last.

    Raises
    ------
    ConfigurationError
        If there are no weights of that seed and fold.

    Examples
    --------
    >>> from precondbench import pcg
    >>> from precondbench.baselines import LearnedOrder
    >>> from precondbench.matrices import formula_matrix
    >>> A = formula_matrix("HB/gr_30_30")
    >>> model = LearnedOrder(seed=None)
    >>> pcg(A, [1.0] * 900, M=model.setup(A)).iterations, model.taken
    (21, ('given', 'IC(0), smallest shift'))
    """

    kind = "learned"

    def __init__(self, seed: int | None = 0, fold: int = 0) -> None:
        self.chooser = _Shared()
        self.taken: tuple[str, str] | None = None
        if seed is not None:
            load_weights(self.chooser, TRAINED, f"{seed}-{fold}")

    def setup(self, A: csr_array, context: Context | None = None) -> FactoredPreconditioner:
        """Return the factor that is predicted to need the fewest iterations.

        Parameters
        ----------
        A : scipy.sparse.csr_array
            Real SPD matrix, shape (n, n).
        context : Context, optional
            Not used.

        Raises
        ------
        MatrixError
            If A cannot be used.
        """
        checked = check_spd_candidate(A, "A")
        systems = {order: Ordered.of(checked, order) for order in ORDERS}
        factors = {
            (order, formula): formula_values(systems[order].system, formula)
            for order, formula in CANDIDATES
        }
        rows = [
            systems[order].described(formula, values)
            for (order, formula), values in factors.items()
        ]
        with torch.no_grad():
            scores = self.chooser(torch.from_numpy(np.stack(rows))[None])[0].tolist()
        # IC(0) with a shift always exists.
        exist = [number for number, one in enumerate(CANDIDATES) if factors[one] is not None]
        self.taken = CANDIDATES[min(exist, key=lambda number: scores[number])]
        values = factors[self.taken]
        assert values is not None
        return systems[self.taken[0]].operator(values)

    def fit(self, train: CostTable, validation: CostTable, seed: int = 0) -> Fitted:
        """Train until validation matrices have not been solved in fewer iterations for some time.

        Parameters
        ----------
        train, validation : CostTable
            Of different matrices, as ``order_table`` makes them.
        seed : int
            Of the first weights.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.chooser = _Shared()
        return fit_chooser(self.chooser, train, validation)
