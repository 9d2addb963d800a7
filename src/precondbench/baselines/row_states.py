"""What models that carry a state from row to row read, and how entries are read off states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.edge_model import mlp

__all__ = ["EntryDecoder", "RowEncoder"]

# exp of it is far beyond any factor of a matrix with a unit diagonal, and finite in float32.
LARGEST_LOGARITHM = 30.0


class RowEncoder(nn.Module):
    """What row i of tril(A) says by itself: f(A_ii) + sum over j < i of g(A_ij).

    Parameters
    ----------
    width : int
        Width of hidden representations.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_node = mlp(1, width, width, activation=nn.SiLU)
        self.of_edge = mlp(1, width, width, activation=nn.SiLU)

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        """Return one vector a row, [nodes, width]."""
        source, target = edge_index
        below = (source < target).nonzero().squeeze(1)
        messages = self.of_edge(edge_attr[below, :1])
        encoded: Tensor = self.of_node(x)
        return encoded.index_add(0, target[below], messages)


class EntryDecoder(nn.Module):
    """L_ii = exp(f(h_i, A_ii)) and L_ij = g(h_i, h_j, A_ij): states to entries.

    The diagonal is positive, as that of every factor compared with: no prediction is invalid.

    Parameters
    ----------
    width : int
        Width of the states and of hidden layers.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.diagonal = mlp(width + 1, width, 1, activation=nn.SiLU)
        self.below = mlp(2 * width + 1, width, 1, activation=nn.SiLU)

    def forward(
        self, h: Tensor, x: Tensor, edge_index: Tensor, edge_attr: Tensor, lower: Tensor
    ) -> Tensor:
        """Return one value for each element of ``lower``; ``h`` is [nodes, width]."""
        column, row = edge_index.index_select(1, lower)
        is_diagonal = row == column
        diagonal, below = is_diagonal.nonzero().squeeze(1), (~is_diagonal).nonzero().squeeze(1)
        node = row[diagonal]
        logarithms = self.diagonal(torch.cat([h[node], x[node]], dim=1)).squeeze(1)
        i, j = row[below], column[below]
        ends = torch.cat([h[i], h[j], edge_attr[lower[below], :1]], dim=1)
        values = torch.cat(
            [logarithms.clamp_max(LARGEST_LOGARITHM).exp(), self.below(ends).squeeze(1)]
        )
        return values.new_empty(lower.numel()).index_copy(0, torch.cat([diagonal, below]), values)
