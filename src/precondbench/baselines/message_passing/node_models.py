"""Node models of Graph Network blocks: from neighbours, and by attention to the whole graph.

To add one, write a class like those below and decorate it with ``register_model``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, starmap

import torch
from torch import Tensor, nn
from torch_geometric.nn import GATv2Conv, GENConv, TransformerConv
from torch_geometric.utils import scatter

from precondbench.baselines.batch import PaddedGraphs
from precondbench.baselines.message_passing.graph_network import NodeModel, mlp

# Entries of one block of attention weights: 64 MiB in float32.
LARGEST_BLOCK = 2**24


class MLP(NodeModel):
    """h_i <- f(h_i): no exchange between nodes, the baseline without context.

    L_ij is a function of A_ii, A_jj and A_ij alone, whatever the number of blocks.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.update = mlp(width, width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations."""
        updated: Tensor = self.update(h)
        return updated


class MessagePassingMLP(NodeModel):
    """h_i <- f2(h_i, mean over j in N(i) of f1(h_j, e_ij)), with two perceptrons.

    The paper prints f1(h_i, e_ij); f1 reads the sender here, as in Gilmer et al. (2017) and PyG's
    ``MetaLayer``, with the same receptive field. N(i) includes i, as A has a diagonal.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.message = mlp(2 * width, width, width)
        self.update = mlp(2 * width, width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations."""
        source, target = edge_index
        messages = self.message(torch.cat([h.index_select(0, source), e], dim=1))
        received = scatter(messages, target, dim=0, dim_size=h.shape[0], reduce="mean")
        updated: Tensor = self.update(torch.cat([h, received], dim=1))
        return updated


class GATv2(NodeModel):
    """Graph attention of Brody et al. (2021), one head: attention reads nodes, not edges.

    ``torch_geometric.nn.GATv2Conv`` without ``edge_dim``, as in the paper.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = GATv2Conv(width, width, add_self_loops=False)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations."""
        updated: Tensor = self.layer(h, edge_index)
        return updated


class GEN(NodeModel):
    """Generalised aggregation of Li et al. (2020): a softmax over messages of nodes.

    ``torch_geometric.nn.GENConv`` without edge features, as in the paper; layers are normalised and
    not batches, whose statistics would let every node see all others.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = GENConv(width, width, norm="layer")

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations."""
        updated: Tensor = self.layer(h, edge_index)
        return updated


class GraphTransformer(NodeModel):
    """Graph transformer operator of Shi et al. (2020): attention to neighbours and their edges.

    ``torch_geometric.nn.TransformerConv``, one head, with ``edge_dim``: keys and values read e_ij.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = TransformerConv(width, width, edge_dim=width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations."""
        updated: Tensor = self.layer(h, edge_index, e)
        return updated


class FastGraphTransformer(NodeModel):
    """Linear attention of SGFormer (Wu et al., 2024) within each graph, one head.

    h_i <- (N v_i + q_i sum_j k_j^T v_j) / (N + q_i . sum_j k_j), formulas (4) to (6) there, with
    every sum and norm over the N nodes of one graph. Edges are not read.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations."""
        graphs = PaddedGraphs.of(batch)
        # Rows of padding are zero and add nothing to a sum.
        query, key, value = (
            graphs.pad(rows) for rows in (self.query(h), self.key(h), self.value(h))
        )
        query, key = (part / _frobenius_norm(part) for part in (query, key))
        size = value.new_tensor(graphs.sizes).view(-1, 1, 1)
        numerator = size * value + torch.bmm(query, torch.bmm(key.transpose(1, 2), value))
        denominator = size + torch.bmm(query, key.sum(1).unsqueeze(2))
        return graphs.unpad(numerator / denominator)


def _frobenius_norm(matrices: Tensor) -> Tensor:
    squares = matrices.square().sum((1, 2), keepdim=True)
    return squares.clamp_min(torch.finfo(matrices.dtype).tiny).sqrt()


class GlobalGraphTransformer(NodeModel):
    """Softmax attention of every node to every node of its graph, with edge features.

    a_ij = softmax_j(q_i . (k_j + W e_ij) / sqrt(width)) and h_i <- W_0 h_i + sum_j a_ij (v_j + W
    e_ij), with e_ij = 0 if A_ij = 0. Weights are computed in blocks of at most 64 MiB.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.edge = nn.Linear(width, width, bias=False)
        self.root = nn.Linear(width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations."""
        query = self.query(h) / math.sqrt(h.shape[1])
        key, value, edge = self.key(h), self.value(h), self.edge(e)
        source, target = edge_index
        blocks = list(_blocks(torch.bincount(batch).tolist()))
        ends = [0, target.numel()]
        if len(blocks) > 1:
            # Edges are sorted by target: those that end in a block are one slice.
            bounds = target.new_tensor([0, *(block.rows[1] for block in blocks)])
            ends = torch.searchsorted(target, bounds).tolist()
        pieces = []
        for block, edges in zip(blocks, starmap(slice, pairwise(ends)), strict=True):
            rows, keys = slice(*block.rows), slice(*block.keys)
            pieces.append(
                _attend(
                    block,
                    query[rows],
                    key[keys],
                    value[keys],
                    edge[edges],
                    target[edges] - block.rows[0],
                    source[edges] - block.keys[0],
                )
            )
        updated: Tensor = self.root(h) + torch.cat(pieces)
        return updated


@dataclass(frozen=True)
class _Block:
    """Rows that are computed together, and the nodes that they attend to.

    Either all rows of several graphs, or some rows of one graph.
    """

    rows: tuple[int, int]
    row_sizes: list[int]
    keys: tuple[int, int]
    key_sizes: list[int]


def _blocks(sizes: list[int]) -> Iterator[_Block]:
    """Cut a batch so that no block has more than LARGEST_BLOCK weights, padding included."""
    start = 0
    group: list[int] = []
    for size in [*sizes, 0]:
        if group and (size == 0 or (len(group) + 1) * max(*group, size) ** 2 > LARGEST_BLOCK):
            end = start + sum(group)
            step = end - start if len(group) > 1 else max(1, LARGEST_BLOCK // group[0])
            for row in range(start, end, step):
                last = min(row + step, end)
                rows = group if len(group) > 1 else [last - row]
                yield _Block((row, last), rows, (start, end), group)
            start, group = end, []
        group.append(size)


def _attend(
    block: _Block,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    edge: Tensor,
    target: Tensor,
    source: Tensor,
) -> Tensor:
    """Attention of the block's rows; targets and sources count from its first row and key."""
    rows = PaddedGraphs(block.row_sizes, query.device)
    keys = PaddedGraphs(block.key_sizes, query.device)
    padded_query, padded_key, padded_value = rows.pad(query), keys.pad(key), keys.pad(value)
    scores = torch.bmm(padded_query, padded_key.transpose(1, 2))
    # Position of every edge among the scores: keys of one graph are consecutive columns.
    at_edges = rows.slots[target] * keys.longest + keys.slots[source] % keys.longest
    of_edges = (query.index_select(0, target) * edge).sum(1)
    scores = scores.view(-1).index_add(0, at_edges, of_edges).view_as(scores)
    if not keys.full:
        scores = scores.masked_fill(~keys.real().unsqueeze(1), -math.inf)
    weights = scores.softmax(2)
    attended = rows.unpad(torch.bmm(weights, padded_value))
    by_edges = weights.view(-1).index_select(0, at_edges).unsqueeze(1) * edge
    return attended.index_add(0, target, by_edges)
