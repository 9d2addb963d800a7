"""Files that appear whole or not at all, and text of files that may be anything."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from precondbench.errors import PrecondbenchError

__all__ = ["LARGEST_TEXT", "read_text", "replacing"]

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
    >>> from precondbench.files import replacing
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
