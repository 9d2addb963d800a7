"""Cosine between predicted and true values of L, one per graph: the measure that is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from precondbench.baselines.graphs import GraphBatch
from precondbench.errors import ConfigurationError

__all__ = ["cosine_per_graph", "negative_cosine"]


def cosine_per_graph(predicted: Tensor, graphs: Any) -> Tensor:
    """Cosine of predicted and true values, graph by graph, in float64.

    Parameters
    ----------
    predicted : torch.Tensor
        Values on the lower triangles of all graphs, as a model returns them.
    graphs : GraphBatch, torch_geometric.data.Data or torch_geometric.data.Batch
        The graphs, with labels ``y``.

    Returns
    -------
    torch.Tensor
        float64, one value a graph; 0 where a vector is zero.

    Raises
    ------
    ConfigurationError
        If the graphs have no labels, or not one for each predicted value.
    """
    graph = GraphBatch.from_data(graphs)
    if graph.y is None or graph.y.shape != predicted.shape:
        labels = "no labels y" if graph.y is None else f"labels of shape {tuple(graph.y.shape)}"
        raise ConfigurationError(f"{labels} for predictions of shape {tuple(predicted.shape)}")
    p, t = predicted.double(), graph.y.double()
    products = torch.stack([p * t, p * p, t * t], dim=1)
    sums = products.new_zeros(graph.num_graphs, 3).index_add(0, graph.lower_batch, products)
    # A square root has no derivative at zero.
    norms = sums[:, 1:].clamp_min(torch.finfo(torch.float64).tiny).sqrt()
    return sums[:, 0] / norms[:, 0] / norms[:, 1]


def negative_cosine(predicted: Tensor, graphs: Any) -> Tensor:
    """Return minus the mean over graphs of :func:`cosine_per_graph`: the training loss.

    It does not change when a graph's prediction is multiplied by a positive number: L is wanted
    up to scale.
    """
    return -cosine_per_graph(predicted, graphs).mean()
