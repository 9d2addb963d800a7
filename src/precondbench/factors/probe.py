"""How accurate an Inv-K factor is: diag(L^T A^-1 L) = 1 at some columns, by solves of their own."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.factors.pattern import LowerPattern
from precondbench.factors.refinement import Solver, refined_inverse_columns

__all__ = ["PROBES", "Probe", "probe_inverse"]

# Columns looked at, and how many rows each may have: a row costs a few solves.
PROBES = 6
MOST_ROWS = 24
# Numbers held at a time by the vectors of the solves.
BATCH = 4_000_000


@dataclass(frozen=True)
class Probe:
    """Blocks B[s_i, s_i] of B = A^-1 in twice the working precision, for some columns i.

    Attributes
    ----------
    columns : numpy.ndarray
        int64: the columns.
    blocks : list of (numpy.ndarray, numpy.ndarray)
        float64 (|s_i|, |s_i|) twice: B[s_i, s_i] is their sum, unevaluated.
    settled : float
        Relative size of the last correction; the blocks cannot be trusted beyond it.
    """

    columns: NDArray[np.int64]
    blocks: list[tuple[NDArray[np.float64], NDArray[np.float64]]]
    settled: float

    def diagonal_error(self, pattern: LowerPattern, values: NDArray[np.float64]) -> float:
        """Largest |(L^T A^-1 L)_ii - 1| over the columns, or infinity if nothing can be said."""
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
    """Compute reference blocks of A^-1 for some columns of a pattern.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        A.
    pattern : LowerPattern
        Pattern of L.
    solve : callable
        Approximate solver with A, right-hand sides as rows. Its errors are refined away.
    count : int
        How many columns.

    Returns
    -------
    Probe
        The blocks.
    """
    columns = _choose(pattern, count)
    colptr, rows, _ = pattern.columns()
    batch = max(1, BATCH // pattern.n)
    blocks = []
    settled = 0.0
    for i in columns:
        s = rows[colptr[i] : colptr[i + 1]].astype(np.int64)
        high, low = np.empty((s.size, s.size)), np.empty((s.size, s.size))
        for start in range(0, s.size, batch):
            part = slice(start, start + batch)
            x, rest, change = refined_inverse_columns(matrix, solve, s[part])
            high[part], low[part] = x[:, s], rest[:, s]
            settled = max(settled, change)
        blocks.append((high, low))
    return Probe(columns, blocks, settled)
