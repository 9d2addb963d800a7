"""Bytes from one mirror into a local file: a folder, an http(s) address or a DOI.

What arrives is not judged here, but for its size: whoever asks compares digests. pooch is
imported where it is used.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from precondbench._internal import SILENCE, Deadline, offline, replacing
from precondbench.errors import ConfigurationError, DigestError, ShardError
from precondbench.shards.store.cache import cache_root, locked

_LOG = logging.getLogger(__name__)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SLOWEST = 16384.0  # bytes a second, on the average, ...
_GRACE = 60.0  # ... after these seconds
_CHUNK = 1 << 16
_PAUSES = (0.5, 1.0, 2.0)  # seconds before each further attempt
# What passes by itself: too busy, restarting, too many requests.
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}

# (bytes so far, bytes in all)
Progress = Callable[[int, int], None]


class RefusalError(Exception):
    """A mirror does not have the file, may not be asked, or does not answer."""


class WrongBytesError(RefusalError):
    """A mirror has the file, with other bytes."""


def is_address(source: str) -> bool:
    """Whether a mirror is asked over the network; raises for protocols that are not spoken.

    Examples
    --------
    >>> from precondbench.shards.store.download import is_address
    >>> is_address("https://data.example/v1"), is_address("doi:10.5281/zenodo.1"), is_address("/x")
    (True, True, False)
    """
    if source.lower().startswith("doi:"):
        return True
    scheme = _SCHEME.match(source)
    if scheme is None:
        return False
    if scheme[1].lower() in {"http", "https"}:
        return True
    raise ConfigurationError(
        f"mirror {source!r} is neither an http(s) address nor a folder nor 'doi:' and a DOI"
    )


def copy_file(
    source: str,
    name: str,
    destination: Path,
    *,
    limit: int,
    progress: Progress | None = None,
) -> None:
    """Copy a mirror's file to a place that nobody looks at yet.

    A failure of the network that may pass is tried again a few times, each time after a
    longer pause.

    Parameters
    ----------
    source : str
        http(s) address, ``doi:`` and a DOI that pooch knows (Zenodo, figshare, Dataverse), or
        a folder.
    name : str
        Path of the file below it.
    destination : pathlib.Path
        File to write; may be left half-written.
    limit : int
        Bytes the file may have: a server that sends more is cut off.
    progress : callable, optional
        Called as ``progress(bytes so far, limit)``.

    Raises
    ------
    RefusalError
        If the mirror does not have the file, does not answer, or may not be asked
        (``PRECONDBENCH_OFFLINE``).
    WrongBytesError
        If the file is larger than the limit.
    ConfigurationError
        If the mirror has another protocol.
    """
    if not is_address(source):
        original = Path(source).expanduser() / name
        if not original.is_file():
            raise RefusalError(f"has no file {name}")
        if original.stat().st_size > limit:
            raise WrongBytesError(f"has other bytes, more than {limit} of them")
        shutil.copyfile(original, destination)
    elif offline():
        raise RefusalError("not asked, PRECONDBENCH_OFFLINE forbids the network")
    else:
        _download(source, name, destination, _Meter(limit, progress))


class _Meter:
    """What pooch takes for a progress bar: it reports, and ends a download that is too long."""

    def __init__(self, limit: int, progress: Progress | None) -> None:
        self.total = 0  # set by pooch from the server's header
        self.limit = limit
        self._progress = progress
        self._done = 0

    def update(self, step: int) -> None:
        self._done += step
        # pooch counts whole chunks, so the last one may overshoot.
        if self._done >= self.limit + _CHUNK:
            raise WrongBytesError(f"has other bytes, more than {self.limit} of them")
        if self._progress is not None:
            self._progress(min(self._done, self.limit), self.limit)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        pass


def _download(source: str, name: str, destination: Path, meter: _Meter) -> None:
    from requests.exceptions import RequestException

    for pause in (*_PAUSES, None):
        meter.reset()
        try:
            with Deadline(_GRACE + meter.limit / _SLOWEST) as deadline:
                return _attempt(source, name, destination, meter, deadline)
        except RequestException as error:
            if deadline.expired:
                raise RefusalError(
                    f"download given up after {deadline.seconds:.3g} s, it trickles"
                ) from None
            if pause is None or not _may_pass(error):
                raise RefusalError(f"download failed ({error})") from None
            _LOG.info("%s: %s; trying again in %g s", source, error, pause)
            time.sleep(pause)
        # pooch reads a repository's reply, or a header, without checking it.
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise RefusalError(f"download failed ({error})") from None
    return None


def _attempt(source: str, name: str, destination: Path, meter: _Meter, deadline: Deadline) -> None:
    import pooch

    doi = source.lower().startswith("doi:")
    kind: Any = pooch.DOIDownloader if doi else pooch.HTTPDownloader
    downloader = kind(
        progressbar=meter, chunk_size=_CHUNK, timeout=SILENCE, hooks={"response": deadline.watch}
    )
    downloader(f"{source.rstrip('/')}/{name}", str(destination), None)


def _may_pass(error: Exception) -> bool:
    from requests import exceptions

    if isinstance(error, exceptions.HTTPError):
        return error.response is None or error.response.status_code in _PASSING_STATUS
    if isinstance(error, exceptions.SSLError):
        return False
    return isinstance(
        error, (exceptions.ConnectionError, exceptions.Timeout, exceptions.ChunkedEncodingError)
    )


if TYPE_CHECKING:
    from precondbench.shards.store.manifest import ShardFile


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
