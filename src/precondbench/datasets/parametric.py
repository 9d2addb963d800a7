"""Parametric families of matrices as PyG datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array

import precondbench
from precondbench.datasets.base import FactorDataset
from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern, ic0_values
from precondbench.matrices import (
    DiscreteSystem,
    Given,
    ParametricFamily,
    parametric_family,
)
from precondbench.recipes import (
    GENERATED_VERSION,
    PARAMETRIC,
    DatasetSpec,
    dataset_spec,
    draw_records,
    label_system,
)
from precondbench.shards import Record, Shard, ShardHeader, read_shard, shard_in_memory

_LABELS = dataset_spec(PARAMETRIC).labels


class ParametricInvK(FactorDataset):
    """Thousands of SPD matrices of one family, with Inv-K or IC(0) on the pattern of tril(A).

    Graphs are laid out as in :class:`SyntheticTridiag`, of the system scaled by powers of two to a
    diagonal in [0.5, 2). A model sees A alone, unless ``geometry`` adds what a solver may know:

    - ``pos`` float32 (n, d): coordinates of the node of each row;
    - ``coefficients`` float32 (n, c): those of the equation at this node;
    - ``near_null`` float32 (n, k): vectors that A nearly maps to zero, of the served system;
    - ``unknown`` int64 (n,): which unknown of its node a row is;
    - ``h`` float32 (1,): mean distance of neighbouring nodes.

    What a family does not have is left out. :func:`geometry_features` puts them into ``x`` and
    ``edge_attr``.

    Parameters
    ----------
    family : str
        Name of the family, such as ``"diffusion-2d"``; docs/families.md describes them.
    split : str
        ``train`` and ``val`` (mixed sizes), ``test``, ``test_large`` and ``test_huge`` (16 and 100
        times as many rows), ``test_contrast`` (coefficients 1000 times further apart) and
        ``test_mesh`` (another mesh or graph).
    label : {"invk", "ic0"}
        The factor that ``y`` holds. A split where Inv-K would take too long has no ``y``.
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    transform, pre_transform, pre_filter, force_reload
        As for every PyG dataset.
    scaled : bool
        Serve the scaled system.
    version : str, optional
        Version of the data.
    geometry : bool
        Add the geometry to the graphs.
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
    >>> from precondbench import ParametricInvK
    >>> dataset = ParametricInvK.generate("diffusion-2d", n=64, count=3, geometry=True)
    >>> dataset[0].pos.shape
    torch.Size([64, 2])
    >>> sorted(dataset.facts(0))[:2]
    ['best_iterations', 'best_method']
    """

    def __init__(
        self,
        family: str = "diffusion-2d",
        split: str = "train",
        label: str = "invk",
        root: str | Path | None = None,
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        pre_filter: Callable[[Any], bool] | None = None,
        force_reload: bool = False,
        *,
        scaled: bool = True,
        version: str | None = None,
        geometry: bool = False,
        shard: Shard | None = None,
        y_dtype: torch.dtype = torch.float64,
    ) -> None:
        if label not in _LABELS:
            raise ConfigurationError(f"no label {label!r}; there are: {', '.join(_LABELS)}")
        super().__init__(
            PARAMETRIC,
            version or dataset_spec(PARAMETRIC).newest,
            family,
            split,
            label,
            scaled=scaled,
            shard=shard,
            root=root,
            transform=transform,
            pre_transform=pre_transform,
            pre_filter=pre_filter,
            force_reload=force_reload,
            y_dtype=y_dtype,
            geometry=geometry,
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
        return cls(configuration, split, label, root, version=version)

    @classmethod
    def generate(
        cls,
        family: str | ParametricFamily,
        n: int = 1024,
        seed: int = 0,
        count: int = 100,
        *,
        label: str = "invk",
        transform: Callable[[Any], Any] | None = None,
        geometry: bool = False,
        **parameters: Given,
    ) -> Self:
        """Draw matrices of your own size; nothing is read from or written to disk.

        Parameters
        ----------
        family : str or ParametricFamily
            A named family, or one of your own.
        n, count : int
            About how many rows each matrix has, and how many draws there are.
        seed : int
            Records depend on family, n, seed, parameters and their index only.
        label, transform, geometry
            As for the class.
        **parameters : float or tuple of float
            A number fixes a parameter of the family; ``(low, high)`` is a range to draw from.

        Returns
        -------
        ParametricInvK
            In memory; ``save`` writes it to a shard.

        Raises
        ------
        ConfigurationError
            If the family or a parameter is unknown, or ``count`` is below 1.

        Examples
        --------
        >>> from precondbench import ParametricInvK, evaluate, ic0
        >>> data = ParametricInvK.generate("diffusion-2d", n=100, count=5, variance=1.0)
        >>> data.names[0], evaluate(data, ic0).summary["solved"]
        ('diffusion-2d-seed0-00000', 1.0)
        """
        if count < 1 or seed < 0 or n < 1:
            raise ConfigurationError(
                f"n is {n}, count {count} and seed {seed}; n and count must be 1 or more, seed 0 "
                "or more"
            )
        if isinstance(family, str):
            family = parametric_family(family)
        records, recipe = draw_records(family, n, seed, count, parameters)
        return cls._of(family.name, records, recipe, label, transform, geometry)

    @classmethod
    def of_systems(
        cls,
        name: str,
        systems: Iterable[DiscreteSystem],
        *,
        label: str = "invk",
        transform: Callable[[Any], Any] | None = None,
        geometry: bool = False,
    ) -> Self:
        """Serve systems of your own, labelled like those of the families.

        Parameters
        ----------
        name : str
            Of the family; names of the records begin with it.
        systems : iterable of DiscreteSystem
            At least one.
        label, transform, geometry
            As for the class.

        Returns
        -------
        ParametricInvK
            In memory; ``save`` writes it to a shard.

        Examples
        --------
        >>> from precondbench import ParametricInvK
        >>> from precondbench.matrices import DiscreteSystem, poisson_1d, tridiagonal_csr
        >>> systems = [DiscreteSystem(tridiagonal_csr(poisson_1d(n))) for n in (10, 20)]
        >>> ParametricInvK.of_systems("line", systems)
        ParametricInvK(2 pairs, parametric generated, line, all)
        """
        records = (
            label_system(f"{name}-{number:05d}", f"{name}-{number:05d}", system)
            for number, system in enumerate(systems)
        )
        return cls._of(name, records, {"kind": "systems"}, label, transform, geometry)

    @classmethod
    def from_shard(
        cls,
        path: str | Path,
        label: str = "invk",
        transform: Callable[[Any], Any] | None = None,
        geometry: bool = False,
    ) -> Self:
        """Read a shard file, for example one that ``save`` wrote.

        Raises
        ------
        ShardError
            If it is not a shard, or is damaged (digests are checked).
        """
        shard = read_shard(path)
        shard.verify()
        return cls._serve(shard, label, transform, geometry)

    @classmethod
    def _of(
        cls,
        name: str,
        records: Iterable[Record],
        recipe: dict[str, object],
        label: str,
        transform: Callable[[Any], Any] | None,
        geometry: bool,
    ) -> Self:
        header = ShardHeader(
            PARAMETRIC, GENERATED_VERSION, name, "all", recipe, precondbench.__version__
        )
        return cls._serve(shard_in_memory(header, records), label, transform, geometry)

    @classmethod
    def _serve(
        cls,
        shard: Shard,
        label: str,
        transform: Callable[[Any], Any] | None,
        geometry: bool,
    ) -> Self:
        names = shard.header
        return cls(
            names.configuration,
            names.split,
            label,
            transform=transform,
            version=names.version,
            geometry=geometry,
            shard=shard,
        )

    def earlier(self, index: int) -> tuple[csr_array, ...]:
        """Return the systems before one of a sequence, which a solver has met, oldest first.

        Parameters
        ----------
        index : int
            As for ``pair``.

        Returns
        -------
        tuple of scipy.sparse.csr_array
            In the scaling of each by itself; empty for the first system, and for other families.
        """
        number = self._record_number(index)
        if "step" not in self.shard.facts:
            return ()
        group = self.shard.groups[number]
        return tuple(self._pair(i).A for i in range(number) if self.shard.groups[i] == group)

    def _targets(self, shard: Shard) -> NDArray[np.float64] | None:
        if self.label == "ic0":
            return _ic0_of(shard)
        # Matrices whose label is too dear are ranked like the others.
        return shard.labels["invk"] if np.all(shard.has_label["invk"]) else None


def _ic0_of(shard: Shard) -> NDArray[np.float64]:
    """IC(0) of every record, NaN where it breaks down; it takes less time than reading it."""
    values = np.full(shard.a.size, np.nan)
    for i in range(len(shard)):
        record = shard.record(i)
        factor, breakdown = ic0_values(LowerPattern(record.indptr, record.indices), record.a)
        if breakdown < 0:
            values[shard.nnz_offsets[i] : shard.nnz_offsets[i + 1]] = factor
    return values
