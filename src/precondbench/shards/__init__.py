"""Records, their digests, and the HDF5 files that carry them.

The manifest and the cache are imported by name (:mod:`precondbench.shards.manifest`,
:mod:`precondbench.shards.cache`), so that reading a shard loads neither pydantic nor pooch.
"""

from precondbench.shards.digest import facts_digest, record_digest, split_digest
from precondbench.shards.memory import shard_in_memory
from precondbench.shards.reading import read_shard
from precondbench.shards.record import Record
from precondbench.shards.shard import FORMAT_NAME, FORMAT_VERSION, Shard, ShardHeader
from precondbench.shards.writing import write_shard

__all__ = [
    "FORMAT_NAME",
    "FORMAT_VERSION",
    "Record",
    "Shard",
    "ShardHeader",
    "facts_digest",
    "read_shard",
    "record_digest",
    "shard_in_memory",
    "split_digest",
    "write_shard",
]
