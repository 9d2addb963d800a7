"""Files that appear whole or not at all, and text of files that may be anything."""

from __future__ import annotations

import hashlib
import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from precondbench.errors import ConfigurationError, PrecondbenchError

_LONGEST_NAME = 255
LARGEST_TEXT = 256 * 2**20


def read_text(path: Path, error: type[PrecondbenchError], *, largest: int = LARGEST_TEXT) -> str:
    """Read a text file from outside.

    Refused are files that are not regular (a pipe would wait for ever, a device never end),
    larger than ``largest`` bytes, or not UTF-8.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    error : type
        Exception to raise.
    largest : int
        Most bytes.

    Raises
    ------
    PrecondbenchError
        Of class ``error``: it says what is wrong and what to do.
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


def make_folder(path: Path) -> None:
    """Make a folder and its parents, where they are not there.

    Raises
    ------
    ConfigurationError
        If a file, or a link that leads nowhere, has one of the names.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        taken = next(p for p in (path, *path.parents) if os.path.lexists(p) and not p.is_dir())
        raise ConfigurationError(
            f"{taken} is not a folder, so {path} cannot be made; name another place"
        ) from None


def hidden_beside(path: Path, ending: str) -> Path:
    """Hidden name in the folder of a file, of no more than the 255 bytes that a name may have.

    Examples
    --------
    >>> from pathlib import Path
    >>> from precondbench._internal import hidden_beside
    >>> hidden_beside(Path("data/val.h5"), "lock").as_posix()
    'data/.val.h5.lock'
    """
    room = _LONGEST_NAME - len(ending) - 2
    known = os.fsencode(path.name)
    name = known if len(known) <= room else hashlib.sha256(known).hexdigest().encode()
    return path.with_name(f".{os.fsdecode(name)}.{ending}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path that takes the place of ``path`` when the block ends well.

    Nobody ever sees half a file: the bytes are on disk before the name is, and the temporary
    file is removed if the block raises. A link is replaced, and what it points to stays.

    Parameters
    ----------
    path : pathlib.Path
        File to appear; its folder is created.

    Yields
    ------
    pathlib.Path
        A name in the same folder, for the block to create and write.

    Raises
    ------
    ConfigurationError
        If the name is that of a folder, a device or a pipe, or below a file; nothing is done then.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from precondbench._internal import replacing
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "note")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     [file.name for file in Path(folder).iterdir()]
    ['note']
    """
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file to write")
    # Replacing /dev/null would break more than this program.
    if path.exists() and not path.is_file():
        raise ConfigurationError(f"{path} is no regular file; name a file to write")
    make_folder(path.parent)
    temporary = hidden_beside(path, f"{uuid.uuid4().hex}.part")
    try:
        yield temporary
        with temporary.open("rb+") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
