"""From a trained model and a dataset to the values that are submitted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from precondbench.baselines.factor_model import FactorModel
from precondbench.baselines.graphs import ResidentGraphs
from precondbench.baselines.threads import cpu_threads
from precondbench.errors import ConfigurationError, PredictionError

__all__ = ["predict"]


@torch.no_grad()
def predict(
    model: FactorModel,
    dataset: Iterable[Any],
    *,
    batch_size: int = 16,
    device: torch.device | str | None = None,
    max_edges: int = 1_000_000,
    threads: int = 1,
) -> dict[str, NDArray[np.float64]]:
    """Predict the factor of every matrix of a dataset.

    Parameters
    ----------
    model : FactorModel
        Trained model; it ends on ``device``, in the mode (training, evaluation) it came in.
    dataset : iterable of torch_geometric.data.Data
        Graphs with different names; labels are not read.
    batch_size : int
        Graphs at a time.
    device : torch.device or str, optional
        Where to predict; where the model is, if not given.
    max_edges : int
        Most edges at a time, unless one graph alone has more; lower it where memory is short.
    threads : int
        Processor threads, see ``cpu_threads``; more than one pays for large matrices.

    Returns
    -------
    dict
        Name -> float64 values on the lower triangle of A, in the shard's order.

    Raises
    ------
    PredictionError
        If two graphs have one name.
    ConfigurationError
        If there is no graph, or ``batch_size``, ``max_edges`` or ``threads`` is below 1.
    """
    for name, value in (("batch_size", batch_size), ("max_edges", max_edges), ("threads", threads)):
        if value < 1:
            raise ConfigurationError(f"{name} is {value}; it must be 1 or more")
    device = model.standardisation.node_mean.device if device is None else torch.device(device)
    graphs = ResidentGraphs(dataset, device)
    if model.core is not None:
        graphs.add_core(dataset, model.core)
    repeated = [name for name, count in Counter(graphs.names).items() if count > 1]
    if repeated:
        raise PredictionError(
            f"{len(repeated)} names stand for more than one graph, first {repeated[0]!r}; "
            "predictions are told apart by name"
        )
    was_training = model.training
    model.to(device).eval()
    try:
        with cpu_threads(threads):
            values = torch.cat(
                [model(batch) for batch in graphs.batches(batch_size, max_edges=max_edges)]
            )
    finally:
        model.train(was_training)
    pieces = np.split(values.double().cpu().numpy(), graphs.lower_ends())
    return dict(zip(graphs.names, pieces, strict=True))
