"""The synthetic benchmarks as PyG datasets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch

import precondbench
from precondbench.datasets.base import FactorDataset
from precondbench.errors import ConfigurationError, ShardError
from precondbench.matrices import (
    Family,
    Law,
    growth_law,
    tridiagonal_law,
)
from precondbench.recipes import (
    GENERATED_STREAM,
    GENERATED_VERSION,
    SYNTHETIC_VERSION,
    DatasetSpec,
    dataset_specs,
    tridiagonal_recipe,
    tridiagonal_records,
)
from precondbench.shards import (
    Shard,
    ShardHeader,
    read_shard,
    shard_in_memory,
)

_SPECS = {
    "spd" if spec.symmetric else "lu": spec
    for spec in dataset_specs()
    if spec.served_by == "SyntheticTridiag"
}


def _spec(kind: str) -> DatasetSpec:
    if kind not in _SPECS:
        raise ConfigurationError(f"no kind {kind!r}; there are: {', '.join(_SPECS)}")
    return _SPECS[kind]


def _check_target(target: str) -> None:
    targets = _SPECS["spd"].labels
    if target not in targets:
        raise ConfigurationError(f"no target {target!r}; there are: {', '.join(targets)}")


class SyntheticTridiag(FactorDataset):
    r"""Tridiagonal matrices whose Cholesky (or LU) factors depend on them non-locally.

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
        1000, 200 and 200 matrices with n = 50, and 200 with n = 200 (``twin``: 20 and 50).
    config : {"local", "uniform", "growth", "hard", "paper-local", "poisson", "sawtooth", "twin"}
        Random law of the matrices; see docs/data.md.
    target : {"modified", "literal"}
        ``modified``: the Cholesky factor of the record's own matrix, which is A + e_1 e_1^T, or
        A for one half of the twins. ``literal``: chol(A), as in equation (7) of the paper,
        although the model sees A + e_1 e_1^T.
    transform, pre_transform, pre_filter, force_reload
        As for every PyG dataset.
    version : str
        Version of the data.
    kind : {"spd", "lu"}
        ``lu``: matrices that are not symmetric, with exact factors L and U (configurations
        ``uniform``, ``growth``, ``twin``, ``convection``). ``lower_mask`` is then True on every
        edge, ``y`` has shape (m,) and holds L below the diagonal and U on and above it, and
        ``pair`` gives ``name, A, L, U``; see docs/nonsymmetric.md.
    y_dtype : torch.dtype
        Of ``y``, float64 by default, in which labels are exact; float32 is the dtype of ``x``.

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
    >>> name, A, L, U = SyntheticTridiag(split="val", kind="lu").pair(0)
    >>> bool(abs(L @ U - A).max() < 1e-12)
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
        version: str = SYNTHETIC_VERSION,
        kind: str = "spd",
        y_dtype: torch.dtype = torch.float64,
    ) -> None:
        _check_target(target)
        self.target = target
        super().__init__(
            _spec(kind).name,
            version,
            config,
            split,
            target,
            scaled=False,
            root=root,
            transform=transform,
            pre_transform=pre_transform,
            pre_filter=pre_filter,
            force_reload=force_reload,
            y_dtype=y_dtype,
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
        kind = "spd" if spec.symmetric else "lu"
        return cls(root, split, configuration, label, version=version, kind=kind)

    @classmethod
    def generate(
        cls,
        n: int = 50,
        c: float = 6.0,
        seed: int = 0,
        count: int = 100,
        *,
        kind: str = "spd",
        law: str | Law | None = None,
        twins: bool = False,
        target: str = "modified",
        transform: Callable[[Any], Any] | None = None,
    ) -> Self:
        """Draw matrices of your own size; nothing is read from or written to disk.

        Parameters
        ----------
        n, count : int
            Rows of each matrix, number of matrices.
        c : float
            Growth of u over all rows is about e^c, see ``growth_law``.
        seed : int
            Records depend on law, n, seed and their index only.
        kind : {"spd", "lu"}
            As for the class; a law of your own determines it.
        law : str or Law, optional
            A named law, or one of your own, instead of growth with c.
        twins : bool
            With c: serve A and A + e_1 e_1^T in turn, instead of A + e_1 e_1^T alone.
        target : {"modified", "literal"}
            As for the class.
        transform : callable, optional
            As for every PyG dataset.

        Returns
        -------
        SyntheticTridiag
            In memory; ``save`` writes it to a shard.

        Raises
        ------
        ConfigurationError
            If a name is unknown, or ``count`` is below 1.
        MatrixError
            If n is below 2, or draws are too ill-conditioned.

        Examples
        --------
        >>> from precondbench import SyntheticTridiag, evaluate, ic0
        >>> dataset = SyntheticTridiag.generate(n=30, c=3.0, count=10)
        >>> dataset.names[0], dataset[0].num_nodes
        ('growth-3-seed0-00000', 30)
        >>> evaluate(dataset, ic0).summary["solved"]
        1.0
        """
        if count < 1 or seed < 0:
            raise ConfigurationError(
                f"count is {count} and seed {seed}; count must be 1 or more, seed 0 or more"
            )
        family: Family = "cholesky" if _spec(kind).symmetric else "lu"
        if law is None:
            law = growth_law(c, twins=twins, family=family)
        elif isinstance(law, str):
            law = tridiagonal_law(law, family)
        entropy = (seed, law.stream, GENERATED_STREAM, n)
        prefix = f"{law.name}-seed{seed}"
        records = tridiagonal_records(law, n, count, *entropy, prefix=prefix)
        header = ShardHeader(
            _spec("spd" if law.family == "cholesky" else "lu").name,
            GENERATED_VERSION,
            law.name,
            "all",
            tridiagonal_recipe(law, n, count, *entropy),
            precondbench.__version__,
        )
        return cls._of(shard_in_memory(header, records), target, transform)

    @classmethod
    def from_shard(
        cls,
        path: str | Path,
        target: str = "modified",
        transform: Callable[[Any], Any] | None = None,
    ) -> Self:
        """Read a shard file of tridiagonal records, for example one that ``save`` wrote.

        Raises
        ------
        ShardError
            If it is not a shard, is damaged (digests are checked), or has no such label.

        Examples
        --------
        >>> import tempfile
        >>> from precondbench import SyntheticTridiag
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     digest = SyntheticTridiag.generate(n=20, count=4).save(f"{folder}/mine.h5")
        ...     mine = SyntheticTridiag.from_shard(f"{folder}/mine.h5")
        >>> mine
        SyntheticTridiag(4 pairs, synthetic-tridiag generated, growth-6, all)
        """
        shard = read_shard(path)
        shard.verify()
        if target not in shard.labels:
            raise ShardError(
                f"{path} has no label {target!r}; there are: {', '.join(shard.labels)}"
            )
        return cls._of(shard, target, transform)

    @classmethod
    def _of(cls, shard: Shard, target: str, transform: Callable[[Any], Any] | None) -> Self:
        _check_target(target)
        self = cls.__new__(cls)
        self.target = target
        header = shard.header
        FactorDataset.__init__(
            self,
            header.dataset,
            header.version,
            header.configuration,
            header.split,
            target,
            scaled=False,
            shard=shard,
            transform=transform,
        )
        return self

    @property
    def kind(self) -> str:
        """``spd`` or ``lu``."""
        return "spd" if self.shard.symmetric else "lu"
