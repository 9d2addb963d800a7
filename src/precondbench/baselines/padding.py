"""Nodes of several graphs as one rectangular tensor, a row a graph."""

from __future__ import annotations

import torch
from torch import Tensor


class PaddedGraphs:
    """Where the nodes of a batch stand when every graph is padded to the largest.

    Parameters
    ----------
    sizes : list of int
        Nodes of each graph, in the order of the batch.
    device : torch.device
        Of the nodes.
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
        """Read the sizes off the graph of every node, int64 [nodes], ascending."""
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
