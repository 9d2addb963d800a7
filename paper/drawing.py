"""Reproducible figures with matplotlib: equal figures are equal files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from precondbench._internal import replacing


def new_figure(width: float = 6.0, height: float = 4.0, columns: int = 1) -> tuple[Any, Any]:
    """Return a figure and its axes, an array of them if there are several columns."""
    # The object interface: no global state, no display, no backend to choose.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure as SVG or PNG, depending on the file name."""
    import matplotlib as mpl

    # Without a date and with fixed identifiers equal figures are equal files.
    metadata = {"Software": None} if path.suffix == ".png" else {"Date": None}
    with (
        mpl.rc_context({"svg.hashsalt": "precondbench", "svg.fonttype": "none"}),
        replacing(path) as temporary,
    ):
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata, dpi=150)
