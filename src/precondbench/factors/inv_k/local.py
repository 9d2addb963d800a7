"""Inv-K from patches of the graph: every column from the part of A within k hops of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel, real_number, whole_number
from precondbench.errors import BreakdownError, CostError
from precondbench.factors.inv_k.columns import by_pieces, invk_values
from precondbench.factors.inverse.plan import estimate_cost
from precondbench.factors.inverse.simplicial import selected_inverse
from precondbench.factors.patterns.triangular import LowerPattern, matrix_and_pattern

PANEL = 4
# Below this, patches that hold a whole component are cheaper than a selected inverse.
CHEAP = 1e8
# Work is counted up to so many times what is allowed; large graphs of small diameter have far more.
COUNTED = 100.0
INDEFINITE = (
    "local-patch Inv-K broke down at column {column}: a principal submatrix of A is not positive "
    "definite in double precision"
)


@kernel
def grow_patch(seeds, hops, a_indptr, a_indices, mark, stamp, queue):  # type: ignore[no-untyped-def]
    """Breadth-first search from the seeds; returns the size, and whether all neighbours are in."""
    count = seeds.size
    for t in range(count):
        queue[t] = seeds[t]
        mark[seeds[t]] = stamp
    begin = 0
    for _ in range(hops):
        end = count
        for t in range(begin, end):
            for p in range(a_indptr[queue[t]], a_indptr[queue[t] + 1]):
                node = a_indices[p]
                if mark[node] != stamp:
                    mark[node] = stamp
                    queue[count] = node
                    count += 1
        if count == end:
            return count, True
        begin = end
    for t in range(begin, count):
        for p in range(a_indptr[queue[t]], a_indptr[queue[t] + 1]):
            if mark[a_indices[p]] != stamp:
                return count, False
    return count, True


@kernel
def envelope(m, count, a_indptr, a_indices, queue, slot, offset, end):  # type: ignore[no-untyped-def]
    """Number the patch without its seeds, far rows first; find the envelope of its factor.

    Column j of the factor reaches to row end[j]; returns the multiply-add pairs to compute it.
    """
    interior = count - m
    for t in range(m, count):
        slot[queue[t]] = count - 1 - t
    furthest = 0
    for j in range(interior):
        node = queue[count - 1 - j]
        furthest = max(furthest, j)
        for p in range(a_indptr[node], a_indptr[node + 1]):
            furthest = max(furthest, slot[a_indices[p]])
        end[j] = furthest
    # Columns of a panel reach equally far, so that they can be used together.
    total = 0
    work = 0.0
    for j in range(interior):
        end[j] = end[min(j - j % PANEL + PANEL - 1, interior - 1)]
        offset[j] = total
        width = end[j] - j + 1
        total += width
        work += 0.5 * width * width
    offset[interior] = total
    return work


@kernel
def forget(m, count, queue, slot):  # type: ignore[no-untyped-def]
    """Undo the numbering of :func:`envelope`."""
    for t in range(m, count):
        slot[queue[t]] = -1


@kernel
def patch_costs(  # type: ignore[no-untyped-def]
    first, last, colptr, rows, a_indptr, a_indices, hops, most
):
    """Work of each column, and whether its patch is a whole component of the graph.

    Columns after ``most`` work on other patches are left out.
    """
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    slot = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int32)
    offset = np.empty(n + 1, np.int64)
    end = np.empty(n, np.int64)
    work = np.zeros(last - first, np.float64)
    whole = np.zeros(last - first, np.bool_)
    total = 0.0
    for i in range(first, last):
        if total > most:
            break
        m = colptr[i + 1] - colptr[i]
        seeds = rows[colptr[i] : colptr[i + 1]]
        count, complete = grow_patch(seeds, hops, a_indptr, a_indices, mark, i, queue)
        work[i - first] = envelope(m, count, a_indptr, a_indices, queue, slot, offset, end)
        whole[i - first] = complete
        if not complete:
            total += work[i - first]
        forget(m, count, queue, slot)
    return work, whole


@kernel
def factorise_envelope(interior, offset, end, band):  # type: ignore[no-untyped-def]
    """Cholesky by panels of columns in place; an entry is updated in the order of the columns."""
    for first in range(0, interior, PANEL):
        last = min(first + PANEL, interior)
        reach = end[first]
        for j in range(first, last):
            base = offset[j] - j
            for k in range(first, j):
                factor = band[offset[k] - k + j]
                source = band[offset[k] - k + j : offset[k] - k + reach + 1]
                target = band[base + j : base + reach + 1]
                for t in range(target.size):
                    target[t] -= factor * source[t]
            pivot = band[base + j]
            if not (pivot > 0.0 and pivot < np.inf):
                return j
            root = np.sqrt(pivot)
            band[base + j] = root
            for t in range(j + 1, reach + 1):
                band[base + t] /= root
        if last - first < PANEL:
            continue
        b0 = offset[first] - first
        b1 = offset[first + 1] - first - 1
        b2 = offset[first + 2] - first - 2
        b3 = offset[first + 3] - first - 3
        for c in range(last, reach + 1):
            f0 = band[b0 + c]
            f1 = band[b1 + c]
            f2 = band[b2 + c]
            f3 = band[b3 + c]
            if f0 == 0.0 and f1 == 0.0 and f2 == 0.0 and f3 == 0.0:
                continue
            s0 = band[b0 + c : b0 + reach + 1]
            s1 = band[b1 + c : b1 + reach + 1]
            s2 = band[b2 + c : b2 + reach + 1]
            s3 = band[b3 + c : b3 + reach + 1]
            target = band[offset[c] : offset[c] + reach - c + 1]
            for t in range(target.size):
                value = target[t]
                value -= f0 * s0[t]
                value -= f1 * s1[t]
                value -= f2 * s2[t]
                value -= f3 * s3[t]
                target[t] = value
    return -1


@kernel
def fill_envelope(interior, count, graph, mark, stamp, queue, slot, offset, band):  # type: ignore[no-untyped-def]
    """Fill the band with the patch without its seeds, less the numbers ``outside``, if given."""
    a_indptr, a_indices, a_data, outside = graph
    band[: offset[interior]] = 0.0
    for j in range(interior):
        node = queue[count - 1 - j]
        for p in range(a_indptr[node], a_indptr[node + 1]):
            t = slot[a_indices[p]]
            if t >= j:
                band[offset[j] + t - j] += a_data[p]
            elif outside.size > 0 and mark[a_indices[p]] != stamp:
                band[offset[j]] -= outside[p]


@kernel
def solve_envelope(interior, near, offset, end, band, y):  # type: ignore[no-untyped-def]
    """Solve in place for a right-hand side that is zero before ``near``, from that row on."""
    for j in range(near, interior):
        y[j] /= band[offset[j]]
        for t in range(1, end[j] - j + 1):
            y[j + t] -= band[offset[j] + t] * y[j]
    for j in range(interior - 1, near - 1, -1):
        total = y[j]
        for t in range(1, end[j] - j + 1):
            total -= band[offset[j] + t] * y[j + t]
        y[j] = total / band[offset[j]]


@kernel
def eliminate_patch(  # type: ignore[no-untyped-def]
    i, colptr, rows, graph, hops, everywhere, mark, slot, queue, offset, end, band, y
):
    """Factorise the patch of column i without s_i, and solve it for y, A[o, o] y = A[o, i].

    y is that of the neighbours of s_i, all that its Schur complement needs, or all of it.
    Returns the size of the patch, or -1 if it is not positive definite, and the band.
    """
    a_indptr, a_indices, a_data, _ = graph
    start, m = colptr[i], colptr[i + 1] - colptr[i]
    count, _ = grow_patch(rows[start : start + m], hops, a_indptr, a_indices, mark, i, queue)
    interior = count - m
    envelope(m, count, a_indptr, a_indices, queue, slot, offset, end)
    if offset[interior] > band.size:
        band = np.empty(2 * offset[interior], np.float64)
    fill_envelope(interior, count, graph, mark, i, queue, slot, offset, band)
    if factorise_envelope(interior, offset, end, band) >= 0:
        forget(m, count, queue, slot)
        return -1, band
    # A[o, i] lives on the neighbours of i; those of s_i are numbered last.
    near = 0 if everywhere else interior
    y[:interior] = 0.0
    for t in range(m):
        node = rows[start + t]
        for p in range(a_indptr[node], a_indptr[node + 1]):
            j = slot[a_indices[p]]
            if j >= 0:
                near = min(near, j)
                if t == 0:
                    y[j] = a_data[p]
    solve_envelope(interior, near, offset, end, band, y)
    return count, band


@kernel
def schur_column(i, seeds, graph, mark, slot, y, column):  # type: ignore[no-untyped-def]
    """First column of the Schur complement of the patch onto s_i."""
    a_indptr, a_indices, a_data, outside = graph
    for t in range(seeds.size):
        total = 0.0
        # s_i holds i and rows after it: A[s, i] is in row s.
        for p in range(a_indptr[seeds[t]], a_indptr[seeds[t] + 1]):
            j = slot[a_indices[p]]
            if a_indices[p] == i:
                total += a_data[p]
            elif j >= 0:
                total -= a_data[p] * y[j]
            elif t == 0 and outside.size > 0 and mark[a_indices[p]] != i:
                total -= outside[p]
        column[t] = total


@kernel
def local_columns(first, last, skip, colptr, rows, where, graph, hops, out):  # type: ignore[no-untyped-def]
    """First column of the Schur complement of the patch onto s_i, over the root of its pivot.

    ``graph`` holds the arrays of A by rows and, or an empty array, a number for each of its
    entries (p, q): a_pp is reduced by those of its neighbours q that are not in the patch.
    Returns the column that breaks down, or -1.
    """
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    slot = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int32)
    offset = np.empty(n + 1, np.int64)
    end = np.empty(n, np.int64)
    band = np.empty(1024, np.float64)
    y, column = np.zeros(n, np.float64), np.empty(n, np.float64)
    for i in range(first, last):
        if skip[i]:
            continue
        start = colptr[i]
        m = colptr[i + 1] - start
        count, band = eliminate_patch(
            i, colptr, rows, graph, hops, False, mark, slot, queue, offset, end, band, y
        )
        if count < 0:
            return i
        schur_column(i, rows[start : start + m], graph, mark, slot, y, column)
        forget(m, count, queue, slot)
        if not (column[0] > 0.0 and column[0] < np.inf):
            return i
        root = np.sqrt(column[0])
        for t in range(m):
            out[where[start + t]] = column[t] / root
    return -1


def local_invk(
    A: Any, hops: int, *, workers: int = 1, max_operations: float | None = None
) -> csr_array:
    r"""Inv-K computed column by column from patches of A, the strongest local baseline.

    Column i of Inv-K is the first column of the Schur complement of A onto s_i, the rows of
    column i of tril(A), over the root of its first entry. Here A is replaced by A[P, P] with P
    the nodes within ``hops`` edges of s_i in the graph of A. An algorithm with that reach, such
    as a message-passing network, sees the same part of A. As ``hops`` grows the factor becomes
    Inv-K. On a tridiagonal matrix it is the k-hop oracle with k = ``hops``.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    hops : int
        Reach of the patch, at least 0.
    workers : int
        Threads over columns; the result does not depend on it.
    max_operations : float, optional
        Refuse to take more multiply-add pairs than this, predicted before it starts.

    Returns
    -------
    scipy.sparse.csr_array
        L on the pattern of tril(A), float64, columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A cannot be used.
    ConfigurationError
        If ``hops``, ``workers`` or ``max_operations`` is not a number of the right size.
    CostError
        If it would take more than ``max_operations``.
    BreakdownError
        If a patch is not positive definite in double precision; carries the column.

    Notes
    -----
    Interiors of patches are ordered by distance, farthest first, and factorised within their
    envelope. Where a patch is a whole component of the graph, the column is that of Inv-K and
    is copied from there if that is cheaper. Memory is O(nnz) and one patch a thread.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import invk
    >>> from precondbench.factors import local_invk
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(20))
    >>> [round(float(abs(local_invk(A, k) - invk(A)).max()), 3) for k in (0, 2, 8, 19)]
    [0.39, 0.13, 0.029, 0.0]
    """
    matrix, pattern = matrix_and_pattern(A)
    # No two nodes are more edges apart than there are nodes.
    hops = min(whole_number("hops", hops), pattern.n)
    workers = whole_number("workers", workers, least=1)
    if max_operations is not None:
        max_operations = real_number("max_operations", max_operations)
    colptr, rows, where = pattern.columns()
    graph = (matrix.indptr, matrix.indices)
    pieces = 16 * workers if workers > 1 else 1
    work, whole = np.empty(pattern.n), np.empty(pattern.n, dtype=np.bool_)
    allowed = np.inf if max_operations is None else max_operations
    counted = COUNTED * allowed

    def costs(first: int, last: int) -> int:
        part = slice(first, last)
        work[part], whole[part] = patch_costs(first, last, colptr, rows, *graph, hops, counted)
        return -1

    by_pieces(costs, pattern.n, pieces, workers, INDEFINITE)
    out = np.zeros(pattern.nnz)
    operations = float(np.sum(work[~whole]))
    taken = np.zeros_like(whole)
    if operations <= allowed:
        taken = _take_whole(matrix, pattern, work, whole, allowed, out)
        operations = float(np.sum(work[~taken]))
    if operations > allowed:
        found = f"{operations:.1e}" if operations <= counted else f"more than {counted:.1e}"
        raise CostError(
            f"local-patch Inv-K with {hops} hops would take {found} multiply-adds, "
            f"more than the {allowed:.1e} allowed; use fewer hops, or invk"
        )
    full = (*graph, matrix.data, np.empty(0))

    def columns(first: int, last: int) -> int:
        return int(local_columns(first, last, taken, colptr, rows, where, full, hops, out))

    by_pieces(columns, pattern.n, pieces, workers, INDEFINITE)
    return pattern.csr(out)


def _take_whole(
    matrix: csr_array,
    pattern: LowerPattern,
    work: NDArray[np.float64],
    whole: NDArray[np.bool_],
    allowed: float,
    out: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Copy columns whose patch is a whole component from Inv-K, if that is cheaper and allowed."""
    nothing = np.zeros(pattern.n, dtype=np.bool_)
    if float(np.sum(work[whole])) < CHEAP:
        return nothing
    if np.isfinite(allowed) and estimate_cost(matrix, pattern).operations > allowed:
        return nothing
    try:
        values = invk_values(selected_inverse(matrix, pattern), pattern)
    except BreakdownError:
        return nothing
    entries = whole[pattern.indices]
    out[entries] = values[entries]
    return whole
