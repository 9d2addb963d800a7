"""Knowledge about a matrix beside its entries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


@dataclass(frozen=True)
class Context:
    """Knowledge about a matrix beside its entries.

    Attributes
    ----------
    name : str
        Name of the matrix.
    facts : mapping
        Facts of its record in the dataset, as ``dataset.facts(i)`` returns them; empty where
        the dataset has none.
    geometry : mapping of str to numpy.ndarray
        Coordinates, coefficients and near null space by row, as ``dataset.geometry(i)`` returns
        them; empty where the dataset has none.
    earlier : tuple of scipy.sparse.csr_array
        Earlier systems of the same sequence, oldest first, as ``dataset.earlier(i)`` returns them;
        empty where there are none.
    """

    name: str = ""
    facts: Mapping[str, int | float | str] = field(default_factory=dict)
    geometry: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    earlier: tuple[csr_array, ...] = ()
