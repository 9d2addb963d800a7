"""The directive ``command-help``: what every command of precondbench says with ``--help``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click
import typer.main
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from precondbench.cli import app as application

WIDTH = 88


def _commands(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    yield words, command
    for name in getattr(command, "commands", {}):
        yield from _commands(command.commands[name], f"{words} {name}")


def help_texts() -> Iterator[tuple[str, str]]:
    """Words and help of every command, groups before their members."""
    for words, command in _commands(typer.main.get_command(application), "precondbench"):
        context = click.Context(command, info_name=words, max_content_width=WIDTH)
        context.terminal_width = WIDTH
        yield words, command.get_help(context)


class CommandHelp(SphinxDirective):
    """One section a command."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        found: list[nodes.Node] = []
        for words, text in help_texts():
            section = nodes.section(ids=[nodes.make_id(words)])
            section += nodes.title("", "", nodes.literal("", words))
            section += nodes.literal_block(text, text, language="text")
            found.append(section)
        return found


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-help", CommandHelp)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
