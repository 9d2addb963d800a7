"""The ``precondbench`` command: one file a command group; it prints and never computes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

import precondbench
from precondbench.cli import (
    build,
    data,
    doctor,
    factor,
    leaderboard,
    publish,
    quickstart,
    score,
    submit,
    train,
)
from precondbench.cli.output import LogLevel, epilog, log_to_stderr

TRACEBACK = "PRECONDBENCH_TRACEBACK"
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h

app = typer.Typer(
    name="precondbench",
    help="The benchmark by which learned sparse preconditioners are judged.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"precondbench {precondbench.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    log_level: Annotated[
        LogLevel | None,
        typer.Option(help="What is told on stderr; by default warnings."),
    ] = None,
) -> None:
    """Take the options that stand before a command."""
    log_to_stderr(log_level or LogLevel.WARNING)


_COMMANDS: dict[str, Callable[..., None]] = {
    "quickstart": quickstart.quickstart,
    "list": data.list_splits,
    "info": data.info,
    "build": build.build,
    "verify": data.verify,
    "train": train.train,
    "score": score.score,
    "results": score.results,
    "board": score.board,
    "factor": factor.factor,
    "download": publish.download,
    "release": publish.release,
    "export": data.export,
    "cite": publish.cite,
    "doctor": doctor.doctor,
}
for _name, _command in _COMMANDS.items():
    app.command(_name, epilog=epilog(_name))(_command)
# Old spellings answer with the new ones.
app.command(
    "figures",
    hidden=True,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)(score.figures)
app.add_typer(submit.app, name="submit")
app.add_typer(leaderboard.app, name="leaderboard")


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except Exception as error:
        # The library's errors were told by the commands: this one nobody thought of.
        if os.environ.get(TRACEBACK):
            raise
        text = (
            f"unexpected {type(error).__name__}: {error}. This is a fault of the library: please "
            f"report it with the output of 'precondbench doctor'; {TRACEBACK}=1 shows where it was"
        )
        typer.echo(f"precondbench: {text}", err=True)
        sys.exit(INTERNAL_ERROR)
