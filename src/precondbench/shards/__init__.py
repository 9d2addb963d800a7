"""Records, their digests, and the HDF5 files that carry them.

The manifest and the cache are imported by name (:mod:`precondbench.shards.manifest`,
:mod:`precondbench.shards.cache`), so that reading a shard loads neither pydantic nor pooch.
"""

from precondbench.shards.digest import record_digest, split_digest
from precondbench.shards.format import (
    FORMAT_NAME,
    FORMAT_VERSION,
    Shard,
    ShardHeader,
    read_shard,
    write_shard,
)
from precondbench.shards.record import Record

__all__ = [
    "FORMAT_NAME",
    "FORMAT_VERSION",
    "Record",
    "Shard",
    "ShardHeader",
    "read_shard",
    "record_digest",
    "split_digest",
    "write_shard",
]
