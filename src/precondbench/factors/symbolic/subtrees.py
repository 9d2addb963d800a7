"""Disjoint subtrees of the supernodal elimination tree that can be worked on at the same time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.factors.symbolic.supernodes import Supernodes

Argument = TypeVar("Argument")
Result = TypeVar("Result")

# A part has at most this share of the work, and at least a sixteenth of that.
SHARE = 1 / 16
# Multiply-add pairs from which handing tiles of one supernode to threads pays: a few milliseconds.
HEAVY = 5e7


@dataclass(frozen=True)
class Subtrees:
    """A split of the supernodes, the same for any number of threads.

    Attributes
    ----------
    parts : list of numpy.ndarray
        int64: supernodes of one subtree each, in elimination order, its root last.
    top : list of (numpy.ndarray, bool)
        All others, ancestors of whole parts among them, in elimination order: runs of
        supernodes, and single ones so heavy that threads should share them (true).
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

    No more than two calls a thread are under way or waiting to be taken, so that memory held by
    results is bounded.
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
