"""Docstrings are written for a terminal; here is what they need to be read as reStructuredText."""

from __future__ import annotations

import re
from typing import Any


def escape_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep absolute values from being read as substitutions."""
    for i, line in enumerate(lines):
        if line.strip() == "Examples":
            break
        lines[i] = re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line)


def setup(app: Any) -> dict[str, bool]:
    """Work on docstrings before numpydoc does."""
    app.connect("autodoc-process-docstring", escape_bars, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
