"""Read a shard, trusting nothing in the file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ShardError
from precondbench.shards.digest import check_digest, split_digest
from precondbench.shards.hdf5 import member, read_attribute, read_column, text_attribute
from precondbench.shards.record import (
    A_UPPER,
    Record,
    check_identifier,
    pattern_fault,
    upper_label,
)
from precondbench.shards.shard import FORMAT_NAME, FORMAT_VERSION, Shard, ShardHeader
from precondbench.shards.writing import shard_columns

_TEXT_COLUMNS = ("name", "group", "digest")
_COUNT_COLUMNS = ("n", "nnz", "row_offset", "nnz_offset")


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
    recipe = json.loads(known.pop("recipe"))
    return (
        ShardHeader(recipe=recipe, **known),
        check_digest(text_attribute(file, "content_digest"), "root attribute 'content_digest'"),
    )


def _read_group(file: Any, name: str) -> dict[str, NDArray[Any] | list[str]]:
    group = member(file, name, h5py.Group)
    return {key: read_column(member(group, key, h5py.Dataset)) for key in group}


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
