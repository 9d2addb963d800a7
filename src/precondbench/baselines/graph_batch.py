"""What a model reads and a loss compares with: several graphs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from precondbench.baselines.inverses import InversePairs

__all__ = ["GraphBatch"]


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
        float64: values of a classical factor on the lower edges, for networks that correct it.
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
