"""The boards of the leaderboard, in the folder ``board`` of the site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from precondbench.leaderboard import render_site


def render_boards(app: Any, exception: Exception | None) -> None:
    """Render the boards when the pages are written."""
    if exception is None and app.builder.name == "html":
        folder = Path(app.srcdir, app.config.boards_folder)
        render_site(folder, Path(app.outdir, "board"), documentation="..")


def setup(app: Any) -> dict[str, bool]:
    """Work when everything else is done."""
    app.add_config_value("boards_folder", "../leaderboard", "html", str)
    app.connect("build-finished", render_boards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
