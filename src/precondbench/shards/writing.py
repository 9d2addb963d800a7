"""Write a shard: HDF5 as docs/format.md specifies it."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from precondbench._internal import replacing
from precondbench.errors import ShardError
from precondbench.shards.digest import record_digest, split_digest
from precondbench.shards.hdf5 import new_file, write_attributes
from precondbench.shards.record import Record
from precondbench.shards.shard import FORMAT_NAME, FORMAT_VERSION, ShardHeader, recipe_json

_CHUNK = 65536  # entries
_LEVEL = 4
_WORTH_IT = 0.8


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
            if values.dtype.kind == "S":  # NumPy has no UTF-8 type, h5py marks one
                stored = h5py.string_dtype("utf-8", values.dtype.itemsize)
            else:
                stored = values.dtype.newbyteorder("<")
            file.create_dataset(
                key,
                data=values.astype(stored),
                chunks=(min(values.size, _CHUNK),),
                fletcher32=True,
                track_times=False,  # bytes repeat
                **_compression(values),
            )
    return digest


def _compression(values: NDArray[Any]) -> dict[str, Any]:
    """Filters of a column: none where they would only cost time on reading.

    The mantissas of generated values are random; deflate takes a tenth off them and several
    times as long to read. The first chunk decides, so that equal records give equal bytes.
    """
    sample = np.ascontiguousarray(values[:_CHUNK])
    size = sample.dtype.itemsize
    shuffled = sample.view(np.uint8).reshape(-1, size).T.tobytes()
    if len(zlib.compress(shuffled, _LEVEL)) > _WORTH_IT * len(shuffled):
        return {}
    return {"compression": "gzip", "compression_opts": _LEVEL, "shuffle": True}


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
