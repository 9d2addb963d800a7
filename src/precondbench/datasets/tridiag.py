"""The synthetic benchmark as a PyG dataset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precondbench.build import synthetic
from precondbench.datasets.base import FactorDataset
from precondbench.errors import ConfigurationError
from precondbench.shards import Shard

__all__ = ["SyntheticTridiag"]

TARGETS = ("modified", "literal")


class SyntheticTridiag(FactorDataset):
    r"""Tridiagonal SPD matrices A + e_1 e_1^T whose Cholesky factors depend on them non-locally.

    Each graph has an edge j -> i for every nonzero A_ij, self loops included:

    - ``x`` float32 (n, 1): A_ii;
    - ``edge_index`` int64 (2, m), sorted by target i, then source j;
    - ``edge_attr`` float32 (m, 2): A_ij and sign(i - j);
    - ``lower_mask`` bool (m,): edges with i >= j, whose predictions are scored;
    - ``y`` float64 (2n - 1,): L on those edges, in their order;
    - ``name`` str.

    Parameters
    ----------
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    split : {"train", "val", "test", "test_large"}
        1000, 200 and 200 matrices with n = 50, and 200 with n = 200.
    config : {"local", "uniform", "growth", "hard", "paper-local", "poisson"}
        Random law of the matrices; see docs/data.md.
    target : {"modified", "literal"}
        ``modified``: chol(A + e_1 e_1^T). ``literal``: chol(A), what equation (7) of the
        paper says to the letter, although the model sees A + e_1 e_1^T.
    transform, pre_transform, pre_filter, force_reload
        As for every PyG dataset.
    version : str
        Version of the data.

    Raises
    ------
    ConfigurationError
        If a name is unknown.
    DigestError
        If the data is not what the manifest says.

    Examples
    --------
    >>> from precondbench import SyntheticTridiag
    >>> dataset = SyntheticTridiag(split="val", config="uniform")
    >>> dataset[0]  # doctest: +ELLIPSIS
    Data(x=[50, 1], edge_index=[2, 148], edge_attr=[148, 2], y=[99], lower_mask=[148], name=...)
    >>> pair = dataset.pair(0)
    >>> bool(abs(pair.L @ pair.L.T - pair.A).max() < 1e-12)
    True
    """

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "train",
        config: str = "uniform",
        target: str = "modified",
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        pre_filter: Callable[[Any], bool] | None = None,
        force_reload: bool = False,
        version: str = synthetic.VERSION,
    ) -> None:
        if target not in TARGETS:
            raise ConfigurationError(f"no target {target!r}; there are: {', '.join(TARGETS)}")
        self.target = target
        super().__init__(
            synthetic.DATASET,
            version,
            config,
            split,
            scaled=False,
            root=root,
            transform=transform,
            pre_transform=pre_transform,
            pre_filter=pre_filter,
            force_reload=force_reload,
        )

    def _targets(self, shard: Shard) -> NDArray[np.float64]:
        return shard.labels[self.target]

    @property
    def label(self) -> str:
        """The target."""
        return self.target
