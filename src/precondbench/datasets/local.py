"""Shards of real matrices that were built here and have no published digest."""

from __future__ import annotations

from pathlib import Path

from precondbench.build.suitesparse import SUITESPARSE
from precondbench.errors import MissingDataError
from precondbench.shards import Shard, read_shard
from precondbench.shards.cache import cache_root

__all__ = ["LOCAL", "local_shard", "read_local_shard"]

LOCAL = "local"


def local_shard(name: str, root: str | Path | None = None) -> Path:
    """Return where ``precondbench build`` puts ``large``, ``unverified`` or, say, ``max5000``.

    Examples
    --------
    >>> from precondbench.datasets.local import local_shard
    >>> local_shard("large", "cache").name
    'suitesparse-invk-large.h5'
    """
    return cache_root(root) / "local" / f"{SUITESPARSE}-{name}.h5"


def read_local_shard(name: str, split: str, root: str | Path | None = None) -> Shard:
    """Read a shard that was built here.

    Raises
    ------
    MissingDataError
        If it has not been built, or the split is another than ``all``, its only one.
    ShardError
        If it is damaged.
    """
    path = local_shard(name, root)
    option = {"large": "--config large", "unverified": "--unverified"}.get(
        name, f"--max-n {name.removeprefix('max')}"
    )
    if not path.is_file():
        raise MissingDataError(
            f"{path} is not there; 'precondbench build {SUITESPARSE} {option}' builds it"
        )
    if split != "all":
        raise MissingDataError(f"{path} has one split, 'all', and no split {split!r}")
    return read_shard(path)
