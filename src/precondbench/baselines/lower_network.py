"""Message passing on the lower triangle: representations of entries for models that decode them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.baselines.edge_model import EdgeModel, mlp
from precondbench.errors import ConfigurationError

__all__ = ["LowerNetwork", "silent"]


def silent(layers: nn.Sequential) -> nn.Sequential:
    """Set the last layer of a perceptron to zero: a correction that starts as none."""
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return layers


class LowerNetwork(nn.Module):
    """Residual message passing over the entries of tril(A), apart along rows and along columns.

    e_ij <- e_ij + f(h_i, h_j, e_ij), then h_i <- h_i + g(h_i, mean_j e_ij, mean_j e_ji): a node
    tells its earlier neighbours from its later ones. Every round sees one hop further.

    Parameters
    ----------
    rounds, width : int
        Blocks, and width of all representations.
    node_features, edge_features : int
        Inputs of the two encoders.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is below 1.
    """

    def __init__(self, rounds: int, width: int, node_features: int, edge_features: int) -> None:
        super().__init__()
        if rounds < 1 or width < 1:
            raise ConfigurationError(
                f"rounds is {rounds} and width is {width}; both must be 1 or more"
            )
        self.node_encoder = mlp(node_features, width, width)
        self.edge_encoder = mlp(edge_features, width, width)
        self.edge_models = nn.ModuleList(EdgeModel(width) for _ in range(rounds))
        self.node_models = nn.ModuleList(mlp(3 * width, width, width) for _ in range(rounds - 1))

    def forward(
        self, nodes: Tensor, entries: Tensor, column: Tensor, row: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return representations of nodes, [nodes, width], and of entries, [entries, width]."""
        h, e = self.node_encoder(nodes), self.edge_encoder(entries)
        ends = torch.stack([column, row])
        size = h.shape[0]
        of_row, of_column = (torch.bincount(end, minlength=size) for end in (row, column))
        for position, edge_model in enumerate(self.edge_models):
            e = e + edge_model(h, ends, e)
            if position < len(self.node_models):
                zero = torch.zeros_like(h)
                earlier = zero.index_add(0, row, e) / of_row.unsqueeze(1)
                later = zero.index_add(0, column, e) / of_column.unsqueeze(1)
                h = h + self.node_models[position](torch.cat([h, earlier, later], dim=1))
        return h, e
