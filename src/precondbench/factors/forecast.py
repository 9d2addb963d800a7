"""Time and memory of Inv-K before anything is computed, for matrices that may not fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from precondbench.factors.pattern import LowerPattern
from precondbench.factors.plan import plan_inversion
from precondbench.factors.subtrees import split_tree
from precondbench.factors.supernodes import find_supernodes

__all__ = ["Forecast", "analysis_bytes", "forecast_invk"]

# Fitted on one x86-64 core, see benchmarks/forecast.py: multiply-add pairs a second in dense
# blocks; seconds for each number of the factor, half of them for the check by solves; operations
# a second in small blocks.
OPERATIONS_A_SECOND = 1.6e10
SECONDS_AN_ENTRY = 1.3e-7
SMALL_OPERATIONS_A_SECOND = 3e9
# Indices, workspaces and what the allocator keeps, over 8 bytes for each number.
SPARE = 1.2
# Row pointers, orders and trees of the analysis; copies of A; a non-zero of the graph.
BYTES_A_ROW, BYTES_A_NONZERO, BYTES_A_PAIR = 250, 60, 40


@dataclass(frozen=True)
class Forecast:
    """What Inv-K by the supernodal way is expected to take.

    Attributes
    ----------
    entries : int
        Numbers in the blocks of the factor.
    operations : float
        Squares of column counts of the factor, summed.
    bytes : int
        Peak memory beyond A.
    seconds : float
        Of one core; other machines differ by a factor, not by an order of magnitude.
    """

    entries: int
    operations: float
    bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.entries / 1e6:,.0f} million numbers, {self.operations:.1e} operations, about "
            f"{self.bytes / 1e9:.2g} GB and {self.seconds:,.0f} s"
        )


def _pairs(pattern: LowerPattern) -> float:
    columns = np.bincount(pattern.indices, minlength=pattern.n).astype(np.float64)
    return float(np.sum(columns**2))


def analysis_bytes(pattern: LowerPattern) -> int:
    """Memory that :func:`forecast_invk` may need itself, an upper bound from column counts.

    Examples
    --------
    >>> from precondbench.factors import lower_pattern
    >>> from precondbench.factors.forecast import analysis_bytes
    >>> analysis_bytes(lower_pattern([[1, 0], [1, 1]]))
    880
    """
    return int(
        BYTES_A_ROW * pattern.n + BYTES_A_NONZERO * pattern.nnz + BYTES_A_PAIR * _pairs(pattern)
    )


def forecast_invk(matrix: csr_array, pattern: LowerPattern, workers: int = 1) -> Forecast:
    """Order and analyse a matrix as ``invk`` does for large ones, and stop there.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.
    pattern : LowerPattern
        Pattern of L.
    workers : int
        Threads that will share the work.

    Examples
    --------
    >>> from precondbench.factors import lower_pattern
    >>> from precondbench.factors.forecast import forecast_invk
    >>> from precondbench.matrices import lower_csr, poisson_1d, symmetric_csr
    >>> A, T = symmetric_csr(poisson_1d(300)), lower_pattern(lower_csr(poisson_1d(300)))
    >>> forecast_invk(A, T).operations
    1197.0
    """
    plan = plan_inversion(matrix, pattern, method="supernodal")
    supernodes = find_supernodes(plan.graph, plan.position)
    entries = supernodes.entries
    # Each subtree passes a dense square on to its ancestors; a thread holds one at a time.
    heights = np.diff(supernodes.rowptr)
    squares = [float(heights[part[-1]]) ** 2 for part in split_tree(supernodes).parts]
    passed = sum(sorted(squares)[-workers:])
    columns = np.bincount(pattern.indices, minlength=pattern.n).astype(np.float64)
    memory = 8 * (SPARE * entries + passed)
    memory += BYTES_A_ROW * pattern.n + BYTES_A_PAIR * plan.graph.nnz
    return Forecast(
        entries=entries,
        operations=plan.operations,
        bytes=int(memory + BYTES_A_NONZERO * pattern.nnz),
        seconds=plan.operations / OPERATIONS_A_SECOND
        + entries * SECONDS_AN_ENTRY
        + float(np.sum(columns**3)) / 3.0 / SMALL_OPERATIONS_A_SECOND,
    )
