"""One split of a release: its shard, and an index of its records that needs no HDF5 reader."""

from __future__ import annotations

import csv
import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from precondbench.recipes.spec import SplitPlan
from precondbench.shards import Shard, ShardFile, file_sha256

_MEANINGS = {
    "attempts": "Draws until one was accepted.",
    "breakdown_column": "Column (from zero) at which IC(0) broke down, -1 if it did not.",
    "condition_scaled": "Condition number of the scaled matrix.",
    "kind": "Problem domain, in the words of the collection.",
    "winner": "Which factor needs fewer iterations by a margin of 5 %.",
}
_PREFIXES = {
    "iterations_": "PCG iterations with {}, -1 if it did not converge.",
    "status_": "How PCG ended with {}.",
    "n_log_k_": "n log K of {}.",
}


@dataclass(frozen=True)
class Column:
    """One column of a record index.

    Attributes
    ----------
    name : str
        Heading.
    kind : {"text", "integer", "float", "boolean"}
        What stands in it.
    meaning : str
        One sentence.
    """

    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class ReleasedSplit:
    """What cards and metadata say about a split.

    Attributes
    ----------
    plan : SplitPlan
        Names and recipe.
    content_digest : str
        Identity of the data.
    shard, index : ShardFile
        The two files, by path in the release.
    source : pathlib.Path
        Where the shard's bytes are now.
    index_text : str
        Content of the index.
    columns : tuple of Column
        Columns of the index.
    sources : tuple of str
        ``group/name`` of the real matrices in it; empty for synthetic data.
    labels : tuple of str
        Names of the factors.
    smallest, largest : int
        Rows of a matrix.
    entries : int
        Stored entries of all lower triangles.
    """

    plan: SplitPlan
    content_digest: str
    shard: ShardFile
    index: ShardFile
    source: Path
    index_text: str
    columns: tuple[Column, ...]
    sources: tuple[str, ...]
    labels: tuple[str, ...]
    smallest: int
    largest: int
    entries: int


def released_split(plan: SplitPlan, shard: Shard, path: str) -> ReleasedSplit:
    """Describe a split whose shard gets a path in a release.

    Parameters
    ----------
    plan : SplitPlan
        The split.
    shard : Shard
        Its content; ``shard.path`` is the file to be released.
    path : str
        Path of the shard in the release, ending in ``.h5``; the index lies beside it.

    Returns
    -------
    ReleasedSplit
        Everything that is said about it.
    """
    columns, text = record_index(shard)
    content = text.encode()
    return ReleasedSplit(
        plan=plan,
        content_digest=shard.content_digest,
        shard=ShardFile(path=path, bytes=shard.path.stat().st_size, sha256=file_sha256(shard.path)),
        index=ShardFile(
            path=path.removesuffix(".h5") + ".csv",
            bytes=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        ),
        source=shard.path,
        index_text=text,
        columns=columns,
        sources=tuple(
            name
            for name, group in zip(shard.names, shard.groups, strict=True)
            if group != "synthetic"
        ),
        labels=tuple(shard.factor_labels),
        smallest=int(shard.n.min()),
        largest=int(shard.n.max()),
        entries=int(shard.nnz_offsets[-1]),
    )


def record_index(shard: Shard) -> tuple[tuple[Column, ...], str]:
    """Table of a shard's records: names, sizes, digests, labels and facts.

    Parameters
    ----------
    shard : Shard
        Any shard.

    Returns
    -------
    columns : tuple of Column
        What the columns hold.
    text : str
        CSV with one line a record. Numbers are written so that reading gives the same bits; a
        number that does not exist is empty.
    """
    table: list[tuple[Column, list[str]]] = [
        (Column("name", "text", "Name, unique in the split."), shard.names),
        (Column("group", "text", "Where the matrix comes from."), shard.groups),
        (Column("n", "integer", "Rows."), _column(shard.n)),
        (
            Column("nnz", "integer", "Stored entries of the lower triangle."),
            _column(np.diff(shard.nnz_offsets)),
        ),
        (Column("digest", "text", "Record digest of the shard format."), shard.record_digests),
    ]
    for label in shard.factor_labels:
        meaning = f"Whether the record has the factor l_{label}."
        values = ["true" if present else "false" for present in shard.has_label[label]]
        table.append((Column(f"has_l_{label}", "boolean", meaning), values))
    for fact in sorted(shard.facts):
        column = shard.facts[fact]
        kind = (
            "text"
            if isinstance(column, list)
            else ("integer" if column.dtype == np.int64 else "float")
        )
        table.append((Column(fact, kind, _meaning(fact)), _column(column)))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column, _ in table])
    writer.writerows(zip(*(values for _, values in table), strict=True))
    return tuple(column for column, _ in table), text.getvalue()


def _meaning(fact: str) -> str:
    for prefix, text in _PREFIXES.items():
        if fact.startswith(prefix):
            return text.format(fact.removeprefix(prefix))
    return _MEANINGS.get(fact, f"Fact {fact!r} of the record.")


def _column(values: Any) -> list[str]:
    items = values if isinstance(values, list) else values.tolist()
    return ["" if isinstance(item, float) and math.isnan(item) else str(item) for item in items]
