"""Numbers that describe a matrix to a network that chooses a formula for it."""

from __future__ import annotations

import numpy as np

from precondbench.baselines.choice.formulas import UnitSystem, Values, largest_eigenvalue

# Of the test vector that is described.
SIGMA = 1e-3
SWEEPS = (0, 4, 16)
LEAST = 1e-12
NAMES = (
    "rows", "entries", "uneven rows", "longest row", "positive", "mean weight", "largest weight",
    "strongest", "band", *(f"energy {sweeps}" for sweeps in SWEEPS), "shift", "mean pivot",
    "least pivot", "uneven pivots", "dropped", "dropped sums", "mean vector", "largest vector",
    "least vector", "negative vector", "mean modified", "least modified", "largest eigenvalue",
    "breakdown", "operations",
)  # fmt: skip


def features(system: UnitSystem) -> Values:
    """Describe a matrix by numbers that do not depend on its scaling, float64 (len(NAMES),).

    The first is log n. Others are means and extremes over rows: counts and sizes of entries, the
    energy of a vector of ones that is smoothed, pivots of IC(0) and what it drops, and the vector
    that MIC(0) preserves.
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
        *_modified(system),
        np.log(system.operations / n),
    ]
    return np.array(found)


def _log(value: float) -> float:
    return float(np.log(min(max(value, LEAST), 1.0 / LEAST)))


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


def _modified(system: UnitSystem) -> list[float]:
    """Of the test vector, and of the MIC(0) that preserves it, beside IC(0)."""
    vector = system.test_vector(SIGMA)
    mean = max(float(np.abs(vector).mean()), LEAST)
    least = float(vector.min()) / mean
    described = [_log(mean), _log(float(vector.max()) / mean), _log(least), float(least <= 0.0)]
    values = system.modified(SIGMA)
    if values is None:
        return [*described, 0.0, 0.0, 0.0, 1.0]
    ratio = np.log(values[system.pattern.indptr[1:] - 1] / system.ic0[0].diagonal())
    return [*described, ratio.mean(), ratio.min(), _log(largest_eigenvalue(system, values)), 0.0]
