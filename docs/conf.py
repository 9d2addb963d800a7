"""Sphinx builds the site from these pages and the docstrings: `make docs`."""

from __future__ import annotations

import sys
from pathlib import Path

import precondbench

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))
from docstrings import public_classes

project = "precondbench"
author = "The precondbench developers"
copyright = "The precondbench developers. Code: Apache-2.0; derived data: CC-BY-4.0"  # noqa: A001
version = release = precondbench.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_copybutton",
    "boards",
    "command_help",
    "docstrings",
    "mathml",
    "titles",
]
exclude_patterns = ["_build"]
html_math_renderer = "mathml"
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["site.css"]

# --- pages ---------------------------------------------------------------------------------

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
# Links between pages name headings as GitHub does, so they work in both places.
myst_heading_anchors = 4
# Notebooks are committed with their outputs (make_notebooks.py).
nb_execution_mode = "off"
# A page may be named before it is written; one that is named nowhere is still an error.
suppress_warnings = ["toc.not_readable"]

# --- docstrings ----------------------------------------------------------------------------

autodoc_member_order = "bysource"
autodoc_default_options = {"members": True}
# Docstrings state types in words, with shapes; signatures stay short.
autodoc_typehints = "none"
# A default is shown as the code names it: its value may be a path of this machine.
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
# Types in docstrings lead to our classes; all other words of a type stay words.
numpydoc_xref_param_type = True
numpydoc_xref_aliases = public_classes()
numpydoc_xref_ignore = "all"
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
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navigation_with_keys": False,
    # Its toggles have no name that a screen reader could read.
    "collapse_navigation": True,
    "navbar_center": ["navbar-nav", "boards"],
    "show_prev_next": True,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
copybutton_exclude = ".linenos, .gp, .go"
