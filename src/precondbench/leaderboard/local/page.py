"""A board as one HTML file that needs nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from precondbench._internal import replacing


@dataclass(frozen=True)
class Figure:
    """An SVG drawing made by this library, to be put into the page as it is."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Section:
    """A table with a heading, a sentence and figures."""

    title: str
    text: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]
    figures: Sequence[Figure] = ()

    def numeric(self, column: int) -> bool:
        """Whether a column holds numbers."""
        return any(_numeric(row[column]) for row in self.rows)


def render_page(path: str | Path, title: str, sections: Sequence[Section], footer: str) -> None:
    """Write the page; everything but the figures is escaped.

    Parameters
    ----------
    path : path-like
        HTML file; it appears whole or not at all.
    title : str
        Title of the page.
    sections : sequence of Section
        From top to bottom.
    footer : str
        Versions, seeds, the command that makes the page again.
    """
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("precondbench.leaderboard.local"), autoescape=True, trim_blocks=True
    )
    environment.filters["cell"] = _cell
    environment.tests["numeric"] = _numeric
    text = environment.get_template("board.html.j2").render(
        title=title, sections=sections, footer=footer
    )
    with replacing(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "\N{EN DASH}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _numeric(value: Any) -> bool:
    return isinstance(value, (int, float))


def inline_svg(path: str | Path) -> str:
    """Return an SVG file without what only stands at the head of a file."""
    text = Path(path).read_text(encoding="utf-8")
    return text[text.index("<svg") :]
