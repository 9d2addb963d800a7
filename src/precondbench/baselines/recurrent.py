"""A recurrent network over the rows of a matrix in the order of elimination."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from precondbench.baselines.padding import PaddedGraphs
from precondbench.baselines.registry import register_model
from precondbench.baselines.row_states import EntryDecoder, RowEncoder

__all__ = ["BidirectionalGRU"]


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
