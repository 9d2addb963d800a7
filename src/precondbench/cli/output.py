"""How commands print: tables for people, JSON for programs, one line for an error."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from precondbench.errors import (
    BreakdownError,
    LeaderboardError,
    MissingDataError,
    PrecondbenchError,
    ShardError,
    SubmissionError,
)

__all__ = ["exit_code", "failing_clearly", "print_json", "print_table", "progress_bar", "say"]

CHECK_FAILED, USAGE, MISSING_DATA = 1, 2, 3


def say(text: str) -> None:
    """Print one line of plain text."""
    Console(soft_wrap=True, highlight=False).print(_printable(text), markup=False)


def _printable(text: str) -> str:
    """Show bytes of file names that are no text as escapes: no stream takes them as they are."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(value: Any) -> None:
    """Print JSON; a number that JSON does not have (NaN, infinity) becomes null."""
    sys.stdout.write(_printable(json.dumps(_plain(value), indent=2, ensure_ascii=False)) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table; numbers right, text left."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = any(isinstance(row[index], (int, float)) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(format_cell(cell) for cell in row))
    console = Console()
    # A pipe has no width; columns must not be cut there.
    Console(width=None if console.is_terminal else 200).print(table)


def format_cell(value: Any) -> str:
    """Numbers short, nothing as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return _printable(str(value))


@contextmanager
def progress_bar(description: str) -> Iterator[Any]:
    """A progress bar on a terminal, silence elsewhere; yields ``update(done, total, text)``."""
    console = Console(stderr=True)
    if not console.is_terminal:
        # Even a disabled bar prints an empty line in some versions of rich.
        yield lambda done, total, text="": None
        return
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as progress:
        task = progress.add_task(description, total=None)

        def update(done: int, total: int, text: str = "") -> None:
            label = f"{description} {text}".rstrip()
            progress.update(task, completed=done, total=total, description=label)

        yield update


def exit_code(error: PrecondbenchError) -> int:
    """Exit code of an error: 1 a check failed, 2 usage, 3 missing data."""
    if isinstance(error, MissingDataError):
        return MISSING_DATA
    if isinstance(error, (ShardError, BreakdownError, SubmissionError, LeaderboardError)):
        return CHECK_FAILED
    return USAGE


_ADVICE = {
    errno.EACCES: "name a place that you may write to",
    errno.EPERM: "name a place that you may write to",
    errno.EROFS: "name a place that can be written",
    errno.ENOSPC: "free some space, or name a place on another disk (PRECONDBENCH_CACHE, --out)",
    errno.EDQUOT: "free some space, or name a place on another disk (PRECONDBENCH_CACHE, --out)",
    errno.ENOTDIR: "a file stands where a folder is needed: name another place, or move it away",
    errno.EEXIST: "something else stands there: name another place, or move it away",
    errno.EISDIR: "a folder stands where a file is needed: name another place",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ENOENT: "check the name",
}


def _file_trouble(error: OSError) -> str:
    """What the system says of a file, and what to do about it."""
    # The last name is that of the target: the first may be a temporary file beside it.
    name = error.filename2 or error.filename
    if name is None or error.errno is None:
        return str(error)
    advice = _ADVICE.get(error.errno)
    return f"{name}: {error.strerror}" + (f"; {advice}" if advice else "")


def _hang_up() -> None:
    """Whoever read the output is gone: no more words to him, at the end neither."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turn the library's errors, and an interrupt, into one line and an exit code."""
    try:
        yield
        sys.stdout.flush()  # Here a full disk can still be told.
    except PrecondbenchError as error:
        typer.echo(_printable(f"precondbench: {error}"), err=True)
        raise typer.Exit(exit_code(error)) from None
    except BrokenPipeError:
        _hang_up()
        raise typer.Exit(CHECK_FAILED) from None
    except MemoryError as error:
        typer.echo(f"precondbench: there is not enough memory ({error or 'of any size'})", err=True)
        raise typer.Exit(CHECK_FAILED) from None
    except OSError as error:
        typer.echo(_printable(f"precondbench: {_file_trouble(error)}"), err=True)
        raise typer.Exit(MISSING_DATA) from None
    except KeyboardInterrupt:
        typer.echo("precondbench: interrupted", err=True)
        raise typer.Exit(130) from None
