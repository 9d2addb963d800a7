"""Running products of 2 x 2 matrices up to scale, in a number of steps that grows like log n."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.message_passing.graph_network import mlp
from precondbench.baselines.padding import PaddedGraphs
from precondbench.baselines.recurrences.gru import EntryDecoder, RowEncoder
from precondbench.baselines.registry import register_model


def _product(left: Tensor, right: Tensor) -> Tensor:
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

    Parameters
    ----------
    matrices : torch.Tensor
        [batch, n, ..., 2, 2], n at least 1.

    Returns
    -------
    torch.Tensor
        Same shape.

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines.recurrences.scan import prefix_products
    >>> step = torch.tensor([[2.0, -1.0], [1.0, 0.0]]).expand(1, 4, 2, 2)
    >>> first = prefix_products(step)[0, :, :, 0]
    >>> first[:, 0] / first[:, 1]  # pivots of tridiag(-1, 2, -1)
    tensor([2.0000, 1.5000, 1.3333, 1.2500])
    """
    n = matrices.shape[1]
    if n == 1:
        return matrices
    pairs = prefix_products(_product(matrices[:, 1::2], matrices[:, 0 : n - 1 : 2]))
    odd = _product(matrices[:, 2::2], pairs[:, : (n - 1) // 2])
    # Products of odd and of even length in turn; the last of an even n is in pairs.
    even = torch.cat([matrices[:, :1], odd], dim=1)
    woven = torch.stack([even[:, : n // 2], pairs], dim=2).flatten(1, 2)
    return woven if n % 2 == 0 else torch.cat([woven, even[:, -1:]], dim=1)


def sequential_products(matrices: Tensor) -> Tensor:
    """Return what :func:`prefix_products` does, in n steps one after the other."""
    products = [matrices[:, 0]]
    for i in range(1, matrices.shape[1]):
        products.append(_product(matrices[:, i], products[-1]))
    return torch.stack(products, dim=1)


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


@register_model("MoebiusScan")
class MoebiusScan(nn.Module):
    r"""Learned linear-fractional recurrences over the rows, all rows at once by a parallel scan.

    A head carries z_i = (p_i z_(i-1) + q_i) / (r_i z_(i-1) + s_i), where a perceptron reads
    the four numbers off row i of tril(A): products of 2 x 2 matrices, which an associative scan
    forms in about 2 log2(n) steps. Heads run from both ends. That the pivots of a tridiagonal
    matrix follow such a recurrence, d_i = A_ii - A_(i,i-1)^2 / d_(i-1), is not told: which numbers
    a row gives, and what is read off the states, is learned from data. Products are normalised at
    every step, so that float32 suffices for any n.

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
        super().__init__()
        self.rows = RowEncoder(width)
        self.layers = nn.ModuleList(_Layer(width) for _ in range(rounds))
        self.entries = EntryDecoder(width)

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, lower: Tensor, batch: Tensor
    ) -> Tensor:
        """Return values on the lower edges, in the order of ``lower``."""
        graphs = PaddedGraphs.of(batch)
        rows = graphs.pad(self.rows(x, edge_index, edge_attr))
        real = None if graphs.full else graphs.real()
        for layer in self.layers:
            rows = layer(rows, real)
        values: Tensor = self.entries(graphs.unpad(rows), x, edge_index, edge_attr, lower)
        return values
