"""Shards in memory: a header, and the arrays of all records end to end."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError, DigestError, ShardError
from precondbench.shards.digest import arrays_digest, facts_digest, split_digest
from precondbench.shards.record import (
    A_UPPER,
    GEOMETRY_DIGEST,
    UNKNOWNS,
    UPPER_SUFFIX,
    Record,
    check_text,
    geometry_digest,
)

FORMAT_NAME = "precondbench-shard"
FORMAT_VERSION = 1

_LONGEST_RECIPE = 60000  # bytes; HDF5 attributes end at 64 KiB


@dataclass(frozen=True)
class ShardHeader:
    """What a shard is part of and how it was made.

    Parameters
    ----------
    dataset, version, configuration, split : str
        Names as in the manifest.
    recipe : mapping
        What it was built from; anything JSON can hold. Kept in its JSON form (tuples become
        lists), so that what is written equals what is read.
    creator : str
        Version of the library that wrote it.
    reproducible : {"bitwise", "tolerance"}
        Whether a rebuild gives the same content digest on every machine.

    Examples
    --------
    >>> from precondbench.shards import ShardHeader
    >>> ShardHeader("tridiag", "1", "default", "test", {"seed": 1}, "0.1.0").reproducible
    'bitwise'
    """

    dataset: str
    version: str
    configuration: str
    split: str
    recipe: Mapping[str, Any]
    creator: str
    reproducible: str = "bitwise"

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name != "recipe":
                text = getattr(self, item.name)
                check_text(text, f"header: {item.name}")
                if not text:
                    raise ShardError(f"header: {item.name} is empty; a shard says what it is")
        if self.reproducible not in {"bitwise", "tolerance"}:
            raise ShardError(
                f"header: reproducible is {self.reproducible!r}; use 'bitwise' or 'tolerance'"
            )
        try:
            recipe = json.loads(recipe_json(self.recipe))
        except (TypeError, ValueError) as error:
            raise ShardError(f"header: the recipe is not JSON ({error})") from None
        if not isinstance(recipe, dict):
            raise ShardError(f"header: the recipe is {self.recipe!r}; it must be a mapping")
        if len(recipe_json(recipe).encode("utf-8")) > _LONGEST_RECIPE:
            raise ShardError(
                f"header: the recipe takes more than {_LONGEST_RECIPE} bytes as JSON; keep the "
                "parameters in it, and long lists in the index"
            )
        object.__setattr__(self, "recipe", recipe)


@dataclass(frozen=True, eq=False)
class Shard:
    """All records of a file in contiguous arrays.

    Record i owns ``pointers[row_offsets[i] + i : row_offsets[i + 1] + i + 1]`` (n + 1 of them,
    the first zero) and ``indices, a, labels[...][nnz_offsets[i] : nnz_offsets[i + 1]]``.

    Attributes
    ----------
    header : ShardHeader
        What the shard is part of.
    content_digest : str
        Digest the file claims (:meth:`verify` checks it).
    names, groups, record_digests : list of str
        One entry a record.
    n : numpy.ndarray
        int64, rows of each record.
    row_offsets, nnz_offsets : numpy.ndarray
        int64 of shape (records + 1,).
    pointers, indices, a : numpy.ndarray
        int64, int32 and float64.
    labels : dict of str to numpy.ndarray
        float64 values of each label, NaN where the record does not have it.
    has_label : dict of str to numpy.ndarray
        bool of shape (records,).
    facts : dict of str to numpy.ndarray or list of str
        int64, float64 or text columns.
    geometry : dict of str to numpy.ndarray
        float64 of shape (nodes, k), the nodes of all records end to end.
    path : pathlib.Path
        The file.
    """

    header: ShardHeader
    content_digest: str
    names: list[str]
    groups: list[str]
    record_digests: list[str]
    n: NDArray[np.int64]
    row_offsets: NDArray[np.int64]
    nnz_offsets: NDArray[np.int64]
    pointers: NDArray[np.int64]
    indices: NDArray[np.int32]
    a: NDArray[np.float64]
    labels: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    has_label: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    facts: dict[str, NDArray[Any] | list[str]] = field(default_factory=dict)
    geometry: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    path: Path = Path("shard in memory")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def symmetric(self) -> bool:
        """Whether each factor is one matrix L; else there are L and U, and A has two triangles."""
        return A_UPPER not in self.labels

    @property
    def factor_labels(self) -> list[str]:
        """Labels that stand for a factor, or for a pair of factors, sorted."""
        names = sorted(self.labels)
        if self.symmetric:
            return names
        return [name for name in names if not name.endswith(UPPER_SUFFIX)]

    @property
    def prediction_offsets(self) -> NDArray[np.int64]:
        """Where the values predicted for each record start, int64 (records + 1,).

        On the lower triangle for symmetric matrices, on the whole pattern for others.
        """
        return self.nnz_offsets if self.symmetric else 2 * self.nnz_offsets - self.row_offsets

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: i for i, name in enumerate(self.names)}

    def index_of(self, name: str) -> int:
        """Position of the record with this name; ConfigurationError if there is none."""
        if name not in self._positions:
            close = difflib.get_close_matches(name, self.names, n=3)
            hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
            raise ConfigurationError(
                f"{self.path} has no record {name!r} among its {len(self)}{hint}"
            )
        return self._positions[name]

    @cached_property
    def node_offsets(self) -> NDArray[np.int64]:
        """Where the nodes of each record start, int64 (records + 1,)."""
        unknowns = self.facts.get(UNKNOWNS, np.ones(len(self), dtype=np.int64))
        return np.concatenate(([0], np.cumsum(self.n // np.asarray(unknowns))))

    def geometry_of(self, i: int) -> dict[str, NDArray[np.float64]]:
        """Numbers of the nodes of record i by name, float64 (nodes, k); they share memory."""
        part = slice(self.node_offsets[i], self.node_offsets[i + 1])
        return {name: values[part] for name, values in self.geometry.items()}

    def record(self, i: int) -> Record:
        """Record i (negative: from the end); its arrays share memory with the shard's."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"record {i} of {self.path}, which has {len(self)}")
        i = i % len(self)
        return Record(
            group=self.groups[i],
            facts={
                fact: column[i] if isinstance(column, list) else column[i].item()
                for fact, column in self.facts.items()
            },
            geometry=self.geometry_of(i),
            **self._arrays(i),
        )

    def _arrays(self, i: int) -> dict[str, Any]:
        """What the digest of record i is about."""
        part = slice(self.nnz_offsets[i], self.nnz_offsets[i + 1])
        return {
            "name": self.names[i],
            "indptr": self.pointers[self.row_offsets[i] + i : self.row_offsets[i + 1] + i + 1],
            "indices": self.indices[part],
            "a": self.a[part],
            "labels": {
                label: values[part] if self.has_label[label][i] else None
                for label, values in self.labels.items()
            },
        }

    def facts_digest(self) -> str:
        """Digest of the exact facts of all records, which :meth:`verify` knows nothing of."""
        columns = {
            fact: column if isinstance(column, list) else column.tolist()
            for fact, column in self.facts.items()
        }
        rows = zip(*columns.values(), strict=True) if columns else [()] * len(self)
        return facts_digest(dict(zip(columns, row, strict=True)) for row in rows)

    def verify(self) -> None:
        """Recompute every digest from the arrays.

        Raises
        ------
        DigestError
            Naming the first record whose content differs, or the shard itself.
        """
        remedy = "fetch or build the file again"
        for i, expected in enumerate(self.record_digests):
            found = arrays_digest(**self._arrays(i))
            if found != expected:
                raise DigestError(
                    f"{self.path}: record {i} ({self.names[i]!r}) has digest {found}, "
                    f"not {expected}; {remedy}"
                )
        for i, expected in enumerate(self.facts.get(GEOMETRY_DIGEST, ())):
            if geometry_digest(self.geometry_of(i)) != expected:
                raise DigestError(
                    f"{self.path}: the geometry of record {i} ({self.names[i]!r}) is not what its "
                    f"digest says; {remedy}"
                )
        found = split_digest(self.record_digests)
        if found != self.content_digest:
            raise DigestError(
                f"{self.path}: every record is as its digest says, but together they have "
                f"{found}, not {self.content_digest}: records are missing, added or moved; {remedy}"
            )


def recipe_json(recipe: Mapping[str, Any]) -> str:
    """Return a recipe in its one JSON form: sorted keys, no spaces, no NaN."""
    return json.dumps(
        recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
