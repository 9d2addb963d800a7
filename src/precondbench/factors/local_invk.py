"""Inv-K from patches: every column from the part of A within k hops of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, tril

from precondbench.errors import BreakdownError, CostError, MatrixError
from precondbench.factors.invk_columns import invk_values
from precondbench.factors.jit import kernel
from precondbench.factors.pattern import LowerPattern, lower_pattern
from precondbench.factors.selected_inverse import selected_inverse
from precondbench.matrices.checks import check_spd_candidate

__all__ = ["local_invk"]

# Below this, patches that hold a whole component are cheaper than a selected inverse.
_CHEAP = 1e8
PANEL = 4


@kernel
def _grow_patch(seeds, hops, a_indptr, a_indices, mark, stamp, queue):  # type: ignore[no-untyped-def]
    """Breadth-first search from the seeds; returns the size, and whether nothing is left to add."""
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
def _envelope(m, count, a_indptr, a_indices, queue, slot, offset, end):  # type: ignore[no-untyped-def]
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
def _forget(m, count, queue, slot):  # type: ignore[no-untyped-def]
    for t in range(m, count):
        slot[queue[t]] = -1


@kernel
def _patch_costs(first, last, colptr, rows, a_indptr, a_indices, hops):  # type: ignore[no-untyped-def]
    """Work of each column, and whether its patch is a whole component of the graph."""
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    slot = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int32)
    offset = np.empty(n + 1, np.int64)
    end = np.empty(n, np.int64)
    work = np.zeros(last - first, np.float64)
    whole = np.zeros(last - first, np.bool_)
    for i in range(first, last):
        m = colptr[i + 1] - colptr[i]
        seeds = rows[colptr[i] : colptr[i + 1]]
        count, complete = _grow_patch(seeds, hops, a_indptr, a_indices, mark, i, queue)
        work[i - first] = _envelope(m, count, a_indptr, a_indices, queue, slot, offset, end)
        whole[i - first] = complete
        _forget(m, count, queue, slot)
    return work, whole


@kernel
def _factorise_envelope(interior, offset, end, band):  # type: ignore[no-untyped-def]
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
def _local_columns(  # type: ignore[no-untyped-def]
    first, last, skip, colptr, rows, where, a_indptr, a_indices, a_data, hops, out
):
    """First column of the Schur complement of the patch onto s_i, over the root of its pivot."""
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    slot = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int32)
    offset = np.empty(n + 1, np.int64)
    end = np.empty(n, np.int64)
    band = np.empty(1024, np.float64)
    y = np.zeros(n, np.float64)
    for i in range(first, last):
        if skip[i]:
            continue
        start = colptr[i]
        m = colptr[i + 1] - start
        count, _ = _grow_patch(rows[start : start + m], hops, a_indptr, a_indices, mark, i, queue)
        interior = count - m
        _envelope(m, count, a_indptr, a_indices, queue, slot, offset, end)
        if offset[interior] > band.size:
            band = np.empty(2 * offset[interior], np.float64)
        band[: offset[interior]] = 0.0
        for j in range(interior):
            node = queue[count - 1 - j]
            y[j] = 0.0
            for p in range(a_indptr[node], a_indptr[node + 1]):
                t = slot[a_indices[p]]
                if t >= j:
                    band[offset[j] + t - j] = a_data[p]
        if _factorise_envelope(interior, offset, end, band) >= 0:
            return i
        # The right-hand side A[o, i] lives on the neighbours of i, which are numbered last.
        near = interior
        for t in range(m):
            node = rows[start + t]
            for p in range(a_indptr[node], a_indptr[node + 1]):
                j = slot[a_indices[p]]
                if j >= 0:
                    near = min(near, j)
                    if t == 0:
                        y[j] = a_data[p]
        for j in range(near, interior):
            y[j] /= band[offset[j]]
            for t in range(1, end[j] - j + 1):
                y[j + t] -= band[offset[j] + t] * y[j]
        for j in range(interior - 1, near - 1, -1):
            total = y[j]
            for t in range(1, end[j] - j + 1):
                total -= band[offset[j] + t] * y[j + t]
            y[j] = total / band[offset[j]]
        root = 0.0
        for t in range(m):
            node = rows[start + t]
            total = 0.0
            # s_i holds i and rows after it: A[s, i] is in row s.
            for p in range(a_indptr[node], a_indptr[node + 1]):
                j = slot[a_indices[p]]
                if a_indices[p] == i:
                    total += a_data[p]
                elif j >= 0:
                    total -= a_data[p] * y[j]
            if t == 0:
                if not (total > 0.0 and total < np.inf):
                    return i
                root = np.sqrt(total)
            out[where[start + t]] = total / root
        _forget(m, count, queue, slot)
    return -1


def local_invk(
    A: Any, hops: int, *, workers: int = 1, max_operations: float | None = None
) -> csr_array:
    r"""Inv-K computed column by column from patches of A, the strongest local baseline.

    Column i of Inv-K is the first column of the Schur complement of A onto s_i, the rows of
    column i of tril(A), over the root of its first entry. Here A is replaced by A[P, P] with P
    the nodes within ``hops`` edges of s_i in the graph of A. Any algorithm that sees only so
    far, a message-passing network among them, has no more to go by; as ``hops`` grows the
    factor becomes Inv-K. On a tridiagonal matrix it is the k-hop oracle with k = ``hops``.

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
        If A cannot be used, or ``hops`` is negative.
    CostError
        If it would take more than ``max_operations``.
    BreakdownError
        If a patch is not positive definite in double precision; carries the column.

    Notes
    -----
    Interiors of patches are ordered by distance, farthest first, and factorised within their
    envelope. Where a patch is a whole component of the graph, the column is that of Inv-K, and
    is taken from it when that is cheaper. Memory is O(nnz) and one patch a thread.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import invk
    >>> from precondbench.factors import local_invk
    >>> from precondbench.matrices import poisson_1d, symmetric_csr
    >>> A = symmetric_csr(poisson_1d(20))
    >>> [round(float(abs(local_invk(A, k) - invk(A)).max()), 3) for k in (0, 2, 8, 19)]
    [0.39, 0.13, 0.029, 0.0]
    """
    matrix = check_spd_candidate(A, "A")
    if hops < 0:
        raise MatrixError(f"hops = {hops}; a patch reaches 0 hops or more")
    pattern = lower_pattern(tril(matrix, format="csr"))
    n = pattern.n
    colptr, rows, where = pattern.columns()
    graph = (matrix.indptr, matrix.indices)
    pieces = max(1, workers) * 16 if workers > 1 else 1
    cuts = np.linspace(0, n, pieces + 1).astype(np.int64)

    def costs(piece: int) -> Any:
        return _patch_costs(cuts[piece], cuts[piece + 1], colptr, rows, *graph, hops)

    out = np.zeros(pattern.nnz)
    with ThreadPoolExecutor(max(1, workers)) as pool:
        work, whole = map(np.concatenate, zip(*pool.map(costs, range(pieces)), strict=True))
        taken = _take_whole(matrix, pattern, work, whole, out)
        operations = float(np.sum(work[~taken]))
        if max_operations is not None and operations > max_operations:
            raise CostError(
                f"local-patch Inv-K with {hops} hops would take {operations:.1e} multiply-adds, "
                f"more than the {max_operations:.1e} allowed; use fewer hops, or invk"
            )

        def run(piece: int) -> int:
            return int(
                _local_columns(
                    cuts[piece],
                    cuts[piece + 1],
                    taken,
                    colptr,
                    rows,
                    where,
                    *graph,
                    matrix.data,
                    hops,
                    out,
                )
            )

        failed = [column for column in pool.map(run, range(pieces)) if column >= 0]
    if failed:
        raise BreakdownError(
            f"local-patch Inv-K broke down at column {failed[0]}: a principal submatrix of A is "
            "not positive definite in double precision",
            failed[0],
        )
    return pattern.csr(out)


def _take_whole(
    matrix: csr_array,
    pattern: LowerPattern,
    work: NDArray[np.float64],
    whole: NDArray[np.bool_],
    out: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Fill columns whose patch is a whole component from Inv-K, if that is worth it."""
    nothing = np.zeros(pattern.n, dtype=np.bool_)
    if float(np.sum(work[whole])) < _CHEAP:
        return nothing
    try:
        values = invk_values(selected_inverse(matrix, pattern), pattern)
    except BreakdownError:
        return nothing
    entries = whole[pattern.indices]
    out[entries] = values[entries]
    return whole
