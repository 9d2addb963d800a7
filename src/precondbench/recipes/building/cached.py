"""Splits in the cache: where their files are, in which state, and opening them checked."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from precondbench._internal import hidden_beside, replacing
from precondbench.errors import ShardError
from precondbench.recipes.registry import split_plan
from precondbench.recipes.spec import BuildContext, SplitPlan
from precondbench.shards import (
    FORMAT_VERSION,
    Manifest,
    Shard,
    cache_root,
    file_sha256,
    find_shard,
    format_version,
    load_manifest,
    read_published,
    read_shard,
)

# Seconds after which a file that is written again has another time.
_SETTLED = 2.0


class State(StrEnum):
    """What is in the cache for a split."""

    ABSENT = ""
    CACHED = "cached"
    OLDER = "older"  # A good file of an older format, which this library reads.
    NEWER = "newer"  # A file of a newer format, which it cannot read.
    DAMAGED = "damaged"

    @property
    def usable(self) -> bool:
        """Whether the data can be read and is what the manifest says."""
        return self in {State.CACHED, State.OLDER}


@dataclass(frozen=True)
class CachedSplit:
    """The place of a split in the cache, whether there is a file or not."""

    plan: SplitPlan
    path: Path
    newer: bool
    manifest: Manifest

    @property
    def content_digest(self) -> str:
        """The manifest's."""
        return self.manifest.split(*self.plan.names).content_digest

    def fault(self) -> str:
        """Describe what is wrong with the file, by every digest in it; empty if nothing is."""
        try:
            read_published(self.path, self.manifest, self.plan.names)
        except ShardError as error:
            return f"{error}: {repair_advice(self.plan)}"
        return ""

    def examine(self, *, again: bool = False) -> tuple[State, str]:
        """Return the state of the file, and what is wrong with it.

        A file that was found good has its size, its time and the sha256 of its bytes noted beside
        it: while size and time are those, the next look reads nothing, else it only hashes the
        bytes. The scorer does not rely on the note, which anybody can write, and with ``again`` nor
        does this.
        """
        if not self.path.is_file():
            return (State.NEWER if self.newer else State.ABSENT), ""
        entry = self.manifest.split(*self.plan.names)
        content = f"{FORMAT_VERSION} {entry.content_digest} {entry.facts_digest}"
        note = hidden_beside(self.path, "verified")
        noted = _text(note).splitlines()
        stamp = _stamp(self.path)
        if not again and noted[1:] == [content, stamp]:
            return State.CACHED, ""
        sha256 = file_sha256(self.path)
        version = format_version(self.path)
        state = State.CACHED if version in {None, FORMAT_VERSION} else State.OLDER
        if version is not None and version > FORMAT_VERSION:
            state = State.NEWER
        if again or state is State.NEWER or noted[:2] != [sha256, content]:
            fault = self.fault()
            if fault:
                return (state if state is State.NEWER else State.DAMAGED), fault
        if state is not State.NEWER and _stamp(self.path) == stamp:  # Nor replaced in between.
            lines = [sha256, content]
            # A change within the same tick of the clock would not show.
            if state is State.CACHED and time.time() - self.path.stat().st_mtime > _SETTLED:
                lines.append(stamp)
            with suppress(OSError), replacing(note) as temporary:  # The cache may be read-only.
                temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return state, ""


def _stamp(path: Path) -> str:
    """Size and time of a file, which another content would change."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ino}"


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def repair_advice(plan: SplitPlan) -> str:
    """Say how a file in the cache is replaced by a good one."""
    return (
        f"'precondbench build {plan.dataset} --version {plan.version} --config "
        f"{plan.configuration} --split {plan.split}' replaces it"
    )


def cached_splits(plans: Iterable[SplitPlan], root: str | Path | None = None) -> list[CachedSplit]:
    """Return the places of splits in the cache."""
    manifest, folder = load_manifest(), cache_root(root)
    found = []
    for plan in plans:
        digest = manifest.split(*plan.names).content_digest
        path, newer = find_shard(folder, *plan.names, digest)
        found.append(CachedSplit(plan, path, newer, manifest))
    return found


def file_fault(path: Path) -> str:
    """Describe what is wrong with any shard, by its own digests; empty if nothing is."""
    try:
        read_shard(path).verify()
    except ShardError as error:
        return str(error)
    return ""


def open_split(
    dataset: str,
    version: str,
    configuration: str,
    split: str,
    root: str | Path | None = None,
    context: BuildContext | None = None,
) -> Shard:
    """Return the records of a split, which are those of the manifest.

    The file is obtained as by :func:`obtain_shard`. The digest of every record is computed each
    time: that takes less than reading.

    Parameters
    ----------
    dataset, version, configuration, split : str
        Names, as ``precondbench list`` prints them.
    root : path-like, optional
        Cache folder; by default ``PRECONDBENCH_CACHE``, else the platform's.
    context : BuildContext, optional
        As for :func:`obtain_shard`.

    Returns
    -------
    Shard
        Arrays in memory; ``path`` is the file.

    Raises
    ------
    ShardError
        If the file in the cache is damaged or of a newer format; the message names the file and
        the command that replaces it.
    DigestError
        If its content is not that of the manifest; the message also names the first record that
        differs.
    ConfigurationError, MissingDataError
        As :func:`obtain_shard`.

    Examples
    --------
    >>> from precondbench.recipes import open_split
    >>> open_split("suitesparse-invk", "sample", "tril", "val").names
    ['HB/nos1', 'HB/nos2']
    """
    from precondbench.recipes.building.obtain import obtain_shard

    plan = split_plan(dataset, version, configuration, split)
    path = obtain_shard(*plan.names, root, context)
    try:
        return read_published(path, load_manifest(), plan.names)
    except ShardError as error:
        raise type(error)(f"{error}: {repair_advice(plan)}") from None
