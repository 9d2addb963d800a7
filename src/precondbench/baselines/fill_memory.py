"""Patterns with fill-in for the lower triangles of a batch, remembered from epoch to epoch."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from precondbench.factors import level_of_fill
from precondbench.factors.pattern import LowerPattern, lower_values

__all__ = ["Memory", "memory_of"]

# A lower level is taken where the projection of all columns, cubic in their entries, would cost
# more than this for each entry of tril(A), or where the next pattern might not fit.
WORK = 100_000
ROOM = 1000
# Bytes of patterns that are kept; a training set of real matrices has some tens of megabytes.
REMEMBERED = 2**29

_KNOWN: OrderedDict[tuple[bytes, int], tuple[LowerPattern, NDArray[np.bool_]]] = OrderedDict()


class Memory(NamedTuple):
    """A pattern that holds another one.

    Attributes
    ----------
    pattern : LowerPattern
        With fill-in, of all graphs.
    kept : numpy.ndarray
        bool (pattern.nnz,): which entries the smaller pattern has, in its order.
    """

    pattern: LowerPattern
    kept: NDArray[np.bool_]


def memory_of(pattern: LowerPattern, nodes: NDArray[np.int64], level: int) -> Memory:
    """Return the pattern of a batch of graphs with fill-in up to a level, see ``level_of_fill``.

    A graph in which that would be too much work gets a lower level, so that a dense row does not
    fill the matrix.

    Parameters
    ----------
    pattern : LowerPattern
        Lower triangles of all graphs, one after the other.
    nodes : numpy.ndarray
        int64 (graphs,): rows of each.
    level : int
        At least 0.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.baselines.fill_memory import memory_of
    >>> from precondbench.factors import lower_pattern
    >>> pattern = lower_pattern([[1, 0, 0], [1, 1, 0], [1, 0, 1]])
    >>> memory_of(pattern, np.array([3]), 1).kept
    array([ True,  True,  True,  True, False,  True])
    """
    pieces = []
    start = 0
    for count in nodes.tolist():
        first, last = pattern.indptr[start], pattern.indptr[start + count]
        one = LowerPattern(
            pattern.indptr[start : start + count + 1] - first, pattern.indices[first:last] - start
        )
        pieces.append((start, *_filled(one, level)))
        start += count
    sizes = np.concatenate([np.diff(filled.indptr) for _, filled, _ in pieces])
    return Memory(
        LowerPattern(
            np.concatenate([[0], np.cumsum(sizes)]),
            np.concatenate([filled.indices + np.int32(start) for start, filled, _ in pieces]),
        ),
        np.concatenate([kept for _, _, kept in pieces]),
    )


def _filled(pattern: LowerPattern, level: int) -> tuple[LowerPattern, NDArray[np.bool_]]:
    digest = hashlib.sha256(pattern.indptr.tobytes() + pattern.indices.tobytes()).digest()
    key = (digest, level)
    if key not in _KNOWN:
        _KNOWN[key] = _fill(pattern, level)
        while len(_KNOWN) > 1 and sum(filled.nnz for filled, _ in _KNOWN.values()) * 5 > REMEMBERED:
            _KNOWN.popitem(last=False)
    _KNOWN.move_to_end(key)
    return _KNOWN[key]


def _fill(pattern: LowerPattern, level: int) -> tuple[LowerPattern, NDArray[np.bool_]]:
    ones = pattern.symmetric_csr(np.ones(pattern.nnz))
    filled = pattern
    for taken in range(1, level + 1):
        # What the next level could have at most; it mostly has much less.
        if _powers(filled, 2) > ROOM * pattern.nnz:
            break
        more = level_of_fill(ones, taken)
        if _powers(more, 3) > WORK * pattern.nnz:
            break
        filled = more
    return filled, lower_values(ones, filled) > 0


def _powers(pattern: LowerPattern, power: int) -> float:
    return float((np.bincount(pattern.indices).astype(np.float64) ** power).sum())
