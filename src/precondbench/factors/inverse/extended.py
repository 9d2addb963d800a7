"""Entries of A^-1 with 32 digits (Takahashi's recurrence), where double precision has too few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.factors.cholesky.extended import AFFORDABLE, Twofold, factorise_extended
from precondbench.factors.cholesky.simplicial import scale_symmetrically
from precondbench.factors.cholesky.twofold import add, divide, multiply
from precondbench.factors.symbolic.tree import SymbolicFactor
from precondbench.matrices import power_of_two_scaling


@dataclass(frozen=True)
class ExtendedInverse:
    """Entries of A^-1 as unevaluated sums of two doubles, see ``SelectedInverse``.

    ``values``, ``diagonal`` and ``pivots`` (of A = L D L^T, in elimination order) are pairs of a
    high and a low part.
    """

    position: NDArray[np.int64]
    colptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    values: Twofold
    diagonal: Twofold
    pivots: Twofold

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """Arguments of kernels: the structure, then values and diagonals, each high and low."""
        return (self.position, self.colptr, self.rows, *self.values, *self.diagonal)

    @property
    def log_pivots(self) -> NDArray[np.float64]:
        """Natural logarithms of the pivots, each correct to the last bits."""
        high, low = self.pivots
        logarithms: NDArray[np.float64] = np.log(high) + low / high
        return logarithms


@kernel
def _takahashi(colptr, rows, values, values_low, pivots, pivots_low):  # type: ignore[no-untyped-def]
    """Overwrite the unit factor by Z on its pattern and return diag(Z); see ``simplicial``."""
    n = pivots.size
    diagonal = np.empty(n, np.float64)
    diagonal_low = np.empty(n, np.float64)
    slot = np.full(n, -1, np.int32)
    longest = 0
    for j in range(n):
        longest = max(longest, colptr[j + 1] - colptr[j])
    column = np.empty(longest, np.float64)
    column_low = np.empty(longest, np.float64)
    result = np.empty(longest, np.float64)
    result_low = np.empty(longest, np.float64)
    for j in range(n - 1, -1, -1):
        start = colptr[j]
        m = colptr[j + 1] - start
        for t in range(m):
            slot[rows[start + t]] = t
            column[t], column_low[t] = values[start + t], values_low[start + t]
            result[t], result_low[t] = 0.0, 0.0
        for t in range(m):
            k = rows[start + t]
            own, own_low = multiply(diagonal[k], diagonal_low[k], column[t], column_low[t])
            left = m - 1 - t
            p = colptr[k]
            # Rows of column j after k all occur in column k; stop when they are found.
            while left > 0:
                s = slot[rows[p]]
                if s >= 0:
                    z, low = multiply(values[p], values_low[p], column[t], column_low[t])
                    result[s], result_low[s] = add(result[s], result_low[s], -z, -low)
                    z, low = multiply(values[p], values_low[p], column[s], column_low[s])
                    own, own_low = add(own, own_low, z, low)
                    left -= 1
                p += 1
            result[t], result_low[t] = add(result[t], result_low[t], -own, -own_low)
        own, own_low = divide(1.0, 0.0, pivots[j], pivots_low[j])
        for t in range(m):
            slot[rows[start + t]] = -1
            values[start + t], values_low[start + t] = result[t], result_low[t]
            z, low = multiply(result[t], result_low[t], column[t], column_low[t])
            own, own_low = add(own, own_low, -z, -low)
        diagonal[j], diagonal_low[j] = own, own_low
    return diagonal, diagonal_low


def extended_inverse(matrix: csr_array, symbolic: SymbolicFactor) -> ExtendedInverse | None:
    """Select the inverse with 32 digits; None if that takes too much work."""
    counts = np.diff(symbolic.colptr) + 1.0
    if float(np.sum(counts * counts)) > AFFORDABLE:
        return None
    scale = power_of_two_scaling(matrix.diagonal())
    values, pivots = factorise_extended(scale_symmetrically(matrix, scale), symbolic)
    diagonal = _takahashi(symbolic.colptr, symbolic.rows, *values, *pivots)
    # Back to A, exactly: with B the inverse of S A S, that of A is S B S.
    own = np.empty_like(scale)
    own[symbolic.position] = scale
    columns = np.repeat(own, np.diff(symbolic.colptr))
    with np.errstate(over="ignore"):
        for part in values:
            part *= own[symbolic.rows]
            part *= columns
        for part in diagonal:
            part *= own
            part *= own
        for part in pivots:
            part /= own
            part /= own
    return ExtendedInverse(
        symbolic.position, symbolic.colptr, symbolic.rows, values, diagonal, pivots
    )
