"""Real matrices of the SuiteSparse collection as PyG datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from precondbench.datasets.base import FactorDataset
from precondbench.errors import ConfigurationError, MissingDataError
from precondbench.factors import DEFAULT_PATTERN
from precondbench.recipes import (
    FOLDED_VERSION,
    FOLDED_VERSIONS,
    LARGE,
    SUITESPARSE,
    DatasetSpec,
    dataset_spec,
    fold_splits,
)
from precondbench.shards import Shard, cache_root, read_shard

LOCAL = "local"
FOLD_SPLITS = ("train", "val", "test")


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


def _of_fold(version: str, split: str, fold: int | None) -> frozenset[str] | None:
    """Return the matrices of a split of a fold; None for all matrices of a split of the data."""
    if version not in FOLDED_VERSIONS:
        if fold is not None:
            raise ConfigurationError(
                f"fold is {fold!r}, but version {version} has no folds; leave it out, or give "
                f"version={FOLDED_VERSION!r}"
            )
        return None
    if fold is None:
        if split in FOLD_SPLITS:
            raise ConfigurationError(
                f"version {version} has a split {split!r} in each of its folds; give fold=0 to 4, "
                "or split='all'"
            )
        return None
    if split not in FOLD_SPLITS:
        raise ConfigurationError(
            f"a fold has no split {split!r}; there are: {', '.join(FOLD_SPLITS)}"
        )
    return frozenset(fold_splits(fold)[split])


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
    label : {"best", "invk", "ic0", "mic0", "ic0_shifted"}
        ``best``: IC(0) where it needs at least 5 % fewer iterations, else Inv-K; of version
        ``2.0`` the label that needs fewest. ``ic0`` leaves out matrices on which IC(0) breaks
        down. The last two are labels of version ``2.0``.
    transform, pre_transform, pre_filter, force_reload
        As for every PyG dataset.
    scaled : bool
        Serve the scaled system.
    version : str, optional
        Version of the data. ``1.0`` is built from matrices of the SuiteSparse collection
        (``PRECONDBENCH_SUITESPARSE``, else its site) unless a mirror has it ready; ``sample``
        holds 13 matrices that formulas reproduce entry for entry, and needs no download; ``2.0``
        holds all matrices that were available, of every size, and ``sample-2.0`` those of them
        that formulas reproduce, up to a size;
        ``local`` is what ``precondbench build large``, ``build unverified`` or ``build
        collection --max-n N`` made here, without a published digest.
    fold : int, optional
        With versions ``2.0`` and ``sample-2.0``, from 0 to 4: ``train``, ``val`` and ``test`` are
        those of the fold. Every matrix is a test matrix of one fold. Without a fold there are the
        splits ``all`` and, with ``2.0``, ``unsolved``.
    pattern : {"tril", "level-1", "level-2", "tril-rcm", "tril-minimum-degree", "large"}
        Pattern of the factors: that of tril(A), or with fill-in up to a level. Graphs have
        its edges; on fill-in A_ij is 0. Label ``ic0`` is incomplete Cholesky on it, then. With
        versions ``2.0`` and ``sample-2.0`` there is no fill-in, but there are the matrices in
        reverse Cuthill-McKee and in minimum-degree order
        (:func:`precondbench.factors.reverse_cuthill_mckee`,
        :func:`precondbench.factors.minimum_degree`).
        With version ``local`` the name of the build: ``large``, which is also understood
        without a version, ``unverified`` or, say, ``max5000``; their pattern is tril(A).
    y_dtype : torch.dtype
        Of ``y``, float64 by default, in which labels are exact; float32 is the dtype of ``x``.

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
        fold: int | None = None,
        y_dtype: torch.dtype = torch.float64,
    ) -> None:
        labels = dataset_spec(SUITESPARSE).labels
        if label not in labels:
            raise ConfigurationError(f"no label {label!r}; there are: {', '.join(labels)}")
        if version is None:
            version = LOCAL if pattern == LARGE else dataset_spec(SUITESPARSE).newest
        wanted = _of_fold(version, split, fold)
        shard = read_local_shard(pattern, split, root) if version == LOCAL else None
        super().__init__(
            SUITESPARSE,
            version,
            pattern,
            split if wanted is None else "all",
            label,
            scaled=scaled,
            shard=shard,
            root=root,
            transform=transform,
            pre_transform=pre_transform,
            pre_filter=pre_filter,
            force_reload=force_reload,
            y_dtype=y_dtype,
        )
        self.fold = fold
        if wanted is not None:
            self.split = split
            self._indices = [i for i, name in enumerate(self.names) if name in wanted]

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

    def _targets(
        self, shard: Shard
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        if self.version in FOLDED_VERSIONS:
            return self._four_targets(shard)
        if self.label != "best":
            return super()._targets(shard)
        ic0_wins = np.array([winner == "ic0" for winner in shard.facts["winner"]])
        by_entry = np.repeat(ic0_wins, np.diff(shard.nnz_offsets))
        return np.where(by_entry, shard.labels["ic0"], shard.labels["invk"])

    def _four_targets(self, shard: Shard) -> NDArray[np.float64] | None:
        if self.split == "unsolved":
            return None
        labels = dict(shard.labels)
        # Where IC(0) needs no shift, or MIC(0) no relaxation, factors are stored once.
        for label, before in (("ic0_shifted", "ic0"), ("mic0", "ic0_shifted")):
            labels[label] = np.where(np.isnan(labels[label]), labels[before], labels[label])
        if self.label != "best":
            return labels[self.label]
        best = np.repeat(np.array(shard.facts["best_method"]), np.diff(shard.nnz_offsets))
        return np.select([best == name for name in labels], list(labels.values()), np.nan)
