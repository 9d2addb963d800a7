"""Shards as HDF5 files, in the format of docs/format.md; nothing in a file is trusted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lazy_loader
import numpy as np
from numpy.typing import NDArray

from precondbench._internal import loads, replacing
from precondbench.errors import ShardError
from precondbench.shards.digest import check_digest, record_digest, split_digest
from precondbench.shards.geometry import geometry_arrays, geometry_columns
from precondbench.shards.hdf5 import (
    damaged_entries,
    member,
    new_file,
    read_attribute,
    read_column,
    text_attribute,
    write_attributes,
    write_column,
)
from precondbench.shards.record import (
    A_UPPER,
    Record,
    check_identifier,
    pattern_fault,
    upper_label,
)
from precondbench.shards.shard import (
    FORMAT_NAME,
    FORMAT_VERSION,
    Shard,
    ShardHeader,
    recipe_json,
)

if TYPE_CHECKING:
    import h5py
else:  # A look at what is in the cache opens no file.
    h5py = lazy_loader.load("h5py")


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
    columns = shard_columns(list(records), path)
    digest = split_digest(text.decode() for text in columns["index/digest"].tolist())
    with (
        replacing(path) as temporary,
        new_file(temporary, libver=("earliest", "v110")) as file,
    ):
        attributes = {item.name: getattr(header, item.name) for item in fields(header)}
        attributes["recipe"] = recipe_json(header.recipe)
        attributes |= {
            "format": FORMAT_NAME,
            "format_version": FORMAT_VERSION,
            "content_digest": digest,
        }
        write_attributes(file, attributes)
        for key, values in columns.items():
            write_column(file, key, values)
    return digest


def shard_columns(records: list[Record], path: Path) -> dict[str, NDArray[Any]]:
    """Lay records end to end: one array a dataset of the file, text as bytes."""
    if not records:
        raise ShardError(f"{path}: there are no records to write; a shard has at least one")
    first = records[0]
    seen: set[str] = set()
    for record in records:
        if record.name in seen:
            raise ShardError(f"{path}: two records are called {record.name!r}; rename one")
        seen.add(record.name)
        for what in ("labels", "facts", "geometry"):
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
    columns |= geometry_columns(records, path)
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


_TEXT_COLUMNS = ("name", "group", "digest")
_COUNT_COLUMNS = ("n", "nnz", "row_offset", "nnz_offset")


def read_shard(path: str | os.PathLike[str], *, largest: int | None = None) -> Shard:
    """Read a shard, checking that its parts fit together (not its digests: ``verify``).

    Parameters
    ----------
    path : path-like
        A file in the format of docs/format.md.
    largest : int, optional
        Most bytes that its arrays may take in memory; by default any number.

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
            columns = _read_columns(file, largest)
        return assemble(path, header, digest, columns)
    except ShardError as error:
        raise ShardError(f"{path}: {error}") from None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise ShardError(
            f"{path}: truncated or damaged ({error}); delete it and fetch or build it again"
        ) from error


def _read_header(file: Any) -> tuple[ShardHeader, str]:
    name = read_attribute(file, "format")
    if name != FORMAT_NAME:
        raise ShardError(
            f"an HDF5 file, but not a shard: its attribute 'format' is {name!r}, not "
            f"{FORMAT_NAME!r}; give the path of a shard"
        )
    version = read_attribute(file, "format_version")
    if not isinstance(version, np.integer) or version < 1:
        raise ShardError(f"root attribute 'format_version' is {version!r}; it counts from 1")
    if version > FORMAT_VERSION:
        raise ShardError(
            f"written in format version {version}, this library reads up to {FORMAT_VERSION}; "
            "upgrade it: pip install -U precondbench"
        )
    known = {item.name: text_attribute(file, item.name) for item in fields(ShardHeader)}
    recipe = loads(known.pop("recipe"))
    return (
        ShardHeader(recipe=recipe, **known),
        check_digest(text_attribute(file, "content_digest"), "root attribute 'content_digest'"),
    )


def format_version(path: Path) -> int | None:
    """Return the version of the format of a shard, or None where that cannot be read.

    >>> format_version(Path("nowhere.h5"))
    """
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            version = read_attribute(file, "format_version")
            known = read_attribute(file, "format") == FORMAT_NAME and version is not None
            return int(version) if known else None
    except (OSError, RuntimeError, KeyError, TypeError, ValueError, ShardError):
        return None


def _read_columns(file: Any, largest: int | None) -> dict[str, NDArray[Any] | list[str]]:
    """Read all vectors of the file, the index first, by ``group/name``."""
    groups = ("index", "pattern", "values", *(["geometry"] if "geometry" in file else []))
    datasets = {
        f"{name}/{key}": member(group, key, h5py.Dataset)
        for name in groups
        for group in [member(file, name, h5py.Group)]
        for key in group
    }
    claimed = sum(int(dataset.nbytes) for dataset in datasets.values())
    if largest is not None and claimed > largest:
        raise ShardError(
            f"its arrays take {claimed} bytes, more than the {largest} that this split can have; "
            "fetch or build the file again"
        )
    columns: dict[str, NDArray[Any] | list[str]] = {}
    for key, dataset in datasets.items():
        try:
            columns[key] = read_column(dataset)
        except OSError as error:
            where = _records_at(key, damaged_entries(dataset), columns)
            raise ShardError(
                f"/{key} is damaged{where} ({error}); fetch or build the file again"
            ) from error
    return columns


def _records_at(
    key: str, entries: tuple[int, int], columns: dict[str, NDArray[Any] | list[str]]
) -> str:
    """Name the records that own entries of a column, if the index could be read."""
    pointers = key == "pattern/pointers_to_1"
    names, sizes = columns.get("index/name"), columns.get(f"index/{'n' if pointers else 'nnz'}")
    if not isinstance(names, list) or not isinstance(sizes, np.ndarray) or key.startswith("index/"):
        return ""
    ends = np.cumsum(sizes + 1 if pointers else sizes)
    first, last = np.searchsorted(ends, [entries[0], entries[1] - 1], side="right").tolist()
    if last >= len(names):
        return ""
    if first == last:
        return f" in record {names[first]!r}"
    return f" in records {names[first]!r} to {names[last]!r}"


def assemble(
    path: Path, header: ShardHeader, digest: str, columns: dict[str, NDArray[Any] | list[str]]
) -> Shard:
    """Check that columns fit together and make a shard of them; ``columns`` is used up."""

    def take(key: str, kind: Any, size: int | None = None) -> Any:
        column = columns.pop(key, None)
        if column is None:
            raise ShardError(f"/{key} is missing; fetch or build the file again")
        found = np.dtype(str) if isinstance(column, list) else column.dtype
        if found != np.dtype(kind):
            raise ShardError(f"/{key} holds {found}, not {np.dtype(kind)}; the file is not a shard")
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
            raise ShardError(
                f"/index/{size} has values that are not sizes; the file is not a shard"
            )
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
    geometry = {
        key: take(key, np.float64) for key in sorted(columns) if key.startswith("geometry/")
    }
    facts = {}
    for key in sorted(columns):
        group, fact = key.split("/")
        if group != "index":
            raise ShardError(f"/{key} is not part of the format; the file is not a shard")
        check_identifier(fact, "fact")
        column = columns[key]
        kind = str if isinstance(column, list) else column.dtype
        if kind not in (str, np.int64, np.float64):
            raise ShardError(f"/{key} holds {kind}; facts are int64, float64 or text")
        facts[fact] = take(key, kind, count)
    shard = Shard(
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
        geometry=geometry_arrays(geometry, np.diff(rows), facts),
        path=path,
    )
    if not shard.symmetric:
        _check_upper(shard)
    return shard


def _check_upper(shard: Shard) -> None:
    """Raise ShardError unless ``a_upper`` has the diagonal of ``a``, and each L has its U."""
    # Diagonal entries are last in their rows.
    first = shard.row_offsets[:-1] + np.arange(len(shard))
    ends = np.delete(shard.pointers, first) + np.repeat(shard.nnz_offsets[:-1], shard.n)
    if not np.array_equal(shard.a[ends - 1], shard.labels[A_UPPER][ends - 1]):
        raise ShardError(f"the diagonals of a and {A_UPPER} differ")
    for label in shard.factor_labels:
        other = upper_label(label)
        if other not in shard.labels:
            raise ShardError(f"there is the factor {label!r} but no {other!r}")
        if not np.array_equal(shard.has_label[label], shard.has_label[other]):
            raise ShardError(f"some records have only one of {label!r}, {other!r}")


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


def shard_in_memory(header: ShardHeader, records: Iterable[Record]) -> Shard:
    """Return what :func:`read_shard` would return if the records had been written.

    Parameters
    ----------
    header : ShardHeader
        What the shard is part of.
    records : iterable of Record
        At least one.

    Returns
    -------
    Shard
        Arrays in memory, checked like those of a file.

    Raises
    ------
    ShardError
        If the records do not fit together.

    Examples
    --------
    >>> from precondbench.shards import Record, ShardHeader, shard_in_memory
    >>> header = ShardHeader("demo", "1", "default", "test", {}, "0.1.0")
    >>> len(shard_in_memory(header, [Record("one", "demo", [0, 1], [0], [4.0])]))
    1
    """
    path = Path("shard in memory")
    columns: dict[str, NDArray[Any] | list[str]] = {}
    for key, values in shard_columns(list(records), path).items():
        is_text = values.dtype.kind == "S"
        columns[key] = [text.decode("utf-8") for text in values.tolist()] if is_text else values
    digests = columns["index/digest"]
    assert isinstance(digests, list)
    return assemble(path, header, split_digest(digests), columns)
