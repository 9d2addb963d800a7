"""Places of files on this machine, and locks among processes.

Locks only save work: where the file system has none, every process does it, writes to a temporary
name of its own, and the last one replaces equal bytes by equal bytes.

filelock and platformdirs are imported where they are used: reading a shard needs neither.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench._internal import hidden_beside, make_folder
from precondbench.errors import ConfigurationError, MissingDataError
from precondbench.shards.shard import FORMAT_VERSION

if TYPE_CHECKING:
    from precondbench.shards.store.manifest import Manifest

_LOG = logging.getLogger(__name__)
# How file systems say that they have no locks.
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}


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

    Raises
    ------
    ConfigurationError
        If it is no path, a file has that name, or there is no home folder to put it into.

    Examples
    --------
    >>> from precondbench.shards import cache_root
    >>> cache_root("data").is_absolute()
    True
    """
    chosen = root if root is not None else os.environ.get("PRECONDBENCH_CACHE") or None
    if chosen is None:
        import platformdirs

        chosen = platformdirs.user_cache_dir("precondbench", appauthor=False)
    try:
        root = Path(chosen).expanduser().absolute()
    except TypeError:
        raise ConfigurationError(
            f"root, the cache folder, is {chosen!r}; give a path, or none for the folder of the "
            "platform"
        ) from None
    except RuntimeError as error:  # There is neither HOME nor an entry of the user.
        raise ConfigurationError(
            f"the cache folder {chosen} cannot be found: {error}; name one in PRECONDBENCH_CACHE"
        ) from None
    if root.exists() and not root.is_dir():
        raise ConfigurationError(
            f"the cache folder {root} is a file; name a folder in PRECONDBENCH_CACHE or --root"
        )
    return root


def mirrors(manifest: Manifest | None = None) -> list[str]:
    """Mirrors in the order in which they are used.

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

    The version of the file format is part of it, so versions of the library that write different
    formats can share a cache.

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
        ``root/dataset/version/configuration/split-digest-f1.h5``, for format 1.

    Raises
    ------
    ConfigurationError
        If a name cannot be part of a path.

    Examples
    --------
    >>> from pathlib import Path
    >>> from precondbench.shards import shard_path
    >>> path = shard_path(Path("data"), "tridiag", "1", "default", "train", "0123456789abcdef" * 4)
    >>> path.as_posix()
    'data/tridiag/1/default/train-0123456789abcdef-f1.h5'
    """
    published = root / published_path(dataset, version, configuration, split, content_digest)
    return published.with_name(f"{published.stem}-f{FORMAT_VERSION}.h5")


def published_path(
    dataset: str, version: str, configuration: str, split: str, content_digest: str
) -> str:
    """Path of a shard in a release, where files never change and so need no version of the format.

    Version 0.1.0 of the library also used it in the cache.

    >>> published_path("tridiag", "1", "default", "train", "0123456789abcdef" * 4)
    'tridiag/1/default/train-0123456789abcdef.h5'
    """
    from precondbench.shards.digest import check_digest

    parts = (dataset, version, configuration, split)
    for part in parts:
        # Separators and ".." would leave the cache.
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", part) is None:
            raise ConfigurationError(
                f"{part!r} cannot be part of a file name; use letters, digits, '.', '_' and '-', "
                "a letter or digit first"
            )
    return f"{'/'.join(parts)}-{check_digest(content_digest, 'content digest')[:16]}.h5"


def find_shard(
    root: Path, dataset: str, version: str, configuration: str, split: str, content_digest: str
) -> tuple[Path, bool]:
    """Return where a split is in the cache, and whether only a newer format of it is there.

    The path is that of :func:`shard_path`, or that of a file of an older format or of version
    0.1.0 if there is one and the former is missing. Older files stay where they are.
    """
    names = (dataset, version, configuration, split, content_digest)
    ours = shard_path(root, *names)
    if ours.exists():
        return ours, False
    stem = Path(published_path(*names)).stem
    formats = {0: ours.with_name(f"{stem}.h5")}
    # Not by glob, which compiles each name.
    for path in ours.parent.iterdir() if ours.parent.is_dir() else ():
        number = path.stem.removeprefix(f"{stem}-f")
        named = path.name.startswith(f"{stem}-f") and path.suffix == ".h5"
        if named and number.isdecimal() and len(number) < 10:
            formats[int(number)] = path
    older = [number for number in formats if number < FORMAT_VERSION and formats[number].is_file()]
    if older:
        return formats[max(older)], False
    return ours, max(formats) > FORMAT_VERSION


@contextmanager
def locked(path: Path, timeout: float = 1800.0) -> Iterator[None]:
    """Hold the lock of ``path``, ``.name.lock`` next to it, among all processes that ask for it.

    Waits for ``timeout`` seconds (forever if negative), then raises MissingDataError.
    """
    import filelock

    make_folder(path.parent)
    lock = filelock.FileLock(hidden_beside(path, "lock"))
    try:
        lock.acquire(timeout=timeout)
    except filelock.Timeout:
        raise MissingDataError(
            f"waited {timeout:g} s for {path}, which another process fetches or builds; try "
            f"again when it is done, or, if no such process runs, delete {lock.lock_file}"
        ) from None
    except NotImplementedError:
        _LOG.info("%s cannot be locked; other processes may do the same work", path)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _LOG.info("%s cannot be locked (%s); other processes may do the same work", path, error)
    try:
        yield
    finally:
        lock.release()
