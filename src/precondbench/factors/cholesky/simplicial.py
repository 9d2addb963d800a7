"""Sparse Cholesky factorisation A = L D L^T of a permuted matrix, simplicial and up-looking."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.symbolic.tree import SymbolicFactor, row_structure


def scale_symmetrically(matrix: csr_array, scale: NDArray[np.float64]) -> csr_array:
    """Return S A S on the same pattern for a vector s that scales A to a diagonal of order one.

    BreakdownError if an entry overflows, as none of a positive definite matrix does: |A_ij| is
    below sqrt(A_ii A_jj).
    """
    with np.errstate(over="ignore"):
        data = matrix.data * scale[matrix.indices]
        data *= np.repeat(scale, np.diff(matrix.indptr))
    if not np.all(np.isfinite(data)):
        first = int(np.flatnonzero(~np.isfinite(data))[0])
        row = int(np.searchsorted(matrix.indptr, first, side="right")) - 1
        column = int(matrix.indices[first])
        raise BreakdownError(
            f"the matrix is not positive definite: entry ({row}, {column}) is "
            f"{matrix.data[first]:.6g}, beyond the root of the product of its diagonal entries; "
            "check the matrix",
            max(row, column),
        )
    return csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape)


def not_positive_definite(order: NDArray[np.int64], step: int) -> BreakdownError:
    """Error for a pivot that is not positive in some step of a Cholesky factorisation."""
    column = int(order[step])
    return BreakdownError(
        f"the matrix is not positive definite in double precision: Cholesky met a pivot that "
        f"is not positive at column {column}; check the matrix, or add a multiple of its "
        "diagonal",
        column,
    )


@kernel
def scatter_row(i, old, indptr, indices, data, position, work):  # type: ignore[no-untyped-def]
    """Entries of row ``old`` of A before step i into ``work``; returns the one of step i."""
    diagonal = 0.0
    for p in range(indptr[old], indptr[old + 1]):
        k = position[indices[p]]
        if k < i:
            work[k] = data[p]
        elif k == i:
            diagonal = data[p]
    return diagonal


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
        pivot = scatter_row(i, old, a_indptr, a_indices, a_data, position, work)
        top = row_structure(i, indptr, indices, parent, mark, path, stack)
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
    """Numeric factorisation: strictly lower entries of the unit factor by columns, and pivots D.

    LDL^T needs no square root and each product is scaled exactly by powers of two, so
    A -> S A S changes no significand when S holds powers of two. BreakdownError at the first
    pivot that is not positive and finite.
    """
    order = np.empty_like(symbolic.position)
    order[symbolic.position] = np.arange(order.size)
    a = (matrix.indptr, matrix.indices, matrix.data)
    graph = (symbolic.upper_indptr, symbolic.upper_indices)
    values, pivots, failed = _factorise(
        *a, order, symbolic.position, *graph, symbolic.parent, symbolic.colptr, symbolic.rows
    )
    if failed >= 0:
        raise not_positive_definite(order, failed)
    return values, pivots


@kernel
def _solve_ldl(colptr, rows, values, pivots, x):  # type: ignore[no-untyped-def]
    """Overwrite each column of X, the rows in elimination order; a row of X is in one place."""
    n, count = x.shape
    own = np.empty(count, np.float64)
    for j in range(n):
        own[:] = x[j]
        for p in range(colptr[j], colptr[j + 1]):
            i, value = rows[p], values[p]
            for c in range(count):
                x[i, c] -= value * own[c]
    for j in range(n - 1, -1, -1):
        for c in range(count):
            own[c] = x[j, c] / pivots[j]
        for p in range(colptr[j], colptr[j + 1]):
            i, value = rows[p], values[p]
            for c in range(count):
                own[c] -= value * x[i, c]
        x[j] = own


def solve_ldl(
    symbolic: SymbolicFactor,
    values: NDArray[np.float64],
    pivots: NDArray[np.float64],
    right: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Solve A X = B for B of shape (n, s), with the factor of :func:`factorise`."""
    x = np.empty_like(right)
    x[symbolic.position] = right
    _solve_ldl(symbolic.colptr, symbolic.rows, values, pivots, x)
    return x[symbolic.position]
