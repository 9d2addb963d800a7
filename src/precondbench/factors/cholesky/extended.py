"""Cholesky factorisation with 32 digits, and the one decision whether a matrix is definite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.cholesky.simplicial import scale_symmetrically, scatter_row
from precondbench.factors.cholesky.twofold import add, divide, multiply
from precondbench.factors.symbolic.ordering import minimum_degree
from precondbench.factors.symbolic.tree import SymbolicFactor, analyse, operations, row_structure
from precondbench.matrices import power_of_two_scaling

Twofold = tuple[NDArray[np.float64], NDArray[np.float64]]

# A relative error that may have this size is looked into; a warning is given from 1e-4 on.
DOUBTFUL = 1e-6
TERMS = 16
# Squares of column counts, summed: about two seconds with 32 digits.
AFFORDABLE = 1e8
# Pivots below this, of a diagonal of order one, are rounding errors of 32 digits.
SMALLEST_PIVOT = 2.0**-84


@kernel
def _factorise(  # type: ignore[no-untyped-def]
    a_indptr, a_indices, a_data, order, position, indptr, indices, parent, colptr, rows, smallest
):
    """Up-looking L D L^T as in ``simplicial``, every number a sum of two."""
    n = parent.size
    values = np.zeros(rows.size, np.float64)
    values_low = np.zeros(rows.size, np.float64)
    pivots = np.zeros(n, np.float64)
    pivots_low = np.zeros(n, np.float64)
    filled = colptr[:-1].copy()
    work = np.zeros(n, np.float64)
    work_low = np.zeros(n, np.float64)
    mark = np.full(n, -1, np.int32)
    path = np.empty(n, np.int32)
    stack = np.empty(n, np.int32)
    for i in range(n):
        old = order[i]
        whole = scatter_row(i, old, a_indptr, a_indices, a_data, position, work)
        pivot, pivot_low = whole, 0.0
        top = row_structure(i, indptr, indices, parent, mark, path, stack)
        for t in range(top, n):
            k = stack[t]
            y, y_low = work[k], work_low[k]
            work[k], work_low[k] = 0.0, 0.0
            for p in range(colptr[k], filled[k]):
                r = rows[p]
                z, z_low = multiply(values[p], values_low[p], y, y_low)
                work[r], work_low[r] = add(work[r], work_low[r], -z, -z_low)
            ratio, ratio_low = divide(y, y_low, pivots[k], pivots_low[k])
            z, z_low = multiply(ratio, ratio_low, y, y_low)
            pivot, pivot_low = add(pivot, pivot_low, -z, -z_low)
            values[filled[k]], values_low[filled[k]] = ratio, ratio_low
            filled[k] += 1
        if not (pivot > smallest * whole and pivot < np.inf):
            return values, values_low, pivots, pivots_low, i
        pivots[i], pivots_low[i] = pivot, pivot_low
    return values, values_low, pivots, pivots_low, -1


def factorise_extended(
    matrix: csr_array, symbolic: SymbolicFactor, smallest: float = 0.0
) -> tuple[Twofold, Twofold]:
    """As ``factorise``, with 32 digits: the unit factor and the pivots, each a high and a low part.

    BreakdownError at the first pivot that is not above ``smallest`` times its diagonal entry.
    """
    order = np.empty_like(symbolic.position)
    order[symbolic.position] = np.arange(order.size)
    *pairs, failed = _factorise(
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
        smallest,
    )
    if failed >= 0:
        column = int(order[failed])
        raise BreakdownError(
            f"the matrix is not positive definite: Cholesky with 32 digits met a pivot that is "
            f"not positive, or zero to 25 digits, at column {column}; check the matrix, or add a "
            "multiple of its diagonal",
            column,
        )
    values, values_low, pivots, pivots_low = pairs
    return (values, values_low), (pivots, pivots_low)


def rounding_bound(matrix: csr_array, inverse_diagonal: NDArray[np.float64]) -> float:
    """Bound of the relative error that rounding in Cholesky makes in A^-1, pivots and Inv-K.

    To first order: 16 eps ||H|| trace(H^-1), H being A scaled to a unit diagonal, with the row-sum
    norm; 16 stands for the terms of a sum, of which there may be more or fewer, and
    trace(H^-1) = sum_i A_ii (A^-1)_ii is at least the norm of H^-1 (Demmel 1989; Higham 2002,
    chapter 10). It does not depend on how A is scaled. Where A is singular to working precision
    the computed inverse is of the order of 1 / eps or not positive, so the bound is of order 1 or
    infinite.
    """
    diagonal = matrix.diagonal()
    if not (np.all(inverse_diagonal > 0.0) and np.all(np.isfinite(inverse_diagonal))):
        return float("inf")
    root = np.sqrt(diagonal)
    rows = np.repeat(np.arange(root.size), np.diff(matrix.indptr))
    scaled = np.abs(matrix.data) / root[rows] / root[matrix.indices]
    norm = float(np.max(np.bincount(rows, scaled)))
    return float(TERMS * np.finfo(np.float64).eps * norm * np.sum(diagonal * inverse_diagonal))


def decide_definiteness(matrix: csr_array, cause: BreakdownError | None = None) -> None:
    """BreakdownError if a matrix is not positive definite, to 25 digits.

    Whoever doubts it asks here, and not his own factorisation in an order of its own, so that
    all functions agree: 32 digits, in the minimum-degree order of A. ``cause`` is what went wrong
    in double precision; it is raised if the factorisation takes too much work to be repeated.
    """
    position = minimum_degree(matrix)
    if operations(matrix, position) > AFFORDABLE:
        if cause is not None:
            raise cause
        return
    scaled = scale_symmetrically(matrix, power_of_two_scaling(matrix.diagonal()))
    factorise_extended(scaled, analyse(matrix, position), SMALLEST_PIVOT)
