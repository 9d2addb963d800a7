"""Sparse Cholesky factorisation A = L D L^T of a permuted matrix, simplicial and up-looking."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.errors import BreakdownError


@dataclass(frozen=True)
class SymbolicFactor:
    """Pattern of the strictly lower triangle of L, by columns, in elimination order.

    Attributes
    ----------
    position : numpy.ndarray
        int64 (n,): position[i] is the step in which row i of A is eliminated.
    parent : numpy.ndarray
        int32 (n,): elimination tree, -1 at roots.
    colptr : numpy.ndarray
        int64 (n + 1,).
    rows : numpy.ndarray
        int32 (nnz,), ascending within a column.
    upper_indptr, upper_indices : numpy.ndarray
        The permuted graph's entries with column < row, by rows.
    """

    position: NDArray[np.int64]
    parent: NDArray[np.int32]
    colptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    upper_indptr: NDArray[np.int64]
    upper_indices: NDArray[np.int32]

    @property
    def nnz(self) -> int:
        """Entries below the diagonal of L."""
        return int(self.rows.size)


@kernel
def permute_lower(indptr, indices, position):  # type: ignore[no-untyped-def]
    """Entries (i, j), j < i, of the symmetrically permuted pattern by rows, unsorted in a row."""
    n = indptr.size - 1
    start = np.zeros(n + 1, np.int64)
    for i in range(n):
        pi = position[i]
        for p in range(indptr[i], indptr[i + 1]):
            if position[indices[p]] < pi:
                start[pi + 1] += 1
    for i in range(n):
        start[i + 1] += start[i]
    out = np.empty(start[n], np.int32)
    for i in range(n):
        pi = position[i]
        q = start[pi]
        for p in range(indptr[i], indptr[i + 1]):
            pj = position[indices[p]]
            if pj < pi:
                out[q] = pj
                q += 1
    return start, out


@kernel
def elimination_tree(indptr, indices):  # type: ignore[no-untyped-def]
    """Parent of each column, -1 at roots (Liu 1986)."""
    n = indptr.size - 1
    parent = np.full(n, -1, np.int32)
    ancestor = np.full(n, -1, np.int32)
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            k = indices[p]
            while k != -1 and k < i:
                following = ancestor[k]
                ancestor[k] = i
                if following == -1:
                    parent[k] = i
                k = following
    return parent


@kernel
def _column_structure(indptr, indices, parent):  # type: ignore[no-untyped-def]
    """Row i of L is the union of the tree paths from the entries of row i of A up to i."""
    n = parent.size
    colptr = np.zeros(n + 1, np.int64)
    mark = np.full(n, -1, np.int32)
    for i in range(n):
        mark[i] = i
        for p in range(indptr[i], indptr[i + 1]):
            k = indices[p]
            while mark[k] != i:
                colptr[k + 1] += 1
                mark[k] = i
                k = parent[k]
    for j in range(n):
        colptr[j + 1] += colptr[j]
    cursor = colptr[:-1].copy()
    rows = np.empty(colptr[n], np.int32)
    mark[:] = -1
    for i in range(n):
        mark[i] = i
        for p in range(indptr[i], indptr[i + 1]):
            k = indices[p]
            while mark[k] != i:
                rows[cursor[k]] = i
                cursor[k] += 1
                mark[k] = i
                k = parent[k]
    return colptr, rows


def analyse(graph: csr_array, position: NDArray[np.int64]) -> SymbolicFactor:
    """Symbolic factorisation of a symmetric pattern in a given order.

    Parameters
    ----------
    graph : scipy.sparse.csr_array
        Symmetric pattern (values are ignored) that contains the pattern of A.
    position : numpy.ndarray
        Elimination order, see :func:`precondbench.factors.minimum_degree`.

    Returns
    -------
    SymbolicFactor
        Elimination tree and column structure, O(nnz(L)) time.
    """
    indptr, indices = permute_lower(graph.indptr, graph.indices, position)
    parent = elimination_tree(indptr, indices)
    colptr, rows = _column_structure(indptr, indices, parent)
    return SymbolicFactor(position, parent, colptr, rows, indptr, indices)


@kernel
def _factorise(  # type: ignore[no-untyped-def]
    a_indptr, a_indices, a_data, order, position, indptr, indices, parent, colptr, rows
):
    n = parent.size
    values = np.zeros(rows.size, np.float64)
    pivots = np.zeros(n, np.float64)
    filled = colptr[:-1].copy()
    work = np.zeros(n, np.float64)
    mark = np.full(n, -1, np.int32)
    path = np.empty(n, np.int32)
    stack = np.empty(n, np.int32)
    for i in range(n):
        old = order[i]
        pivot = 0.0
        for p in range(a_indptr[old], a_indptr[old + 1]):
            k = position[a_indices[p]]
            if k < i:
                work[k] = a_data[p]
            elif k == i:
                pivot = a_data[p]
        # Row structure in topological order: descendants before ancestors.
        top = n
        mark[i] = i
        for p in range(indptr[i], indptr[i + 1]):
            length = 0
            k = indices[p]
            while mark[k] != i:
                path[length] = k
                length += 1
                mark[k] = i
                k = parent[k]
            while length > 0:
                length -= 1
                top -= 1
                stack[top] = path[length]
        for t in range(top, n):
            k = stack[t]
            y = work[k]
            work[k] = 0.0
            for p in range(colptr[k], filled[k]):
                work[rows[p]] -= values[p] * y
            ratio = y / pivots[k]
            pivot -= ratio * y
            values[filled[k]] = ratio
            filled[k] += 1
        if not (pivot > 0.0 and pivot < np.inf):
            return values, pivots, i
        pivots[i] = pivot
    return values, pivots, -1


def factorise(
    matrix: csr_array, symbolic: SymbolicFactor
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Numeric factorisation: unit lower L by columns, and the pivots D.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Symmetric, with a pattern inside the one analysed.
    symbolic : SymbolicFactor
        Result of :func:`analyse`.

    Returns
    -------
    values : numpy.ndarray
        float64 (symbolic.nnz,): strictly lower entries of the unit factor.
    pivots : numpy.ndarray
        float64 (n,), all positive, in elimination order.

    Raises
    ------
    BreakdownError
        At the first pivot that is not positive and finite: the matrix is not positive definite
        in double precision. ``column`` is in the order of the matrix as given.

    Notes
    -----
    LDL^T needs no square root and each product is scaled exactly by powers of two, so
    A -> S A S changes no significand when S holds powers of two.
    """
    order = np.empty_like(symbolic.position)
    order[symbolic.position] = np.arange(order.size)
    values, pivots, failed = _factorise(
        matrix.indptr,
        matrix.indices,
        matrix.data,
        order,
        symbolic.position,
        symbolic.upper_indptr,
        symbolic.upper_indices,
        symbolic.parent,
        symbolic.colptr,
        symbolic.rows,
    )
    if failed >= 0:
        column = int(order[failed])
        raise BreakdownError(
            f"the matrix is not positive definite in double precision: Cholesky met a pivot that "
            f"is not positive at column {column}; check the matrix, or add a multiple of its "
            "diagonal",
            column,
        )
    return values, pivots


@kernel
def _solve_ldl(position, colptr, rows, values, pivots, right, out):  # type: ignore[no-untyped-def]
    n = pivots.size
    x = np.empty(n, np.float64)
    for c in range(right.shape[0]):
        for i in range(n):
            x[position[i]] = right[c, i]
        for j in range(n):
            for p in range(colptr[j], colptr[j + 1]):
                x[rows[p]] -= values[p] * x[j]
        for j in range(n - 1, -1, -1):
            total = x[j] / pivots[j]
            for p in range(colptr[j], colptr[j + 1]):
                total -= values[p] * x[rows[p]]
            x[j] = total
        for i in range(n):
            out[c, i] = x[position[i]]


def solve_ldl(
    symbolic: SymbolicFactor,
    values: NDArray[np.float64],
    pivots: NDArray[np.float64],
    right: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve A X = B for right-hand sides given as rows, with the factor of :func:`factorise`."""
    out = np.empty_like(right)
    _solve_ldl(symbolic.position, symbolic.colptr, symbolic.rows, values, pivots, right, out)
    return out
