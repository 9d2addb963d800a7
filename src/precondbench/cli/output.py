"""Output of commands: tables, JSON, one line for an error, examples, and shared options."""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, TypeVar

import typer

from precondbench.errors import (
    BreakdownError,
    LeaderboardError,
    MissingDataError,
    PrecondbenchError,
    ShardError,
    SubmissionError,
)

CHECK_FAILED, USAGE, MISSING_DATA = 1, 2, 3
_SECONDS_BETWEEN_LINES = 10.0
Function = TypeVar("Function", bound=Callable[..., None])


def say(text: str) -> None:
    """Print one line of plain text."""
    typer.echo(_printable(text))


def _printable(text: str) -> str:
    """Escape bytes of file names that are not valid text; streams refuse them."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def print_json(value: Any) -> None:
    """Print JSON; NaN and infinities become null."""
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
    """Print a table, numbers aligned to the right."""
    cells = [columns, *([format_cell(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    numeric = [any(type(row[i]) in (int, float) for row in rows) for i in range(len(columns))]
    aligned = [str.rjust if right else str.ljust for right in numeric]
    lines = [cells[0], ["-" * width for width in widths], *cells[1:]]
    say(title)
    for line in lines:
        padded = (put(cell, width) for put, cell, width in zip(aligned, line, widths, strict=True))
        say("  ".join(padded).rstrip())


def format_cell(value: Any) -> str:
    """Format a cell: numbers with four digits, None and NaN as a dash."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return _printable(str(value))


def print_rows(
    title: str, rows: Sequence[Mapping[str, Any]], json: bool, columns: Mapping[str, str]
) -> None:
    """Print rows as JSON, or a table of the keys in ``columns`` with their headings.

    In the table, digests are shortened.
    """
    if json:
        print_json(rows)
        return
    cells = [[row[key][:12] if key == "digest" else row[key] for key in columns] for row in rows]
    print_table(title, list(columns.values()), cells)


def print_cached(found: Sequence[tuple[Any, Path]], json: bool) -> None:
    """Print plans of splits and the files that now hold them."""
    rows = [{"split": p.path_name, "records": p.count, "path": str(path)} for p, path in found]
    print_rows("In the cache", rows, json, {name: name for name in ("split", "records", "path")})


def progress_lines(description: str) -> Callable[..., None]:
    """Return ``update(done, total, text)``, which writes a line to stderr every ten seconds."""
    last = monotonic()

    def update(done: int, total: int, text: str = "") -> None:
        nonlocal last
        if (now := monotonic()) - last >= _SECONDS_BETWEEN_LINES:
            last = now
            typer.echo(f"{description} {text}".rstrip() + f": {done} of {total}", err=True)

    return update


@contextmanager
def progress_bar(description: str) -> Iterator[Any]:
    """Show a progress bar, or a line from time to time if stderr is no terminal.

    Yields ``update(done, total, text)``.
    """
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield progress_lines(description)
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
    """Return the exit code of an error: 1 a check failed, 2 usage, 3 missing data."""
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
    """Describe an error of the operating system, and what to do about it."""
    # The second name is that of the target; the first may be a temporary file beside it.
    name = error.filename2 or error.filename
    if name is None or error.errno is None:
        return str(error)
    advice = _ADVICE.get(error.errno)
    return f"{name}: {error.strerror}" + (f"; {advice}" if advice else "")


def _hang_up() -> None:
    """Discard further output, also that at exit: its reader has closed the pipe."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def failing_clearly() -> Iterator[None]:
    """Turn errors and interrupts into one line on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()  # A full disk is reported here rather than at exit.
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


# Without the name of the program. A test parses each of them.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "quickstart": ("quickstart", "quickstart --epochs 300 --out long-quickstart"),
    "list": ("list", "list suitesparse-invk --json"),
    "info": ("info suitesparse-invk", "info synthetic-tridiag --config twin --split val"),
    "build splits": (
        "build splits synthetic-tridiag --config uniform",
        "build splits suitesparse-invk --source /data/suitesparse --jobs 8",
    ),
    "build check": ("build check suitesparse-invk --version sample",),
    "build manifest": ("build manifest synthetic-tridiag data_manifest.json",),
    "build collection": ("build collection --source /data/suitesparse --max-n 5000",),
    "build unverified": ("build unverified --source /data/suitesparse",),
    "build large": ("build large --source /data/suitesparse --dry-run",),
    "verify": ("verify", "verify synthetic-tridiag --deep"),
    "models": ("models", "models --import my_models.py"),
    "train": (
        "train synthetic-tridiag --model MessagePassingMLP --set rounds=7 --seeds 0,1,2",
        "train suitesparse-invk --model MyModel --import my_model.py --set device=cuda",
    ),
    "train-grid": ("train-grid runs.toml --out runs",),
    "score": ("score runs/tridiagonal/MLP-1/seed-0/predictions-test.safetensors",),
    "results": ("results runs --out results.jsonl",),
    "board": ("board ours.safetensors theirs.safetensors --out board",),
    "submit pack": (
        "submit pack runs/synthetic-tridiag-1.0-twin/MLP-1/seed-0 --author 'A. Author' "
        "--out submission",
        "submit pack ours/predictions-test.safetensors --method Ours --set kind=classical",
        "submit pack my_method.py --entry my_method:method --dataset suitesparse-invk",
    ),
    "submit function": (
        "submit function my_method.py:factor suitesparse-invk --method 'My method'",
    ),
    "submit check": ("submit check submission",),
    "submit schema": ("submit schema",),
    "leaderboard score": ("leaderboard score submission --folder leaderboard",),
    "leaderboard reference": ("leaderboard reference synthetic-tridiag-1.0-uniform-test",),
    "leaderboard extend": (
        "leaderboard extend leaderboard/entries/TRACK/mine.json --to TRACK-large",
    ),
    "leaderboard check": ("leaderboard check leaderboard/entries/TRACK/mine.json",),
    "leaderboard hidden": (
        "leaderboard hidden leaderboard/entries/TRACK/mine.json --seed secret --matrices unseen",
    ),
    "leaderboard review": (
        "leaderboard review --base base --change change --account 583231 --jobs 2",
    ),
    "leaderboard reproduce": ("leaderboard reproduce leaderboard/entries/TRACK/mine.json",),
    "leaderboard render": ("leaderboard render --folder leaderboard --out site",),
    "time": (
        "time diffusion-2d-10000 --folder leaderboard",
        "time HB/nos3 --method 'IC(0)' --method SuperLU --code my_method.py:method --repeats 5",
    ),
    "factor": ("factor A.mtx", "factor A.mtx.gz --method ic0 --out L.mtx"),
    "download": ("download suitesparse-invk --version 1.0 --split test",),
    "release": ("release published --dataset synthetic-tridiag --base-url https://example.org/pb",),
    "export": ("export suitesparse-invk --version sample --split test --to mtx --out matrices",),
    "cite": ("cite suitesparse-invk",),
    "doctor": ("doctor", "doctor --json"),
}


def group(**settings: Any) -> typer.Typer:
    """Make a group of commands with plain help."""
    return typer.Typer(rich_markup_mode=None, add_completion=False, **settings)


def epilog(command: str) -> str:
    """Return the examples for the end of the help of a command."""
    # \b stops Click from joining the lines.
    lines = "\n".join(f"  precondbench {example}" for example in EXAMPLES[command])
    return f"\b\nExamples:\n{lines}"


def command(group: typer.Typer, name: str) -> Callable[[Function], Function]:
    """Register a command under its words, with its examples and with errors in one line."""

    def register(function: Function) -> Function:
        @wraps(function)
        def clear(*arguments: Any, **options: Any) -> None:
            with failing_clearly():
                function(*arguments, **options)

        group.command(name.split()[-1], epilog=epilog(name))(clear)
        return function

    return register


class LogLevel(StrEnum):
    """Levels of ``logging``."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _ToStderr(logging.Handler):
    """Write plain lines to the current ``sys.stderr``, which callers may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def log_to_stderr(level: LogLevel) -> None:
    """Send log records of the library from this level on to stderr."""
    logger = logging.getLogger("precondbench")
    logger.setLevel(level.upper())
    if not any(isinstance(handler, _ToStderr) for handler in logger.handlers):
        logger.addHandler(_ToStderr())


Dataset = Annotated[
    str, typer.Argument(help="Name of a dataset, as 'precondbench list' prints it.")
]
Jobs = Annotated[int, typer.Option(help="Processes on this machine.")]
Dask = Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")]
Root = Annotated[Path | None, typer.Option("--root", help="Cache folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Config = Annotated[str | None, typer.Option(help="Only this configuration.")]
Split = Annotated[str | None, typer.Option(help="Only this split.")]
Version = Annotated[str | None, typer.Option(help="By default the newest.")]
