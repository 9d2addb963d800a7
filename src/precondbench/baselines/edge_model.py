"""The edge update of a Graph Network block."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

__all__ = ["EdgeModel", "mlp"]


def mlp(
    inputs: int, width: int, outputs: int, *, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Return a two-layer perceptron: linear, activation (ReLU unless told), linear.

    Parameters
    ----------
    inputs, width, outputs : int
        Sizes of the input, of the hidden layer and of the output.
    activation : type
        A module class without arguments.

    Returns
    -------
    torch.nn.Sequential
        The perceptron.
    """
    return nn.Sequential(nn.Linear(inputs, width), activation(), nn.Linear(width, outputs))


class EdgeModel(nn.Module):
    """e_ij <- MLP(h_i, h_j, e_ij) for an edge from j to i, one perceptron of two layers.

    The first layer is applied to nodes before they are gathered to edges: W [h_i, h_j, e_ij] =
    W_1 h_i + W_2 h_j + W_3 e_ij. That is the same function with a third of the work, and without
    the [edges, 3 width] matrix of inputs, which is what limits the size of a real matrix.

    Parameters
    ----------
    width : int
        Width of node and edge representations.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Linear(3 * width, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor) -> Tensor:
        """Return new edge representations, [edges, width].

        Parameters
        ----------
        h : torch.Tensor
            [nodes, width].
        edge_index : torch.Tensor
            int64 [2, edges]: source, target.
        e : torch.Tensor
            [edges, width].
        """
        source, target = edge_index
        of_target, of_source, of_edge = torch.split(self.first.weight, self.width, dim=1)
        hidden = torch.addmm(self.first.bias, e, of_edge.t())
        hidden = hidden + linear(h, of_target).index_select(0, target)
        hidden = hidden + linear(h, of_source).index_select(0, source)
        updated: Tensor = self.second(torch.relu(hidden))
        return updated
