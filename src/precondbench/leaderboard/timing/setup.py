"""What the setup of classical methods does, counted from its structure."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.factors import (
    LowerPattern,
    estimate_cost,
    factor_counts,
    lower_pattern,
    minimum_degree,
    patch_costs,
    pattern_of,
)
from precondbench.leaderboard.timing.work import Work, work_of_chain, work_of_product
from precondbench.solvers import Deflation, FactoredPreconditioner, OverlappingPatches, VCycle

# Bytes of an entry: a float64 and an index.
_ENTRY = 12
# Readings of A by checks of the input, scaling, and taking its lower triangle.
_READINGS = 12
# Readings of a level of a hierarchy beside its products: strength, aggregates, smoothing, sorting;
# and how many functions do so.
_COARSENING = 30
# Functions of SciPy and of this library that cut a part in two.
_CALLS_OF_A_CUT = 15


def nothing(A: csr_array, M: Any) -> Work:
    """No preconditioner."""
    return Work()


def reading(A: csr_array, M: Any) -> Work:
    """A is read, checked and copied."""
    return Work(_READINGS * work_of_product(A).bytes)


def incomplete(A: csr_array, M: Any) -> Work:
    """Incomplete factorisation on the pattern of M: each entry is a product of two rows."""
    pattern = _pattern(M)
    steps = int(_walks(pattern.indptr, pattern.indices))
    chain = work_of_chain(pattern)
    # An entry waits for those before it in its row.
    own = Work(_ENTRY * (steps + pattern.nnz), pattern.nnz - pattern.n, chain.levels, steps)
    return reading(A, M) + own


def incomplete_after_rcm(A: csr_array, M: Any) -> Work:
    """The same after a breadth-first search and a permutation."""
    return incomplete(A, M) + reading(A, M)


def incomplete_after_minimum_degree(A: csr_array, M: Any) -> Work:
    """The same after an order whose quotient graph has at most the entries of the factor."""
    counts = factor_counts(A, M.position) - 1.0
    return incomplete(A, M) + reading(A, M) + _ordering(counts)


def selected_inversion(A: csr_array, M: Any) -> Work:
    """Inv-K: order, factor, and the inverse on the pattern of the factor."""
    cost = estimate_cost(A, pattern_of(A, "tril"))
    moved = _ENTRY * 4 * cost.factor_entries
    inverted = Work(moved, cost.factor_entries, dense=int(cost.operations))
    return reading(A, M) + _ordering(_counts(A)) + inverted


def patches_of_three_hops(A: csr_array, M: Any) -> Work:
    """Local-patch Inv-K: a factorisation for every column."""
    colptr, rows, _ = pattern_of(A, "tril").columns()
    n = A.shape[0]
    work, _ = patch_costs(0, n, colptr, rows, A.indptr, A.indices, 3, np.inf)
    return reading(A, M) + Work(0, 0, 0, int(np.sum(work)))


def rows_of_inverse(A: csr_array, M: Any) -> Work:
    """FSAI: a dense factorisation for every row."""
    sizes = np.diff(pattern_of(A, "tril").indptr).astype(np.float64)
    gathered = int(sizes @ np.diff(A.indptr))
    return reading(A, M) + Work(_ENTRY * gathered, 0, 0, int(np.sum(sizes**3 / 6.0 + sizes**2)))


def least_squares(A: csr_array, M: Any) -> Work:
    """SPAI: a dense least-squares problem for every column."""
    sizes = np.diff(A.indptr).astype(np.float64)
    touched = np.diff((A @ A).indptr)
    return reading(A, M) + Work(_ENTRY * int(touched @ sizes), 0, 0, int(touched @ sizes**2))


def bounds(A: csr_array, M: Any) -> Work:
    """Chebyshev: products with |A| that bound the spectrum."""
    return reading(A, M) + work_of_product(A).times(10)


def hierarchy(A: csr_array, M: VCycle) -> Work:
    """AMG: products of three matrices a level."""
    total = reading(A, M)
    for fine, P in M.levels:
        products = _products(fine, P) + _products(csr_array(P.T), csr_array(fine @ P))
        moved = _COARSENING * _ENTRY * (fine.nnz + P.nnz) + 2 * _ENTRY * products
        total += Work(moved, operations=2 * products, calls=_COARSENING)
    return total


def deflated(A: csr_array, M: Deflation) -> Work:
    """Deflation around IC(0): A W, W^T A W and its factor."""
    return incomplete(A, M.M) + _coarse_space(A, M)


def patches(A: csr_array, M: Any) -> Work:
    """Additive Schwarz: factors of all patches, and of the coarse space."""
    inner = M.M if isinstance(M, Deflation) else M
    total = reading(A, M)
    if isinstance(M, Deflation):
        total += _coarse_space(A, M)
    if isinstance(inner, OverlappingPatches):
        counts = np.diff(inner.factor.pattern.columns()[0]) - 1.0
        total += _ordering(counts) + _factorisation(counts)
    return total


def exact(A: csr_array, M: Any) -> Work:
    """A direct solver: order and factor."""
    counts = _counts(A)
    return reading(A, M) + _ordering(counts) + _factorisation(counts)


def _coarse_space(A: csr_array, M: Deflation) -> Work:
    """Parts of the graph by bisection, A W, W^T A W and its factor."""
    parts = max(M.W.shape[1], 1)
    cut = work_of_product(A).times(_READINGS * math.ceil(math.log2(parts) + 1))
    products = _products(A, M.W) + _products(csr_array(M.W.T), M.AW)
    coarse = exact(csr_array(M.W.T @ M.AW), None)
    halves = Work(cut.bytes, calls=_CALLS_OF_A_CUT * (parts - 1))
    return halves + coarse + Work(_ENTRY * 2 * products, operations=products)


def _counts(A: csr_array) -> NDArray[np.float64]:
    """Entries below the diagonal of each column of the factor, in minimum-degree order."""
    return factor_counts(A, minimum_degree(A)) - 1.0


def _ordering(counts: NDArray[np.float64]) -> Work:
    return Work(_ENTRY * int(np.sum(counts)))


def _factorisation(counts: NDArray[np.float64]) -> Work:
    entries = int(np.sum(counts))
    return Work(2 * _ENTRY * entries, entries, 0, int(0.5 * np.sum(counts**2)))


def _products(A: csr_array, B: csr_array) -> int:
    """Multiply-adds of A B."""
    return int(np.sum(np.diff(B.indptr).astype(np.int64)[A.indices]))


def _pattern(M: Any) -> LowerPattern:
    return M.pattern if isinstance(M, FactoredPreconditioner) else lower_pattern(M)


@kernel
def _walks(indptr, indices):  # type: ignore[no-untyped-def]
    """Entries of rows that incomplete factorisation walks along, one row for each entry."""
    total = 0
    for p in range(indices.size):
        total += indptr[indices[p] + 1] - indptr[indices[p]]
    return total
