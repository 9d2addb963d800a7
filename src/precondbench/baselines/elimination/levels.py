"""Patterns of the lower triangles of a batch: rows, levels of the elimination DAG, triples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from precondbench._internal import kernel
from precondbench.baselines.batch import GraphBatch
from precondbench.factors import LowerPattern

MadeT = TypeVar("MadeT")

# By identity of the tensor of lower edges: batches of one pattern share it.
_PATTERNS: MutableMapping[Tensor, dict[str, Any]] = WeakTensorKeyDictionary()


class Triples(NamedTuple):
    """Products L_ik L_jk, k < j <= i, of entries that are in the pattern with (i, j).

    Positions of (i, j), ascending, of (i, k) and of (j, k) among the lower edges, int64.
    """

    entry: Tensor
    first: Tensor
    second: Tensor


@kernel
def _levels(indptr, indices):  # type: ignore[no-untyped-def]
    level = np.zeros(indptr.size - 1, np.int64)
    for i in range(level.size):
        for p in range(indptr[i], indptr[i + 1] - 1):
            level[i] = max(level[i], level[indices[p]] + 1)
    return level


@kernel
def _count_triples(indptr, indices, write, entry, first, second):  # type: ignore[no-untyped-def]
    slot = np.full(indptr.size - 1, -1, np.int64)
    count = 0
    for i in range(indptr.size - 1):
        for p in range(indptr[i], indptr[i + 1]):
            slot[indices[p]] = p
        for p in range(indptr[i], indptr[i + 1]):
            j = indices[p]
            for q in range(indptr[j], indptr[j + 1] - 1):
                if slot[indices[q]] >= 0:
                    if write:
                        entry[count] = p
                        first[count] = slot[indices[q]]
                        second[count] = q
                    count += 1
        for p in range(indptr[i], indptr[i + 1]):
            slot[indices[p]] = -1
    return count


def _remembered(make: Callable[[Tensor, Tensor], MadeT]) -> Callable[[Tensor, Tensor], MadeT]:
    """Decorator: compute a function of ``(edge_index, lower)`` once for each ``lower``."""

    @wraps(make)
    def find(edge_index: Tensor, lower: Tensor) -> MadeT:
        known = _PATTERNS.setdefault(lower, {})
        if make.__name__ not in known:
            known[make.__name__] = make(edge_index, lower)
        found: MadeT = known[make.__name__]
        return found

    return find


def patterns_of_graphs(
    pattern: LowerPattern, nodes: Iterable[int]
) -> Iterator[tuple[int, slice, LowerPattern]]:
    """Yield first row, positions of entries and pattern of each graph of a batch.

    ``nodes`` are the rows of each graph.
    """
    start = 0
    for count in nodes:
        first, last = pattern.indptr[start], pattern.indptr[start + count]
        indptr = pattern.indptr[start : start + count + 1] - first
        yield start, slice(first, last), LowerPattern(indptr, pattern.indices[first:last] - start)
        start += count


@_remembered
def pattern_of(edge_index: Tensor, lower: Tensor) -> LowerPattern:
    """Return the lower triangles of all graphs of a batch as one block-diagonal pattern.

    ``lower`` goes by rows, the diagonal last in each, as in a shard.
    """
    column, row = edge_index.index_select(1, lower).cpu().numpy()
    counts = np.bincount(row)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return LowerPattern(indptr, column.astype(np.int32))


@_remembered
def levels(edge_index: Tensor, lower: Tensor) -> list[Tensor]:
    """Return the rows of each level of the elimination DAG, on the device of the edges.

    Row i comes after all rows j < i with A_ij != 0; rows of one level do not depend on each
    other. Graphs of a batch share their levels: the first rows of all are in level 0.
    """
    pattern = pattern_of(edge_index, lower)
    level = torch.from_numpy(_levels(pattern.indptr, pattern.indices))
    order = torch.argsort(level, stable=True).to(edge_index.device)
    return list(torch.split(order, torch.bincount(level).tolist()))


@_remembered
def triples(edge_index: Tensor, lower: Tensor) -> Triples:
    """Return the products of a factorisation without fill-in, on the device of the edges."""
    pattern = pattern_of(edge_index, lower)
    none = np.empty((3, 0), np.int64)
    count = _count_triples(pattern.indptr, pattern.indices, False, *none)
    found = np.empty((3, count), np.int64)
    _count_triples(pattern.indptr, pattern.indices, True, *found)
    return Triples(*(torch.from_numpy(part).to(edge_index.device) for part in found))


def unit_entries(batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Entries of tril(A) scaled to a unit diagonal, and diag(A)^(1/2) at the row of each.

    The factor of S A S is S times the factor of A.
    """
    column, row = batch.lower_ends
    root = batch.x[:, 0].sqrt()
    scale = root.index_select(0, row)
    return batch.lower_entries / scale / root.index_select(0, column), scale
