"""The factor that a model predicts for a matrix of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, tril
from torch_geometric.data import Data

from precondbench.baselines.factor_model import FactorModel
from precondbench.baselines.prediction import predict
from precondbench.datasets.graph import GraphArrays, collate_graphs
from precondbench.factors import lower_pattern, lower_values
from precondbench.matrices import check_spd_candidate
from precondbench.quality import Pair

__all__ = ["predict_factor"]


class _One:
    """A single matrix as a dataset: its graph, and the pair that classical factors are made of."""

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
        Trained model; it ends on ``device``.
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
    >>> from precondbench.matrices import poisson_1d, symmetric_csr
    >>> A = symmetric_csr(poisson_1d(5))
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
