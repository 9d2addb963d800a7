"""ICT: incomplete Cholesky with a drop tolerance."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from precondbench._internal import kernel, real_number, whole_number
from precondbench.factors.cholesky.simplicial import scale_symmetrically
from precondbench.factors.incomplete.ic import broken_down
from precondbench.factors.patterns.triangular import from_columns
from precondbench.matrices import check_spd_candidate, power_of_two_scaling


@kernel
def _ict(a_indptr, a_indices, a_data, tolerance, most):  # type: ignore[no-untyped-def]
    """Columns of L one after the other, left-looking; small entries are dropped when done."""
    n = a_indptr.size - 1
    capacity = max(4 * n, 2 * a_indices.size)
    rows = np.empty(capacity, np.int32)
    values = np.empty(capacity, np.float64)
    colptr = np.zeros(n + 1, np.int64)
    # Columns whose next row is j form a list that starts at waiting[j].
    waiting = np.full(n, -1, np.int32)
    following = np.full(n, -1, np.int32)
    cursor = np.zeros(n, np.int64)
    work = np.zeros(n, np.float64)
    mark = np.full(n, -1, np.int32)
    touched = np.empty(n, np.int32)
    for j in range(n):
        count = 0
        norm = 0.0
        pivot = 0.0
        for p in range(a_indptr[j], a_indptr[j + 1]):
            i = a_indices[p]
            norm += abs(a_data[p])
            if i == j:
                pivot = a_data[p]
            elif i > j:
                work[i] = a_data[p]
                mark[i] = j
                touched[count] = i
                count += 1
        k = waiting[j]
        while k != -1:
            after = following[k]
            q = cursor[k]
            ljk = values[q]
            pivot -= ljk * ljk
            for p in range(q + 1, colptr[k + 1]):
                i = rows[p]
                if mark[i] != j:
                    mark[i] = j
                    work[i] = 0.0
                    touched[count] = i
                    count += 1
                work[i] -= values[p] * ljk
            if q + 1 < colptr[k + 1]:
                cursor[k] = q + 1
                following[k] = waiting[rows[q + 1]]
                waiting[rows[q + 1]] = k
            k = after
        if not (pivot > 0.0 and pivot < np.inf):
            return colptr, rows, values, j
        root = np.sqrt(pivot)
        kept = 0
        for t in range(count):
            i = touched[t]
            if abs(work[i]) > tolerance * norm:
                touched[kept] = i
                kept += 1
        if kept > most:
            # The largest; of equals those of smaller row.
            chosen = touched[:kept].copy()
            chosen.sort()
            sizes = np.empty(kept, np.float64)
            for t in range(kept):
                sizes[t] = -abs(work[chosen[t]])
            order = np.argsort(sizes, kind="mergesort")
            for t in range(most):
                touched[t] = chosen[order[t]]
            kept = most
        chosen = touched[:kept]
        chosen.sort()
        start = colptr[j]
        if start + kept + 1 > capacity:
            capacity = 2 * (start + kept + 1)
            rows = np.concatenate((rows, np.empty(capacity - rows.size, np.int32)))
            values = np.concatenate((values, np.empty(capacity - values.size, np.float64)))
        rows[start] = j
        values[start] = root
        for t in range(kept):
            rows[start + 1 + t] = chosen[t]
            values[start + 1 + t] = work[chosen[t]] / root
        colptr[j + 1] = start + kept + 1
        if kept > 0:
            cursor[j] = start + 1
            following[j] = waiting[chosen[0]]
            waiting[chosen[0]] = j
    return colptr, rows, values, -1


def ict(A: Any, drop_tolerance: float = 1e-2, most: int | None = None) -> csr_array:
    """Incomplete Cholesky with a drop tolerance and a bound on the entries of a column.

    An entry of a column is dropped, when the column is finished, unless it exceeds
    ``drop_tolerance`` times the 1-norm of that column of A (Saad 2003, section 10.4, in the
    symmetric form of Jones and Plassmann 1995), A being scaled by powers of two to a diagonal of
    order one. Of those left at most ``most`` are kept, the largest.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    drop_tolerance : float
        At least 0; 0 gives the exact factor.
    most : int, optional
        Entries below the diagonal in a column; by default no bound.

    Returns
    -------
    scipy.sparse.csr_array
        L, lower triangular, float64, columns sorted (diagonal last in a row). Its pattern may be
        given to ``invk``.

    Raises
    ------
    MatrixError
        If A cannot be used.
    ConfigurationError
        If a setting is not a number, not finite or negative, or ``most`` not an integer.
    BreakdownError
        If a pivot is not positive; carries the column.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import ict
    >>> from precondbench.matrices import formula_matrix
    >>> A = formula_matrix("HB/gr_30_30")
    >>> [ict(A, tolerance).nnz for tolerance in (0.05, 0.01, 0.001)]
    [4322, 5946, 10737]
    """
    tolerance = real_number("drop_tolerance", drop_tolerance)
    matrix = check_spd_candidate(A, "A")
    n = matrix.shape[0]
    bound = n if most is None else min(n, whole_number("most", most))
    scale = power_of_two_scaling(matrix.diagonal())
    scaled = scale_symmetrically(matrix, scale)
    colptr, rows, values, column = _ict(
        scaled.indptr, scaled.indices, scaled.data, tolerance, bound
    )
    if column >= 0:
        raise broken_down(
            "ICT",
            column,
            "lower drop_tolerance, shift the diagonal, or use invk on a pattern of your choice",
        )
    used = int(colptr[n])
    factor, position = from_columns(colptr, rows[:used])
    result = values[:used][position]
    result /= np.repeat(scale, np.diff(factor.indptr))
    return factor.csr(result)
