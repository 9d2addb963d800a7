"""Classical factors that a learned model may start from and correct."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, tril
from torch import Tensor

from precondbench.errors import ConfigurationError
from precondbench.factors import local_invk, lower_pattern, shifted_ic0
from precondbench.factors.pattern import lower_values
from precondbench.matrices import check_spd_candidate

__all__ = ["core_names", "core_values"]


def _shifted_ic0(A: csr_array) -> csr_array:
    return shifted_ic0(A)[0]


def _tril(A: csr_array) -> csr_array:
    return csr_array(tril(A, format="csr"))


_CORES: dict[str, Callable[[csr_array], csr_array]] = {
    # A itself: features are in single precision.
    "tril": _tril,
    "shifted-ic0": _shifted_ic0,
    **{f"local-patch-{hops}": partial(local_invk, hops=hops) for hops in range(8)},
}


def core_names() -> list[str]:
    """Return the names of all classical factors a network may ask for, sorted."""
    return sorted(_CORES)


def core_values(dataset: Any, name: str) -> Tensor:
    """Compute a classical factor of every matrix of a dataset.

    Parameters
    ----------
    dataset : FactorDataset
        Anything with ``len`` and ``pair(i)``.
    name : str
        One of :func:`core_names`.

    Returns
    -------
    torch.Tensor
        float64: values on the lower triangles of all matrices, in the shard's order.

    Raises
    ------
    ConfigurationError
        If no factor has that name, or the dataset has no matrices in float64.
    BreakdownError
        If a matrix has no such factor.
    """
    if name not in _CORES:
        raise ConfigurationError(
            f"no classical factor is called {name!r}; known: {', '.join(core_names())}"
        )
    if not hasattr(dataset, "pair"):
        raise ConfigurationError(
            "this model corrects a factor of the matrices themselves; give a precondbench "
            "dataset, or an object with pair(i) besides the graphs"
        )
    return torch.from_numpy(
        np.concatenate([_one(dataset.pair(i), _CORES[name]) for i in range(len(dataset))])
    )


def _one(pair: Any, factor: Callable[[csr_array], csr_array]) -> NDArray[np.float64]:
    matrix = check_spd_candidate(pair.A, pair.name)
    return lower_values(factor(matrix), lower_pattern(tril(matrix, format="csr")))
