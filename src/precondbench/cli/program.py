"""The ``precondbench`` command: its commands, their earlier spellings, and the entry point."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from threading import Timer
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import precondbench
from precondbench.cli.output import USAGE, LogLevel, command, group, log_to_stderr

TRACEBACK = "PRECONDBENCH_TRACEBACK"
INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
# Fields of a submission that were options of their own.
_FIELDS = ("kind", "code", "paper", "licence", "parameters", "training", "hardware", "command")


# Of each command its module and its name there.
_COMMANDS = {
    "quickstart": "score.quickstart",
    "list": "data.list_splits",
    "info": "data.info",
    "build": "build.app",
    "verify": "data.verify",
    "models": "train.list_models",
    "train": "train.train",
    "train-grid": "train.train_grid",
    "score": "score.score",
    "results": "score.results",
    "board": "score.board",
    "submit": "leaderboard.submit",
    "leaderboard": "leaderboard.app",
    "time": "timing.time",
    "factor": "build.factor",
    "download": "data.download",
    "release": "data.release",
    "export": "data.export",
    "cite": "data.cite",
    "doctor": "doctor.doctor",
}


class _WhenUsed(Mapping[str, Any]):
    """Commands that are imported and made when they are asked for; all of them take 0.2 s."""

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = _COMMANDS[name].partition(".")
        found = getattr(import_module(f"precondbench.cli.{module}"), attribute)
        if not isinstance(found, typer.Typer):
            function, found = found, group()
            command(found, name)(function)
        made = typer.main.get_command(found)
        made.name = name
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class _Commands(TyperGroup):
    """The commands; earlier spellings are answered with the current ones."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes | {"commands": _WhenUsed()})

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


def _signal_again(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a signal that was lost in a callback of compiled code, as a compiler calls them."""
    number = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}.get(lost.exc_type)
    if number is None:
        sys.__unraisablehook__(lost)
    elif not sys.is_finalizing():
        again = Timer(0.1, os.kill, (os.getpid(), number))
        again.daemon = True
        again.start()


def main() -> None:
    """Entry point of the console script."""
    # A job scheduler's signal ends the program as an interrupt does: temporary files go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.unraisablehook = _signal_again
    try:
        app()
    except Exception as error:
        # Commands print the errors of the library; any other one is unexpected.
        # A signal in compiled code arrives as the cause of a SystemError, or of several.
        cause: BaseException | None = error
        while isinstance(cause, SystemError):
            cause = cause.__cause__
        if isinstance(cause, SystemExit | KeyboardInterrupt):
            sys.exit(getattr(cause, "code", 128 + signal.SIGINT))
        if os.environ.get(TRACEBACK):
            raise
        text = (
            f"unexpected {type(error).__name__}: {error}. This is a fault of the library: please "
            f"report it with the output of 'precondbench doctor'; {TRACEBACK}=1 shows where it was"
        )
        typer.echo(f"precondbench: {text}", err=True)
        sys.exit(INTERNAL_ERROR)


def current_spelling(words: Sequence[str]) -> str | None:
    """Return the current spelling of a command; None if the words have not changed."""
    command, *rest = words
    if command == "figures":
        return "python -m paper"  # In a checkout of the repository.
    if command == "train":
        new = _train(rest)
    elif command == "build":
        new = _build(rest)
    elif command == "submit" and rest[:1] == ["pack"]:
        new = _pack(rest[1:])
    else:
        return None
    return None if new == list(words) else shlex.join(["precondbench", *new])


def _train(rest: Sequence[str]) -> list[str]:
    grids, others = _without(rest, "--grid")
    if grids or "--all" in others:
        out, others = _without(others, "--out")
        models, _ = _without(others, "--import")
        return ["train-grid", *grids, *_repeated("--import", models), *_repeated("--out", out)]
    from precondbench.baselines import current_training_command

    return ["train", *current_training_command(rest)]


def _build(rest: Sequence[str]) -> list[str]:
    from precondbench.recipes import dataset_specs

    configurations, of_local = _without(rest, "--config")
    # The commands for real matrices outside the benchmark name no dataset.
    dropped = ("--unverified", *(spec.name for spec in dataset_specs()))
    of_local = [word for word in of_local if word not in dropped]
    manifests, of_manifest = _without(rest, "--update-manifest")
    names = {word.partition("=")[0] for word in rest}
    if manifests:
        return ["build", "manifest", *of_manifest, *manifests]
    if rest[:1] in (["large"], ["collection"], ["unverified"]):
        return ["build", *rest]
    if configurations == ["large"] or names & {"--dry-run", "--max-memory", "--min-n"}:
        return ["build", "large", *of_local]
    if "--max-n" in names:
        return ["build", "collection", *of_local]
    if "--unverified" in names:
        return ["build", "unverified", *of_local]
    if "--check" in names:
        return ["build", "check", *(word for word in rest if word != "--check")]
    return ["build", *rest]


def _pack(rest: Sequence[str]) -> list[str]:
    entries, others = _without(rest, "--entry")
    if entries and _arguments(rest):
        return ["submit", "pack", *rest]  # Code that is to be run.
    files, others = _without(others, "--predictions")
    datasets, others = _without(others, "--dataset")
    fields = []
    for name in _FIELDS:
        values, others = _without(others, f"--{name}")
        fields += _repeated("--set", [f"{name}={value}" for value in values])
    if entries:
        return ["submit", "function", *entries, *datasets, *others, *fields]
    return ["submit", "pack", *files, *others, *fields]


def _without(words: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """Return the values of an option, and the words without it."""
    values, others = [], []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name == option:
            values.append(value if equals else next(rest, "..."))
        else:
            others.append(word)
    return values, others


def _arguments(words: Sequence[str]) -> list[str]:
    """Return the words that are neither options nor their values."""
    rest = iter(words)
    return [
        word
        for word in rest
        if not (word.startswith("--") and ("=" in word or next(rest, "") is not None))
    ]


def _repeated(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
