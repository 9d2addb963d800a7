"""Recurrences over the rows of a matrix: learned by descent, or fitted by least squares."""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch, PaddedGraphs
from precondbench.baselines.message_passing.graph_network import mlp

# Largest degree of MoebiusCell in the entries of row i; Cholesky's recurrence has 2.
DEGREE = 2
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

    ``rounds`` layers of units (Cho et al. 2014; Schuster and Paliwal 1997). Row i enters as f(A_ii)
    + sum over j < i of g(A_ij); the states at i and j and A_ij give L_ij.
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
    """Return M_i M_(i-1) ... M_0 for every i, each up to a positive factor; [batch, n, ..., 2, 2].

    A scan after Blelloch (1990): neighbours are multiplied, the products of half length scanned in
    turn, and products of odd length filled in. Each is divided by its largest absolute entry.
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
    """Learned linear-fractional recurrences over the rows, all rows at once by a parallel scan.

    A head carries z_i = (p_i z_(i-1) + q_i) / (r_i z_(i-1) + s_i), the four numbers learned from
    row i of tril(A); ``rounds`` layers run ``width`` // 2 heads from both ends (Blelloch 1990).
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


class _Fitted(Network):
    """Vectors of coefficients, solved for in double precision with A as it is."""

    core = "tril"
    core_dtype = torch.float64
    tridiagonal_only = True

    below: Tensor

    def __init__(self, rounds: int, width: int, **counts: int) -> None:
        super().__init__(rounds, width)
        for name, count in counts.items():
            zeros = torch.zeros(count, dtype=torch.float64)
            self.register_parameter(name, nn.Parameter(zeros, requires_grad=False))


class _RowRecurrence(_Fitted):
    """L_ii^2 and L_(i,i-1) as linear combinations of features of row i of A and of L_(i-1,i-1).

    The coefficients are fitted by least squares on all rows of the training matrices, where the
    row before is that of the true factor; a prediction goes from row to row on its own values.
    """

    pivot: Tensor

    def pivot_features(self, a: Tensor, b: Tensor, before: Tensor) -> Tensor:
        """[rows] each: A_ii, A_(i,i-1) and L_(i-1,i-1) -> [rows, features] of L_ii^2."""
        raise NotImplementedError

    def below_features(self, a: Tensor, b: Tensor, before: Tensor) -> Tensor:
        """Features of L_(i,i-1), as :meth:`pivot_features`."""
        raise NotImplementedError

    def fit(self, batch: GraphBatch) -> None:
        """Solve for the coefficients; first rows have no row before and are left out."""
        a, b, before, diagonal, below = inner_rows(batch)
        given = (a, b, before)
        for coefficients, features, target in (
            (self.pivot, self.pivot_features(*given), diagonal.square()),
            (self.below, self.below_features(*given), below),
        ):
            coefficients.copy_(fitted(features, target))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        graphs = PaddedGraphs.of(batch.batch)
        a, b = (graphs.pad(part[:, None])[:, :, 0] for part in by_row(batch.core, batch))
        # The first row has no row before it and b = 0, so any value does.
        before = torch.ones_like(a[:, 0])
        tiny = torch.finfo(a.dtype).tiny
        pivots, belows = [], []
        for i in range(graphs.longest):
            given = (a[:, i], b[:, i], before)
            belows.append(self.below_features(*given) @ self.below)
            square = self.pivot_features(*given) @ self.pivot if i else a[:, 0]
            # Rounding may leave a pivot that is not positive; the value must still be finite.
            before = square.clamp_min(tiny).sqrt()
            pivots.append(before)
        diagonal, below = (
            graphs.unpad(torch.stack(part, dim=1)[:, :, None])[:, 0] for part in (pivots, belows)
        )
        column, row = batch.lower_ends
        return torch.where(column == row, diagonal[row], below[row])


class DivisionCell(_RowRecurrence):
    """A cell that knows the algorithm, a division included: the ceiling, not a competitor.

    L_ii^2 is linear in 1, a_i, b_i, b_i^2 and b_i^2 / L_(i-1,i-1)^2, and L_(i,i-1) in 1, b_i and
    b_i / L_(i-1,i-1), for diagonal a and subdiagonal b; Cholesky's coefficients are 0, 1 and -1.
    """

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__(rounds, width, pivot=5, below=3)

    def pivot_features(self, a: Tensor, b: Tensor, before: Tensor) -> Tensor:
        """1, a, b, b^2, (b / L)^2."""
        return torch.stack([torch.ones_like(a), a, b, b.square(), (b / before).square()], dim=-1)

    def below_features(self, a: Tensor, b: Tensor, before: Tensor) -> Tensor:
        """1, b, b / L."""
        return torch.stack([torch.ones_like(b), b, b / before], dim=-1)


class MonomialCell(_RowRecurrence):
    """A recurrence from row to row sought among all monomials, by least squares.

    L_ii^2 and L_(i,i-1) are linear in all monomials in a_i, b_i and 1 / L_(i-1,i-1) of degree up to
    ``rounds``, a library of terms as in Brunton, Proctor and Kutz (2016); 4 includes Cholesky's.
    """

    def __init__(self, rounds: int, width: int) -> None:
        count = monomials((torch.ones(1),) * 3, rounds).shape[-1]
        super().__init__(rounds, width, pivot=count, below=count)
        self.degree = rounds

    def pivot_features(self, a: Tensor, b: Tensor, before: Tensor) -> Tensor:
        """Return all monomials in a, b and 1 / L."""
        return monomials((a, b, 1.0 / before), self.degree)

    below_features = pivot_features


def inner_rows(batch: GraphBatch) -> tuple[Tensor, ...]:
    """A_ii, A_(i,i-1), L_(i-1,i-1), L_ii and L_(i,i-1) of all rows but the first, [rows] each."""
    a, b = by_row(batch.core, batch)
    diagonal, below = by_row(batch.y, batch)
    inner = b.ne(0)
    return tuple(values[inner] for values in (a, b, diagonal.roll(1), diagonal, below))


def fitted(features: Tensor, target: Tensor) -> Tensor:
    """Coefficients of the least squares fit of relative errors; [rows, features], [rows]."""
    # Large rows would otherwise decide alone.
    columns = (features / target[:, None]).cpu()
    size = columns.norm(dim=0).clamp_min(torch.finfo(columns.dtype).tiny)
    # The driver that copes with columns that are nearly dependent.
    solved = torch.linalg.lstsq(columns / size, torch.ones_like(columns[:, :1]), driver="gelsd")
    coefficients: Tensor = solved.solution[:, 0] / size
    return coefficients.to(target.device)


def monomials(variables: tuple[Tensor, ...], degree: int) -> Tensor:
    """Return all products of up to ``degree`` of the variables, starting with 1."""
    columns = []
    for count in range(degree + 1):
        for chosen in combinations_with_replacement(variables, count):
            column = torch.ones_like(variables[0])
            for variable in chosen:
                column = column * variable
            columns.append(column)
    return torch.stack(columns, dim=-1)


def by_row(values: Tensor | None, batch: GraphBatch) -> tuple[Tensor, Tensor]:
    """Diagonal and subdiagonal of a tridiagonal matrix by row, [nodes]; 0 below in a first row."""
    assert values is not None
    column, row = batch.lower_ends
    on = column == row
    diagonal, below = values.new_zeros(2, int(on.sum()))
    diagonal = diagonal.index_copy(0, row[on], values[on])
    return diagonal, below.index_copy(0, row[~on], values[~on])


class MoebiusCell(_Fitted):
    """Squared pivots by a fitted linear-fractional map from row to row, in log n steps.

    z_i = L_ii^2 follows z_i = (p z_(i-1) + q) / (r z_(i-1) + s) with polynomials of degree 2 in row
    i, a singular vector of p z' + q - r z z' - s z = 0; L_(i,i-1) is fitted to monomials.
    """

    moebius: Tensor

    def __init__(self, rounds: int, width: int) -> None:
        of_row = monomials((torch.ones(1),) * 2, DEGREE).shape[-1]
        of_both = monomials((torch.ones(1),) * 3, DEGREE).shape[-1]
        super().__init__(rounds, width, moebius=4 * of_row, below=of_both)

    def fit(self, batch: GraphBatch) -> None:
        """Find the coefficients; first rows have no row before and are left out."""
        a, b, before, diagonal, below = inner_rows(batch)
        z, z_before = diagonal.square(), before.square()
        row = monomials((a, b), DEGREE)
        terms = torch.stack([z_before, torch.ones_like(z), -z * z_before, -z], dim=1)
        # Each equation in units of its own pivots.
        equations = (terms[:, :, None] * row[:, None, :]).flatten(1) / (z * z_before)[:, None]
        size = equations.norm(dim=0)
        # The triangular factor has the same singular vectors, and a few rows.
        triangle = torch.linalg.qr(equations / size, mode="r").R
        self.moebius.copy_(torch.linalg.svd(triangle).Vh[-1] / size)
        self.below.copy_(fitted(monomials((a, b, 1.0 / before), DEGREE), below))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges, float64."""
        graphs = PaddedGraphs.of(batch.batch)
        a, b = by_row(batch.core, batch)
        matrices = monomials((a, b), DEGREE) @ self.moebius.view(4, -1).t()
        padded = graphs.pad(matrices).view(graphs.count, graphs.longest, 2, 2)
        if not graphs.full:
            identity = torch.eye(2, dtype=padded.dtype, device=padded.device)
            padded = torch.where(graphs.real()[:, :, None, None], padded, identity)
        # In a first row b = 0, and the map gives A_11 for any row before.
        vectors = graphs.unpad(prefix_products(padded).sum(-1))
        square = vectors[:, 0] / vectors[:, 1]
        # Rounding may leave a pivot that is not positive; the value must still be finite.
        pivot = torch.where(square > 0, square, a).sqrt()
        features = monomials((a, b, 1.0 / pivot.roll(1)), DEGREE)
        column, row = batch.lower_ends
        return torch.where(column == row, pivot[row], (features @ self.below)[row])
