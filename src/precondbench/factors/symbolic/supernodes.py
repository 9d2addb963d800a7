"""Supernodes, runs of columns of L with one row structure, and independent subtrees of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.factors.symbolic.tree import column_counts, postordered

Argument = TypeVar("Argument")
Result = TypeVar("Result")

# Wider supernodes are cut: a block then wastes no more than this squared on its upper triangle,
# and the update of a panel is work that threads can share.
WIDEST = 512
# A part has at most this share of the work, and at least a sixteenth of that.
SHARE = 1 / 16
# Multiply-add pairs from which handing tiles of one supernode to threads pays: a few milliseconds.
HEAVY = 5e7


@dataclass(frozen=True)
class Supernodes:
    """Structure of a supernodal Cholesky factor, in elimination order.

    Supernode s holds columns ``first[s]`` to ``first[s + 1] - 1``. Its block starts at
    ``block[s]`` in the array of values and is a dense matrix by columns: the rows of those columns
    themselves, then ``rows[rowptr[s] : rowptr[s + 1]]``, which ascend. ``position[i]`` is the step
    in which row i of A is eliminated, ``parent`` the supernode of the first row below (-1 at
    roots), ``owner`` the supernode of a column.
    """

    position: NDArray[np.int64]
    first: NDArray[np.int64]
    rowptr: NDArray[np.int64]
    rows: NDArray[np.int32]
    block: NDArray[np.int64]
    parent: NDArray[np.int32]
    owner: NDArray[np.int32]

    @property
    def entries(self) -> int:
        """Numbers stored: blocks with the zeros of merged columns and the upper triangles."""
        return int(self.block[-1])

    @property
    def structure(self) -> tuple[NDArray[np.int64], ...]:
        """Arguments of kernels: ``first, rowptr, rows, block, owner``."""
        return (self.first, self.rowptr, self.rows, self.block, self.owner)  # type: ignore[return-value]


@kernel
def _merge(parent, counts):  # type: ignore[no-untyped-def]
    """First columns of relaxed supernodes.

    Columns with nested structures are joined first; then a supernode is joined with its parent
    where that follows it at once and adds few zeros, by the thresholds of CHOLMOD.
    """
    n = parent.size
    head = np.empty(n + 1, np.int64)
    size = 0
    for j in range(n):
        if j == 0 or parent[j - 1] != j or counts[j - 1] != counts[j] + 1:
            head[size] = j
            size += 1
    head[size] = n
    keep = np.ones(size, np.bool_)
    # Of the merged supernode that starts at the column after the present one.
    end, width, zeros = n, 0, 0.0
    for s in range(size - 1, -1, -1):
        own = head[s + 1] - head[s]
        above = parent[head[s + 1] - 1]
        if s + 1 < size and head[s + 1] <= above < end:
            joined = own + width
            # The first column of the merged one above has this many entries, zeros included; all
            # columns joined to it get its rows.
            tallest = width + counts[end - 1] - 1
            extra = zeros + float(own) * (tallest + own - counts[head[s]])
            total = 0.5 * joined * (joined + 1.0) + float(joined) * (counts[end - 1] - 1)
            share = extra / total
            if (
                joined <= 4
                or share < 0.05
                or (share < 0.1 and joined <= 48)
                or (share < 0.8 and joined <= 16)
            ):
                keep[s + 1] = False
                width, zeros = joined, extra
                continue
        end, width, zeros = head[s + 1], own, 0.0
    first = np.empty(np.sum(keep) + 1, np.int64)
    k = 0
    for s in range(size):
        if keep[s]:
            first[k] = head[s]
            k += 1
    first[k] = n
    return first


@kernel
def _structure(first, counts, colptr, below):  # type: ignore[no-untyped-def]
    """Rows below each supernode: those of A in its columns and those its children pass on."""
    size = first.size - 1
    n = first[size]
    owner = np.empty(n, np.int32)
    rowptr = np.zeros(size + 1, np.int64)
    for s in range(size):
        rowptr[s + 1] = rowptr[s] + counts[first[s + 1] - 1] - 1
        owner[first[s] : first[s + 1]] = s
    rows = np.empty(rowptr[size], np.int32)
    child = np.full(size, -1, np.int32)
    sibling = np.full(size, -1, np.int32)
    mark = np.full(n, -1, np.int32)
    for s in range(size):
        last = first[s + 1] - 1
        q = rowptr[s]
        for p in range(colptr[first[s]], colptr[last + 1]):
            i = below[p]
            if i > last and mark[i] != s:
                mark[i] = s
                rows[q] = i
                q += 1
        c = child[s]
        while c != -1:
            for p in range(rowptr[c], rowptr[c + 1]):
                i = rows[p]
                if i > last and mark[i] != s:
                    mark[i] = s
                    rows[q] = i
                    q += 1
            c = sibling[c]
        if q > rowptr[s]:
            rows[rowptr[s] : q].sort()
            above = owner[rows[rowptr[s]]]
            sibling[s] = child[above]
            child[above] = s
    return rowptr, rows


@kernel
def _cut_into_panels(first, rowptr, rows, widest):  # type: ignore[no-untyped-def]
    """Cut wide supernodes into chains of narrower ones, and describe the blocks that result."""
    size = first.size - 1
    n = first[size]
    panels = 0
    stored = 0
    for s in range(size):
        width = first[s + 1] - first[s]
        pieces = (width + widest - 1) // widest
        panels += pieces
        stored += pieces * (rowptr[s + 1] - rowptr[s] + width)
    out_first = np.empty(panels + 1, np.int64)
    out_rowptr = np.zeros(panels + 1, np.int64)
    block = np.zeros(panels + 1, np.int64)
    out_rows = np.empty(stored, np.int32)
    owner = np.empty(n, np.int32)
    k = 0
    q = 0
    for s in range(size):
        width = first[s + 1] - first[s]
        pieces = (width + widest - 1) // widest
        for piece in range(pieces):
            left = first[s] + piece * width // pieces
            right = first[s] + (piece + 1) * width // pieces
            out_first[k] = left
            owner[left:right] = k
            for i in range(right, first[s + 1]):
                out_rows[q] = i
                q += 1
            for p in range(rowptr[s], rowptr[s + 1]):
                out_rows[q] = rows[p]
                q += 1
            k += 1
            out_rowptr[k] = q
            height = right - left + q - out_rowptr[k - 1]
            block[k] = block[k - 1] + (right - left) * height
    out_first[k] = n
    parent = np.full(panels, -1, np.int32)
    for k in range(panels):
        if out_rowptr[k + 1] > out_rowptr[k]:
            parent[k] = owner[out_rows[out_rowptr[k]]]
    return out_first, out_rowptr, out_rows[:q].copy(), block, parent, owner


def find_supernodes(graph: csr_array, position: NDArray[np.int64]) -> Supernodes:
    """Symbolic analysis for supernodal factorisation, in little more than the size of the graph.

    The elimination order is replaced by an equivalent postorder of its elimination tree.
    """
    order, parent, colptr, below = postordered(graph, position)
    counts = column_counts(parent, colptr, below)
    first = _merge(parent, counts)
    rowptr, rows = _structure(first, counts, colptr, below)
    return Supernodes(order, *_cut_into_panels(first, rowptr, rows, WIDEST))


@dataclass(frozen=True)
class Subtrees:
    """A split of the supernodes into parallel work, the same for any number of threads.

    ``parts`` are the supernodes of one subtree each, in elimination order, root last. ``top``
    holds all others in elimination order: runs of supernodes, and single supernodes heavy
    enough to be shared by threads (true).
    """

    parts: list[NDArray[np.int64]]
    top: list[tuple[NDArray[np.int64], bool]]


@kernel
def _split(parent, work, share):  # type: ignore[no-untyped-def]
    """Number of supernodes in the subtree of each root of a part, 0 for all others."""
    size = parent.size
    sizes = np.ones(size, np.int64)
    total = work.copy()
    everything = 0.0
    for s in range(size):
        everything += work[s]
        if parent[s] != -1:
            total[parent[s]] += total[s]
            sizes[parent[s]] += sizes[s]
    out = np.zeros(size, np.int64)
    for s in range(size):
        above = np.inf if parent[s] == -1 else total[parent[s]]
        if share / 16 * everything <= total[s] <= share * everything < above:
            out[s] = sizes[s]
    return out


def split_tree(supernodes: Supernodes) -> Subtrees:
    """Cut off subtrees of moderate work, as high in the tree as their size allows."""
    below = np.diff(supernodes.rowptr).astype(np.float64)
    widths = np.diff(supernodes.first)
    sizes: NDArray[np.int64] = _split(supernodes.parent, widths * (widths + below) ** 2, SHARE)
    roots = np.flatnonzero(sizes)
    # In a postorder a subtree is a run that ends with its root.
    parts = [np.arange(root + 1 - sizes[root], root + 1) for root in roots]
    inside = np.zeros(sizes.size, dtype=np.bool_)
    for part in parts:
        inside[part] = True
    top = np.flatnonzero(~inside)
    heavy = widths[top] * below[top] ** 2 > HEAVY
    # A new run starts at every heavy supernode and after it.
    cuts = np.flatnonzero(heavy[1:] | heavy[:-1]) + 1
    runs = [run for run in np.split(np.arange(top.size), cuts) if run.size]
    return Subtrees(parts, [(top[run], bool(heavy[run[0]])) for run in runs])


def in_order(
    function: Callable[[Argument], Result], arguments: Sequence[Argument], workers: int
) -> Iterator[Result]:
    """Results of a function in the order of its arguments, from threads.

    At most two calls a thread are running or have results that wait, so memory is bounded.
    """
    if workers <= 1 or len(arguments) <= 1:
        yield from map(function, arguments)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
