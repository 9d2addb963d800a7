"""Elimination with fill-in as memory and learned compensation of dropped fill-in."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from precondbench._internal import Recent, digest_of
from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch
from precondbench.baselines.elimination.compensated import compensated_elimination, raised_pivots
from precondbench.baselines.elimination.levels import (
    pattern_of,
    patterns_of_graphs,
    unit_entries,
)
from precondbench.baselines.message_passing.graph_network import LowerNetwork, mlp, zero_output
from precondbench.factors import LowerPattern, level_of_fill, lower_values

# A lower level is taken where the projection of all columns, cubic in their entries, would cost
# more than this for each entry of tril(A), or where the next pattern might not fit.
WORK = 100_000
ROOM = 1000
# Of patterns that are kept; a training set of real matrices has some tens of megabytes.
_KNOWN: Recent[tuple[LowerPattern, NDArray[np.bool_]]] = Recent(2**29, lambda one: 5 * one[0].nnz)


class Memory(NamedTuple):
    """A pattern with fill-in, of all graphs, and which of its entries are those without fill-in."""

    pattern: LowerPattern
    kept: NDArray[np.bool_]


def memory_of(pattern: LowerPattern, nodes: NDArray[np.int64], level: int) -> Memory:
    """Return the pattern of a batch of graphs with fill-in up to a level, see ``level_of_fill``.

    ``nodes`` are the rows of each graph. A graph in which that would be too much work gets a lower
    level, so that a dense row does not fill the matrix.
    """
    pieces = [
        (start, *_with_fill(one, level))
        for start, _, one in patterns_of_graphs(pattern, nodes.tolist())
    ]
    sizes = np.concatenate([np.diff(filled.indptr) for _, filled, _ in pieces])
    return Memory(
        LowerPattern(
            np.concatenate([[0], np.cumsum(sizes)]),
            np.concatenate([filled.indices + np.int32(start) for start, filled, _ in pieces]),
        ),
        np.concatenate([kept for _, _, kept in pieces]),
    )


def _with_fill(pattern: LowerPattern, level: int) -> tuple[LowerPattern, NDArray[np.bool_]]:
    key = digest_of(pattern.indptr, pattern.indices), level
    return _KNOWN.get(key, lambda: _fill(pattern, level))


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


# Numbers that the network gives lie within this of zero, and shares within one.
RANGE = 4.0
# Derivative of the logarithm of the shift by the mean share, in place of that of the search.
RELIEF = 10.0
# Shifts of a whole matrix that are tried where pivots would have to be raised.
SHIFTS = tuple(4.0**k for k in range(-6, 3))


class LearnedElimination(Network):
    """Elimination pivot by pivot with fill-in as memory, dropped fill-in compensated as learned.

    Fill-in up to level ``rounds`` - 1 is kept. Message passing gives each pivot the share of
    dropped fill-in that goes on the diagonal and each row its part of a shift, see
    ``compensated_elimination``. Weights of zero give a classical factor (Manteuffel 1980).
    """

    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.level = rounds - 1
        self.network = LowerNetwork(rounds, width, node_features=9, edge_features=2)
        self.of_pivot = zero_output(mlp(2 * width, width, 4))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        a, scale = unit_entries(batch)
        of_node = batch.batch
        counts = torch.bincount(of_node).cpu().numpy()
        pattern = pattern_of(batch.edge_index, batch.lower)
        memory = memory_of(pattern, counts, self.level)
        fails = _fails(a, memory)
        pivot = self._read(batch, a, fails, memory_of(pattern, counts, 0))
        share = pivot[:, :2] / RANGE
        tilt = torch.tanh(pivot[:, 2]).exp()
        where = pivot[:, 3].exp()
        where = where / _mean(where, of_node)
        with torch.no_grad():
            shift = _smallest_shift(a, share, tilt, where, memory, of_node)
        # The search has no derivative, and without one training would take from the diagonal
        # until pivots fail. The stand-in says that a larger share would have needed less shift.
        mean = _mean(share.mean(1), of_node)
        shift = shift * torch.exp(RELIEF * (mean.detach() - mean))
        return scale * _eliminated(a, share, tilt, shift * where, memory)

    def _read(self, batch: GraphBatch, a: Tensor, fails: Tensor, memory: Memory) -> Tensor:
        """Numbers for each pivot, from A and from two plain eliminations."""
        column, row = batch.lower_ends
        on_diagonal, of_node = column == row, batch.batch
        zero = a.new_zeros(of_node.numel())
        none, flat = zero.unsqueeze(1).expand(-1, 2), zero + 1
        plain, safe = (_eliminated(a, none + s, flat, zero, memory) for s in (0.0, 1.0))
        pivots = [factor[on_diagonal].log() for factor in (plain, safe)]
        # Near zero where the elimination of a matrix with a unit diagonal goes well.
        squares = zero.index_add(0, row, plain.square()).log()
        off = torch.where(on_diagonal, 0.0, a.abs())
        weight = zero.index_add(0, row, off).index_add(0, column, off)
        count = torch.bincount(row, minlength=zero.numel()).to(a)
        local = [*pivots, squares, weight.log1p(), count.log1p()]
        # A shift of the diagonal is found for a whole matrix, so rows get features of theirs.
        failing = 5 * fails
        any_fails = 5 * (_mean(fails, of_node) > 0).to(a)
        shared = [any_fails, _mean(failing, of_node), _mean(pivots[1] - pivots[0], of_node)]
        nodes = 0.2 * torch.stack([*local, failing, *shared], dim=1).clamp(-10, 10)
        h, e = self.network(nodes, torch.stack([a, safe], dim=1), column, row)
        below = torch.zeros_like(h).index_add(0, column, e)
        below = below / torch.bincount(column).unsqueeze(1)
        numbers: Tensor = self.of_pivot(torch.cat([h, below], dim=1))
        # Bounded and never flat: an extreme share must be able to come back.
        return RANGE * numbers / (RANGE + numbers.abs())


@torch.no_grad()
def compensated_factor(
    pattern: LowerPattern, lower: NDArray[np.float64], level: int, share: float = 0.0
) -> NDArray[np.float64]:
    """Return the factor of a matrix with a unit diagonal with one share for all pivots.

    ``lower`` are the entries of tril(A) in the pattern's order, and ``level`` is the fill-in that
    is kept during the elimination. With a share of zero it is what an untrained network predicts.
    """
    a = torch.from_numpy(lower)
    nodes = torch.zeros(pattern.n, dtype=torch.int64)
    shares, one = a.new_full((pattern.n, 2), share), a.new_ones(pattern.n)
    memory = memory_of(pattern, np.array([pattern.n]), level)
    shift = _smallest_shift(a, shares, one, one, memory, nodes)
    return _eliminated(a, shares, one, shift, memory).numpy()


def _filled(
    a: Tensor, share: Tensor, tilt: Tensor, shift: Tensor, memory: Memory
) -> tuple[Tensor, Tensor, Tensor, LowerPattern]:
    """Arguments of the elimination: A shifted, on the pattern of the memory."""
    pattern = memory.pattern
    kept = torch.from_numpy(memory.kept).to(a.device)
    diagonal = torch.from_numpy(pattern.indptr[1:] - 1).to(a.device)
    lengths = torch.from_numpy(np.diff(pattern.indptr)).to(a.device)
    values = a.new_zeros(pattern.nnz).masked_scatter(kept, a).index_add(0, diagonal, shift)
    return values, share, tilt.repeat_interleave(lengths), pattern


def _eliminated(a: Tensor, share: Tensor, tilt: Tensor, shift: Tensor, memory: Memory) -> Tensor:
    kept = torch.from_numpy(memory.kept)
    values = compensated_elimination(*_filled(a, share, tilt, shift, memory), kept)
    return values[kept.to(a.device)]


def _fails(a: Tensor, memory: Memory) -> Tensor:
    """One at each pivot that fails without compensation and shift, else zero."""
    zero = a.new_zeros(memory.pattern.n)
    none = zero.unsqueeze(1).expand(-1, 2)
    return raised_pivots(*_filled(a, none, zero + 1, zero, memory)).to(a)


def _smallest_shift(
    a: Tensor, share: Tensor, tilt: Tensor, where: Tensor, memory: Memory, batch: Tensor
) -> Tensor:
    """The first shift of each graph with which no pivot has to be raised, at each row."""
    shift = torch.zeros_like(where)
    for step in SHIFTS:
        raised = raised_pivots(*_filled(a, share, tilt, shift * where, memory)).to(batch.device)
        if not raised.any():
            break
        graphs = torch.bincount(batch[raised], minlength=int(batch.max()) + 1) > 0
        shift = torch.where(graphs[batch], step, shift)
    return shift


def _mean(values: Tensor, batch: Tensor) -> Tensor:
    """Mean over the graph of each node, at each node."""
    size = torch.bincount(batch)
    total = values.new_zeros(size.numel()).index_add(0, batch, values)
    return (total / size).index_select(0, batch)
