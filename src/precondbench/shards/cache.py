"""Where files live on this machine, and how they get there whole, once, and checked.

pooch, filelock and platformdirs are imported where they are used: reading a shard needs none.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench.errors import ConfigurationError, DigestError, MissingDataError

if TYPE_CHECKING:
    from precondbench.shards.manifest import Manifest, ShardFile

__all__ = [
    "cache_root",
    "fetch_shard",
    "file_sha256",
    "locked",
    "mirrors",
    "offline",
    "replacing",
    "shard_path",
]

_LOG = logging.getLogger(__name__)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_NETWORK_TIMEOUT = 30  # seconds of silence, not of the whole download


class _RefusalError(Exception):
    """A mirror does not have the file, may not be asked, or does not answer."""


class _WrongBytesError(_RefusalError):
    """A mirror has the file, with other bytes."""


def cache_root(root: str | os.PathLike[str] | None = None) -> Path:
    """Folder under which all data is kept; nothing is created.

    Parameters
    ----------
    root : path-like, optional
        Used if given; else the environment variable ``PRECONDBENCH_CACHE``; else the
        platform's cache folder.

    Returns
    -------
    pathlib.Path
        Absolute path.

    Examples
    --------
    >>> from precondbench.shards.cache import cache_root
    >>> cache_root("data").is_absolute()
    True
    """
    chosen = root if root is not None else os.environ.get("PRECONDBENCH_CACHE") or None
    if chosen is None:
        import platformdirs

        chosen = platformdirs.user_cache_dir("precondbench", appauthor=False)
    return Path(chosen).expanduser().absolute()


def offline() -> bool:
    """Whether ``PRECONDBENCH_OFFLINE`` forbids the network.

    Returns
    -------
    bool
        True for every value but an empty one, ``0``, ``false``, ``no`` and ``off``: a typing
        error must not open a connection.
    """
    value = os.environ.get("PRECONDBENCH_OFFLINE", "")
    return value.strip().lower() not in {"", "0", "false", "no", "off"}


def mirrors(manifest: Manifest | None = None) -> list[str]:
    """Mirrors in the order in which they are asked.

    Parameters
    ----------
    manifest : Manifest, optional
        Its mirrors come after the one in the environment variable ``PRECONDBENCH_MIRROR``.

    Returns
    -------
    list of str
        http(s) addresses or folders, without repetitions.
    """
    chosen = [os.environ.get("PRECONDBENCH_MIRROR", ""), *(manifest.mirrors if manifest else [])]
    return list(dict.fromkeys(mirror for mirror in chosen if mirror))


def shard_path(
    root: Path, dataset: str, version: str, configuration: str, split: str, content_digest: str
) -> Path:
    """Place of a shard in the cache: a path that never stands for other content.

    Parameters
    ----------
    root : pathlib.Path
        Cache folder (:func:`cache_root`).
    dataset, version, configuration, split : str
        Names as in the manifest.
    content_digest : str
        Digest of the shard's content; the first 16 digits become part of the name.

    Returns
    -------
    pathlib.Path
        ``root/dataset/version/configuration/split-digest.h5``.

    Examples
    --------
    >>> from pathlib import Path
    >>> from precondbench.shards.cache import shard_path
    >>> path = shard_path(Path("data"), "tridiag", "1", "default", "train", "0123456789abcdef" * 4)
    >>> path.as_posix()
    'data/tridiag/1/default/train-0123456789abcdef.h5'
    """
    from precondbench.shards.digest import check_digest

    for part in (dataset, version, configuration, split):
        # Separators and ".." would leave the cache.
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", part) is None:
            raise ConfigurationError(
                f"{part!r} cannot be part of a file name; use letters, digits, '.', '_' and '-', "
                "a letter or digit first"
            )
    digest = check_digest(content_digest, "content digest")
    return root / dataset / version / configuration / f"{split}-{digest[:16]}.h5"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path`` when the block ends well.

    Nobody ever sees half a file: the bytes are on disk before the name is, and the temporary
    file is removed if the block raises.

    Parameters
    ----------
    path : pathlib.Path
        File to appear; its folder is created.

    Yields
    ------
    pathlib.Path
        A name in the same folder, for the block to create and write.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from precondbench.shards.cache import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "note")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     [file.name for file in Path(folder).iterdir()]
    ['note']
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, timeout: float = 1800.0) -> Iterator[None]:
    """Hold the lock of ``path`` among all processes that ask for it.

    Parameters
    ----------
    path : pathlib.Path
        File about to be fetched or built. The lock is ``.name.lock`` next to it.
    timeout : float
        Seconds to wait for another holder; negative waits for ever.

    Raises
    ------
    MissingDataError
        If the lock is still held after that time.
    """
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path.with_name(f".{path.name}.lock"))
    try:
        lock.acquire(timeout=timeout)
    except filelock.Timeout:
        raise MissingDataError(
            f"waited {timeout:g} s for {path}, which another process fetches or builds; try "
            f"again when it is done, or, if no such process runs, delete {lock.lock_file}"
        ) from None
    try:
        yield
    finally:
        lock.release()


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
