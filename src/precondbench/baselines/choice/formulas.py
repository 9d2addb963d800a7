"""Factors on tril(A) from formulas, of A scaled to a unit diagonal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.baselines.elimination.learned import compensated_factor
from precondbench.errors import BreakdownError
from precondbench.factors import (
    LowerPattern,
    estimate_cost,
    invk_values,
    mic0_values,
    selected_inverse,
    shifted_ic0,
)
from precondbench.matrices import UniformStream
from precondbench.recipes import MAX_OPERATIONS
from precondbench.solvers import as_preconditioner, pcg

Values = NDArray[np.float64]
# Levels of fill-in that the elimination with memory keeps, and shares of what is dropped that its
# diagonal takes; untrained, LearnedElimination is the first.
MEMORIES = ((2, 0.0), (2, 0.3), (3, 0.0), (3, 0.3), (3, -0.5))
# Of A + sigma I, whose MIC(0) preserves the solution v for a right-hand side of ones: sigma times
# the median of v for A itself, which grows with the largest eigenvalue of the inverse, so that the
# best shift depends little on the size; a part that is nearly cut off does not change it.
SHIFTS = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# Shares of positive entries that are moved to the diagonal, and w of the MIC(0) of what they leave.
REDUCTIONS = ((0.25, 1.0), (0.25, 0.995), (0.5, 0.995), (0.5, 0.98))
# A test vector needs few digits.
TOLERANCE, MOST_STEPS = 1e-2, 1000
# Where A is no M-matrix, numbers of MIC(0) may grow without a breakdown; then so does the largest
# eigenvalue, by many orders of magnitude.
POWERS, MOST_ENERGY = 10, 1000.0


def unit_diagonal(pattern: LowerPattern, lower: Values) -> tuple[Values, Values]:
    """Return tril(A) scaled to a unit diagonal, and the roots of the diagonal it had."""
    root = np.sqrt(lower[pattern.indptr[1:] - 1])
    return lower / np.repeat(root, np.diff(pattern.indptr)) / root[pattern.indices], root


@dataclass(frozen=True)
class UnitSystem:
    """A matrix with a unit diagonal, and what several formulas need of it.

    Attributes
    ----------
    pattern : LowerPattern
        Of tril(A).
    lower : numpy.ndarray
        Entries of tril(A), float64, in the pattern's order.
    """

    pattern: LowerPattern
    lower: Values
    _vectors: dict[float, Values] = field(default_factory=dict, repr=False)

    @cached_property
    def matrix(self) -> csr_array:
        """A, with both triangles."""
        return self.pattern.symmetric_csr(self.lower)

    @cached_property
    def ic0(self) -> tuple[csr_array, float]:
        """IC(0) with the smallest shift, and the shift."""
        return shifted_ic0(self.matrix, self.pattern)

    def shifted(self, shift: float) -> Values:
        """Return tril(A + sigma I), sigma the shift over the median of the test vector of A."""
        values = self.lower.copy()
        if shift:
            median = float(np.median(np.abs(self.test_vector(0.0)))) or 1.0
            values[self.pattern.indptr[1:] - 1] += shift / median
        return values

    def test_vector(self, shift: float) -> Values:
        """Return v with (A + sigma I) v = 1, to some digits."""
        if shift not in self._vectors:
            matrix = self.pattern.symmetric_csr(self.shifted(shift))
            found = pcg(
                matrix, np.ones(self.pattern.n), self.ic0[0], rtol=TOLERANCE, maxiter=MOST_STEPS
            )
            self._vectors[shift] = found.x
        return self._vectors[shift]

    def reduced(self, share: float) -> Values:
        """Return tril(A) with a share of its positive entries moved to the diagonal.

        The product with the test vector stays; with a share of 1 what is left has no positive
        entry outside the diagonal. Diagonally compensated reduction of Axelsson and Kolotilina
        (1994).
        """
        values = self.lower.copy()
        vector, diagonal = self.test_vector(0.0), self.pattern.indptr[1:] - 1
        row = np.repeat(np.arange(self.pattern.n), np.diff(self.pattern.indptr))
        positive = (row != self.pattern.indices) & (values > 0.0)
        i, j = row[positive], self.pattern.indices[positive]
        moved = share * values[positive]
        values[positive] -= moved
        np.add.at(values, diagonal[i], moved * vector[j] / vector[i])
        np.add.at(values, diagonal[j], moved * vector[i] / vector[j])
        return values

    def modified(self, shift: float, share: float = 0.0, relaxation: float = 1.0) -> Values | None:
        """Return MIC(0) of A + sigma I, or of A reduced, that preserves the test vector.

        None where a number of the vector is not positive, or where it breaks down.
        """
        vector = self.test_vector(shift)
        if not np.all(vector > 0.0):
            return None
        lower = self.reduced(share) if share else self.shifted(shift)
        values, column = mic0_values(self.pattern, lower, relaxation, vector[:, None])
        return values if column < 0 else None

    @cached_property
    def has_positive(self) -> bool:
        """Whether an entry outside the diagonal is positive."""
        return int(np.count_nonzero(self.lower > 0.0)) > self.pattern.n

    @cached_property
    def operations(self) -> float:
        """Multiply-adds of Inv-K."""
        return estimate_cost(self.matrix, self.pattern).operations


def _ic0(system: UnitSystem) -> Values:
    values: Values = system.ic0[0].data
    return values


def _memory(system: UnitSystem, level: int, share: float) -> Values:
    return compensated_factor(system.pattern, system.lower, level, share)


def _invk(system: UnitSystem) -> Values | None:
    if system.operations > MAX_OPERATIONS:
        return None
    return invk_values(selected_inverse(system.matrix, system.pattern), system.pattern)


def _mic0(
    system: UnitSystem, shift: float, share: float = 0.0, relaxation: float = 1.0
) -> Values | None:
    if share and not system.has_positive:
        return None
    values = system.modified(shift, share, relaxation)
    usable = values is not None and largest_eigenvalue(system, values) <= MOST_ENERGY
    return values if usable else None


def largest_eigenvalue(system: UnitSystem, values: Values) -> float:
    """Estimate the largest eigenvalue of A preconditioned by a factor, by the power method.

    Infinite where numbers overflow.
    """
    factor = system.pattern.csr(values)
    inverse = as_preconditioner(factor)
    x = UniformStream(0).uniform(system.pattern.n, -1.0, 1.0)
    for _ in range(POWERS):
        x = inverse @ (system.matrix @ x)
        largest = float(np.abs(x).max())
        if not 0.0 < largest < np.inf:
            return np.inf
        x /= largest
    energy = factor.T @ x
    found = float(x @ (system.matrix @ x)) / float(energy @ energy)
    return found if np.isfinite(found) else np.inf


# In this order an untrained network prefers them.
FORMULAS: dict[str, Callable[[UnitSystem], Values | None]] = {
    **{
        f"memory of level {level}, share {share:g}": partial(_memory, level=level, share=share)
        for level, share in MEMORIES
    },
    "IC(0), smallest shift": _ic0,
    "Inv-K": _invk,
    **{f"MIC(0), solved vector, {shift:g}": partial(_mic0, shift=shift) for shift in SHIFTS},
    **{
        f"MIC(0), {share:g} reduced, w = {w:g}": partial(
            _mic0, shift=0.0, share=share, relaxation=w
        )
        for share, w in REDUCTIONS
    },
}


def formula_values(system: UnitSystem, name: str) -> Values | None:
    """Return the values of a factor, or None where the formula does not apply or breaks down."""
    try:
        return FORMULAS[name](system)
    except BreakdownError:
        return None
