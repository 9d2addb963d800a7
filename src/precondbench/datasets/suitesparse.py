"""Real matrices of the SuiteSparse collection as PyG datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from precondbench.datasets.base import FactorDataset
from precondbench.errors import ConfigurationError, MissingDataError
from precondbench.factors import DEFAULT_PATTERN
from precondbench.recipes import LARGE, SUITESPARSE, DatasetSpec, dataset_spec
from precondbench.shards import Shard, cache_root, read_shard

LOCAL = "local"


def local_shard(name: str, root: str | Path | None = None) -> Path:
    """Return where ``precondbench build`` puts ``large``, ``unverified`` or, say, ``max5000``.

    >>> local_shard("large", "cache").name
    'suitesparse-invk-large.h5'
    """
    return cache_root(root) / "local" / f"{SUITESPARSE}-{name}.h5"


def read_local_shard(name: str, split: str, root: str | Path | None = None) -> Shard:
    """Read a shard that was built here.

    MissingDataError if there is none, or the split is another than ``all``, its only one;
    ShardError if it is damaged.
    """
    path = local_shard(name, root)
    if not path.is_file():
        limit = name.removeprefix("max")
        command = name if limit == name else f"collection --max-n {limit}"
        raise MissingDataError(f"{path} is not there; 'precondbench build {command}' builds it")
    if split != "all":
        raise MissingDataError(f"{path} has one split, 'all', and no split {split!r}")
    shard = read_shard(path)
    shard.verify()
    return shard


class SuiteSparseInvK(FactorDataset):
    """Real SPD matrices with factors on a pattern such as tril(A): Inv-K, IC(0), or the better.

    Graphs are laid out as in :class:`SyntheticTridiag`. The served system is scaled by powers
    of two to a diagonal in [0.5, 2), which maps every factor exactly; ``scaled=False`` gives
    the collection's own numbers.

    Parameters
    ----------
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    split : {"train", "val", "test"}
        Families of matrices never straddle splits. ``all`` with version ``local``.
    label : {"best", "invk", "ic0"}
        ``best``: IC(0) where it needs at least 5 % fewer iterations, else Inv-K.
        ``ic0`` leaves out matrices on which IC(0) breaks down.
    transform, pre_transform, pre_filter, force_reload
        As for every PyG dataset.
    scaled : bool
        Serve the scaled system.
    version : str, optional
        Version of the data. ``1.0`` is built from matrices of the SuiteSparse collection
        (``PRECONDBENCH_SUITESPARSE``, else its site) unless a mirror has it ready; ``sample``
        holds 13 matrices that formulas reproduce entry for entry, and needs no download;
        ``local`` is what ``precondbench build large``, ``build unverified`` or ``build
        collection --max-n N`` made here, without a published digest.
    pattern : {"tril", "level-1", "level-2", "large"}
        Pattern of both factors: that of tril(A), or with fill-in up to a level. Graphs have
        its edges; on fill-in A_ij is 0. Label ``ic0`` is incomplete Cholesky on it, then.
        With version ``local`` the name of the build: ``large``, which is also understood
        without a version, ``unverified`` or, say, ``max5000``; their pattern is tril(A).

    Raises
    ------
    ConfigurationError
        If a name is unknown.
    MissingDataError
        If the matrices can neither be found nor downloaded.
    DigestError
        If the data is not what the manifest says.

    Examples
    --------
    >>> from precondbench import SuiteSparseInvK
    >>> dataset = SuiteSparseInvK(split="val", version="sample")
    >>> dataset.names
    ['HB/nos1', 'HB/nos2']
    >>> dataset.facts(0)["winner"]
    'inv-k'
    """

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "train",
        label: str = "best",
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        pre_filter: Callable[[Any], bool] | None = None,
        force_reload: bool = False,
        scaled: bool = True,
        version: str | None = None,
        pattern: str = DEFAULT_PATTERN,
    ) -> None:
        labels = dataset_spec(SUITESPARSE).labels
        if label not in labels:
            raise ConfigurationError(f"no label {label!r}; there are: {', '.join(labels)}")
        if version is None:
            version = LOCAL if pattern == LARGE else dataset_spec(SUITESPARSE).newest
        shard = read_local_shard(pattern, split, root) if version == LOCAL else None
        super().__init__(
            SUITESPARSE,
            version,
            pattern,
            split,
            label,
            scaled=scaled,
            shard=shard,
            root=root,
            transform=transform,
            pre_transform=pre_transform,
            pre_filter=pre_filter,
            force_reload=force_reload,
        )

    @classmethod
    def from_spec(
        cls,
        spec: DatasetSpec,
        version: str,
        configuration: str,
        split: str,
        label: str,
        root: str | Path | None = None,
    ) -> Self:
        """Open a split by the names in the spec of a dataset."""
        return cls(root, split, label, version=version, pattern=configuration)

    def _targets(self, shard: Shard) -> NDArray[np.float64]:
        if self.label != "best":
            return shard.labels[self.label]
        ic0_wins = np.array([winner == "ic0" for winner in shard.facts["winner"]])
        by_entry = np.repeat(ic0_wins, np.diff(shard.nnz_offsets))
        return np.where(by_entry, shard.labels["ic0"], shard.labels["invk"])
