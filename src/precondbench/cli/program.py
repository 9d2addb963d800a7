"""The ``precondbench`` command: the list of its commands, and its entry point."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import precondbench
from precondbench.cli import build, data, doctor, factor, leaderboard, score, train
from precondbench.cli.output import USAGE, LogLevel, command, log_to_stderr
from precondbench.cli.renamed import current_spelling

TRACEBACK = "PRECONDBENCH_TRACEBACK"
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h


class _Commands(TyperGroup):
    """The commands; earlier spellings are answered with the current ones."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        current = current_spelling(args)
        if current is not None:
            old = f"precondbench {' '.join(args)}"
            typer.echo(f"precondbench: '{old}' is now '{current}'", err=True)
            raise typer.Exit(USAGE)
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="precondbench",
    cls=_Commands,
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
        typer.Option(help="Lowest level of messages on stderr; by default warning."),
    ] = None,
) -> None:
    """Take the options that stand before a command."""
    log_to_stderr(log_level or LogLevel.WARNING)


_COMMANDS: dict[str, Callable[..., None] | typer.Typer] = {
    "quickstart": score.quickstart,
    "list": data.list_splits,
    "info": data.info,
    "build": build.app,
    "verify": data.verify,
    "train": train.train,
    "train-grid": train.train_grid,
    "score": score.score,
    "results": score.results,
    "board": score.board,
    "submit": leaderboard.submit,
    "leaderboard": leaderboard.app,
    "factor": factor.factor,
    "download": data.download,
    "release": data.release,
    "export": data.export,
    "cite": data.cite,
    "doctor": doctor.doctor,
}
for _name, _command in _COMMANDS.items():
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name)
    else:
        command(app, _name)(_command)


def main() -> None:
    """Entry point of the console script."""
    try:
        app()
    except Exception as error:
        # Commands print the errors of the library; any other one is unexpected.
        if os.environ.get(TRACEBACK):
            raise
        text = (
            f"unexpected {type(error).__name__}: {error}. This is a fault of the library: please "
            f"report it with the output of 'precondbench doctor'; {TRACEBACK}=1 shows where it was"
        )
        typer.echo(f"precondbench: {text}", err=True)
        sys.exit(INTERNAL_ERROR)
