"""What a model is shown of the scale of a matrix: A as it is, or A with a unit diagonal."""

from __future__ import annotations

import torch
from torch import Tensor

from precondbench.baselines.graph_batch import GraphBatch

__all__ = ["SCALINGS", "unit_diagonal"]

SCALINGS = ("standardised", "unit-diagonal")


def unit_diagonal(graph: GraphBatch) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return features of S^-1 A S^-1 with S = diag(A)^(1/2), and the diagonal of S.

    The factor of D A D is D L for every positive diagonal D, and S^-1 A S^-1 does not depend on
    D. A model that reads these features and whose values are multiplied by S, row by row, is
    equivariant by construction, up to rounding (to the bit where D holds powers of two).

    Parameters
    ----------
    graph : GraphBatch
        Matrices with positive diagonals.

    Returns
    -------
    x : torch.Tensor
        [nodes, 1]: ones.
    edge_attr : torch.Tensor
        [edges, 2]: A_ij / sqrt(A_ii A_jj), and sign(i - j).
    root : torch.Tensor
        [nodes]: sqrt(A_ii).

    Examples
    --------
    >>> import torch
    >>> from precondbench.baselines import GraphBatch
    >>> from precondbench.baselines.scaling import unit_diagonal
    >>> one = torch.zeros(1, dtype=torch.int64)
    >>> graph = GraphBatch(
    ...     x=torch.tensor([[4.0], [9.0]]),
    ...     edge_index=torch.tensor([[0, 1, 0, 1], [0, 0, 1, 1]]),
    ...     edge_attr=torch.tensor([[4.0, 0.0], [-3.0, -1.0], [-3.0, 1.0], [9.0, 0.0]]),
    ...     lower=torch.tensor([0, 2, 3]), batch=one, lower_batch=one, num_graphs=1)
    >>> unit_diagonal(graph)[1][:, 0]
    tensor([ 1.0000, -0.5000, -0.5000,  1.0000])
    """
    root = graph.x[:, 0].clamp_min(torch.finfo(graph.x.dtype).tiny).sqrt()
    source, target = graph.edge_index
    value = graph.edge_attr[:, 0] / root.index_select(0, target) / root.index_select(0, source)
    return torch.ones_like(graph.x), torch.stack([value, graph.edge_attr[:, 1]], dim=1), root
