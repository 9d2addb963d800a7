"""The ``precondbench`` command: one file a command group; it prints and never computes."""

from __future__ import annotations

from typing import Annotated

import typer

import precondbench
from precondbench.cli import (
    build,
    data,
    doctor,
    export,
    factor,
    leaderboard,
    learn,
    publish,
    quickstart,
    report,
    score,
    submit,
)

__all__ = ["app", "main"]

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
) -> None:
    """Take the options that stand before a command."""


app.command()(quickstart.quickstart)
app.command("list")(data.list_splits)
app.command()(data.info)
app.command()(build.build)
app.command()(data.verify)
app.command()(learn.train)
app.command()(score.score)
app.command()(report.results)
app.command()(report.figures)
app.command()(score.board)
app.add_typer(submit.app, name="submit")
app.add_typer(leaderboard.app, name="leaderboard")
app.command()(factor.factor)
app.command()(publish.download)
app.command()(publish.release)
app.command()(export.export)
app.command()(publish.cite)
app.command()(doctor.doctor)


def main() -> None:
    """Entry point of the console script."""
    app()
