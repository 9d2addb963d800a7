"""Sphinx builds the site from these pages and the docstrings: `make docs`."""

from __future__ import annotations

import re
from typing import Any

import precondbench

project = "precondbench"
author = "The precondbench developers"
copyright = "The precondbench developers. Code: Apache-2.0; derived data: CC-BY-4.0"  # noqa: A001
version = release = precondbench.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "numpydoc",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]

# --- pages ---------------------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
# Links between pages name headings as GitHub does, so they work in both places.
myst_heading_anchors = 4
# `reliability` is found if it is there.
suppress_warnings = ["toc.empty_glob"]

# --- docstrings ----------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
# Docstrings state types in words, with shapes; signatures stay short.
autodoc_typehints = "none"
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"

nitpicky = True
# Nothing is asked of the network, so names of other libraries lead nowhere.
nitpick_ignore_regex = [
    (r"py:.*", r"(numpy|scipy|torch|torch_geometric|h5py|enum|concurrent|collections|pathlib)\..*"),
]

# --- looks ---------------------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = "precondbench"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
copybutton_exclude = ".linenos, .gp, .go"


def escape_bars(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep absolute values in docstrings from being read as substitutions of docutils."""
    for i, line in enumerate(lines):
        if line.strip() == "Examples":
            break
        lines[i] = re.sub(r"(``.*?``)|\|", lambda found: found[1] or r"\|", line)


def setup(app: Any) -> None:
    """Work on docstrings before numpydoc does."""
    app.connect("autodoc-process-docstring", escape_bars, priority=100)
