"""A fitted linear-fractional recurrence of pivots, evaluated for all rows at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.associative_scan import prefix_products
from precondbench.baselines.graph_batch import GraphBatch
from precondbench.baselines.padding import PaddedGraphs
from precondbench.baselines.registry import register_model
from precondbench.baselines.row_recurrence import fitted, inner_rows, monomials, tridiagonal

__all__ = ["MoebiusCell"]

# Largest degree in the entries of row i; Cholesky's recurrence has 2.
DEGREE = 2


@register_model("MoebiusCell")
class MoebiusCell(nn.Module):
    r"""Squared pivots by a fitted linear-fractional map from row to row, in log n steps.

    z_i = L_ii^2 follows z_i = (p_i z_(i-1) + q_i) / (r_i z_(i-1) + s_i), where p, q, r and s are
    unknown polynomials of degree 2 in A_ii and A_(i,i-1): 24 coefficients up to a common factor,
    the right singular vector of the smallest singular value of p z' + q - r z z' - s z = 0 over
    all rows of the training matrices. Products of 2 x 2 matrices give all z at once by a parallel
    scan; L_(i,i-1) is a fitted combination of monomials in the row and 1 / L_(i-1,i-1). Told:
    that squared pivots change by such a map. Not told: which. Tridiagonal matrices only, in double
    precision, on A as it is; one epoch is enough.

    Parameters
    ----------
    rounds, width : int
        Not used.
    """

    core = "tril"
    core_dtype = torch.float64

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        of_row = monomials((torch.ones(1),) * 2, DEGREE).shape[-1]
        of_both = monomials((torch.ones(1),) * 3, DEGREE).shape[-1]
        zeros = (torch.zeros(k, dtype=torch.float64) for k in (4 * of_row, of_both))
        self.moebius, self.below = (nn.Parameter(values, requires_grad=False) for values in zeros)

    def fit(self, graph: GraphBatch) -> None:
        """Find the coefficients; first rows have no row before and are left out."""
        a, b, before, diagonal, below = inner_rows(graph)
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

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor,
        lower: Tensor,
        batch: Tensor,
        core: Tensor,
    ) -> Tensor:
        """Return values on the lower edges, in the order of ``lower``, in double precision."""
        graphs = PaddedGraphs.of(batch)
        a, b = tridiagonal(core, edge_index, lower)
        matrices = monomials((a, b), DEGREE) @ self.moebius.view(4, -1).t()
        padded = graphs.pad(matrices).view(graphs.count, graphs.longest, 2, 2)
        if not graphs.full:
            identity = torch.eye(2, dtype=padded.dtype, device=padded.device)
            padded = torch.where(graphs.real()[:, :, None, None], padded, identity)
        # In a first row b = 0, and the map gives A_11 whatever stands for the row before.
        vectors = graphs.unpad(prefix_products(padded).sum(-1))
        square = vectors[:, 0] / vectors[:, 1]
        # Rounding may leave nothing of a pivot; a value must be there all the same.
        pivot = torch.where(square > 0, square, a).sqrt()
        features = monomials((a, b, 1.0 / pivot.roll(1)), DEGREE)
        column, row = edge_index.index_select(1, lower)
        return torch.where(column == row, pivot[row], (features @ self.below)[row])
