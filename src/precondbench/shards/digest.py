"""Digests of records and splits, which identify data to the byte.

docs/format.md specifies them for other languages. Digests depend on content only: neither on HDF5,
nor on compression, nor on the machine. They compare values by their bits, so 0.0 and -0.0 differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import DigestError
from precondbench.shards.record import Record

# First bytes hashed: another definition, or another use of sha256, cannot give an equal digest.
RECORD_TAG = b"precondbench-record-1"
SPLIT_TAG = b"precondbench-split-1"

_DIGEST = re.compile(r"[0-9a-f]{64}")


def _prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(8, "little") + data


def record_digest(record: Record) -> str:
    """Sha256 of a record's content.

    Hashed are these fields in order, each preceded by its length in bytes as an unsigned
    little-endian 64-bit integer: the tag ``precondbench-record-1``; the name in UTF-8; n as
    int64; indptr as int64; indices as int32; a as float64; then for each label in ascending
    order of its name: the name in UTF-8, and its values as float64, or nothing (length zero)
    where the label does not exist. All numbers are little-endian. Group and facts are left out.

    Parameters
    ----------
    record : Record
        The record.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Examples
    --------
    >>> from precondbench.shards import Record, record_digest
    >>> record = Record("one", "demo", [0, 1], [0], [4.0], {"exact": [2.0], "ic0": None})
    >>> record_digest(record)[:16]
    '15ba7177c50dd28e'
    """
    return arrays_digest(record.name, record.indptr, record.indices, record.a, record.labels)


def arrays_digest(
    name: str,
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    a: NDArray[np.float64],
    labels: Mapping[str, NDArray[np.float64] | None],
) -> str:
    """:func:`record_digest` of the parts of a record."""
    parts = [RECORD_TAG, name.encode("utf-8"), (indptr.size - 1).to_bytes(8, "little")]
    parts += [_little(indptr, "<i8"), _little(indices, "<i4"), _little(a, "<f8")]
    # Label names are ASCII identifiers, so every language sorts them alike.
    for label in sorted(labels):
        values = labels[label]
        parts += [label.encode("utf-8"), b"" if values is None else _little(values, "<f8")]
    return hashlib.sha256(b"".join(map(_prefixed, parts))).hexdigest()


def _little(values: NDArray[Any], dtype: str) -> bytes:
    return values.astype(dtype, copy=False).tobytes()


def split_digest(digests: Iterable[str]) -> str:
    """Sha256 over record digests in order: the content digest of a shard or of a split.

    Hashed are the tag ``precondbench-split-1`` with its length before it (as in
    :func:`record_digest`), then the 32 bytes of each record digest. A split spread over
    several shards is hashed over the records of all of them, in the order of the shards.

    Parameters
    ----------
    digests : iterable of str
        Record digests, 64 lower-case hexadecimal digits each.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.

    Raises
    ------
    DigestError
        If an entry is not such a digest.

    Examples
    --------
    >>> from precondbench.shards import split_digest
    >>> split_digest([])[:16]
    '27daa74b6975530f'
    >>> split_digest(["00" * 32, "ff" * 32]) == split_digest(["ff" * 32, "00" * 32])
    False
    """
    sha = hashlib.sha256(_prefixed(SPLIT_TAG))
    for position, digest in enumerate(digests):
        sha.update(bytes.fromhex(check_digest(digest, f"digest of record {position}")))
    return sha.hexdigest()


def facts_digest(facts: Iterable[Mapping[str, int | float | str]]) -> str:
    """Digest of what is known about the records of a split, in order.

    Integers and text only: iterations, statuses, winners and the like are the same on every
    machine. Floating-point facts (n log K, condition estimates, ceilings) come from libraries
    whose last bits differ, and are left out.

    Parameters
    ----------
    facts : iterable of mapping
        Facts of each record.

    Returns
    -------
    str
        Sha256, in hexadecimal, of the facts as a JSON list of objects: keys sorted, no spaces,
        UTF-8.

    Examples
    --------
    >>> from precondbench.shards import facts_digest
    >>> facts_digest([{"winner": "tie", "gap": 0.1}]) == facts_digest([{"winner": "tie"}])
    True
    """
    exact = [
        {key: value for key, value in record.items() if not isinstance(value, float)}
        for record in facts
    ]
    text = json.dumps(exact, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def check_digest(digest: Any, what: str) -> str:
    """Return the digest if it is 64 lower-case hexadecimal digits; DigestError names ``what``."""
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise DigestError(f"{what} is {digest!r}; it must be 64 lower-case hexadecimal digits")
    return digest
