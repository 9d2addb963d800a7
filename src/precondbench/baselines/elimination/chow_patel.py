"""Unrolled Chow-Patel sweeps with learned damping: rounds of messages on triples."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.elimination.levels import silent, triples
from precondbench.baselines.message_passing.graph_network import mlp
from precondbench.baselines.registry import register_model
from precondbench.errors import ConfigurationError

# A pivot keeps at least this part of its a_ii, and an entry stays below sqrt(a_ii).
LEAST = 1e-3


@register_model("ChowPatel")
class ChowPatel(nn.Module):
    r"""Fixed-point sweeps towards IC(0), with learned start, damping and products.

    Chow and Patel (2015) compute IC(0) by sweeps over all entries at once,
    L_ij <- (a_ij - s_ij) / L_jj and L_ii <- sqrt(a_ii - s_ii), s_ij = sum_k L_ik L_jk, k < j.
    Each sweep is a round of messages on triples (i, k), (j, k) -> (i, j). Here ``rounds`` sweeps
    are L <- (1 - w) L + w sweep(L), in which a perceptron of a_ij and of what the rows i and j
    hold gives w in (0, 1), a factor in (0, 2) on s_ij, and a factor on the start tril(A). Factors
    on s_ij let it leave IC(0), as modified factorisations do.

    It is local: an entry sees ``rounds`` steps down the triples, and one for the features.
    a_ii - s_ii is kept above a small part of a_ii and |L_ij| below sqrt(a_ii), so there is no
    breakdown. It needs A as it is and the rows in the order of elimination.

    Parameters
    ----------
    rounds, width : int
        Number of sweeps, and width of the perceptrons.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is below 1.
    """

    raw_features = True

    def __init__(self, rounds: int, width: int) -> None:
        super().__init__()
        if rounds < 1 or width < 1:
            raise ConfigurationError(
                f"rounds is {rounds} and width is {width}; both must be 1 or more"
            )
        self.start = silent(mlp(6, width, 1))
        self.sweeps = nn.ModuleList(silent(mlp(8, width, 2)) for _ in range(rounds))
        self.damping = nn.Parameter(torch.full((rounds,), 2.0))

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, lower: Tensor, batch: Tensor
    ) -> Tensor:
        """Return values on the lower edges, see ``GraphNetwork.forward``."""
        column, row = edge_index.index_select(1, lower)
        entry, first, second = triples(edge_index, lower)
        root = x[:, 0].sqrt()
        scale = root.index_select(0, row)
        a = edge_attr[lower, 0] / scale / root.index_select(0, column)
        on_diagonal = column == row
        diagonals = on_diagonal.nonzero().squeeze(1)
        features = _features(a, column, row, on_diagonal, x.shape[0])
        values = a * self.start(features).squeeze(1).exp()
        for sweep, damping in zip(self.sweeps, self.damping, strict=True):
            products = values.index_select(0, first) * values.index_select(0, second)
            summed = torch.zeros_like(values).index_add(0, entry, products)
            learned = sweep(torch.cat([features, torch.stack([values, summed], dim=1)], dim=1))
            weight = torch.sigmoid(damping + learned[:, 0])
            rest = a - (1 + torch.tanh(learned[:, 1])) * summed
            # The pivot of this sweep divides the entries of its column in the next.
            pivot = values.index_select(0, diagonals).index_select(0, column)
            new = torch.where(on_diagonal, _root(rest), (rest / pivot).clamp(-1, 1))
            values = (1 - weight) * values + weight * new
        made: Tensor = scale * values
        return made


def _root(rest: Tensor) -> Tensor:
    return rest.clamp_min(LEAST).sqrt()


def _features(a: Tensor, column: Tensor, row: Tensor, on_diagonal: Tensor, nodes: int) -> Tensor:
    """What is known of each entry before: itself, and squares in its row and column."""
    squares = torch.where(on_diagonal, 0.0, a.square())
    zero = a.new_zeros(nodes)
    before, after = zero.index_add(0, row, squares), zero.index_add(0, column, squares)
    ends = (before[row], after[row], before[column], after[column])
    return torch.stack([a, on_diagonal.to(a), *(end.log1p() for end in ends)], dim=1)
