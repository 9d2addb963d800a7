"""What selected inversion will cost, known before it starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from precondbench.factors.cholesky import SymbolicFactor, analyse
from precondbench.factors.ordering import minimum_degree
from precondbench.factors.pattern import LowerPattern

__all__ = ["Cost", "estimate_cost", "inversion_graph", "plan_elimination"]


@dataclass(frozen=True)
class Cost:
    """Predicted cost of Inv-K by simplicial selected inversion.

    Attributes
    ----------
    factor_entries : int
        Entries below the diagonal of the Cholesky factor.
    operations : float
        Multiply-add pairs of factorisation and selected inversion.
    bytes : int
        Memory beyond the matrix itself.
    """

    factor_entries: int
    operations: float
    bytes: int

    def __str__(self) -> str:
        return (
            f"{self.factor_entries / 1e6:.2g} million entries in the factor, "
            f"{self.operations:.1e} operations, {self.bytes / 1e6:.0f} MB"
        )


def inversion_graph(matrix: csr_array, pattern: LowerPattern) -> csr_array:
    """Graph of A + T T^T, in which every column of T is a clique."""
    ones = np.ones(pattern.nnz, dtype=np.float64)
    t = pattern.csr(ones)
    stored = csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
    # Both summands are positive: no entry cancels and no stored zero can be lost.
    graph = csr_array(csr_array(t @ t.T) + stored)
    graph.sort_indices()
    return graph


def plan_elimination(matrix: csr_array, pattern: LowerPattern) -> SymbolicFactor:
    """Order and analyse the graph on which the inverse is selected.

    The graph is that of A + T T^T: every column of T becomes a clique, which lies inside one
    front of any elimination order, so the selected inverse on its fill holds every
    B[s_i, s_i] that Inv-K needs.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.
    pattern : LowerPattern
        Pattern of L, which is T.

    Returns
    -------
    SymbolicFactor
        Order and fill-in of the elimination.
    """
    graph = inversion_graph(matrix, pattern)
    return analyse(graph, minimum_degree(graph))


def estimate_cost(symbolic: SymbolicFactor, pattern: LowerPattern) -> Cost:
    """Predict cost from column counts.

    Parameters
    ----------
    symbolic : SymbolicFactor
        What :func:`plan_elimination` returned.
    pattern : LowerPattern
        Pattern of L.

    Returns
    -------
    Cost
        Entries, operations and bytes.

    Examples
    --------
    >>> from precondbench.factors import estimate_cost, lower_pattern, plan_elimination
    >>> from precondbench.matrices import lower_csr, poisson_1d, symmetric_csr
    >>> A, T = symmetric_csr(poisson_1d(100)), lower_pattern(lower_csr(poisson_1d(100)))
    >>> estimate_cost(plan_elimination(A, T), T).factor_entries
    99
    """
    counts = np.diff(symbolic.colptr).astype(np.float64)
    columns = np.bincount(pattern.indices, minlength=pattern.n).astype(np.float64)
    # Half a square a column to factor, one to invert; a third of a cube for each small block.
    operations = 1.5 * float(np.sum(counts**2)) + float(np.sum(columns**3)) / 3.0
    # Values and rows of the factor, pointers and workspaces by row, the largest block.
    memory = 12 * symbolic.nnz + 100 * pattern.n + 8 * int(columns.max()) ** 2
    return Cost(symbolic.nnz, operations, memory)
