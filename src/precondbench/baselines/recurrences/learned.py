"""Networks that carry a learned state along the rows: recurrent units, and parallel scans."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch, PaddedGraphs
from precondbench.baselines.message_passing.graph_network import mlp

# exp of it is far beyond any factor of a matrix with a unit diagonal, and finite in float32.
LARGEST_LOGARITHM = 30.0


class RowEncoder(nn.Module):
    """Representation of row i of tril(A): f(A_ii) + sum over j < i of g(A_ij)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.of_node = mlp(1, width, width, activation=nn.SiLU)
        self.of_edge = mlp(1, width, width, activation=nn.SiLU)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return one vector for each row, [nodes, width]."""
        source, target = batch.edge_index
        below = (source < target).nonzero().squeeze(1)
        messages = self.of_edge(batch.edge_attr[below, :1])
        encoded: Tensor = self.of_node(batch.x)
        return encoded.index_add(0, target[below], messages)


class EntryDecoder(nn.Module):
    """L_ii = exp(f(h_i, A_ii)) and L_ij = g(h_i, h_j, A_ij): states to entries.

    The diagonal is positive, so that no prediction is invalid.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.diagonal = mlp(width + 1, width, 1, activation=nn.SiLU)
        self.below = mlp(2 * width + 1, width, 1, activation=nn.SiLU)

    def forward(self, h: Tensor, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges; ``h`` are the states, [nodes, width]."""
        x, lower = batch.x, batch.lower
        column, row = batch.lower_ends
        is_diagonal = row == column
        diagonal, below = is_diagonal.nonzero().squeeze(1), (~is_diagonal).nonzero().squeeze(1)
        node = row[diagonal]
        logarithms = self.diagonal(torch.cat([h[node], x[node]], dim=1)).squeeze(1)
        i, j = row[below], column[below]
        ends = torch.cat([h[i], h[j], batch.edge_attr[lower[below], :1]], dim=1)
        values = torch.cat(
            [logarithms.clamp_max(LARGEST_LOGARITHM).exp(), self.below(ends).squeeze(1)]
        )
        return values.new_empty(lower.numel()).index_copy(0, torch.cat([diagonal, below]), values)


class BidirectionalGRU(Network):
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
        super().__init__(rounds, width)
        self.rows = RowEncoder(width)
        self.units = nn.GRU(width, width, rounds, batch_first=True, bidirectional=True)
        self.mix = nn.Linear(2 * width, width)
        self.entries = EntryDecoder(width)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        graphs = PaddedGraphs.of(batch.batch)
        rows = graphs.pad(self.rows(batch))
        if graphs.full:
            states, _ = self.units(rows)
        else:
            # Without packing, the unit from the far end would start in the padding.
            packed = pack_padded_sequence(
                rows, graphs.sizes, batch_first=True, enforce_sorted=False
            )
            states, _ = pad_packed_sequence(self.units(packed)[0], batch_first=True)
        h = self.mix(graphs.unpad(states))
        values: Tensor = self.entries(h, batch)
        return values


def normalised_product(left: Tensor, right: Tensor) -> Tensor:
    """Left @ right, its largest entry scaled to 1: products stay finite for every n."""
    # Two multiplications of whole tensors: batched matmul is slow for 2 x 2.
    product = left[..., :1] * right[..., :1, :] + left[..., 1:] * right[..., 1:, :]
    size = product.detach().abs().amax((-2, -1), keepdim=True)
    return product / size.clamp_min(torch.finfo(product.dtype).tiny)


def prefix_products(matrices: Tensor) -> Tensor:
    """Return M_i M_(i-1) ... M_0 for every i, each up to a positive factor.

    Neighbours are multiplied, the products of half length are scanned in turn, and products of
    odd length are filled in (Blelloch 1990): 2 n multiplications in 2 log2(n) steps, all of a step
    at once. Every product is divided by its largest absolute entry, so that nothing overflows.
    ``matrices`` is [batch, n, ..., 2, 2].
    """
    n = matrices.shape[1]
    if n == 1:
        return matrices
    pairs = prefix_products(normalised_product(matrices[:, 1::2], matrices[:, 0 : n - 1 : 2]))
    odd = normalised_product(matrices[:, 2::2], pairs[:, : (n - 1) // 2])
    # Products of odd and of even length in turn; the last of an even n is in pairs.
    even = torch.cat([matrices[:, :1], odd], dim=1)
    woven = torch.stack([even[:, : n // 2], pairs], dim=2).flatten(1, 2)
    return woven if n % 2 == 0 else torch.cat([woven, even[:, -1:]], dim=1)


class _Direction(nn.Module):
    """Heads of z_i = (p z_(i-1) + q) / (r z_(i-1) + s), the four numbers read off row i."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.matrix = mlp(width, width, 4 * heads, activation=nn.SiLU)
        self.start = nn.Parameter(0.5 * torch.randn(heads, 2))
        last = self.matrix[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.5)
            # Near the identity a state is carried along, which is what has to be learned.
            last.bias.copy_((torch.eye(2) + 0.3 * torch.randn(heads, 2, 2)).flatten())

    def forward(self, rows: Tensor, real: Tensor | None) -> Tensor:
        """[graphs, n, width] -> unit vectors of all heads, [graphs, n, 2 heads]."""
        matrices = self.matrix(rows).unflatten(2, (self.heads, 2, 2))
        if real is not None:
            identity = torch.eye(2, dtype=rows.dtype, device=rows.device)
            matrices = torch.where(real[:, :, None, None, None], matrices, identity)
        vectors = (prefix_products(matrices) * self.start[:, None, :]).sum(-1)
        vectors = vectors / vectors.norm(dim=-1, keepdim=True).clamp_min(
            torch.finfo(rows.dtype).tiny
        )
        # A state is the ratio of two numbers: both signs mean the same.
        signed: Tensor = vectors * torch.where(vectors[..., 1:] < 0, -1.0, 1.0)
        return signed.flatten(2)


class _Layer(nn.Module):
    """Both directions, mixed into the representation of each row."""

    def __init__(self, width: int) -> None:
        super().__init__()
        heads = max(1, width // 2)
        self.down, self.up = _Direction(width, heads), _Direction(width, heads)
        self.mix = mlp(4 * heads + width, width, width, activation=nn.SiLU)

    def forward(self, rows: Tensor, real: Tensor | None) -> Tensor:
        down = self.down(rows, real)
        up = self.up(rows.flip(1), None if real is None else real.flip(1)).flip(1)
        mixed: Tensor = rows + self.mix(torch.cat([down, up, rows], dim=2))
        return mixed


class MoebiusScan(Network):
    r"""Learned linear-fractional recurrences over the rows, all rows at once by a parallel scan.

    A head carries z_i = (p_i z_(i-1) + q_i) / (r_i z_(i-1) + s_i), where a perceptron reads
    the four numbers off row i of tril(A): products of 2 x 2 matrices, which an associative scan
    forms in about 2 log2(n) steps. Heads run from both ends. That the pivots of a tridiagonal
    matrix follow such a recurrence, d_i = A_ii - A_(i,i-1)^2 / d_(i-1), is not built in: which
    numbers a row gives and what is computed from the states is learned from data. Products are
    normalised at every step, so that float32 suffices for any n.

    Parameters
    ----------
    rounds : int
        Layers, each over the rows as the one before left them. One is best for tridiagonal data.
    width : int
        Width of hidden representations; half as many heads run in each direction.

    References
    ----------
    Blelloch, "Prefix sums and their applications", CMU-CS-90-190 (1990).
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.rows = RowEncoder(width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(rounds))
        self.entries = EntryDecoder(width)

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        graphs = PaddedGraphs.of(batch.batch)
        rows = graphs.pad(self.rows(batch))
        real = None if graphs.full else graphs.real()
        for layer in self.layers:
            rows = layer(rows, real)
        values: Tensor = self.entries(graphs.unpad(rows), batch)
        return values
