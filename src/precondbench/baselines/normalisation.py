"""Features of zero mean and unit spread, as measured on the training split."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from precondbench.errors import ConfigurationError

__all__ = ["Standardisation"]


class Standardisation(nn.Module):
    """Affine map of A_ii and A_ij; the direction flag of an edge passes untouched.

    Means and deviations are buffers: they travel with the model into its checkpoint, so that
    another split or another machine sees the map of the training split. Before :meth:`fit` the
    map is the identity.
    """

    node_mean: Tensor
    node_std: Tensor
    edge_mean: Tensor
    edge_std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("node_mean", torch.zeros(1))
        self.register_buffer("node_std", torch.ones(1))
        self.register_buffer("edge_mean", torch.zeros(2))
        self.register_buffer("edge_std", torch.ones(2))

    def fit(self, x: Tensor, edge_attr: Tensor) -> None:
        """Measure the features of a training split: all nodes and all edges of all graphs.

        Parameters
        ----------
        x : torch.Tensor
            [nodes, 1].
        edge_attr : torch.Tensor
            [edges, 2]; only the first column is standardised.

        Raises
        ------
        ConfigurationError
            If a feature is not finite.
        """
        for name, values, mean, std in (
            ("x", x[:, 0], self.node_mean, self.node_std),
            ("edge_attr", edge_attr[:, 0], self.edge_mean, self.edge_std),
        ):
            values = values.double()
            if not bool(torch.isfinite(values).all()):
                raise ConfigurationError(
                    f"{name} of the training set holds values that are not finite; "
                    "scale the matrices (float32 ends at 3.4e38) or leave them out"
                )
            spread = values.std(correction=0)
            mean[0] = values.mean()
            # A constant feature (a unit diagonal, say) carries nothing; leave its scale alone.
            std[0] = spread if spread > 0 else 1.0

    def forward(self, x: Tensor, edge_attr: Tensor) -> tuple[Tensor, Tensor]:
        """Return standardised node and edge features."""
        return (x - self.node_mean) / self.node_std, (edge_attr - self.edge_mean) / self.edge_std
