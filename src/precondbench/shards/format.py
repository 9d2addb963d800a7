"""The file of a shard: HDF5 with the records' arrays end to end. docs/format.md specifies it."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError, DigestError, ShardError
from precondbench.shards.cache import replacing
from precondbench.shards.digest import check_digest, record_digest, split_digest
from precondbench.shards.record import Record, check_identifier, check_text, pattern_fault

__all__ = ["FORMAT_NAME", "FORMAT_VERSION", "Shard", "ShardHeader", "read_shard", "write_shard"]

FORMAT_NAME = "precondbench-shard"
FORMAT_VERSION = 1

_CHUNK = 65536  # entries
_TEXT_COLUMNS = ("name", "group", "digest")
_COUNT_COLUMNS = ("n", "nnz", "row_offset", "nnz_offset")
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
# deflate cannot shrink more than this; a file that claims to is damaged or made to fill memory.
_DEFLATE_LIMIT = 1032
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
            recipe = json.loads(_json(self.recipe))
        except (TypeError, ValueError) as error:
            raise ShardError(f"header: the recipe is not JSON ({error})") from None
        if not isinstance(recipe, dict):
            raise ShardError(f"header: the recipe is {self.recipe!r}; it must be a mapping")
        if len(_json(recipe).encode("utf-8")) > _LONGEST_RECIPE:
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
    path: Path = Path("shard in memory")

    def __len__(self) -> int:
        return len(self.names)

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

    def record(self, i: int) -> Record:
        """Record i (negative: from the end); its arrays share memory with the shard's."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"record {i} of {self.path}, which has {len(self)}")
        i = i % len(self)
        part = slice(self.nnz_offsets[i], self.nnz_offsets[i + 1])
        return Record(
            name=self.names[i],
            group=self.groups[i],
            indptr=self.pointers[self.row_offsets[i] + i : self.row_offsets[i + 1] + i + 1],
            indices=self.indices[part],
            a=self.a[part],
            labels={
                label: values[part] if self.has_label[label][i] else None
                for label, values in self.labels.items()
            },
            facts={
                fact: column[i] if isinstance(column, list) else column[i].item()
                for fact, column in self.facts.items()
            },
        )

    def verify(self) -> None:
        """Recompute every digest from the arrays.

        Raises
        ------
        DigestError
            Naming the first record whose content differs, or the shard itself.
        """
        remedy = "delete the file and fetch or build it again"
        for i, expected in enumerate(self.record_digests):
            found = record_digest(self.record(i))
            if found != expected:
                raise DigestError(
                    f"{self.path}: record {i} ({self.names[i]!r}) has digest {found}, "
                    f"not {expected}; {remedy}"
                )
        found = split_digest(self.record_digests)
        if found != self.content_digest:
            raise DigestError(
                f"{self.path}: every record is as its digest says, but together they have "
                f"{found}, not {self.content_digest}: records are missing, added or moved; {remedy}"
            )


def write_shard(
    path: str | os.PathLike[str], header: ShardHeader, records: Iterable[Record]
) -> str:
    """Write records to a new file, which appears whole or not at all.

    Parameters
    ----------
    path : path-like
        The file; one that exists is replaced.
    header : ShardHeader
        What the shard is part of.
    records : iterable of Record
        At least one; names differ, labels and facts have the same names in all of them. A fact
        that is int in some and float in others is stored as float.

    Returns
    -------
    str
        Content digest of the shard (:func:`split_digest` of its records).

    Raises
    ------
    ShardError
        If the records do not fit together.

    Examples
    --------
    >>> import tempfile
    >>> from precondbench.shards import Record, ShardHeader, read_shard, write_shard
    >>> header = ShardHeader("demo", "1", "default", "test", {}, "0.1.0")
    >>> one = Record("one", "demo", [0, 1], [0], [4.0], {"exact": [2.0]}, {"iterations": 1})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     digest = write_shard(f"{folder}/test.h5", header, [one])
    ...     shard = read_shard(f"{folder}/test.h5")
    >>> shard.verify()
    >>> shard.record(0).labels["exact"], shard.content_digest == digest
    (array([2.]), True)
    """
    path = Path(path)
    columns = _columns(list(records), path)
    digest = split_digest(text.decode() for text in columns["index/digest"].tolist())
    with (
        replacing(path) as temporary,
        h5py.File(temporary, "w", libver=("earliest", "v110")) as file,
    ):
        attributes = {item.name: getattr(header, item.name) for item in fields(header)}
        attributes["recipe"] = _json(header.recipe)
        attributes |= {"format": FORMAT_NAME, "content_digest": digest}
        for key, text in sorted(attributes.items()):
            # Fixed width as the columns: HDF5 may crash on damaged text of variable length.
            data = text.encode("utf-8")
            file.attrs.create(key, np.bytes_(data), dtype=h5py.string_dtype("utf-8", len(data)))
        file.attrs.create("format_version", FORMAT_VERSION, dtype="<i8")
        for key, values in columns.items():
            if values.dtype.kind == "S":  # NumPy has no UTF-8 type, h5py marks one
                stored = h5py.string_dtype("utf-8", values.dtype.itemsize)
            else:
                stored = values.dtype.newbyteorder("<")
            file.create_dataset(
                key,
                data=values.astype(stored),
                chunks=(min(values.size, _CHUNK),),
                compression="gzip",
                compression_opts=4,
                shuffle=True,
                fletcher32=True,
                track_times=False,  # bytes repeat
            )
    return digest


def _json(recipe: Mapping[str, Any]) -> str:
    return json.dumps(
        recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _columns(records: list[Record], path: Path) -> dict[str, NDArray[Any]]:
    if not records:
        raise ShardError(f"{path}: there are no records to write; a shard has at least one")
    first = records[0]
    seen: set[str] = set()
    for record in records:
        if record.name in seen:
            raise ShardError(f"{path}: two records are called {record.name!r}; rename one")
        seen.add(record.name)
        for what in ("labels", "facts"):
            here, there = set(getattr(record, what)), set(getattr(first, what))
            if here != there:
                raise ShardError(
                    f"{path}: records {first.name!r} and {record.name!r} have different {what}: "
                    f"{sorted(here ^ there)} are in one only; give every record all of them"
                )
    n = np.array([record.n for record in records], dtype=np.int64)
    nnz = np.array([record.nnz for record in records], dtype=np.int64)
    columns: dict[str, NDArray[Any]] = {
        "index/name": _text([record.name for record in records]),
        "index/group": _text([record.group for record in records]),
        "index/digest": _text([record_digest(record) for record in records]),
        "index/n": n,
        "index/nnz": nnz,
        "index/row_offset": np.cumsum(n) - n,
        "index/nnz_offset": np.cumsum(nnz) - nnz,
        "pattern/pointers_to_1": np.concatenate([record.indptr for record in records]),
        "pattern/indices_1": np.concatenate([record.indices for record in records]),
        "values/a": np.concatenate([record.a for record in records]),
    }
    for label in sorted(first.labels):
        parts = [(record.labels[label], record.nnz) for record in records]
        columns[f"values/l_{label}"] = np.concatenate(
            [np.full(size, np.nan) if part is None else part for part, size in parts]
        )
        columns[f"index/has_l_{label}"] = np.array([p is not None for p, _ in parts], np.uint8)
    for fact in sorted(first.facts):
        if f"index/{fact}" in columns:
            raise ShardError(f"{path}: a fact cannot be called {fact!r}, a column of the format")
        facts = [record.facts[fact] for record in records]
        kinds = {type(value) for value in facts}
        if str in kinds and len(kinds) > 1:
            raise ShardError(f"{path}: fact {fact!r} is text in some records, a number in others")
        number = np.float64 if float in kinds else np.int64
        columns[f"index/{fact}"] = _text(facts) if str in kinds else np.array(facts, dtype=number)
    return columns


def _text(values: list[Any]) -> NDArray[np.bytes_]:
    # Fixed width: gzip and the checksum then cover text, too, and every HDF5 reader knows it.
    encoded = [value.encode("utf-8") for value in values]
    return np.array(encoded, dtype=f"S{max(1, *map(len, encoded))}")


def read_shard(path: str | os.PathLike[str]) -> Shard:
    """Read a shard, checking that its parts fit together (not its digests: ``verify``).

    Parameters
    ----------
    path : path-like
        A file in the format of docs/format.md.

    Returns
    -------
    Shard
        Arrays in memory; the file is closed.

    Raises
    ------
    ShardError
        If the file is missing, damaged, of another format or a newer version of it, points
        to other files, or has parts that contradict each other.

    Examples
    --------
    >>> from precondbench.shards import read_shard
    >>> read_shard("nowhere.h5")
    Traceback (most recent call last):
        ...
    precondbench.errors.ShardError: nowhere.h5: there is no such file; fetch or build it
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise ShardError("there is no such file; fetch or build it")
        if not h5py.is_hdf5(path):
            raise ShardError("not an HDF5 file; delete it and fetch or build it again")
        # The file never changes, so where locks do not work (some clusters) none is needed.
        with h5py.File(path, "r", locking="best-effort") as file:
            header, digest = _read_header(file)
            columns = {
                f"{group}/{name}": column
                for group in ("index", "pattern", "values")
                for name, column in _read_group(file, group).items()
            }
        return _assemble(path, header, digest, columns)
    except ShardError as error:
        raise ShardError(f"{path}: {error}") from None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ShardError(
            f"{path}: truncated or damaged ({error}); delete it and fetch or build it again"
        ) from error


def _read_header(file: Any) -> tuple[ShardHeader, str]:
    def read(key: str) -> Any:
        if key not in file.attrs:
            return None
        # Look before reading: HDF5 may crash on damaged text of variable length.
        dtype = file.attrs.get_id(key).dtype
        if dtype.kind not in "Siu":
            raise ShardError(f"root attribute {key!r} has type {dtype}; use fixed-width text")
        value = file.attrs[key]
        return value.decode("utf-8") if isinstance(value, bytes) else value

    def text(key: str) -> str:
        value = read(key)
        if not isinstance(value, str):
            raise ShardError(f"root attribute {key!r} is {value!r}; it must be fixed-width text")
        return value

    name = read("format")
    if name != FORMAT_NAME:
        raise ShardError(
            f"an HDF5 file, but not a shard: its attribute 'format' is {name!r}, not "
            f"{FORMAT_NAME!r}; give the path of a shard"
        )
    version = read("format_version")
    if not isinstance(version, np.integer) or version < 1:
        raise ShardError(f"root attribute 'format_version' is {version!r}; it counts from 1")
    if version > FORMAT_VERSION:
        raise ShardError(
            f"written in format version {version}, this library reads up to {FORMAT_VERSION}; "
            "upgrade it: pip install -U precondbench"
        )
    known = {item.name: text(item.name) for item in fields(ShardHeader)}
    recipe = json.loads(known.pop("recipe"))
    return (
        ShardHeader(recipe=recipe, **known),
        check_digest(text("content_digest"), "root attribute 'content_digest'"),
    )


def _member(parent: Any, name: str, kind: type) -> Any:
    where = f"{parent.name.rstrip('/')}/{name}"
    link = parent.get(name, getlink=True)
    if link is None:
        raise ShardError(f"{where} is missing; fetch or build the file again")
    if not isinstance(link, h5py.HardLink):
        raise ShardError(
            f"{where} is a link ({type(link).__name__}); a shard has none, distrust it"
        )
    member = parent[name]
    if not isinstance(member, kind):
        raise ShardError(f"{where} is not an HDF5 {kind.__name__.lower()}; the file is no shard")
    return member


def _read_group(file: Any, name: str) -> dict[str, NDArray[Any] | list[str]]:
    group = _member(file, name, h5py.Group)
    return {key: _read_column(_member(group, key, h5py.Dataset)) for key in group}


def _read_column(dataset: Any) -> NDArray[Any] | list[str]:
    where = dataset.name
    if dataset.shape is None or len(dataset.shape) != 1:
        raise ShardError(f"{where} has shape {dataset.shape}; every array is a vector")
    if dataset.is_virtual or dataset.external:
        raise ShardError(f"{where} keeps its data in other files; a shard never does, distrust it")
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(k)[0] for k in range(plan.get_nfilters())}
    if filters - _FILTERS:
        raise ShardError(
            f"{where} uses HDF5 filters {sorted(filters - _FILTERS)}; only deflate, shuffle and "
            "fletcher32 are allowed: repack the file with h5repack"
        )
    if dataset.nbytes > _DEFLATE_LIMIT * dataset.id.get_storage_size():
        raise ShardError(f"{where} claims more data than is stored; fetch or build the file again")
    text = h5py.check_string_dtype(dataset.dtype)
    if text is not None and text.length is not None:
        return [value.decode("utf-8") for value in dataset[...].tolist()]
    if dataset.dtype not in [np.dtype(kind) for kind in ("<i8", "<i4", "<f8", "u1")]:
        raise ShardError(
            f"{where} has type {dataset.dtype}; allowed are int64, int32, float64 and uint8 "
            "(little-endian) and fixed-width text"
        )
    values: NDArray[Any] = dataset[...]
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _assemble(
    path: Path, header: ShardHeader, digest: str, columns: dict[str, NDArray[Any] | list[str]]
) -> Shard:
    def take(key: str, kind: Any, size: int | None = None) -> Any:
        column = columns.pop(key, None)
        if column is None:
            raise ShardError(f"/{key} is missing; fetch or build the file again")
        found = np.dtype(str) if isinstance(column, list) else column.dtype
        if found != np.dtype(kind):
            raise ShardError(f"/{key} holds {found}, not {np.dtype(kind)}; the file is no shard")
        if size is not None and len(column) != size:
            raise ShardError(
                f"/{key} has {len(column)} entries where the index asks for {size}; fetch or "
                "build the file again"
            )
        return column

    names = take("index/name", str)
    count = len(names)
    if count == 0 or len(set(names)) < count or "" in names:
        raise ShardError(f"/index/name has {count} names; they must differ, and none be empty")
    groups, digests = (take(f"index/{key}", str, count) for key in ("group", "digest"))
    for name, one in zip(names, digests, strict=True):
        check_digest(one, f"/index/digest of record {name!r}")
    offsets = []
    for size, offset in (("n", "row_offset"), ("nnz", "nnz_offset")):
        sizes = take(f"index/{size}", np.int64, count)
        if sizes.min() < 1 or sizes.max() >= 2**40:  # the sum must not overflow
            raise ShardError(f"/index/{size} has values that are no sizes; the file is no shard")
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        if not np.array_equal(take(f"index/{offset}", np.int64, count), ends[:-1]):
            raise ShardError(f"/index/{offset} is not the running sum of /index/{size}")
        offsets.append(ends)
    rows, entries = offsets
    total = int(entries[-1])
    pointers = take("pattern/pointers_to_1", np.int64, int(rows[-1]) + count)
    indices = take("pattern/indices_1", np.int32, total)
    _check_patterns(names, rows, entries, pointers, indices)
    a = take("values/a", np.float64, total)
    _check_values("a", names, entries, a, np.ones(count, dtype=bool))
    labels, has_label = {}, {}
    for key in sorted(key for key in columns if key.startswith("values/l_")):
        label = key.removeprefix("values/l_")
        check_identifier(label, "label")
        labels[label] = take(key, np.float64, total)
        has_label[label] = take(f"index/has_l_{label}", np.uint8, count) != 0
        _check_values(f"l_{label}", names, entries, labels[label], has_label[label])
    facts = {}
    for key in sorted(columns):
        group, fact = key.split("/")
        if group != "index":
            raise ShardError(f"/{key} is not part of the format; the file is no shard")
        check_identifier(fact, "fact")
        column = columns[key]
        kind = str if isinstance(column, list) else column.dtype
        if kind not in (str, np.int64, np.float64):
            raise ShardError(f"/{key} holds {kind}; facts are int64, float64 or text")
        facts[fact] = take(key, kind, count)
    return Shard(
        header=header,
        content_digest=digest,
        names=names,
        groups=groups,
        record_digests=digests,
        n=np.diff(rows),
        row_offsets=rows,
        nnz_offsets=entries,
        pointers=pointers,
        indices=indices,
        a=a,
        labels=labels,
        has_label=has_label,
        facts=facts,
        path=path,
    )


def _check_patterns(
    names: list[str],
    rows: NDArray[np.int64],
    entries: NDArray[np.int64],
    pointers: NDArray[np.int64],
    indices: NDArray[np.int32],
) -> None:
    n = np.diff(rows)
    first = rows[:-1] + np.arange(n.size)
    bad = np.flatnonzero((pointers[first] != 0) | (pointers[first + n] != np.diff(entries)))
    if bad.size:
        raise ShardError(f"record {names[bad[0]]!r}: its pointers do not run from 0 to its nnz")
    # One long matrix: where each row of each record starts and ends in indices.
    absolute = pointers + np.repeat(entries[:-1], n + 1)
    starts, ends = np.delete(absolute, first + n), np.delete(absolute, first)
    local = np.arange(rows[-1]) - np.repeat(rows[:-1], n)
    fault = pattern_fault(starts, ends, local, indices)
    if fault is not None:
        record = int(np.searchsorted(rows, fault[0], side="right")) - 1
        raise ShardError(f"record {names[record]!r}: row {local[fault[0]]} {fault[1]}")


def _check_values(
    what: str,
    names: list[str],
    entries: NDArray[np.int64],
    values: NDArray[np.float64],
    present: NDArray[np.bool_],
) -> None:
    expected = np.repeat(present, np.diff(entries))
    bad = np.flatnonzero(np.where(expected, ~np.isfinite(values), ~np.isnan(values)))
    if bad.size:
        record = int(np.searchsorted(entries, bad[0], side="right")) - 1
        raise ShardError(
            f"record {names[record]!r}: /values/{what} is {values[bad[0]]}; values are finite, and "
            "NaN throughout where /index says that the label does not exist"
        )
