"""Symbolic Cholesky factorisation: elimination tree, postorder, column counts and structure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel


@dataclass(frozen=True)
class SymbolicFactor:
    """Pattern of the strictly lower triangle of L, by columns, in elimination order.

    ``position[i]`` is the step in which row i of A is eliminated, ``parent`` the elimination
    tree (-1 at roots). Rows ascend within a column. ``upper_indptr`` and ``upper_indices`` hold
    the permuted graph's entries with column < row, by rows.
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


@kernel
def row_structure(i, indptr, indices, parent, mark, path, stack):  # type: ignore[no-untyped-def]
    """Columns of row i of L into stack[top:], descendants before ancestors; returns top.

    ``mark`` tells the columns that were found by the number of the row; ``path`` is a workspace.
    """
    top = parent.size
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
    return top


def analyse(graph: csr_array, position: NDArray[np.int64]) -> SymbolicFactor:
    """Symbolic factorisation of a symmetric pattern in a given order, in O(nnz(L)) time.

    The pattern must contain that of the matrix to be factorised; its values are ignored.
    """
    indptr, indices = permute_lower(graph.indptr, graph.indices, position)
    parent = elimination_tree(indptr, indices)
    colptr, rows = _column_structure(indptr, indices, parent)
    return SymbolicFactor(position, parent, colptr, rows, indptr, indices)


@kernel
def _postorder(parent):  # type: ignore[no-untyped-def]
    """Step of each node in a depth-first order that visits the largest subtree last.

    A parent then follows its largest child at once, which is where merging the two pays.
    """
    n = parent.size
    size = np.ones(n, np.int64)
    for j in range(n):
        if parent[j] != -1:
            size[parent[j]] += size[j]
    head = np.full(n, -1, np.int32)
    following = np.full(n, -1, np.int32)
    by_size = np.argsort(-size, kind="mergesort")
    for t in range(n):
        j = by_size[t]
        if parent[j] != -1:
            following[j] = head[parent[j]]
            head[parent[j]] = j
    step = np.empty(n, np.int64)
    stack = np.empty(n, np.int32)
    k = 0
    for root in range(n):
        if parent[root] != -1:
            continue
        stack[0] = root
        top = 0
        while top >= 0:
            j = stack[top]
            child = head[j]
            if child == -1:
                step[j] = k
                k += 1
                top -= 1
            else:
                head[j] = following[child]
                top += 1
                stack[top] = child
    return step


@kernel
def _entries_below(indptr, indices, position):  # type: ignore[no-untyped-def]
    """Entries (i, j), i > j, of the symmetrically permuted pattern by columns, unsorted."""
    n = indptr.size - 1
    colptr = np.zeros(n + 1, np.int64)
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            if position[indices[p]] > position[i]:
                colptr[position[i] + 1] += 1
    for j in range(n):
        colptr[j + 1] += colptr[j]
    below = np.empty(colptr[n], np.int32)
    for i in range(n):
        q = colptr[position[i]]
        for p in range(indptr[i], indptr[i + 1]):
            k = position[indices[p]]
            if k > position[i]:
                below[q] = k
                q += 1
    return colptr, below


def postordered(
    graph: csr_array, position: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.int32]]:
    """Replace an elimination order by an equivalent postorder of its elimination tree.

    Returns the new order, its elimination tree (-1 at roots), and ``colptr, below``: the
    strictly lower entries of the permuted pattern by columns.
    """
    upper = permute_lower(graph.indptr, graph.indices, position)
    tree: NDArray[np.int32] = elimination_tree(*upper)
    step: NDArray[np.int64] = _postorder(tree)
    parent = np.empty_like(tree)
    parent[step] = np.where(tree < 0, -1, step[tree]).astype(np.int32)
    order = step[position]
    colptr, below = _entries_below(graph.indptr, graph.indices, order)
    return order, parent, colptr, below


@kernel
def column_counts(parent, colptr, below):  # type: ignore[no-untyped-def]
    """Entries of each column of the factor, diagonal included (Gilbert, Ng and Peyton 1994).

    The tree must be postordered. Row i of the factor is a subtree; a column's count is found from
    the leaves of those subtrees and the least common ancestors of consecutive ones.
    """
    n = parent.size
    counts = np.zeros(n, np.int64)
    first = np.full(n, -1, np.int32)
    for j in range(n):
        counts[j] = 1 if first[j] == -1 else 0
        k = j
        while k != -1 and first[k] == -1:
            first[k] = j
            k = parent[k]
    furthest = np.full(n, -1, np.int32)
    leaf = np.full(n, -1, np.int32)
    ancestor = np.arange(n).astype(np.int32)
    for j in range(n):
        if parent[j] != -1:
            counts[parent[j]] -= 1
        for p in range(colptr[j], colptr[j + 1]):
            i = below[p]
            if first[j] <= furthest[i]:
                continue
            furthest[i] = first[j]
            previous = leaf[i]
            leaf[i] = j
            counts[j] += 1
            if previous == -1:
                continue
            common = previous
            while common != ancestor[common]:
                common = ancestor[common]
            while previous != common:
                k = ancestor[previous]
                ancestor[previous] = common
                previous = k
            counts[common] -= 1
        if parent[j] != -1:
            ancestor[j] = parent[j]
    for j in range(n):
        if parent[j] != -1:
            counts[parent[j]] += counts[j]
    return counts


def factor_counts(graph: csr_array, position: NDArray[np.int64]) -> NDArray[np.float64]:
    """Entries of each column of the factor, diagonal included, in an order equivalent to another.

    Memory is that of the graph.
    """
    _, parent, colptr, below = postordered(graph, position)
    counts: NDArray[np.float64] = column_counts(parent, colptr, below).astype(np.float64)
    return counts


def operations(graph: csr_array, position: NDArray[np.int64]) -> float:
    """Squares of the column counts of the factor in an order, summed."""
    return float(np.sum(factor_counts(graph, position) ** 2))
