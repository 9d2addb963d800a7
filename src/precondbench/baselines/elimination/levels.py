"""What elimination needs of the lower patterns of a batch: rows, levels and triples."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from precondbench._internal import kernel
from precondbench.baselines.message_passing.graph_network import EdgeModel, mlp
from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern

# By identity of the tensor of lower edges: batches of one pattern share it.
_PATTERNS: MutableMapping[Tensor, dict[str, Any]] = WeakTensorKeyDictionary()


class Triples(NamedTuple):
    """Products L_ik L_jk, k < j <= i, of entries that are in the pattern with (i, j).

    Attributes
    ----------
    entry : torch.Tensor
        int64: positions of (i, j) among the lower edges, ascending.
    first, second : torch.Tensor
        int64: positions of (i, k) and (j, k).
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


def pattern_of(edge_index: Tensor, lower: Tensor) -> LowerPattern:
    """Return the lower triangles of all graphs of a batch as one block-diagonal pattern.

    Parameters
    ----------
    edge_index : torch.Tensor
        int64 [2, edges]: column and row of every non-zero.
    lower : torch.Tensor
        int64: positions of the lower triangle by rows, the diagonal last in each, as in a shard.
    """

    def make() -> LowerPattern:
        column, row = edge_index.index_select(1, lower).cpu().numpy()
        counts = np.bincount(row)
        indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return LowerPattern(indptr, column.astype(np.int32))

    found: LowerPattern = _remembered(lower, "pattern", make)
    return found


def levels(edge_index: Tensor, lower: Tensor) -> list[Tensor]:
    """Return the rows of each level of the elimination DAG, on the device of the edges.

    Row i comes after all rows j < i with A_ij != 0; rows of one level do not depend on each
    other. Graphs of a batch share their levels: the first rows of all are in level 0.

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines.elimination.levels import levels
    >>> arrow = torch.tensor([[0, 1, 0, 1, 2], [0, 1, 2, 2, 2]])  # row 2 is full
    >>> levels(arrow, torch.arange(5))
    [tensor([0, 1]), tensor([2])]
    """

    def make() -> list[Tensor]:
        pattern = pattern_of(edge_index, lower)
        level = torch.from_numpy(_levels(pattern.indptr, pattern.indices))
        order = torch.argsort(level, stable=True).to(edge_index.device)
        return list(torch.split(order, torch.bincount(level).tolist()))

    found: list[Tensor] = _remembered(lower, "levels", make)
    return found


def triples(edge_index: Tensor, lower: Tensor) -> Triples:
    """Return the products of a factorisation without fill-in, on the device of the edges.

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines.elimination.levels import triples
    >>> dense = torch.tensor([[0, 0, 1], [0, 1, 1]])  # L_11 needs L_10 L_10
    >>> triples(dense, torch.arange(3))
    Triples(entry=tensor([2]), first=tensor([1]), second=tensor([1]))
    """

    def make() -> Triples:
        pattern = pattern_of(edge_index, lower)
        none = np.empty((3, 0), np.int64)
        count = _count_triples(pattern.indptr, pattern.indices, False, *none)
        found = np.empty((3, count), np.int64)
        _count_triples(pattern.indptr, pattern.indices, True, *found)
        return Triples(*(torch.from_numpy(part).to(edge_index.device) for part in found))

    found: Triples = _remembered(lower, "triples", make)
    return found


def _remembered(lower: Tensor, name: str, make: Callable[[], Any]) -> Any:
    known = _PATTERNS.setdefault(lower, {})
    if name not in known:
        known[name] = make()
    return known[name]


def silent(layers: nn.Sequential) -> nn.Sequential:
    """Set the last layer of a perceptron to zero: a correction that starts as none."""
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return layers


class LowerNetwork(nn.Module):
    """Residual message passing over the entries of tril(A), apart along rows and along columns.

    e_ij <- e_ij + f(h_i, h_j, e_ij), then h_i <- h_i + g(h_i, mean_j e_ij, mean_j e_ji): a node
    tells its earlier neighbours from its later ones. Every round sees one hop further.

    Parameters
    ----------
    rounds, width : int
        Blocks, and width of all representations.
    node_features, edge_features : int
        Inputs of the two encoders.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is below 1.
    """

    def __init__(self, rounds: int, width: int, node_features: int, edge_features: int) -> None:
        super().__init__()
        if rounds < 1 or width < 1:
            raise ConfigurationError(
                f"rounds is {rounds} and width is {width}; both must be 1 or more"
            )
        self.node_encoder = mlp(node_features, width, width)
        self.edge_encoder = mlp(edge_features, width, width)
        self.edge_models = nn.ModuleList(EdgeModel(width) for _ in range(rounds))
        self.node_models = nn.ModuleList(mlp(3 * width, width, width) for _ in range(rounds - 1))

    def forward(
        self, nodes: Tensor, entries: Tensor, column: Tensor, row: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return representations of nodes, [nodes, width], and of entries, [entries, width]."""
        h, e = self.node_encoder(nodes), self.edge_encoder(entries)
        ends = torch.stack([column, row])
        size = h.shape[0]
        of_row, of_column = (torch.bincount(end, minlength=size) for end in (row, column))
        for position, edge_model in enumerate(self.edge_models):
            e = e + edge_model(h, ends, e)
            if position < len(self.node_models):
                zero = torch.zeros_like(h)
                earlier = zero.index_add(0, row, e) / of_row.unsqueeze(1)
                later = zero.index_add(0, column, e) / of_column.unsqueeze(1)
                h = h + self.node_models[position](torch.cat([h, earlier, later], dim=1))
        return h, e
