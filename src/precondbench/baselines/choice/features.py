"""Numbers that describe a matrix to a network that chooses a formula for it."""

from __future__ import annotations

import numpy as np

from precondbench.baselines.choice.formulas import (
    UnitSystem,
    Values,
    formula_values,
    largest_eigenvalue,
)

# Shifts of the test vectors that are described, and the factors that are: formulas, and MIC(0) by
# shift and share reduced.
VECTORS = (0.0, 3.0)
FACTORS = (
    "IC(0), smallest shift",
    "memory of level 2, share 0",
    "memory of level 3, share 0",
    "memory of level 3, share -0.5",
)
MODIFIED = ((1.0, 0.0), (0.0, 0.0), (0.0, 0.25))
SWEEPS = (0, 4, 16)
LEAST = 1e-12
NAMES = (
    "rows", "entries", "uneven rows", "longest row", "positive", "mean weight", "largest weight",
    "strongest", "band", *(f"energy {sweeps}" for sweeps in SWEEPS), "shift", "mean pivot",
    "least pivot", "uneven pivots", "dropped", "dropped sums",
    *(
        f"{what} vector, {shift:g}"
        for shift in VECTORS
        for what in ("mean", "largest", "least", "negative")
    ),
    *(
        f"{what} modified, {shift:g} and {share:g}"
        for shift, share in MODIFIED
        for what in ("mean", "least", "breakdown")
    ),
    *(
        f"{what}, {factor}"
        for factor in (*FACTORS, *(f"{shift:g} and {share:g}" for shift, share in MODIFIED))
        for what in ("largest eigenvalue", *(f"energy of vector {shift:g}" for shift in VECTORS))
    ),
    "operations",
)  # fmt: skip


def features(system: UnitSystem) -> Values:
    """Describe a matrix by numbers that do not depend on its scaling, float64 (len(NAMES),).

    The first is log n. Others are means and extremes over rows: counts and sizes of entries, the
    energy of a vector of ones that is smoothed, pivots of IC(0) and what it drops, the vectors
    that MIC(0) preserves, and of some factors the largest eigenvalue of A preconditioned and the
    Rayleigh quotients of these vectors, which are at least the smallest. What changes with the size
    of a grid is divided by what changes alike, where there is such a number.
    """
    n = system.pattern.n
    matrix = system.matrix
    row = np.repeat(np.arange(n), np.diff(matrix.indptr))
    off = row != matrix.indices
    i, j, value = row[off], matrix.indices[off], matrix.data[off]
    size = np.abs(value)
    count = np.maximum(np.bincount(i, minlength=n), 1)
    weight = np.maximum(np.bincount(i, size, n), LEAST)
    largest = np.zeros(n)
    np.maximum.at(largest, i, size)
    modified = [system.modified(shift, share) for shift, share in MODIFIED]
    first, *others = (_preconditioned(system, formula_values(system, name)) for name in FACTORS)
    found = [
        np.log(n),
        np.log(count.mean()),
        np.log1p(count.std() / count.mean()),
        np.log(count.max() / count.mean()),
        np.maximum(value, 0.0).sum() / max(size.sum(), LEAST),
        _log(weight.mean()),
        _log(weight.max()),
        np.mean(largest / weight),
        _log(np.abs(i - j).mean() / n if i.size else 0.0),
        *_energies(system, 1.0 + weight.max()),
        *_ic0(system),
        *(number for shift in VECTORS for number in _vector(system, shift)),
        *(number for values in modified for number in _modified(system, values)),
        *_beside(first, [-np.log(n)] * len(VECTORS)),
        *(number for one in others for number in _beside(one, first[1:])),
        *(number for values in modified for number in _preconditioned(system, values)),
        np.log(system.operations / n),
    ]
    return np.array(found)


def _log(value: float) -> float:
    return float(np.log(min(max(value, LEAST), 1.0 / LEAST))) if value < np.inf else -np.log(LEAST)


def _energies(system: UnitSystem, bound: float) -> list[float]:
    """Logarithm of x^T A x / x^T x for x = 1 after sweeps of damped Jacobi."""
    x = np.ones(system.pattern.n)
    found = []
    for sweeps in range(max(SWEEPS) + 1):
        product = system.matrix @ x
        if sweeps in SWEEPS:
            found.append(_log(float(x @ product) / max(float(x @ x), LEAST)))
        x -= 1.5 / bound * product
    return found


def _ic0(system: UnitSystem) -> list[float]:
    factor, shift = system.ic0
    pivots = np.log(factor.diagonal())
    error = (factor @ factor.T - system.matrix).tocsr()
    size = np.sqrt(float(np.sum(error.data**2)) / system.pattern.n)
    sums = np.abs(np.asarray(error.sum(axis=1))).mean()
    return [
        np.log2(max(shift, 2.0**-21)), pivots.mean(), pivots.min(), pivots.std(), _log(size),
        _log(float(sums)),
    ]  # fmt: skip


def _vector(system: UnitSystem, shift: float) -> list[float]:
    """Mean of a test vector, beside n or the one without shift, and extremes beside the mean."""
    vector = system.test_vector(shift)
    mean = max(float(np.abs(vector).mean()), LEAST)
    unit = float(np.abs(system.test_vector(0.0)).mean()) if shift else float(vector.size)
    least = float(vector.min()) / mean
    return [_log(mean / unit), _log(float(vector.max()) / mean), _log(least), float(least <= 0.0)]


def _modified(system: UnitSystem, values: Values | None) -> list[float]:
    """Pivots of a MIC(0) over those of IC(0)."""
    if values is None:
        return [0.0, 0.0, 1.0]
    ratio = np.log(values[system.pattern.indptr[1:] - 1] / system.ic0[0].diagonal())
    return [ratio.mean(), ratio.min(), 0.0]


def _preconditioned(system: UnitSystem, values: Values | None) -> list[float]:
    """Logarithm of the largest eigenvalue, and of Rayleigh quotients of the test vectors."""
    if values is None:
        return [0.0] * (1 + len(VECTORS))
    upper = system.pattern.csr(values).T.tocsr()
    found = [_log(largest_eigenvalue(system, values))]
    for shift in VECTORS:
        x = system.test_vector(shift)
        product = upper @ x
        found.append(_log(float(x @ (system.matrix @ x)) / max(float(product @ product), LEAST)))
    return found


def _beside(one: list[float], quotients: list[float]) -> list[float]:
    """Replace Rayleigh quotients by what they are beside others."""
    return [one[0], *(mine - other for mine, other in zip(one[1:], quotients, strict=True))]
