"""A shard that was never a file: records that were just generated."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from precondbench.shards.digest import split_digest
from precondbench.shards.reading import assemble
from precondbench.shards.record import Record
from precondbench.shards.shard import Shard, ShardHeader
from precondbench.shards.writing import shard_columns

__all__ = ["shard_in_memory"]


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
