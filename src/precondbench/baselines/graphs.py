"""A dataset as a few long tensors on one device, and minibatches cut out of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from precondbench.baselines.cores import core_values
from precondbench.baselines.graph_batch import GraphBatch
from precondbench.baselines.inverses import InversePairs, inverse_pairs
from precondbench.errors import ConfigurationError

__all__ = ["ResidentGraphs"]


class ResidentGraphs:
    """A dataset held on one device, from which minibatches are gathered.

    Collating PyG items one by one costs more than gathering from concatenated tensors, and the
    synthetic sets are small (1000 graphs of 50 nodes are 5 MB). Graphs may differ in size. Where
    all have one pattern, batches of one size share their index tensors, made once: only values
    are gathered, and shapes never change.

    Parameters
    ----------
    dataset : iterable of torch_geometric.data.Data
        Items with ``x``, ``edge_index``, ``edge_attr``, ``lower_mask``, ``name`` and, for
        training, ``y``.
    device : torch.device or str
        Where the tensors live.

    Raises
    ------
    ConfigurationError
        If there is no graph.
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

    def whole(self) -> GraphBatch:
        """Return all graphs in one batch."""
        return self._gather(torch.arange(len(self)))

    def lower_ends(self) -> list[int]:
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
        template = self._templates[count]
        numbers = graphs.to(self.device)

        def chosen(values: Tensor) -> Tensor:
            by_graph = values.view(len(self), -1)
            return by_graph.index_select(0, numbers).view(-1, *values.shape[1:])

        return GraphBatch(
            x=chosen(self.x),
            edge_index=template.edge_index,
            edge_attr=chosen(self.edge_attr),
            lower=template.lower,
            batch=template.batch,
            lower_batch=template.lower_batch,
            num_graphs=count,
            y=None if self.y is None else chosen(self.y),
            core=None if self.core is None else chosen(self.core),
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
        """Yield all graphs in their own or in the given order.

        Parameters
        ----------
        batch_size : int
            At most so many graphs at a time.
        order : torch.Tensor, optional
            int64: numbers of the graphs.
        max_edges : int, optional
            At most so many edges at a time, unless one graph alone has more.
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
