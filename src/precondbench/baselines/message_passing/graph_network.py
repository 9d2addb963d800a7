"""The Graph Network of the paper, and the parts that other networks share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from precondbench.baselines.base import Network
from precondbench.baselines.batch import GraphBatch


def mlp(
    inputs: int, width: int, outputs: int, *, activation: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Return a two-layer perceptron: linear, activation (by default ReLU), linear.

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


def zero_output(layers: nn.Sequential) -> nn.Sequential:
    """Set the last layer of a perceptron to zero, for a correction that starts at zero."""
    last = layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return layers


def positive_diagonal(values: Tensor, on_diagonal: Tensor) -> Tensor:
    """Replace diagonal values by exp(value / 2), so that the factor is invertible."""
    return torch.where(on_diagonal, (0.5 * values.clamp(-40, 40)).exp(), values)


class EdgeModel(nn.Module):
    """e_ij <- MLP(h_i, h_j, e_ij) for an edge from j to i, one perceptron of two layers.

    The first layer is applied to nodes before they are gathered to edges: W [h_i, h_j, e_ij] =
    W_1 h_i + W_2 h_j + W_3 e_ij. That is the same function with a third of the work, and without
    the [edges, 3 width] matrix of inputs, which would limit the size of a real matrix.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.first = nn.Linear(3 * width, width)
        self.second = nn.Linear(width, width)

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor) -> Tensor:
        """Return new edge representations, [edges, width]; sources are in row 0 of the index."""
        source, target = edge_index
        of_target, of_source, of_edge = torch.split(self.first.weight, self.width, dim=1)
        hidden = torch.addmm(self.first.bias, e, of_edge.t())
        hidden = hidden + linear(h, of_target).index_select(0, target)
        hidden = hidden + linear(h, of_source).index_select(0, source)
        updated: Tensor = self.second(torch.relu(hidden))
        return updated


class NodeModel(nn.Module):
    """Base class of node models: how a block of a ``GraphNetwork`` updates its nodes.

    A subclass is made with ``width`` and implements :meth:`forward`. ``register_model`` gives the
    Graph Network with this node model a name.
    """

    def forward(self, h: Tensor, edge_index: Tensor, e: Tensor, batch: Tensor) -> Tensor:
        """Return new node representations, [nodes, width].

        Parameters
        ----------
        h : torch.Tensor
            [nodes, width]: representations of nodes.
        edge_index : torch.Tensor
            int64 [2, edges]: source and target of every edge, sorted by target, self-loops
            included.
        e : torch.Tensor
            [edges, width]: representations of edges, already updated by this block.
        batch : torch.Tensor
            int64 [nodes]: graph of every node, ascending. Graphs must not be mixed.
        """
        raise NotImplementedError


class GraphNetwork(Network):
    """Encoder, blocks of edge and node updates, decoder: section 6 of the paper.

    ``rounds`` blocks e_ij <- MLP(h_i, h_j, e_ij), h <- node model(h, e), between two perceptrons
    that encode A_ii and (A_ij, sign(i - j)) and one that reads L_ij off e_ij. The last node update
    would reach no output and is left out, so L_ij sees ``rounds`` - 1 edges.
    """

    def __init__(self, node_model: Callable[[int], nn.Module], rounds: int, width: int) -> None:
        super().__init__(rounds, width)
        self.node_encoder = mlp(1, width, width)
        self.edge_encoder = mlp(2, width, width)
        self.edge_models = nn.ModuleList(EdgeModel(width) for _ in range(rounds))
        self.decoder = mlp(width, width, 1)
        self.node_models = nn.ModuleList(node_model(width) for _ in range(rounds - 1))

    def forward(self, batch: GraphBatch) -> Tensor:
        """Return values on the lower edges."""
        edge_index, lower = batch.edge_index, batch.lower
        h = self.node_encoder(batch.x)
        e = self.edge_encoder(batch.edge_attr)
        for edge_model, node_model in zip(self.edge_models, self.node_models, strict=False):
            e = edge_model(h, edge_index, e)
            h = node_model(h, edge_index, e, batch.batch)
        # Only lower edges are decoded, so the last edge model need not see the others.
        e = self.edge_models[-1](h, edge_index[:, lower], e.index_select(0, lower))
        values: Tensor = self.decoder(e)
        return values.squeeze(1)


class LowerNetwork(nn.Module):
    """Residual message passing over the entries of tril(A), along rows and columns separately.

    e_ij <- e_ij + f(h_i, h_j, e_ij), then h_i <- h_i + g(h_i, mean_j e_ij, mean_j e_ji): a node
    distinguishes earlier neighbours from later ones. Every round sees one hop further.
    """

    def __init__(self, rounds: int, width: int, node_features: int, edge_features: int) -> None:
        super().__init__()
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
