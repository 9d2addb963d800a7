"""Which method inverts, and in which order: chosen from the symbolic analysis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import ConfigurationError
from precondbench.factors.cost import inversion_graph
from precondbench.factors.elimination_tree import column_counts, postordered
from precondbench.factors.ordering import has_metis, minimum_degree, nested_dissection
from precondbench.factors.pattern import LowerPattern

__all__ = ["METHODS", "ORDERINGS", "InversionPlan", "plan_inversion"]

METHODS = ("auto", "simplicial", "supernodal")
ORDERINGS = ("auto", "minimum-degree", "metis", "natural")

# Squares of column counts, summed. Dense blocks win from about 2e6 on; up to here the simplicial
# way takes less than a tenth of a second and has the same bits everywhere.
SUPERNODAL_FROM = 2e7
# From here METIS, which takes ten times as long as minimum degree, is given a try if it is there.
METIS_FROM = 2e9
# Below this many rows no analysis is needed to know that the simplicial way is right.
SURELY_SMALL = 200


@dataclass(frozen=True)
class InversionPlan:
    """A method, an order and what they will cost.

    Attributes
    ----------
    method : {"simplicial", "supernodal"}
        How to factorise and invert.
    ordering : {"minimum-degree", "metis", "natural"}
        Where the order comes from.
    graph : scipy.sparse.csr_array
        Pattern on which the inverse is selected.
    position : numpy.ndarray
        int64 (n,): elimination step of each row.
    operations : float
        Squares of column counts of the factor, summed: half the multiply-add pairs of the
        inversion. NaN where no analysis was needed.
    """

    method: str
    ordering: str
    graph: csr_array
    position: NDArray[np.int64]
    operations: float


def _operations(graph: csr_array, position: NDArray[np.int64]) -> float:
    _, parent, colptr, below = postordered(graph, position)
    counts: NDArray[np.int64] = column_counts(parent, colptr, below)
    return float(np.sum(counts.astype(np.float64) ** 2))


def plan_inversion(
    matrix: csr_array, pattern: LowerPattern, method: str = "auto", ordering: str = "auto"
) -> InversionPlan:
    """Choose how to select the inverse of a matrix on a pattern.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.
    pattern : LowerPattern
        Pattern of L.
    method : {"auto", "simplicial", "supernodal"}
        ``auto``: simplicial where that takes less than about a tenth of a second.
    ordering : {"auto", "minimum-degree", "metis", "natural"}
        Order of elimination inside the computation; the pattern keeps the order of the matrix.
        ``auto``: minimum degree; for large work METIS, if pymetis is installed and does less.

    Returns
    -------
    InversionPlan
        The choice.

    Raises
    ------
    ConfigurationError
        If a name does not exist, or METIS is asked for and not installed.

    Examples
    --------
    >>> from precondbench.factors import lower_pattern, plan_inversion
    >>> from precondbench.matrices import lower_csr, poisson_1d, symmetric_csr
    >>> plan = plan_inversion(
    ...     symmetric_csr(poisson_1d(9)), lower_pattern(lower_csr(poisson_1d(9)))
    ... )
    >>> plan.method, plan.ordering
    ('simplicial', 'minimum-degree')
    """
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
    operations = _operations(graph, position)
    chosen = method
    if method == "auto":
        chosen = "supernodal" if operations >= SUPERNODAL_FROM else "simplicial"
    # The bits of the simplicial way are published: they never depend on what else is installed.
    if ordering == "auto" and chosen == "supernodal" and operations >= METIS_FROM and has_metis():
        other = nested_dissection(graph)
        less = _operations(graph, other)
        if less < operations:
            position, origin, operations = other, "metis", less
    return InversionPlan(chosen, origin, graph, position, operations)
