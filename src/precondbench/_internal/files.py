"""Atomic replacement of files, and reading of text files from outside."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import stat
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from precondbench.errors import ConfigurationError, PrecondbenchError

_LONGEST_NAME = 255
_TEMPORARY = re.compile(r"\.([0-9a-f]{8})-([0-9]{1,10})-[0-9a-f]{12}\.part")
_LEFTOVER_SECONDS = 3600.0
LARGEST_TEXT = 256 * 2**20


def read_text(path: Path, error: type[PrecondbenchError], *, largest: int = LARGEST_TEXT) -> str:
    """Read a regular UTF-8 file of at most ``largest`` bytes.

    Pipes and devices are refused, because reading them may never end. Raises ``error``.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{path} is not a regular file; replace it by one")
        if status.st_size > largest:
            raise error(
                f"{path} has {status.st_size} bytes, more than {largest}; it cannot be right"
            )
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror}); is the path right?") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path} is not UTF-8 text ({problem}); save it as such") from None


def verify_file(
    path: Path, sha256: str, error: type[PrecondbenchError], *, largest: int = LARGEST_TEXT
) -> None:
    """Raise ``error`` unless this is a regular file of at most ``largest`` bytes with this sha256.

    Links are not followed.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            raise error(f"{path} is not a regular file; links are not followed")
        if status.st_size > largest:
            raise error(f"{path} has {status.st_size} bytes; at most {largest} are read")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise error(f"{path} cannot be read ({problem.strerror}); is the file there?") from None
    if found != sha256:
        raise error(
            f"{path} has sha256 {found[:12]}..., {sha256[:12]}... is stated; take the file again "
            "from where it comes"
        )


def make_folder(path: Path) -> None:
    """Create a folder and its parents, if they do not exist.

    Raises ConfigurationError if a file or a dangling link has one of the names.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        taken = next(p for p in (path, *path.parents) if os.path.lexists(p) and not p.is_dir())
        raise ConfigurationError(
            f"{taken} is not a folder, so {path} cannot be made; name another place"
        ) from None


def hidden_beside(path: Path, ending: str) -> Path:
    """Return the path of a hidden file beside another, ``data/.val.h5.lock`` for example.

    A name longer than the 255 bytes of most file systems is replaced by its digest.
    """
    room = _LONGEST_NAME - len(ending) - 2
    known = os.fsencode(path.name)
    name = known if len(known) <= room else hashlib.sha256(known).hexdigest().encode()
    return path.with_name(f".{os.fsdecode(name)}.{ending}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which replaces ``path`` if the block succeeds.

    No other process or thread uses the same temporary path, so no lock is needed. The bytes are on
    disk before the file is renamed. The temporary file is removed if the block raises. A link is
    replaced, not followed; folders, devices and pipes are refused.
    """
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file to write")
    # Replacing /dev/null would break more than this program.
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is not a regular file; name a file to write")
    make_folder(path.parent)
    unique = f"{_machine()}-{os.getpid()}-{uuid.uuid4().hex[:12]}"
    temporary = hidden_beside(path, f"{unique}.part")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files of :func:`replacing` whose process was killed.

    On this machine that is known at once; files of other machines, which may share the folder, and
    of older versions of the library count as left over when nobody has written them for an hour.
    """
    for file in folder.glob(".*"):
        if file.suffix in {".part", ".building"}:
            with suppress(OSError):  # Another process may have removed it.
                if _is_left_over(file):
                    file.unlink()


def _is_left_over(file: Path) -> bool:
    owner = _TEMPORARY.search(file.name)
    if owner is not None and owner[1] == _machine():
        import psutil

        return not psutil.pid_exists(int(owner[2]))
    return time.time() - file.stat().st_mtime > _LEFTOVER_SECONDS


@cache
def _machine() -> str:
    """Identify what process numbers are unique in: a running system, or a container on it."""
    known = [platform.node()]
    with suppress(OSError):  # Linux only; elsewhere the name has to do.
        known.append(Path("/proc/sys/kernel/random/boot_id").read_text("ascii"))
        known.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("|".join(known).encode()).hexdigest()[:8]
