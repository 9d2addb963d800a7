"""Bring published files from a mirror into the cache: whole, once, and checked.

pooch is imported where it is used: what is in the cache needs no network library.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench.errors import ConfigurationError, DigestError
from precondbench.files import replacing
from precondbench.shards.cache import cache_root, locked, offline

if TYPE_CHECKING:
    from precondbench.shards.manifest import ShardFile

__all__ = ["fetch_shard", "file_sha256"]

_LOG = logging.getLogger(__name__)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_NETWORK_TIMEOUT = 30  # seconds of silence, not of the whole download


class _RefusalError(Exception):
    """A mirror does not have the file, may not be asked, or does not answer."""


class _WrongBytesError(_RefusalError):
    """A mirror has the file, with other bytes."""


def fetch_shard(
    entry: ShardFile,
    sources: Sequence[str],
    root: Path | None = None,
    *,
    timeout: float = 1800.0,
    reasons: list[str] | None = None,
) -> Path | None:
    """Bring a published shard into the cache.

    The file lands at ``root / entry.path``. One that is there with the published sha256 is
    returned as it is, without a lock (a cache may be read-only). One with other bytes, such as
    a local build by another HDF5 version, is replaced only by a good download: whoever accepts
    such builds checks their content digest before asking for a download.

    Parameters
    ----------
    entry : ShardFile
        Path and sha256 from the manifest.
    sources : sequence of str
        Mirrors (:func:`mirrors`), asked in turn: http(s) addresses, skipped when
        :func:`offline`, or folders.
    root : pathlib.Path, optional
        Cache folder; by default :func:`cache_root`.
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
        If a mirror is neither an http(s) address nor a folder.
    MissingDataError
        If another process holds the lock for too long.
    """
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
                        _obtain(source, entry, temporary)
                except _RefusalError as refusal:
                    notes.append(f"{source}: {refusal}")
                    wrong = wrong or isinstance(refusal, _WrongBytesError)
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


def _obtain(source: str, entry: ShardFile, temporary: Path) -> None:
    scheme = _SCHEME.match(source)
    if scheme is None:
        original = Path(source).expanduser() / entry.path
        if not original.is_file():
            raise _RefusalError(f"has no file {entry.path}")
        shutil.copyfile(original, temporary)
        found = file_sha256(temporary)
        if found != entry.sha256:
            raise _WrongBytesError(f"has other bytes, sha256 {found}")
    elif scheme[1].lower() not in {"http", "https"}:
        raise ConfigurationError(f"mirror {source!r} is neither an http(s) address nor a folder")
    elif offline():
        raise _RefusalError("not asked, PRECONDBENCH_OFFLINE forbids the network")
    else:
        _download(f"{source.rstrip('/')}/{entry.path}", entry.sha256, temporary)


def _download(url: str, sha256: str, temporary: Path) -> None:
    import pooch
    from requests.exceptions import RequestException

    # pooch makes files that only their owner can read; a cache may be shared by a group.
    temporary.touch()
    mode = temporary.stat().st_mode
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # its message would show the temporary name
    try:
        pooch.retrieve(
            url,
            known_hash=f"sha256:{sha256}",
            fname=temporary.name,
            path=temporary.parent,
            downloader=pooch.HTTPDownloader(timeout=_NETWORK_TIMEOUT),
        )
    except RequestException as error:
        raise _RefusalError(f"download failed ({error})") from None
    except ValueError as error:
        raise _WrongBytesError(f"has other bytes ({error})") from None
    finally:
        logger.setLevel(level)
    temporary.chmod(mode)
