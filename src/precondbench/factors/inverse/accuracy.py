"""Accuracy of a selected inverse and of Inv-K: residuals, reference columns, condition numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array
from scipy.sparse.linalg import LinearOperator, onenormest, splu

from precondbench._internal import kernel
from precondbench.factors.cholesky.twofold import two_product, two_sum
from precondbench.factors.inverse.simplicial import SelectedInverse
from precondbench.factors.inverse.supernodal import SupernodalInverse
from precondbench.factors.patterns.triangular import LowerPattern


def condition_estimate(matrix: csr_array) -> float:
    """Estimate ||A||_1 ||A^-1||_1 of a symmetric positive definite matrix.

    Hager's algorithm (1984) in Higham's form, on a sparse LU factorisation: a lower bound,
    usually within a factor of three. Deterministic (one column, no random start), but computed
    through libraries whose last bits differ between machines: never part of a digest.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.

    Returns
    -------
    float
        The estimate; infinity if the factorisation is exactly singular.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import condition_estimate
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(50))
    >>> bool(np.isclose(condition_estimate(A), np.linalg.cond(A.toarray(), 1)))
    True
    """
    n = matrix.shape[0]
    try:
        solver = splu(
            csc_array(matrix),
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
    except RuntimeError:
        return float("inf")

    def solve(x: NDArray[np.float64]) -> NDArray[np.float64]:
        solution: NDArray[np.float64] = solver.solve(np.asarray(x, dtype=np.float64).ravel())
        return solution

    inverse = LinearOperator((n, n), matvec=solve, rmatvec=solve, dtype=np.float64)
    norm = float(np.max(np.asarray(abs(matrix).sum(axis=0))))
    return norm * float(onenormest(inverse, t=1)) if n > 1 else 1.0


@kernel
def _simplicial(indptr, indices, data, position, colptr, rows, values, diagonal):  # type: ignore[no-untyped-def]
    worst = 0.0
    for i in range(indptr.size - 1):
        total = -1.0
        for p in range(indptr[i], indptr[i + 1]):
            j = min(position[i], position[indices[p]])
            k = max(position[i], position[indices[p]])
            if j == k:
                z = diagonal[j]
            else:
                low = colptr[j]
                z = values[low + np.searchsorted(rows[low : colptr[j + 1]], k)]
            total += data[p] * z
        # Not max(): a NaN must become infinity.
        if not abs(total) <= worst:
            worst = abs(total) if abs(total) < np.inf else np.inf
    return worst


@kernel
def _supernodal(indptr, indices, data, position, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    worst = 0.0
    for i in range(indptr.size - 1):
        total = -1.0
        for p in range(indptr[i], indptr[i + 1]):
            j = min(position[i], position[indices[p]])
            k = max(position[i], position[indices[p]])
            s = owner[j]
            width = first[s + 1] - first[s]
            height = width + rowptr[s + 1] - rowptr[s]
            row = k - first[s]
            if row >= width:
                row = width + np.searchsorted(rows[rowptr[s] : rowptr[s + 1]], k)
            total += data[p] * values[block[s] + (j - first[s]) * height + row]
        if not abs(total) <= worst:
            worst = abs(total) if abs(total) < np.inf else np.inf
    return worst


def identity_residual(matrix: csr_array, inverse: SelectedInverse | SupernodalInverse) -> float:
    """Largest |(A Z)_ii - 1| for a Z selected on A's pattern or more; infinity if not finite.

    If A Z = I + E, then Z = A^-1 (I + E): the residual is a relative error of Z. Its diagonal
    misses the rest of E; on 47 real matrices with n up to 1300 it was at least a third of the
    largest relative error found in a column of Inv-K, and mostly ten times above it.
    """
    a = (matrix.indptr, matrix.indices, matrix.data)
    if isinstance(inverse, SelectedInverse):
        return float(_simplicial(*a, *inverse.arrays))
    supernodes = inverse.supernodes
    return float(_supernodal(*a, supernodes.position, *supernodes.structure, inverse.values))


Solver = Callable[[NDArray[np.float64]], NDArray[np.float64]]

STEPS = 8
# What is smaller than this, beside the largest entry, counts as nothing.
ENOUGH = 1e-12


@kernel
def _residuals(indptr, indices, data, targets, high, low):  # type: ignore[no-untyped-def]
    """e_j - A (high + low) for each target j, sums kept in twice the working precision."""
    n, count = high.shape
    out = np.empty_like(high)
    total, rest = np.empty(count, np.float64), np.empty(count, np.float64)
    for i in range(n):
        total[:] = targets == i
        rest[:] = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            j, entry = indices[p], -data[p]
            for k in range(count):
                product, error = two_product(entry, high[j, k])
                total[k], carried = two_sum(total[k], product)
                rest[k] += carried + (error + entry * low[j, k])
        for k in range(count):
            out[i, k] = total[k] + rest[k]
    return out


@kernel
def _accumulate(high, low, change):  # type: ignore[no-untyped-def]
    """Add to an unevaluated sum high + low; returns the largest change over the largest entry."""
    largest, moved = np.zeros(high.shape[1]), np.zeros(high.shape[1])
    for i in range(high.shape[0]):
        for k in range(high.shape[1]):
            total, error = two_sum(high[i, k], change[i, k])
            high[i, k], low[i, k] = two_sum(total, error + low[i, k])
            largest[k] = max(largest[k], abs(high[i, k]))
            moved[k] = max(moved[k], abs(change[i, k]))
    return np.max(moved / largest)


def inverse_blocks(
    matrix: csr_array, solve: Solver, targets: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Entries of A^-1 between some rows, as ``high + low`` (unevaluated), both (k, k).

    Also returns the relative size of what is left out. If X is close to A^-1 E and R = E - A X,
    E^T A^-1 E = E^T X + X^T R + R^T A^-1 R, of which the last term is of second order. It is
    estimated by one solve for a sum of the columns of R with signs, whose energy has the trace of
    that term as its mean (Hutchinson 1990); where it counts, X is refined.
    """
    count = targets.size
    right = np.zeros((matrix.shape[0], count))
    right[targets, np.arange(count)] = 1.0
    high = solve(right)
    low = np.zeros_like(high)
    residual = _residuals(matrix.indptr, matrix.indices, matrix.data, targets, high, low)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], count)
    rest = residual @ signs
    left = abs(float(rest @ solve(rest[:, np.newaxis])[:, 0]))
    first = high[targets]
    smallest = float(np.min(np.diagonal(first)))
    if left < ENOUGH * smallest:
        return first, high.T @ residual, left / smallest
    settled = _refine(matrix, solve, targets, high, low, residual)
    return high[targets], low[targets], settled


def _refine(
    matrix: csr_array,
    solve: Solver,
    targets: NDArray[np.int64],
    high: NDArray[np.float64],
    low: NDArray[np.float64],
    residual: NDArray[np.float64],
) -> float:
    """Refine columns ``high + low`` of A^-1 until they settle.

    Returns the relative size of the last correction, which bounds the error left. A step gains a
    factor of about 1 / (cond(A) eps) for any approximate ``solve``, so the result does not depend
    on it (Wilkinson 1963; Higham 2002, chapter 12).
    """
    settled = np.inf
    for step in range(STEPS):
        if step:
            residual = _residuals(matrix.indptr, matrix.indices, matrix.data, targets, high, low)
        change = solve(residual)
        if not np.all(np.isfinite(change)):
            return np.inf
        moved = float(_accumulate(high, low, change))
        # Rounding has been reached, or the steps do not contract.
        if moved >= 0.5 * settled:
            break
        settled = moved
        if settled < ENOUGH:
            break
    return settled


# Columns looked at, and how many rows each may have: a row costs a solve or more.
PROBES = 6
MOST_ROWS = 24
# Numbers of each array of the solves, of which there are five: fewer passes over the factor.
BATCH = 10_000_000


@dataclass(frozen=True)
class Probe:
    """Blocks B[s_i, s_i] of B = A^-1 in twice the working precision, for some columns i.

    Each block is an unevaluated sum of two arrays; it cannot be trusted beyond a relative error
    of ``settled``.
    """

    columns: NDArray[np.int64]
    blocks: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
    settled: float

    def diagonal_error(self, pattern: LowerPattern, values: NDArray[np.float64]) -> float:
        """Largest |(L^T A^-1 L)_ii - 1| over the columns; infinity if the blocks are no use."""
        if not self.settled < 1e-10:
            return float("inf")
        colptr, _, where = pattern.columns()
        worst = 0.0
        for i, (high, low) in zip(self.columns, self.blocks, strict=True):
            column = values[where[colptr[i] : colptr[i + 1]]]
            if not np.all(np.isfinite(column)):
                return float("inf")
            # Exact: terms as large as cond(B[s, s]) cancel to 1.
            x = [Fraction(float(entry)) for entry in column]
            form = Fraction(0)
            for a, first in enumerate(x):
                for b, second in enumerate(x):
                    form += (
                        first * second * (Fraction(float(high[a, b])) + Fraction(float(low[a, b])))
                    )
            worst = max(worst, abs(float(form - 1)))
        return worst


def _choose(pattern: LowerPattern, count: int) -> NDArray[np.int64]:
    """Columns spread evenly over those that have more than the diagonal and are not too long."""
    lengths = np.bincount(pattern.indices, minlength=pattern.n)
    suitable = np.flatnonzero((lengths > 1) & (lengths <= MOST_ROWS))
    if not suitable.size:
        suitable = np.flatnonzero(lengths == lengths.min())
    # The middles of equal parts.
    picks = ((np.arange(count) + 0.5) * suitable.size / count).astype(np.int64)
    return suitable[np.unique(picks)]


def probe_inverse(
    matrix: csr_array, pattern: LowerPattern, solve: Solver, count: int = PROBES
) -> Probe:
    """Reference blocks of A^-1 for some columns of a pattern, whose number is ``count``.

    ``solve`` is an approximate solver with A for right-hand sides as columns; its errors are
    corrected. Right-hand sides are solved for together, as many as fit, those of a block always.
    """
    columns = _choose(pattern, count)
    colptr, rows, _ = pattern.columns()
    batches: list[list[NDArray[np.int64]]] = [[]]
    for i in columns:
        chosen = rows[colptr[i] : colptr[i + 1]].astype(np.int64)
        size = sum(s.size for s in batches[-1]) + chosen.size
        if batches[-1] and size > BATCH // pattern.n:
            batches.append([])
        batches[-1].append(chosen)
    blocks: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    settled = 0.0
    for batch in batches:
        high, low, left = inverse_blocks(matrix, solve, np.concatenate(batch))
        settled = max(settled, left)
        start = 0
        for chosen in batch:
            own = slice(start, start + chosen.size)
            blocks.append((high[own, own], low[own, own]))
            start = own.stop
    return Probe(columns, blocks, settled)
