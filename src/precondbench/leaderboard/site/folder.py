"""A folder that appears whole or not at all, and never in the place of something else."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from precondbench.errors import LeaderboardError
from precondbench.leaderboard.board import Standing, standings_of
from precondbench.leaderboard.entries import Leaderboard, read_leaderboard
from precondbench.leaderboard.site.export import FORMAT, board_json, board_markdown
from precondbench.leaderboard.site.pages import ASSETS, assets, pages_of

MARKER = "leaderboard.json"


@contextmanager
def replacing_site(out: Path, made: Collection[str], form: str) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``out`` when the block ends well.

    Parameters
    ----------
    out : pathlib.Path
        Folder to appear. It must not exist, be empty, or be an earlier site.
    made : collection of str
        Names at the top of a site. A folder that holds any other is not replaced: it would be
        lost.
    form : str
        Value of ``format`` in the marker ``leaderboard.json``.

    Yields
    ------
    pathlib.Path
        A folder beside ``out``.

    Raises
    ------
    LeaderboardError
        If something else is in the way.
    """
    # A link stays a link: what it points to is replaced.
    out = out.resolve()
    _check_replaceable(out, made, form)
    out.parent.mkdir(parents=True, exist_ok=True)
    unique = uuid.uuid4().hex
    new, old = (out.with_name(f".{out.name}.{unique}.{end}") for end in ("part", "old"))
    new.mkdir()
    try:
        yield new
        # Again: the block took its time, and somebody may have written there.
        _check_replaceable(out, made, form)
        if out.exists():
            out.rename(old)
        try:
            new.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        if out.exists():
            shutil.rmtree(old, ignore_errors=True)


def _check_replaceable(out: Path, made: Collection[str], form: str) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise LeaderboardError(f"{out} is a file; name a folder for the site")
    names = sorted(path.name for path in out.iterdir())
    if not names:
        return
    if not _is_marked(out / MARKER, form):
        raise LeaderboardError(
            f"{out} is not a rendered site (it has no {MARKER} of one), so it is not replaced; "
            "name another folder, or remove it"
        )
    foreign = [name for name in names if name not in made]
    if foreign:
        raise LeaderboardError(
            f"{out} holds {foreign[0]!r}, which is no part of a site and would be lost; move it "
            "away, or name another folder"
        )


def _is_marked(path: Path, form: str) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == form


MARKDOWN = "leaderboard.md"
_TOP_LEVEL = ("index.html", "tracks", "entries", "matrices", "assets", MARKDOWN, MARKER)


def render_site(source: Leaderboard | str | Path, out: str | Path, *, top: int = 10) -> int:
    """Render the entries of a leaderboard as a folder of HTML pages.

    Equal entries give equal bytes. The folder appears whole or not at all.

    Parameters
    ----------
    source : Leaderboard or path-like
        A leaderboard, or the folder of one, with ``tracks/`` and ``entries/``.
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
    board = source if isinstance(source, Leaderboard) else read_leaderboard(source)
    standings = standings_of(board)
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
