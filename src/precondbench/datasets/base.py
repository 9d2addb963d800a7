"""Shards as PyG in-memory datasets."""

from __future__ import annotations

import hashlib
import operator
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch_geometric
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch_geometric.data import Data, InMemoryDataset

from precondbench._internal import did_you_mean, replacing
from precondbench.datasets.geometry import add_geometry, geometry_of
from precondbench.datasets.graph import GraphArrays, collate_graphs, describe
from precondbench.errors import ConfigurationError, ShardError
from precondbench.factors import LowerPattern
from precondbench.matrices import power_of_two_scaling
from precondbench.quality import Pair, table_html
from precondbench.recipes import DatasetSpec, dataset_spec, open_split, select_plans
from precondbench.shards import (
    A_UPPER,
    FORMAT_VERSION,
    Shard,
    cache_root,
    locked,
    upper_label,
    write_shard,
)

# Part of the key of processed files; raise it when what collate_graphs returns changes.
LAYOUT_VERSION = 1

_Values = NDArray[np.float64]


class FactorDataset(InMemoryDataset):  # type: ignore[misc]
    """A split of (A, L) pairs as PyG graphs; base class of the public datasets.

    The first use obtains the shard (cache, mirror or local build). Every use converts its
    arrays to tensors in one go. What a ``pre_transform`` or ``pre_filter`` makes of them is
    kept under ``root``, keyed by its code and by format, PyG and torch versions, so it may be
    deleted at any time and never goes stale.

    Parameters
    ----------
    dataset, version, configuration, split : str
        Names of the split.
    label : str, optional
        Name of the factor that ``y`` holds; subclasses may have one of their own.
    scaled : bool
        Serve the system scaled by powers of two to a diagonal in [0.5, 2).
    shard : Shard, optional
        The data itself; nothing is then looked up, and nothing is kept under ``root``.
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    transform, pre_transform, pre_filter : callable, optional
        As for every PyG dataset.
    force_reload : bool
        Convert again even if processed tensors are there.
    geometry : bool
        Add coordinates and the like, which shards of families have, to the graphs.
    y_dtype : torch.dtype
        Of ``y``, float64 by default, in which labels are exact; float32 is the dtype of ``x``.
    """

    label: str

    def __init__(
        self,
        dataset: str,
        version: str,
        configuration: str,
        split: str,
        label: str | None = None,
        *,
        scaled: bool,
        shard: Shard | None = None,
        root: str | Path | None = None,
        transform: Callable[[Any], Any] | None = None,
        pre_transform: Callable[[Any], Any] | None = None,
        pre_filter: Callable[[Any], bool] | None = None,
        force_reload: bool = False,
        geometry: bool = False,
        y_dtype: torch.dtype = torch.float64,
    ) -> None:
        _check_root(root, dataset)
        _check_dtype(y_dtype)
        self.dataset_name = dataset
        self.version = version
        self.configuration = configuration
        self.split = split
        if label is not None:
            self.label = label
        self.scaled = scaled
        self.with_geometry = geometry
        self.y_dtype = y_dtype
        self._cache_root = cache_root(root)
        self.shard_path: Path | None = None
        if shard is None:
            # Fails on unknown names before anything is made on disk.
            # Checks every record, on every use.
            shard = open_split(dataset, version, configuration, split, self._cache_root)
            self.shard_path = shard.path
        self._shard = shard
        self._records: NDArray[np.int64] | None = None
        self._content: dict[str, Any] | None = None
        super().__init__(
            str(self._cache_root),
            transform,
            pre_transform,
            pre_filter,
            log=False,
            force_reload=force_reload,
        )
        content = self._content or torch.load(self.processed_paths[0], weights_only=True)
        self._content = None
        self._data, self.slices = Data.from_dict(content["data"]), content["slices"]
        self._records = content["records"].numpy()

    @classmethod
    def from_spec(
        cls,
        spec: DatasetSpec,
        version: str,
        configuration: str,
        split: str,
        label: str,
        root: str | Path | None = None,
    ) -> FactorDataset:
        """Open a split of a dataset whose spec names this class."""
        return FactorDataset(
            spec.name, version, configuration, split, label, scaled=spec.symmetric, root=root
        )

    @classmethod
    def of_shard(cls, shard: Shard, label: str, *, scaled: bool = True) -> FactorDataset:
        """Serve one label of a shard, for example of your own.

        Parameters
        ----------
        shard : Shard
            From ``read_shard`` or ``shard_in_memory``.
        label : str
            Which factor to serve.
        scaled : bool
            As for the class; the matrices must then be symmetric.

        Returns
        -------
        FactorDataset
            In memory.

        Raises
        ------
        ConfigurationError
            If no record has the label.
        """
        names = shard.header
        return FactorDataset(
            names.dataset,
            names.version,
            names.configuration,
            names.split,
            label,
            scaled=scaled,
            shard=shard,
        )

    def _targets(self, shard: Shard) -> _Values | tuple[_Values, _Values] | None:
        """Values of L of every record, NaN where there is none; or of L, and of U transposed.

        A class that gives L alone serves symmetric matrices only. None: no record has a target.
        """
        values = shard.labels.get(self.label)
        if values is None:
            raise ConfigurationError(
                f"{shard.path} has no label {self.label!r}; there are: {', '.join(shard.labels)}"
            )
        return values if shard.symmetric else (values, shard.labels[upper_label(self.label)])

    @property
    def processed_dir(self) -> str:
        """Folder of the processed tensors."""
        return str(
            self._cache_root / "processed" / self.dataset_name / self.version / self.configuration
        )

    @property
    def processed_file_names(self) -> list[str]:
        """One file, whose name holds everything its content depends on."""
        described = f"{describe(self.pre_transform)}|{describe(self.pre_filter)}"
        transforms = hashlib.sha256(described.encode()).hexdigest()[:12]
        key = (
            f"{self.split}-{self.shard.content_digest[:16]}"
            f"-{self.label}-{'scaled' if self.scaled else 'raw'}"
            f"{'-geometry' if self.with_geometry else ''}"
            f"{'' if self.y_dtype == torch.float64 else f'-{self.y_dtype}'}"
            f"-f{FORMAT_VERSION}.{LAYOUT_VERSION}"
            f"-pyg{torch_geometric.__version__}-torch{torch.__version__}-{transforms}.pt"
        )
        return [key]

    def _process(self) -> None:
        # Converting a shard takes no longer than reading tensors back, so only the work of a
        # pre_transform or pre_filter is kept, and only if its name says what it does.
        described = describe(self.pre_transform), describe(self.pre_filter)
        if self.shard_path is None or None in described or not any(described):
            self._content = self._convert()
            return
        target = Path(self.processed_paths[0])
        if target.is_file() and not self.force_reload:
            return
        with locked(target):
            if not target.is_file() or self.force_reload:
                self.process()

    def process(self) -> None:
        """Convert the shard to tensors and keep them, atomically."""
        with replacing(Path(self.processed_paths[0])) as temporary:
            # Plain tensors and strings, so that reading them back runs no code.
            torch.save(self._convert(), temporary)

    def _convert(self) -> dict[str, Any]:
        arrays, records = self._arrays(self.shard)
        data, slices = collate_graphs(arrays)
        if data.y is not None:
            data.y = data.y.to(self.y_dtype)
        if self.with_geometry:
            add_geometry(data, slices, self.shard, records, arrays.row_scale())
        if self.pre_filter is not None or self.pre_transform is not None:
            self._data, self.slices, self._data_list = data, slices, None
            items = [self.get(i) for i in range(len(arrays.names))]
            if self.pre_filter is not None:
                kept = [i for i, item in enumerate(items) if self.pre_filter(item)]
                if not kept:
                    raise ConfigurationError(f"pre_filter leaves nothing of split {self.split!r}")
                items, records = [items[i] for i in kept], records[kept]
            if self.pre_transform is not None:
                items = [self.pre_transform(item) for item in items]
            data, slices = self.collate(items)
            self._data_list = None
        return {
            "data": data.to_dict(),
            "slices": dict(slices),
            "records": torch.from_numpy(records),
        }

    @property
    def num_classes(self) -> int:
        """Zero: entries of factors are numbers, not classes."""
        return 0

    @property
    def names(self) -> list[str]:
        """Names of the matrices, in order."""
        shard = self.shard
        return [shard.names[self._record_number(i)] for i in range(len(self))]

    def pair(self, index: int | str) -> Pair:
        """Return matrix and target factor of one graph as SciPy arrays, float64.

        Parameters
        ----------
        index : int or str
            Position in this dataset (or in the subset that indexing made), where negative ones
            count from the end, or name of the matrix.

        Returns
        -------
        Pair
            ``name``, ``A`` (symmetric CSR), ``L`` (lower triangular CSR), in the same scaling
            as the graphs. Where A is not symmetric, it has ``U``, too.
        """
        return self._pair(self._record_number(index))

    def _pair(self, number: int) -> Pair:
        shard = self.shard
        arrays = self._select(shard, np.array([number], dtype=np.int64))
        if self.scaled:
            arrays = arrays.scaled()
        pattern = arrays.pattern
        if arrays.u is not None and arrays.l is not None:
            A = pattern.symmetric_csr(arrays.a)
            A.data = arrays.all_entries()
            U = csr_array(pattern.csr(arrays.u).T.tocsr())
            return Pair(arrays.names[0], A, pattern.csr(arrays.l.copy()), U)
        A = pattern.symmetric_csr(arrays.a.copy())
        # Where the pattern has fill-in, A has none.
        A.eliminate_zeros()
        L = None if arrays.l is None else pattern.csr(arrays.l.copy())
        best = shard.facts.get("best_iterations")
        return Pair(arrays.names[0], A, L, best=None if best is None else int(best[number]))

    def geometry(self, index: int) -> dict[str, NDArray[np.float64]]:
        """Return what is known of the rows of one matrix beside its entries.

        Parameters
        ----------
        index : int
            As for :meth:`pair`.

        Returns
        -------
        dict of str to numpy.ndarray
            float64 with n rows: ``pos``, the coordinates of the node of each row,
            ``coefficients`` of the equation there, and ``near_null``, vectors that A nearly maps to
            zero, without those that the data does not have.
        """
        number = self._record_number(index)
        record = self.shard.record(number)
        scale = np.ones(record.n)
        if self.scaled:
            diagonal = record.a[record.indptr[1:] - 1]
            scale = power_of_two_scaling(diagonal)
        return geometry_of(record, scale)

    def earlier(self, index: int) -> tuple[csr_array, ...]:
        """Return the systems before one of a sequence; other data has none."""
        return ()

    def facts(self, index: int | str) -> dict[str, int | float | str]:
        """Return what the shard knows about one matrix: iterations, winner, n log K, ..."""
        return dict(self.shard.record(self._record_number(index)).facts)

    @property
    def shard(self) -> Shard:
        """The records as they are stored, unscaled, whatever part of them is served."""
        return self._shard

    def save(self, path: str | Path) -> str:
        """Write all records of the split to a shard file, which ``from_shard`` reads.

        Parameters
        ----------
        path : path-like
            The file; one that exists is replaced, whole or not at all.

        Returns
        -------
        str
            Content digest.
        """
        shard = self.shard
        return write_shard(path, shard.header, [shard.record(i) for i in range(len(shard))])

    def _repr_html_(self) -> str:
        """Show a table in a notebook."""
        rows = {
            "dataset": f"{self.dataset_name} {self.version}",
            "configuration": self.configuration,
            "split": self.split,
            "label": self.label,
            "pairs": len(self),
            "content digest": self.shard.content_digest[:16],
        }
        return table_html(type(self).__name__, rows)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} pairs, {self.dataset_name} {self.version}, "
            f"{self.configuration}, {self.split})"
        )

    def _record_number(self, index: int | str) -> int:
        count = len(self)
        if isinstance(index, str):
            names = self.names
            if index not in names:
                advice = did_you_mean(index, names)
                raise ConfigurationError(f"no matrix of {self!r} is called {index!r}{advice}")
            index = names.index(index)
        try:
            index = operator.index(index)
        except TypeError:
            raise ConfigurationError(
                f"index is {index!r}; give an integer, or the name of a matrix"
            ) from None
        if not -count <= index < count:
            raise IndexError(f"index {index} is out of range; the dataset has {count} pairs")
        assert self._records is not None
        positions: Sequence[int] = self.indices()
        return int(self._records[positions[index]])

    def _arrays(self, shard: Shard) -> tuple[GraphArrays, NDArray[np.int64]]:
        """Arrays of all records that have the label, and their numbers in the shard."""
        targets = self._triangles(shard)[0]
        first = np.zeros(len(shard)) if targets is None else targets[shard.nnz_offsets[:-1]]
        records = np.flatnonzero(~np.isnan(first)).astype(np.int64)
        if records.size == 0:
            raise ConfigurationError(
                f"no matrix of {self.dataset_name} {self.version}, split {self.split!r}, has the "
                f"label {self.label!r}"
            )
        arrays = self._select(shard, records)
        return (arrays.scaled() if self.scaled else arrays), records

    def _select(self, shard: Shard, records: NDArray[np.int64]) -> GraphArrays:
        rows, entries = np.diff(shard.row_offsets), np.diff(shard.nnz_offsets)
        chosen = np.zeros(len(shard), dtype=bool)
        chosen[records] = True
        row_offsets = np.concatenate(([0], np.cumsum(rows[records])))
        nnz_offsets = np.concatenate(([0], np.cumsum(entries[records])))
        by_entry = np.repeat(chosen, entries)
        # Record i owns n + 1 pointers of which the first is 0; row ends are the others.
        by_pointer = np.repeat(chosen, rows + 1)
        by_pointer[shard.row_offsets[:-1] + np.arange(len(shard))] = False
        ends = shard.pointers[by_pointer] + np.repeat(nnz_offsets[:-1], rows[records])
        indices = shard.indices[by_entry]
        indices += np.repeat(row_offsets[:-1].astype(np.int32), entries[records])
        pattern = LowerPattern(np.concatenate(([0], ends)), indices)
        lower, upper = self._triangles(shard)
        return GraphArrays(
            [shard.names[i] for i in records],
            row_offsets,
            nnz_offsets,
            pattern,
            shard.a[by_entry],
            None if lower is None else lower[by_entry],
            None if upper is None else shard.labels[A_UPPER][by_entry],
            None if upper is None else upper[by_entry],
        )

    def _triangles(self, shard: Shard) -> tuple[_Values | None, _Values | None]:
        targets = self._targets(shard)
        lower, upper = targets if isinstance(targets, tuple) else (targets, None)
        if upper is None and not shard.symmetric:
            raise ShardError(
                f"{shard.path} holds non-symmetric matrices (it has l_{A_UPPER}); "
                f"{type(self).__name__} serves symmetric ones only: read it with SyntheticTridiag"
            )
        return lower, upper


def clear_processed(root: str | Path | None = None) -> None:
    """Delete all processed tensors; they are made again when needed.

    Parameters
    ----------
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    """
    shutil.rmtree(cache_root(root) / "processed", ignore_errors=True)


def _check_dtype(dtype: object) -> None:
    if not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ConfigurationError(
            f"y_dtype is {dtype!r}; give a floating-point dtype of torch, such as torch.float32"
        )


def _check_root(root: object, dataset: str) -> None:
    """Refuse the name of a split, say, in the place of the cache folder, which comes first."""
    if not isinstance(root, str):
        return
    plans = select_plans(dataset)
    names = {
        "split": {plan.split for plan in plans},
        "configuration": {plan.configuration for plan in plans},
        "version": {plan.version for plan in plans},
        "label": set(dataset_spec(dataset).labels),
    }
    for kind, known in names.items():
        if root in known:
            raise ConfigurationError(
                f"root, the cache folder, is {root!r}, which is a {kind} of {dataset}; name "
                f"arguments, such as split='test', or write './{root}' for a folder of that name"
            )
