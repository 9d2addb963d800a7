"""The leaderboard as a static site: a folder of pages that needs no server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from precondbench.leaderboard.entry_files import read_leaderboard
from precondbench.leaderboard.site_exports import FORMAT, board_json, board_markdown
from precondbench.leaderboard.site_folder import MARKER, replacing_site
from precondbench.leaderboard.site_pages import ASSETS, assets, pages_of
from precondbench.leaderboard.standings import Standing, standings_of

__all__ = ["render_site"]

MARKDOWN = "leaderboard.md"
_TOP_LEVEL = ("index.html", "tracks", "entries", "matrices", "assets", MARKDOWN, MARKER)


def render_site(folder: str | Path, out: str | Path, *, top: int = 10) -> int:
    """Render the entries of a leaderboard as a folder of HTML pages.

    Equal entries give equal bytes. The folder appears whole or not at all.

    Parameters
    ----------
    folder : path-like
        Folder of the leaderboard, with ``tracks/`` and ``entries/``.
    out : path-like
        Folder of the site. An earlier site there is replaced; anything else is left alone.
    top : int
        Most ranked rows of a track in ``leaderboard.md``.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    LeaderboardError
        If a file of the leaderboard is damaged, or something that is no site stands at ``out``.
    """
    standings = standings_of(read_leaderboard(folder))
    count = 0
    with replacing_site(Path(out), _TOP_LEVEL, FORMAT) as new:
        for name, text in _files(standings, top):
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            count += 1
    return count


def _files(standings: Sequence[Standing], top: int) -> Iterator[tuple[str, str]]:
    style_and_script = assets()
    for name in ASSETS:
        yield f"assets/{name}", style_and_script[name]
    yield from pages_of(standings)
    yield MARKDOWN, board_markdown(standings, top)
    yield MARKER, board_json(standings)
