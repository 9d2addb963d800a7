"""Message passing within the patch of each column."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from precondbench._internal import kernel
from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.elimination.levels import pattern_of
from precondbench.baselines.message_passing.graph_network import (
    LowerNetwork,
    mlp,
    positive_diagonal,
)
from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern, grow_patch

# Edges of all patches of a batch; beyond this they would not fit in memory.
MOST = 50_000_000


class PatchGraphs(NamedTuple):
    """Patches side by side; a node of A is in as many as contain it. All int64.

    A place is a node of a patch: which node of A, the column (``anchor``) that the patch belongs
    to, and hops from the rows of the column. A link joins two places of a patch (``source``,
    ``target``) by an entry of A, of which it has the position in the CSR arrays. ``wanted`` has,
    for each entry (i, j) of tril(A), the link (i, j) in the patch of column j.
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
                # Breadth first: nearer nodes have their distance already.
                if of_place[2, slot[other]] < 0:
                    of_place[2, slot[other]] = of_place[2, first + t] + 1


def patch_graphs(pattern: LowerPattern, hops: int, device: torch.device) -> PatchGraphs:
    """Return the patches of all columns, as ``local_invk`` has them."""
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


class PatchNetwork(Network):
    r"""Message passing within the patch of each column, read out where its entries are.

    The learned counterpart of ``local_invk`` with ``rounds`` - 1 hops: a column of L depends on the
    nodes within ``rounds`` - 1 hops of its rows and on nothing else. Unlike in message passing on
    A, a node has a representation in every patch, with its distance from the column and its side,
    so that patches do not mix. On a tridiagonal matrix ``rounds`` rounds carry everything that is
    in a patch, and the oracle of ``rounds`` - 1 hops is the best that can be reached.

    The graph is larger by the number of nodes of a patch.

    Parameters
    ----------
    rounds : int
        Rounds of message passing; patches have ``rounds`` - 1 hops.
    width : int
        Width of representations.
    """

    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.hops = rounds - 1
        self.network = LowerNetwork(rounds, width, node_features=4, edge_features=2)
        self.decoder = mlp(width, width, 1)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        x, pattern = batch.x, pattern_of(batch.edge_index, batch.lower)
        patches = patch_graphs(pattern, self.hops, x.device)
        # Entries of A by rows, in the order in which links name them.
        order = pattern.symmetric_csr(np.arange(pattern.nnz, dtype=np.float64) + 1).data
        place = torch.from_numpy(order.astype(np.int64) - 1).to(x.device)
        values = batch.lower_entries.index_select(0, place[patches.entry])
        side = (patches.node - patches.anchor).sign().to(x.dtype)
        far = patches.distance.to(x.dtype) / (self.hops + 1)
        nodes = torch.stack([x[patches.node, 0], side, far, (far == 0).to(x.dtype)], dim=1)
        turn = (patches.node[patches.target] - patches.node[patches.source]).sign().to(x.dtype)
        entries = torch.stack([values, turn], dim=1)
        _, e = self.network(nodes, entries, patches.source, patches.target)
        return positive_diagonal(self.decoder(e[patches.wanted]).squeeze(1), batch.on_diagonal)
