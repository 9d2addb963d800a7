"""Choice of order and method for selected inversion, and prediction of its cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import available_memory, kernel
from precondbench.errors import ConfigurationError, CostError
from precondbench.factors.patterns.triangular import LowerPattern, Pattern
from precondbench.factors.symbolic.ordering import has_metis, minimum_degree, nested_dissection
from precondbench.factors.symbolic.supernodes import find_supernodes, split_tree
from precondbench.factors.symbolic.tree import (
    SymbolicFactor,
    analyse,
    factor_counts,
    operations,
)


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


def inversion_graph(matrix: csr_array, pattern: LowerPattern, longest: float = np.inf) -> csr_array:
    """Graph of A + T T^T, in which every column of T is a clique.

    A column with more than ``longest`` entries is a star from its own node. CostError if a clique
    alone does not fit into memory.
    """
    lengths = _column_lengths(pattern)
    clique = lengths <= longest
    # The edges of the longest clique, an index and a value each.
    needed = 12.0 * float(np.max(lengths[clique], initial=0.0)) ** 2
    if needed > available_memory():
        raise CostError(
            f"column {int(np.argmax(lengths))} of the pattern has {lengths.max():.0f} entries, and "
            f"the analysis of their pairs needs {needed / 1e9:.1f} GB, more than there are; "
            "estimate_cost predicts the cost, a pattern with shorter columns lowers it"
        )
    lower = (pattern.indptr, pattern.indices)
    union = _union(matrix.indptr, matrix.indices, *lower, clique, *pattern.columns()[:2])
    # Symmetric, so that its columns are its rows, sorted.
    graph = Pattern(*Pattern(*union).columns()[:2])
    return graph.csr(np.ones(graph.nnz))


@kernel
def _union(indptr, indices, t_indptr, t_indices, clique, colptr, rows):  # type: ignore[no-untyped-def]
    """Rows of A, each joined with the columns of T that meet it, of a star with its node only.

    Columns are not sorted.
    """
    n = indptr.size - 1
    mark = np.empty(n, np.int64)
    starts = np.zeros(n + 1, np.int64)
    out = np.empty(0, np.int32)
    # Rows are counted first, then written.
    for writing in (False, True):
        if writing:
            out = np.empty(starts[n], np.int32)
        mark[:] = -1
        for i in range(n):
            q = starts[i]
            for p in range(indptr[i], indptr[i + 1]):
                j = indices[p]
                mark[j] = i
                if writing:
                    out[q] = j
                q += 1
            for p in range(t_indptr[i], t_indptr[i + 1]):
                j = t_indices[p]
                first, last = colptr[j], colptr[j + 1]
                if j != i and not clique[j]:
                    last = first + 1  # The diagonal is first in a column.
                for t in range(first, last):
                    k = rows[t]
                    if mark[k] != i:
                        mark[k] = i
                        if writing:
                            out[q] = k
                        q += 1
            starts[i + 1] = q
    return starts, out


def plan_elimination(matrix: csr_array, pattern: LowerPattern) -> SymbolicFactor:
    """Order and analyse the graph on which the inverse is selected.

    The graph is that of A + T T^T. Every column of T is a clique in it, so the selected inverse
    on its fill holds every B[s_i, s_i] that Inv-K needs.

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

    Raises
    ------
    CostError
        If a column of T is so long that the pairs of its entries do not fit into memory.
    """
    graph = inversion_graph(matrix, pattern)
    return analyse(graph, minimum_degree(graph))


def _column_lengths(pattern: LowerPattern) -> NDArray[np.float64]:
    return np.bincount(pattern.indices, minlength=pattern.n).astype(np.float64)


# Pairs of entries of one column of T that an estimate lists: for each entry of T and A, and more.
PAIRS, FEW_PAIRS = 64, 10**7


def estimate_cost(matrix: csr_array, pattern: LowerPattern) -> Cost:
    """Predict the cost of Inv-K from column counts, in time and memory of the order of A and T.

    Exact for the order that Inv-K takes, unless T has a few columns so long that the pairs of
    their entries alone would outgrow that memory: the order is then found without those pairs,
    the counts in that order are exact.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.
    pattern : LowerPattern
        Pattern of L.

    Returns
    -------
    Cost
        Entries, operations and bytes.

    Notes
    -----
    Every column of T is a clique of the graph that is eliminated. Its first node to be eliminated
    joins all others, so a star from that node has the same fill-in as the clique, with as many
    edges as T has entries.

    Examples
    --------
    >>> from precondbench.factors import estimate_cost, lower_pattern
    >>> from precondbench.matrices import lower_csr, poisson_1d, tridiagonal_csr
    >>> A, T = tridiagonal_csr(poisson_1d(100)), lower_pattern(lower_csr(poisson_1d(100)))
    >>> estimate_cost(A, T).factor_entries
    99
    """
    lengths = _column_lengths(pattern)
    ascending = np.sort(lengths)
    allowed = FEW_PAIRS + PAIRS * (pattern.nnz + matrix.nnz)
    fit = np.searchsorted(np.cumsum(ascending**2), allowed, "right")
    longest = float(ascending[fit - 1]) if fit else 0.0
    position = minimum_degree(inversion_graph(matrix, pattern, longest))
    colptr, rows, _ = pattern.columns()
    first = np.minimum.reduceat(position[rows], colptr[:-1])
    node = np.argsort(position)
    centres = np.repeat(node[first], np.diff(colptr))
    edges = (np.concatenate((centres, rows)), np.concatenate((rows, centres)))
    ones = csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
    graph = csr_array(ones + csr_array((np.ones(2 * rows.size), edges), shape=matrix.shape))
    counts = factor_counts(graph, position) - 1.0
    # Half a square a column to factor, one to invert; a third of a cube for each small block.
    operations = 1.5 * float(np.sum(counts**2)) + float(np.sum(lengths**3)) / 3.0
    entries = int(np.sum(counts))
    # Values and rows of the factor, pointers and workspaces by row, the largest block.
    memory = 12 * entries + 100 * pattern.n + 8 * int(lengths.max()) ** 2
    return Cost(entries, operations, memory)


METHODS = ("auto", "simplicial", "supernodal")
ORDERINGS = ("auto", "minimum-degree", "metis", "natural")

# Squares of column counts, summed. Dense blocks win from about 2e6 on; up to here the simplicial
# method takes less than a tenth of a second and has the same bits everywhere.
SUPERNODAL_FROM = 2e7
# The same for each row, from which METIS is tried where it is installed: its order takes three
# times as long as minimum degree, and saves half of the squares.
METIS_FROM = 6e4
# Below this many rows the simplicial method is chosen without an analysis.
SURELY_SMALL = 200


@dataclass(frozen=True)
class InversionPlan:
    """Method and elimination order of a selected inversion on the pattern ``graph``.

    ``position`` is the elimination step of each row, ``operations`` the squares of column counts
    of the factor, summed: half the multiply-add pairs of the inversion; NaN without an analysis.
    """

    method: str
    ordering: str
    graph: csr_array
    position: NDArray[np.int64]
    operations: float


def plan_inversion(
    matrix: csr_array, pattern: LowerPattern, method: str = "auto", ordering: str = "auto"
) -> InversionPlan:
    """Choose how to select the inverse of a matrix on a pattern; see ``invk`` for the settings."""
    for name, value, choices in (("method", method, METHODS), ("ordering", ordering, ORDERINGS)):
        if value not in choices:
            raise ConfigurationError(f"{name} is {value!r}; choose one of {', '.join(choices)}")
    graph = inversion_graph(matrix, pattern)
    n = pattern.n
    if ordering == "natural":
        position, origin = np.arange(n, dtype=np.int64), ordering
    elif ordering == "metis":
        position, origin = nested_dissection(graph), ordering
    else:
        position, origin = minimum_degree(graph), "minimum-degree"
    if n <= SURELY_SMALL and method != "supernodal":
        return InversionPlan("simplicial", origin, graph, position, float("nan"))
    work = operations(graph, position)
    chosen = method
    if method == "auto":
        chosen = "supernodal" if work >= SUPERNODAL_FROM else "simplicial"
    # Published labels are simplicial: their bits must not depend on other installed packages.
    if ordering == "auto" and chosen == "supernodal" and work >= METIS_FROM * n and has_metis():
        other = nested_dissection(graph)
        less = operations(graph, other)
        if less < work:
            position, origin, work = other, "metis", less
    return InversionPlan(chosen, origin, graph, position, work)


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
    """What Inv-K by the supernodal method is expected to take.

    ``entries`` are the numbers in the blocks of the factor, ``operations`` the squares of its
    column counts, summed, ``bytes`` the peak memory beyond A. ``seconds`` are those of one core;
    other machines differ by a factor, not by an order of magnitude.
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


def analysis_bytes(pattern: LowerPattern) -> int:
    """Memory that :func:`forecast_invk` may need itself, an upper bound from column counts."""
    pairs = float(np.sum(_column_lengths(pattern) ** 2))
    return int(BYTES_A_ROW * pattern.n + BYTES_A_NONZERO * pattern.nnz + BYTES_A_PAIR * pairs)


def forecast_invk(matrix: csr_array, pattern: LowerPattern, workers: int = 1) -> Forecast:
    """Order and analyse a matrix as ``invk`` does for large ones, and stop there."""
    plan = plan_inversion(matrix, pattern, method="supernodal")
    supernodes = find_supernodes(plan.graph, plan.position)
    entries = supernodes.entries
    # Each subtree passes a dense square on to its ancestors; a thread holds one at a time.
    heights = np.diff(supernodes.rowptr)
    squares = [float(heights[part[-1]]) ** 2 for part in split_tree(supernodes).parts]
    passed = sum(sorted(squares)[-workers:])
    memory = 8 * (SPARE * entries + passed)
    memory += BYTES_A_ROW * pattern.n + BYTES_A_PAIR * plan.graph.nnz
    return Forecast(
        entries=entries,
        operations=plan.operations,
        bytes=int(memory + BYTES_A_NONZERO * pattern.nnz),
        seconds=plan.operations / OPERATIONS_A_SECOND
        + entries * SECONDS_AN_ENTRY
        + float(np.sum(_column_lengths(pattern) ** 3)) / 3.0 / SMALL_OPERATIONS_A_SECOND,
    )
