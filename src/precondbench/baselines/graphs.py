"""Graphs of matrices as a few long tensors, and minibatches cut out of them by index."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from precondbench.errors import ConfigurationError

__all__ = ["GraphBatch", "ResidentGraphs"]


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
    """

    x: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    lower: Tensor
    batch: Tensor
    lower_batch: Tensor
    num_graphs: int
    y: Tensor | None = None

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


class ResidentGraphs:
    """A dataset held on one device, from which minibatches are gathered.

    Collating PyG items one by one costs more than gathering from concatenated tensors, and the
    synthetic sets are small (1000 graphs of 50 nodes are 5 MB). Graphs may differ in size.

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
        # Sizes stay on the CPU: reading them there never waits for the device.
        self._nodes = torch.tensor([item.x.shape[0] for item in items])
        self._edges = torch.tensor([item.edge_attr.shape[0] for item in items])
        self._lower = torch.tensor([positions.numel() for positions in lower])

    def __len__(self) -> int:
        return len(self.names)

    def lower_ends(self) -> list[int]:
        """Return where, in the values of all graphs, each graph but the last ends."""
        ends: list[int] = self._lower.cumsum(0)[:-1].tolist()
        return ends

    def batch(self, graphs: Tensor) -> GraphBatch:
        """Gather the graphs with the given numbers (int64 on the CPU), in that order."""
        nodes, node_counts = _slices(self._nodes, graphs)
        edges, edge_counts = _slices(self._edges, graphs)
        lower, lower_counts = _slices(self._lower, graphs)
        number = torch.arange(graphs.numel())
        lower_batch = number.repeat_interleave(lower_counts)
        node_shift = _starts(node_counts).repeat_interleave(edge_counts)
        edge_shift = _starts(edge_counts)[lower_batch]
        lower = lower.to(self.device)
        edges = edges.to(self.device)
        return GraphBatch(
            x=self.x.index_select(0, nodes.to(self.device)),
            edge_index=self.edge_index.index_select(1, edges) + node_shift.to(self.device),
            edge_attr=self.edge_attr.index_select(0, edges),
            lower=self.lower.index_select(0, lower) + edge_shift.to(self.device),
            batch=number.repeat_interleave(node_counts).to(self.device),
            lower_batch=lower_batch.to(self.device),
            num_graphs=graphs.numel(),
            y=None if self.y is None else self.y.index_select(0, lower),
        )

    def batches(self, batch_size: int, order: Tensor | None = None) -> Iterable[GraphBatch]:
        """Yield all graphs, ``batch_size`` at a time, in their own or in the given order."""
        numbers = torch.arange(len(self)) if order is None else order
        for chunk in torch.split(numbers, batch_size):
            yield self.batch(chunk)


def _starts(counts: Tensor) -> Tensor:
    return counts.cumsum(0) - counts


def _slices(all_counts: Tensor, graphs: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the given graphs' pieces in a concatenation, and the length of each."""
    counts = all_counts[graphs]
    shift = _starts(all_counts)[graphs] - _starts(counts)
    return torch.arange(int(counts.sum())) + shift.repeat_interleave(counts), counts
