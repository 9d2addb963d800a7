"""Docstrings are written for a terminal; here is what they need to be read as reStructuredText."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import numpydoc.xref

PACKAGES = (
    "errors", "matrices", "factors", "solvers", "quality", "shards", "recipes", "datasets",
    "baselines", "leaderboard",
)  # fmt: skip


def public_classes() -> dict[str, str]:
    """Return where the classes are that docstrings call by their bare names."""
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(f"precondbench.{package}")
        stub = Path(str(module.__file__)).with_suffix(".pyi")
        names = module.__all__
        if stub.is_file():  # Below this line nothing is promised, so it has no page.
            text = stub.read_text(encoding="utf-8").partition("# Between the packages")[0]
            names = re.findall(r" as (\w+)$", text, re.MULTILINE)
        for name in names:
            if isinstance(getattr(module, name), type):
                found[name] = f"precondbench.{package}.{name}"
    return found


def make_readable(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep absolute values from being read as substitutions, and link pages that are named."""
    for i, line in enumerate(lines):
        if line.strip() == "Examples":
            break
        escaped = re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line)
        lines[i] = re.sub(r"\bdocs/(\w+)\.md\b", r":doc:`/\1`", escaped)


def setup(app: Any) -> dict[str, bool]:
    """Work on docstrings before numpydoc does."""
    # They lead to the manuals of Python and NumPy, of which nothing is known without a network.
    numpydoc.xref.DEFAULT_LINKS.clear()
    app.connect("autodoc-process-docstring", make_readable, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
