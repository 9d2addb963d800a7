"""Bring published files from a mirror into the cache: whole, once, and checked."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench.errors import DigestError, ShardError
from precondbench.files import replacing
from precondbench.shards.cache import cache_root, locked
from precondbench.shards.transport import Progress, RefusalError, WrongBytesError, copy_file

if TYPE_CHECKING:
    from precondbench.shards.manifest import ShardFile

__all__ = ["fetch_shard", "file_sha256"]

_LOG = logging.getLogger(__name__)


def fetch_shard(
    entry: ShardFile,
    sources: Sequence[str],
    root: Path | None = None,
    *,
    target: Path | None = None,
    check: Callable[[Path], None] | None = None,
    progress: Progress | None = None,
    timeout: float = 1800.0,
    reasons: list[str] | None = None,
) -> Path | None:
    """Bring a published shard into the cache.

    One that is there with the published sha256 is returned as it is, without a lock (a cache
    may be read-only). One with other bytes, such as a local build by another HDF5 version, is
    replaced only by a good download: whoever accepts such builds checks their content digest
    before asking for a download.

    Parameters
    ----------
    entry : ShardFile
        Path below the mirrors, size and sha256.
    sources : sequence of str
        Mirrors (:func:`mirrors`), asked in turn: http(s) addresses and ``doi:``, skipped when
        :func:`offline`, or folders.
    root : pathlib.Path, optional
        Cache folder; by default :func:`cache_root`.
    target : pathlib.Path, optional
        Where the file lands; by default ``root / entry.path``.
    check : callable, optional
        Called with the downloaded file, whose sha256 is right, before it gets its name; a
        ShardError refuses it.
    progress : callable, optional
        Called as ``progress(bytes so far, bytes in all)``.
    timeout : float
        Seconds to wait for another process that fetches the same file.
    reasons : list of str, optional
        If no mirror helped, one sentence is appended for each of them.

    Returns
    -------
    pathlib.Path or None
        The file, or None if no mirror has it.

    Raises
    ------
    DigestError
        If a mirror had the file with other bytes and no other mirror had the right ones;
        nothing is left in the cache.
    ConfigurationError
        If a mirror is neither an http(s) address nor a folder nor a DOI.
    MissingDataError
        If another process holds the lock for too long.
    """
    if target is None:
        target = cache_root(root) / entry.path
    if _is_published(target, entry):
        return target
    notes: list[str] = []
    wrong = False
    if sources:
        with locked(target, timeout):
            # Another process may have fetched it while this one waited.
            if _is_published(target, entry):
                return target
            for source in sources:
                try:
                    with replacing(target) as temporary:
                        copy_file(
                            source, entry.path, temporary, limit=entry.bytes, progress=progress
                        )
                        _check(temporary, entry, check)
                except RefusalError as refusal:
                    notes.append(f"{source}: {refusal}")
                    wrong = wrong or isinstance(refusal, WrongBytesError)
                    _LOG.info("%s", notes[-1])
                else:
                    return target
    else:
        notes.append("no mirror is known; set PRECONDBENCH_MIRROR to an address or a folder")
    if reasons is not None:
        reasons.extend(notes)
    if wrong:
        raise DigestError(
            f"{entry.path} could not be fetched with sha256 {entry.sha256}: {'; '.join(notes)}; "
            "nothing was kept. Try another mirror, or tell the one that serves other bytes"
        )
    return None


def file_sha256(path: Path) -> str:
    """Sha256 of a file's bytes, which checks its transport (not its identity).

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    str
        64 lower-case hexadecimal digits.
    """
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _is_published(target: Path, entry: ShardFile) -> bool:
    return target.is_file() and file_sha256(target) == entry.sha256


def _check(file: Path, entry: ShardFile, check: Callable[[Path], None] | None) -> None:
    found = file_sha256(file)
    if found != entry.sha256:
        raise WrongBytesError(f"has other bytes, sha256 {found}")
    if check is not None:
        try:
            check(file)
        except ShardError as error:
            # The temporary name says nothing to anyone.
            raise WrongBytesError(str(error).replace(str(file), entry.path)) from None
