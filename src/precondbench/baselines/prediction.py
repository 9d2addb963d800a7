"""Prediction of factors by a trained model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, tril
from torch_geometric.data import Data

from precondbench.baselines.base import FactorModel
from precondbench.baselines.batch import ResidentGraphs
from precondbench.datasets import GraphArrays, collate_graphs
from precondbench.errors import ConfigurationError, PredictionError
from precondbench.factors import lower_pattern, lower_values
from precondbench.matrices import check_spd_candidate
from precondbench.quality import Pair


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch use ``count`` threads of the processor inside the block.

    Work on a small graph is done before a second thread has started, and threads that wait for
    each other are slow where cores are shared. One thread also fixes the order of summation.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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
        Trained model; it is moved to ``device``, and its mode (training, evaluation) is kept.
    dataset : iterable of torch_geometric.data.Data
        Graphs with different names; labels are not read.
    batch_size : int
        Graphs at a time.
    device : torch.device or str, optional
        Where to predict; where the model is, if not given.
    max_edges : int
        Most edges at a time, unless one graph alone has more; lower it where memory is short.
    threads : int
        Processor threads; more than one is faster for large matrices.

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
    device = model.device if device is None else torch.device(device)
    graphs = ResidentGraphs(dataset, device)
    if model.core is not None:
        graphs.add_core(dataset, model.core)
    repeated = [name for name, count in Counter(graphs.names).items() if count > 1]
    if repeated:
        raise PredictionError(
            f"{len(repeated)} names belong to more than one graph, first {repeated[0]!r}; "
            "predictions are distinguished by name"
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
    pieces = np.split(values.double().cpu().numpy(), graphs.split_points())
    return dict(zip(graphs.names, pieces, strict=True))


class _One:
    """A single matrix as a dataset: its graph, and the pair for classical factors."""

    def __init__(self, arrays: GraphArrays) -> None:
        self.graph, _ = collate_graphs(arrays)
        self.graph.name = arrays.names[0]
        self.A = arrays.pattern.symmetric_csr(arrays.a)

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Data]:
        return iter([self.graph])

    def pair(self, index: int) -> Pair:
        return Pair(self.graph.name, self.A, csr_array(tril(self.A, format="csr")))


def predict_factor(
    model: FactorModel,
    A: Any,
    *,
    scaled: bool = False,
    device: torch.device | str | None = None,
    threads: int = 1,
) -> csr_array:
    """Predict the factor of one matrix.

    Parameters
    ----------
    model : FactorModel
        Trained model; it is moved to ``device``.
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    scaled : bool
        Show the model A scaled by powers of two to a diagonal in [0.5, 2), as
        ``SuiteSparseInvK`` serves matrices, and scale its factor back, exactly.
    device : torch.device or str, optional
        Where to predict; where the model is, if not given.
    threads : int
        Processor threads.

    Returns
    -------
    scipy.sparse.csr_array
        L on the pattern of tril(A), float64.

    Raises
    ------
    MatrixError
        If A cannot be used.

    Examples
    --------
    >>> from precondbench.baselines import build_model, predict_factor
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(5))
    >>> predict_factor(build_model("MLP", rounds=1), A).shape
    (5, 5)
    """
    matrix = check_spd_candidate(A, "A")
    lower = csr_array(tril(matrix, format="csr"))
    pattern = lower_pattern(lower)
    n, nnz = matrix.shape[0], pattern.nnz
    arrays = GraphArrays(
        ["A"],
        np.array([0, n]),
        np.array([0, nnz]),
        pattern,
        lower_values(lower, pattern),
        np.zeros(nnz),
    )
    shown = arrays.scaled() if scaled else arrays
    values = predict(model, _One(shown), device=device, threads=threads)["A"]
    if scaled:
        # L of S A S is S L, and S holds powers of two.
        diagonal = pattern.indptr[1:] - 1
        scale = np.sqrt(arrays.a[diagonal] / shown.a[diagonal])
        values = values * np.repeat(scale, np.diff(pattern.indptr))
    return pattern.csr(values)
