"""What models that carry a state from row to row read, and how entries are read off states."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from precondbench.baselines.message_passing.graph_network import mlp
from precondbench.baselines.padding import PaddedGraphs
from precondbench.baselines.registry import register_model

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


@register_model("BidirectionalGRU")
class BidirectionalGRU(nn.Module):
    """Gated recurrent units over the rows in elimination order, from both ends.

    Row i enters as f(A_ii) + sum over j < i of g(A_ij); the states at i and j and A_ij give L_ij.
    Nothing of the factorisation is built in but the order of the rows. A value may depend on
    every entry of A, at the price of n steps one after the other.

    Parameters
    ----------
    rounds : int
        Layers of units, each over the states of the one before.
    width : int
        Width of the states of each direction.

    References
    ----------
    Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical
    machine translation", EMNLP 2014. Schuster and Paliwal, "Bidirectional recurrent neural
    networks", IEEE Transactions on Signal Processing 45 (1997).
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        self.rows = RowEncoder(width)
        self.units = nn.GRU(width, width, rounds, batch_first=True, bidirectional=True)
        self.mix = nn.Linear(2 * width, width)
        self.entries = EntryDecoder(width)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, lower: Tensor, batch: Tensor
    ) -> Tensor:
        """Return values on the lower edges, in the order of ``lower``."""
        graphs = PaddedGraphs.of(batch)
        rows = graphs.pad(self.rows(x, edge_index, edge_attr))
        if graphs.full:
            states, _ = self.units(rows)
        else:
            # Without packing, the unit from the far end would start in the padding.
            packed = pack_padded_sequence(
                rows, graphs.sizes, batch_first=True, enforce_sorted=False
            )
            states, _ = pad_packed_sequence(self.units(packed)[0], batch_first=True)
        h = self.mix(graphs.unpad(states))
        values: Tensor = self.entries(h, x, edge_index, edge_attr, lower)
        return values
