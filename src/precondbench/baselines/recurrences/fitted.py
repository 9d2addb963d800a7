"""Recurrences from row to row of a tridiagonal factor, coefficients fitted by least squares."""

from __future__ import annotations

from itertools import combinations_with_replacement

import torch
from torch import Tensor, nn

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch, PaddedGraphs
from precondbench.baselines.recurrences.learned import prefix_products


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
    r"""A cell that knows the algorithm, a division included: the ceiling, not a competitor.

    For tridiagonal matrices with diagonal a and subdiagonal b,

        L_ii^2 = c_0 + c_1 a_i + c_2 b_i + c_3 b_i^2 + c_4 b_i^2 / L_(i-1,i-1)^2,
        L_(i,i-1) = e_0 + e_1 b_i + e_2 b_i / L_(i-1,i-1),

    from row to row, and L_11^2 = a_1. Cholesky's method has c_1 = 1, c_4 = -1, e_2 = 1 and zeros
    otherwise; least squares finds them. There is no gradient descent: one epoch is enough. It
    reads A as it is, so its scaling is "standardised".

    Parameters
    ----------
    rounds, width : int
        Not used.
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
    r"""A recurrence from row to row sought among all monomials, by least squares.

    For tridiagonal matrices with diagonal a and subdiagonal b, L_ii^2 and L_(i,i-1) are linear
    combinations of all monomials in a_i, b_i and 1 / L_(i-1,i-1) up to a degree. Built in are
    that a row follows from the one before, that quotients may occur, and that squares of pivots
    are simpler than pivots; which of the monomials occur (35 of degree up to 4) is learned. The
    identification of dynamics from a library of terms (Brunton, Proctor and Kutz 2016)
    without its search for few terms, which exact data does not need.

    Parameters
    ----------
    rounds : int
        Largest degree of the monomials; 4 includes the recurrence of Cholesky's method.
    width : int
        Not used.
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


# Largest degree in the entries of row i; Cholesky's recurrence has 2.
DEGREE = 2


class MoebiusCell(_Fitted):
    r"""Squared pivots by a fitted linear-fractional map from row to row, in log n steps.

    z_i = L_ii^2 follows z_i = (p_i z_(i-1) + q_i) / (r_i z_(i-1) + s_i), where p, q, r and s are
    unknown polynomials of degree 2 in A_ii and A_(i,i-1): 24 coefficients up to a common factor,
    the right singular vector of the smallest singular value of p z' + q - r z z' - s z = 0 over
    all rows of the training matrices. Products of 2 x 2 matrices give all z at once by a parallel
    scan; L_(i,i-1) is a fitted combination of monomials in the row and 1 / L_(i-1,i-1). That
    squared pivots change by such a map is built in; which map is learned. Tridiagonal matrices
    only, in double precision, on A as it is; one epoch is enough.

    Parameters
    ----------
    rounds, width : int
        Not used.
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
