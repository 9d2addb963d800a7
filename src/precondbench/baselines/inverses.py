"""Selected entries of A^-1 beside the graphs, for losses that ask what a solver needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import tril
from torch import Tensor

from precondbench.errors import ConfigurationError
from precondbench.factors import lower_pattern, selected_inverse, trace_form
from precondbench.matrices import check_spd_candidate

__all__ = ["InversePairs", "inverse_pairs"]


@dataclass(frozen=True)
class InversePairs:
    """Quadratic forms trace(L^T A^-1 L) of several graphs, see ``factors.TraceForm``.

    Attributes
    ----------
    first, second : torch.Tensor
        int64 [pairs]: positions among the lower edges, counted from the graph's own first one
        in a dataset, from the first of all in a batch.
    weight : torch.Tensor
        float64 [pairs].
    log_determinant : torch.Tensor
        float64 [graphs]: log det A.
    """

    first: Tensor
    second: Tensor
    weight: Tensor
    log_determinant: Tensor


def inverse_pairs(dataset: Any) -> tuple[InversePairs, Tensor]:
    """Invert every matrix of a dataset where the K-condition number reads it.

    Parameters
    ----------
    dataset : FactorDataset
        Anything with ``len`` and ``pair(i)``.

    Returns
    -------
    pairs : InversePairs
        Of all graphs, on the CPU.
    counts : torch.Tensor
        int64 [graphs]: pairs of every graph.

    Raises
    ------
    ConfigurationError
        If the dataset has no matrices in float64.
    BreakdownError
        If a matrix is not positive definite in double precision.
    """
    if not hasattr(dataset, "pair"):
        raise ConfigurationError(
            "this loss inverts the matrices themselves; train on a precondbench dataset, or on "
            "an object with pair(i) besides the graphs"
        )
    forms = []
    for i in range(len(dataset)):
        pair = dataset.pair(i)
        matrix = check_spd_candidate(pair.A, pair.name)
        pattern = lower_pattern(tril(matrix, format="csr"))
        forms.append(trace_form(selected_inverse(matrix, pattern), pattern))

    def joined(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(form, name) for form in forms]))

    determinants = torch.tensor([form.log_determinant for form in forms], dtype=torch.float64)
    pairs = InversePairs(joined("first"), joined("second"), joined("weight"), determinants)
    return pairs, torch.tensor([form.weight.size for form in forms])
