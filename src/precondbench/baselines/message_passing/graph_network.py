"""The edge update of a Graph Network block."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from precondbench.errors import ConfigurationError


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


NODE_FEATURES = 1
EDGE_FEATURES = 2


class GraphNetwork(nn.Module):
    r"""Predict one value for every entry of the lower triangle of A.

    1. Encoder: h_i from A_ii and e_ij from (A_ij, sign(i - j)), by two perceptrons.
    2. Processor, ``rounds`` blocks without a global model and without skip connections:
       e_ij <- MLP(h_i, h_j, e_ij), then h <- node model(h, e).
    3. Decoder: L_ij = MLP(e_ij) for i >= j.

    The value of an edge is read off e, so the node update of the last block would reach no
    output: it has no gradient, and weight decay or a distributed reducer would treat its
    parameters as live ones. It is left out; the function computed is that of the full block.
    ``rounds`` blocks thus exchange messages ``rounds - 1`` times, and with one block all node
    models are the same network.

    With a node model that reads direct neighbours, L_ij depends on entries of A up to
    ``rounds - 1`` edges away from i or j (``rounds - 1`` rows of a tridiagonal matrix). With one
    that does not mix nodes it depends on A_ii, A_jj and A_ij alone.

    Parameters
    ----------
    node_model : callable
        ``node_model(width)`` makes a module with
        ``forward(h, edge_index, e, batch) -> h'``, where ``h`` is [nodes, width], ``e``
        [edges, width], ``edge_index`` [2, edges] with sources in row 0 and targets in row 1,
        sorted by target, and ``batch`` the graph of every node.
    rounds : int
        Number of blocks, at least 1.
    width : int
        Width of every hidden representation.

    Raises
    ------
    ConfigurationError
        If ``rounds`` or ``width`` is below 1.
    """

    def __init__(self, node_model: Callable[[int], nn.Module], rounds: int, width: int) -> None:
        super().__init__()
        if rounds < 1 or width < 1:
            raise ConfigurationError(
                f"rounds is {rounds} and width is {width}; both must be 1 or more"
            )
        self.node_encoder = mlp(NODE_FEATURES, width, width)
        self.edge_encoder = mlp(EDGE_FEATURES, width, width)
        self.edge_models = nn.ModuleList(EdgeModel(width) for _ in range(rounds))
        self.decoder = mlp(width, width, 1)
        self.node_models = nn.ModuleList(node_model(width) for _ in range(rounds - 1))

    def forward(
        self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, lower: Tensor, batch: Tensor
    ) -> Tensor:
        """Return values on the lower edges, in the order of ``lower``.

        Parameters
        ----------
        x : torch.Tensor
            [nodes, 1].
        edge_index : torch.Tensor
            int64 [2, edges].
        edge_attr : torch.Tensor
            [edges, 2].
        lower : torch.Tensor
            int64: positions of the edges to decode.
        batch : torch.Tensor
            int64 [nodes]: graph of every node.

        Returns
        -------
        torch.Tensor
            One value for each element of ``lower``.
        """
        h = self.node_encoder(x)
        e = self.edge_encoder(edge_attr)
        for edge_model, node_model in zip(self.edge_models, self.node_models, strict=False):
            e = edge_model(h, edge_index, e)
            h = node_model(h, edge_index, e, batch)
        # Only lower edges are decoded, so the last edge model need not see the others.
        e = self.edge_models[-1](h, edge_index[:, lower], e.index_select(0, lower))
        values: Tensor = self.decoder(e)
        return values.squeeze(1)
