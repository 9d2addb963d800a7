"""The patches of all columns of a batch as one graph."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from precondbench.errors import ConfigurationError
from precondbench.factors.jit import kernel
from precondbench.factors.patches import grow_patch
from precondbench.factors.pattern import LowerPattern

__all__ = ["PatchGraphs", "patch_graphs"]

# Edges of all patches of a batch; beyond this they would not fit in memory.
MOST = 50_000_000


class PatchGraphs(NamedTuple):
    """Patches side by side; a node of A is in as many as contain it.

    Attributes
    ----------
    node : torch.Tensor
        int64 [places]: node of A at each place.
    anchor : torch.Tensor
        int64 [places]: column that the patch belongs to.
    distance : torch.Tensor
        int64 [places]: hops from the rows of the column, 0 for these.
    source, target : torch.Tensor
        int64 [links]: places that an entry of A joins, within a patch.
    entry : torch.Tensor
        int64 [links]: position of the entry (target, source) in the CSR arrays of A.
    wanted : torch.Tensor
        int64 [entries of tril(A)]: the link (i, j) in the patch of column j, for each (i, j).
    """

    node: Tensor
    anchor: Tensor
    distance: Tensor
    source: Tensor
    target: Tensor
    entry: Tensor
    wanted: Tensor


@kernel
def _sizes(colptr, rows, indptr, indices, hops):  # type: ignore[no-untyped-def]
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    places, links = np.zeros(n + 1, np.int64), np.zeros(n + 1, np.int64)
    for i in range(n):
        seeds = rows[colptr[i] : colptr[i + 1]]
        count, _ = grow_patch(seeds, hops, indptr, indices, mark, i, queue)
        inside = 0
        for t in range(count):
            for p in range(indptr[queue[t]], indptr[queue[t] + 1]):
                inside += mark[indices[p]] == i
        places[i + 1], links[i + 1] = places[i] + count, links[i] + inside
    return places, links


@kernel
def _fill(colptr, rows, where, indptr, indices, hops, places, links, of_place, of_link, wanted):  # type: ignore[no-untyped-def]
    n = colptr.size - 1
    mark = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    slot = np.empty(n, np.int64)
    for i in range(n):
        m = colptr[i + 1] - colptr[i]
        seeds = rows[colptr[i] : colptr[i + 1]]
        count, _ = grow_patch(seeds, hops, indptr, indices, mark, i, queue)
        first, link = places[i], links[i]
        for t in range(count):
            slot[queue[t]] = first + t
            of_place[0, first + t], of_place[1, first + t] = queue[t], i
            of_place[2, first + t] = 0 if t < m else -1
        for t in range(count):
            for p in range(indptr[queue[t]], indptr[queue[t] + 1]):
                other = indices[p]
                if mark[other] != i:
                    continue
                of_link[0, link], of_link[1, link] = slot[other], first + t
                of_link[2, link] = p
                if other == i and t < m:
                    wanted[where[colptr[i] + t]] = link
                link += 1
                # Breadth first: whoever is nearest comes first and stands already.
                if of_place[2, slot[other]] < 0:
                    of_place[2, slot[other]] = of_place[2, first + t] + 1


def patch_graphs(pattern: LowerPattern, hops: int, device: torch.device) -> PatchGraphs:
    """Return the patches of all columns, as ``local_invk`` has them.

    Parameters
    ----------
    pattern : LowerPattern
        Lower triangles of all graphs of a batch, one after the other.
    hops : int
        Reach of a patch from the rows of its column, at least 0.
    device : torch.device
        Where the tensors are wanted.

    Raises
    ------
    ConfigurationError
        If they have too many edges for memory.

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines.patch_graphs import patch_graphs
    >>> from precondbench.factors import lower_pattern
    >>> path = lower_pattern([[1, 0, 0], [1, 1, 0], [0, 1, 1]])
    >>> patches = patch_graphs(path, 1, torch.device("cpu"))
    >>> for column in range(3):
    ...     patches.node[patches.anchor == column], patches.distance[patches.anchor == column]
    (tensor([0, 1, 2]), tensor([0, 0, 1]))
    (tensor([1, 2, 0]), tensor([0, 0, 1]))
    (tensor([2, 1]), tensor([0, 1]))
    """
    matrix = pattern.symmetric_csr(np.ones(pattern.nnz))
    columns = pattern.columns()
    graph = (matrix.indptr, matrix.indices, hops)
    places, links = _sizes(*columns[:2], *graph)
    if links[-1] > MOST:
        raise ConfigurationError(
            f"the patches of a batch have {links[-1]:,} edges, more than {MOST:,}; take fewer "
            "rounds, smaller batches (max_edges) or smaller matrices (max_rows)"
        )
    of_place = np.empty((3, places[-1]), np.int64)
    of_link = np.empty((3, links[-1]), np.int64)
    wanted = np.empty(pattern.nnz, np.int64)
    _fill(*columns, *graph, places, links, of_place, of_link, wanted)
    made = (torch.from_numpy(part).to(device) for part in (*of_place, *of_link, wanted))
    return PatchGraphs(*made)
