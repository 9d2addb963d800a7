"""Graphs of several matrices side by side: what a network reads and a loss compares with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, tril
from scipy.sparse.linalg import splu
from torch import Tensor

from precondbench._internal import Recent, digest_of
from precondbench.errors import ConfigurationError, CostError
from precondbench.factors import (
    LowerPattern,
    local_invk,
    lower_part,
    lower_values,
    selected_inverse,
    shifted_ic0,
    trace_form,
)
from precondbench.matrices import UniformStream, check_spd_candidate


@dataclass(frozen=True)
class GraphBatch:
    """Several graphs side by side: what a model reads and the loss compares with.

    Attributes
    ----------
    x : torch.Tensor
        float32 [nodes, 1]: diagonal entries of A.
    edge_index : torch.Tensor
        int64 [2, edges]: column (source) and row (target) of every non-zero of A.
    edge_attr : torch.Tensor
        float32 [edges, 2]: the entry of A, and sign(row - column).
    lower : torch.Tensor
        int64: positions, among the edges, of the lower triangle in the shard's order.
    batch, lower_batch : torch.Tensor
        int64: graph of every node, and of every lower edge.
    num_graphs : int
        Number of graphs.
    y : torch.Tensor or None
        float64: values of L on the lower edges, where they are known.
    inverse : InversePairs or None
        Entries of A^-1, for losses that need them.
    core : torch.Tensor or None
        float64: values of a classical factor on the lower edges, for networks that read it.
    solved : torch.Tensor or None
        float64 [nodes, 2]: x and b with A x = b, for losses that need a solution.
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    lower: Tensor
    batch: Tensor
    lower_batch: Tensor
    num_graphs: int
    y: Tensor | None = None
    inverse: InversePairs | None = None
    core: Tensor | None = None
    solved: Tensor | None = None

    @classmethod
    def from_data(cls, data: Any) -> GraphBatch:
        """Read a PyG ``Data`` or ``Batch``; a ``GraphBatch`` passes unchanged."""
        if isinstance(data, cls):
            return data
        batch = data.batch
        if batch is None:
            batch = data.edge_index.new_zeros(data.x.shape[0])
        lower = data.lower_mask.nonzero().squeeze(1)
        return cls(
            x=data.x,
            edge_index=data.edge_index,
            edge_attr=data.edge_attr,
            lower=lower,
            batch=batch,
            lower_batch=batch[data.edge_index[1, lower]],
            num_graphs=getattr(data, "num_graphs", 1),
            y=data.y,
        )

    @property
    def lower_ends(self) -> Tensor:
        """Column and row of every lower edge, int64 [2, lower]."""
        return self.edge_index.index_select(1, self.lower)

    @property
    def lower_entries(self) -> Tensor:
        """Entries of A on the lower edges, [lower]."""
        return self.edge_attr[self.lower, 0]

    @property
    def on_diagonal(self) -> Tensor:
        """Which lower edges are on the diagonal, bool [lower]."""
        column, row = self.lower_ends
        on_diagonal: Tensor = column == row
        return on_diagonal


class PaddedGraphs:
    """Rows of nodes as a rectangular tensor in which every graph has as many as the largest.

    ``sizes`` are the nodes of each graph, in the order of the batch.
    """

    def __init__(self, sizes: list[int], device: torch.device) -> None:
        self.sizes = sizes
        self.count = len(sizes)
        self.longest = max(sizes)
        self.full = min(sizes) == self.longest
        self.slots = torch.cat(
            [
                torch.arange(g * self.longest, g * self.longest + size)
                for g, size in enumerate(sizes)
            ]
        ).to(device)

    @classmethod
    def of(cls, batch: Tensor) -> PaddedGraphs:
        """Count the nodes of each graph, given the graph of every node, ascending."""
        return cls(torch.bincount(batch).tolist(), batch.device)

    def pad(self, rows: Tensor) -> Tensor:
        """[nodes, width] -> [graphs, longest, width], zero behind the end of a graph."""
        if self.full:
            return rows.view(self.count, self.longest, -1)
        zeros = rows.new_zeros(self.count * self.longest, rows.shape[1])
        return zeros.index_copy(0, self.slots, rows).view(self.count, self.longest, -1)

    def unpad(self, values: Tensor) -> Tensor:
        """[graphs, longest, width] -> [nodes, width]: the inverse of :meth:`pad`."""
        flat = values.reshape(self.count * self.longest, -1)
        return flat if self.full else flat.index_select(0, self.slots)

    def real(self) -> Tensor:
        """Return bool [graphs, longest]: False behind the end of a graph."""
        mask = torch.zeros(self.count * self.longest, dtype=torch.bool, device=self.slots.device)
        mask[self.slots] = True
        return mask.view(self.count, self.longest)


# Multiply-add pairs of the patches of one matrix: minutes. Few have patches that large.
_MOST_OPERATIONS = 1e11


def _patch_factor(A: csr_array, hops: int) -> csr_array:
    """Local-patch Inv-K with that many hops, or as many as `_MOST_OPERATIONS` allow."""
    for fewer in range(hops, 0, -1):
        with suppress(CostError):
            return local_invk(A, fewer, max_operations=_MOST_OPERATIONS)
    return local_invk(A, 0)


# Classical factors that a network may declare as its core.
_CORES: dict[str, Callable[[csr_array], csr_array]] = {
    # A itself in double precision: features are in single precision.
    "tril": lambda A: csr_array(tril(A, format="csr")),
    "shifted-ic0": lambda A: shifted_ic0(A)[0],
    **{f"local-patch-{hops}": partial(_patch_factor, hops=hops) for hops in range(8)},
}
# Seeds of a model ask for the same ones in turn.
_KNOWN: Recent[NDArray[np.float64]] = Recent(2**29, lambda values: values.nbytes)


def core_names() -> list[str]:
    """Return the names of all classical factors that a network may declare, sorted."""
    return sorted(_CORES)


def core_values(dataset: Any, name: str) -> Tensor:
    """Compute a classical factor of every matrix of a dataset with ``pair(i)``.

    Values are float64, on the lower triangles of all matrices in the shard's order.
    """
    if name not in _CORES:
        raise ConfigurationError(
            f"no classical factor is called {name!r}; known: {', '.join(core_names())}"
        )
    found = []
    for matrix, pattern in _matrices(dataset, "this model reads a factor of the matrices"):
        key = name, digest_of(matrix.indptr, matrix.indices, matrix.data)
        found.append(
            _KNOWN.get(key, lambda: lower_values(_CORES[name](matrix), pattern))  # noqa: B023
        )
    return torch.from_numpy(np.concatenate(found))


def _matrices(dataset: Any, need: str) -> Iterator[tuple[csr_array, LowerPattern]]:
    """Yield every matrix of a dataset and the pattern of its lower triangle."""
    if not hasattr(dataset, "pair"):
        raise ConfigurationError(
            f"{need} themselves; give a precondbench dataset, or an object with pair(i) besides "
            "the graphs"
        )
    for i in range(len(dataset)):
        pair = dataset.pair(i)
        matrix = check_spd_candidate(pair.A, pair.name)
        yield matrix, lower_part(matrix)


@dataclass(frozen=True)
class InversePairs:
    """Quadratic forms trace(L^T A^-1 L) of several graphs, see ``factors.TraceForm``.

    ``first`` and ``second`` are int64 positions among lower edges, of the graph in a dataset and of
    all in a batch; ``weight`` and ``log_determinant`` are float64.
    """

    first: Tensor
    second: Tensor
    weight: Tensor
    log_determinant: Tensor


def inverse_pairs(dataset: Any) -> tuple[InversePairs, Tensor]:
    """Invert every matrix of a dataset with ``pair(i)`` where the K-condition number reads it.

    Also returns the number of pairs of every graph, int64; all on the CPU.
    """
    forms = [
        trace_form(selected_inverse(matrix, pattern), pattern)
        for matrix, pattern in _matrices(dataset, "this loss inverts the matrices")
    ]

    def joined(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(form, name) for form in forms]))

    determinants = torch.tensor([form.log_determinant for form in forms], dtype=torch.float64)
    pairs = InversePairs(joined("first"), joined("second"), joined("weight"), determinants)
    return pairs, torch.tensor([form.weight.size for form in forms])


def solutions(dataset: Any) -> Tensor:
    """Solve A x = b directly for every matrix of a dataset with ``pair(i)``.

    The near normal numbers of b follow from the matrix alone. Returns x and b, float64 [nodes, 2].
    """
    found = []
    for matrix, _ in _matrices(dataset, "this loss solves with the matrices"):
        digest = digest_of(matrix.indptr, matrix.indices, matrix.data)
        b = UniformStream(int.from_bytes(digest)).near_normal(matrix.shape[0])
        found.append(np.stack([splu(matrix.tocsc()).solve(b), b], axis=1))
    return torch.from_numpy(np.concatenate(found))


class ResidentGraphs:
    """A dataset held on one device, from which minibatches are gathered.

    Faster than collating PyG items one by one. Where all graphs have one pattern, batches of one
    size share their index tensors. Items are as in ``collate_graphs``; ``y`` is for training only.
    """

    def __init__(self, dataset: Iterable[Any], device: torch.device | str = "cpu") -> None:
        items = list(dataset)
        if not items:
            raise ConfigurationError("the dataset is empty; give at least one graph")
        lower = [item.lower_mask.nonzero().squeeze(1) for item in items]
        self.names = [str(item.name) for item in items]
        self.device = torch.device(device)
        self.x = torch.cat([item.x for item in items]).to(self.device)
        self.edge_index = torch.cat([item.edge_index for item in items], dim=1).to(self.device)
        self.edge_attr = torch.cat([item.edge_attr for item in items]).to(self.device)
        self.lower = torch.cat(lower).to(self.device)
        labelled = all(getattr(item, "y", None) is not None for item in items)
        self.y = (
            torch.cat([item.y for item in items]).double().to(self.device) if labelled else None
        )
        self.core: Tensor | None = None
        self.solved: Tensor | None = None
        self._inverse: InversePairs | None = None
        self._pairs = torch.zeros(len(items), dtype=torch.int64)
        # Sizes stay on the CPU: reading them there never waits for the device.
        self._nodes = torch.tensor([item.x.shape[0] for item in items])
        self._edges = torch.tensor([item.edge_attr.shape[0] for item in items])
        self._lower = torch.tensor([positions.numel() for positions in lower])
        first = items[0]
        self.one_pattern = all(
            torch.equal(item.edge_index, first.edge_index)
            and torch.equal(item.lower_mask, first.lower_mask)
            for item in items
        )
        self._templates: dict[int, GraphBatch] = {}

    def __len__(self) -> int:
        return len(self.names)

    def invert(self, dataset: Any) -> None:
        """Add entries of A^-1 to all batches; ``dataset`` holds the same graphs, with pairs."""
        inverse, self._pairs = inverse_pairs(dataset)
        self._inverse = InversePairs(*(values.to(self.device) for values in vars(inverse).values()))

    def add_core(self, dataset: Any, name: str) -> None:
        """Add values of a classical factor to all batches; ``dataset`` holds the same graphs."""
        self.core = core_values(dataset, name).to(self.device)

    def solve(self, dataset: Any) -> None:
        """Add a solution and its right-hand side to all batches, see :func:`solutions`."""
        self.solved = solutions(dataset).to(self.device)

    def whole(self) -> GraphBatch:
        """Return all graphs in one batch."""
        return self._gather(torch.arange(len(self)))

    def split_points(self) -> list[int]:
        """Return where, in the values of all graphs, each graph but the last ends."""
        ends: list[int] = self._lower.cumsum(0)[:-1].tolist()
        return ends

    def batch(self, graphs: Tensor) -> GraphBatch:
        """Gather the graphs with the given numbers (int64 on the CPU), in that order."""
        if not self.one_pattern:
            return self._gather(graphs)
        count = graphs.numel()
        if count not in self._templates:
            self._templates[count] = self._gather(torch.zeros(count, dtype=torch.int64))
        numbers = graphs.to(self.device)

        def chosen(values: Tensor) -> Tensor:
            by_graph = values.view(len(self), -1)
            return by_graph.index_select(0, numbers).view(-1, *values.shape[1:])

        return replace(
            self._templates[count],
            x=chosen(self.x),
            edge_attr=chosen(self.edge_attr),
            y=None if self.y is None else chosen(self.y),
            core=None if self.core is None else chosen(self.core),
            solved=None if self.solved is None else chosen(self.solved),
            inverse=self._inverses(graphs),
        )

    def _gather(self, graphs: Tensor) -> GraphBatch:
        nodes, node_counts = _slices(self._nodes, graphs)
        edges, edge_counts = _slices(self._edges, graphs)
        lower, lower_counts = _slices(self._lower, graphs)
        number = torch.arange(graphs.numel())
        lower_batch = number.repeat_interleave(lower_counts)
        node_shift = _starts(node_counts).repeat_interleave(edge_counts)
        edge_shift = _starts(edge_counts)[lower_batch]
        nodes, edges, lower = (part.to(self.device) for part in (nodes, edges, lower))
        return GraphBatch(
            x=self.x.index_select(0, nodes),
            edge_index=self.edge_index.index_select(1, edges) + node_shift.to(self.device),
            edge_attr=self.edge_attr.index_select(0, edges),
            lower=self.lower.index_select(0, lower) + edge_shift.to(self.device),
            batch=number.repeat_interleave(node_counts).to(self.device),
            lower_batch=lower_batch.to(self.device),
            num_graphs=graphs.numel(),
            y=None if self.y is None else self.y.index_select(0, lower),
            core=None if self.core is None else self.core.index_select(0, lower),
            solved=None if self.solved is None else self.solved.index_select(0, nodes),
            inverse=self._inverses(graphs),
        )

    def _inverses(self, graphs: Tensor) -> InversePairs | None:
        if self._inverse is None:
            return None
        pairs, counts = _slices(self._pairs, graphs)
        pairs = pairs.to(self.device)
        shift = _starts(self._lower[graphs]).repeat_interleave(counts).to(self.device)
        return InversePairs(
            self._inverse.first.index_select(0, pairs) + shift,
            self._inverse.second.index_select(0, pairs) + shift,
            self._inverse.weight.index_select(0, pairs),
            self._inverse.log_determinant[graphs.to(self.device)],
        )

    def batches(
        self, batch_size: int, order: Tensor | None = None, *, max_edges: int | None = None
    ) -> Iterator[GraphBatch]:
        """Yield all graphs, in their own or the given order, in batches of bounded size.

        A graph that alone has more than ``max_edges`` edges is a batch by itself.
        """
        numbers = torch.arange(len(self)) if order is None else order
        for chunk in torch.split(numbers, batch_size):
            for piece in self.pieces(chunk, max_edges):
                yield self.batch(piece)

    def pieces(self, graphs: Tensor, max_edges: int | None = None) -> list[Tensor]:
        """Cut a list of graphs, in order, into pieces that together have at most so many edges."""
        counts: list[int] = self._edges[graphs].tolist()
        if max_edges is None or sum(counts) <= max_edges:
            return [graphs] if graphs.numel() else []
        lengths = [0]
        held = 0
        for count in counts:
            if lengths[-1] and held + count > max_edges:
                lengths.append(0)
                held = 0
            lengths[-1] += 1
            held += count
        return list(torch.split(graphs, lengths))


def _starts(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts


def _slices(all_counts: Tensor, graphs: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the given graphs' pieces in a concatenation, and the length of each."""
    counts = all_counts[graphs]
    shift = _starts(all_counts)[graphs] - _starts(counts)
    return torch.arange(int(counts.sum())) + shift.repeat_interleave(counts), counts
