"""The static site: its pages, rendered from standings, in a folder that appears whole."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from precondbench._internal import loads
from precondbench.errors import LeaderboardError
from precondbench.leaderboard.board import IC0, INVK, NONE, Standing, Verdict, standings_of
from precondbench.leaderboard.entries import Leaderboard, read_leaderboard
from precondbench.leaderboard.scoring.ranking import TAUS, RankedRow, shares_within
from precondbench.leaderboard.scoring.summary import family_tracks, summarise
from precondbench.leaderboard.site.charts import (
    curves_of,
    draw_cosine,
    draw_ladder,
    draw_profiles,
    draw_spy,
    draw_strip,
)
from precondbench.leaderboard.site.export import FORMAT, board_json, board_markdown
from precondbench.leaderboard.site.history import Dates, dates_of
from precondbench.leaderboard.site.text import (
    between,
    figure,
    number,
    percent,
    safe_link,
    signed_between,
)
from precondbench.leaderboard.timing.times import (
    Figures,
    Times,
    all_times,
    figures_of,
    time_profile,
)

ASSETS = ("style.css", "board.js")
# Ends of the spectra of real matrices, by benchmarks/spectra.py.
SPECTRA = Path(__file__).with_name("spectra.json")
MARKDOWN, MARKER = "leaderboard.md", "leaderboard.json"
# Names at the top of a site; a folder that holds others is not replaced.
_TOP_LEVEL = (
    "index.html",
    "families.html",
    "times.html",
    "tracks",
    "entries",
    "matrices",
    "assets",
    MARKDOWN,
    MARKER,
)
_CURVES = 8
# Matrices of an entry on a page: of drawn ones, which have no pages, the hardest say most.
_DRAWN = 15
# Of the fastest time, in the profiles of times.
_FACTORS = (1.0, 1.5, 2.0, 5.0, 10.0)

VERDICTS: dict[Verdict, str] = {
    "fewer": "fewer iterations",
    "only this": "only this one converges",
    "tie": "tie",
    "more": "more iterations",
    "only IC(0)": "only IC(0) converges",
    "neither": "neither converges",
}
TIERS = {
    "scored": "The predictions were scored for this board; their origin is stated by the authors.",
    "reproduced": "The maintainers ran the command above and obtained these predictions.",
    "reference": "Code of the precondbench library itself, which anyone can run again.",
    "run": "Its code was run for this board, in a confined process of its own.",
}


def render_site(
    source: Leaderboard | str | Path,
    out: str | Path,
    *,
    top: int = 10,
    documentation: str | None = None,
) -> int:
    """Render the entries of a leaderboard as a folder of HTML pages.

    Equal entries of equal history give equal bytes; the dates on which entries were added come
    from git, if the folder stands in a repository. The folder appears whole or not at all.

    Parameters
    ----------
    source : Leaderboard or path-like
        A leaderboard, or the folder of one, with ``tracks/`` and ``entries/``.
    out : path-like
        Folder of the site. An earlier site there is replaced; anything else is left alone.
    top : int
        Most ranked rows of a track in ``leaderboard.md``.
    documentation : str, optional
        Where the documentation is, for links to it: an address, or a path from ``out``.

    Returns
    -------
    int
        Number of files.

    Raises
    ------
    LeaderboardError
        If a file of the leaderboard is damaged, or ``out`` exists and is not a site.
    """
    board = source if isinstance(source, Leaderboard) else read_leaderboard(source)
    dates = {} if isinstance(source, Leaderboard) else dates_of(source)
    times = [] if isinstance(source, Leaderboard) else all_times(source)
    standings = standings_of(board)
    count = 0
    with _replacing_site(Path(out)) as new:
        for name, text in _files(standings, dates, times, top, documentation):
            path = new / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            count += 1
    return count


def _files(
    standings: Sequence[Standing],
    dates: Dates,
    times: Sequence[Times],
    top: int,
    documentation: str | None,
) -> Iterator[tuple[str, str]]:
    assets = _assets()
    for name in ASSETS:
        yield f"assets/{name}", assets[name]
    yield from pages_of(standings, dates, times, documentation)
    yield MARKDOWN, board_markdown(standings, top)
    yield MARKER, board_json(standings)


def _assets() -> dict[str, str]:
    """Return the style and the script by name of file."""
    loader = PackageLoader("precondbench.leaderboard.site")
    environment = Environment(loader=loader, autoescape=True)
    return {name: loader.get_source(environment, name)[0] for name in ASSETS}


def pages_of(
    standings: Sequence[Standing],
    dates: Dates | None = None,
    times: Sequence[Times] = (),
    documentation: str | None = None,
) -> Iterator[tuple[str, str]]:
    """Yield path below the folder of the site, with slashes, and text of every page.

    ``dates`` are those on which entries were added, where they are known; ``times`` those that were
    measured; pages link to ``documentation``, see :func:`render_site`.
    """
    environment = _environment(documentation)
    splits = [
        (split, tracks, summarise(tracks)) for split, tracks in family_tracks(standings).items()
    ]
    cards = [_card(standing) for standing in standings]
    shown = {"families": bool(splits), "times": bool(times)}
    yield "index.html", _render(environment, "index", "", cards=cards, **shown)
    if splits:
        yield "families.html", _render(environment, "families", "", splits=splits, taus=TAUS)
    if times:
        yield "times.html", _times(environment, times)
    for standing in standings:
        track = standing.track.id
        yield f"tracks/{track}.html", _track(environment, standing)
        for row in standing.rows:
            yield (
                f"entries/{track}/{row.entry.id}.html",
                _entry(environment, standing, row, (dates or {}).get(f"{track}/{row.entry.id}")),
            )
        for index, matrix in enumerate(standing.track.matrices if standing.real else ()):
            slug = standing.slugs[matrix.name]
            yield f"matrices/{track}/{slug}.html", _matrix(environment, standing, index)


def _environment(documentation: str | None) -> Environment:
    environment = Environment(
        loader=PackageLoader("precondbench.leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["documentation"] = documentation
    environment.globals["spectra"] = loads(SPECTRA.read_text(encoding="utf-8"))
    environment.filters.update(
        between=between,
        figure=figure,
        number=number,
        percent=percent,
        safe_link=safe_link,
        signed=signed_between,
    )
    return environment


def _render(environment: Environment, name: str, up: str, **content: Any) -> str:
    """Render a page; ``up`` leads from its folder to that of the site."""
    return environment.get_template(f"{name}.html.j2").render(up=up, **content) + "\n"


def _times(environment: Environment, times: Sequence[Times]) -> str:
    sides = sorted({count for one in times for count in one.sides}) or [1]
    return _render(
        environment,
        "times",
        "",
        sides=sides,
        factors=_FACTORS,
        problems=[(one, _timed(one, sides)) for one in times],
        profiles=[(count, time_profile(times, count, _FACTORS)) for count in sides],
    )


def _timed(times: Times, sides: Sequence[int]) -> list[Figures]:
    """Figures of each method on a problem, fastest first."""
    return sorted(figures_of(times, sides), key=lambda one: one.row.seconds(sides[0]))


def _card(standing: Standing) -> dict[str, Any]:
    """Summary of a track."""
    return {
        "standing": standing,
        "strip": draw_strip(standing, f"strip-{standing.track.id}"),
        "baselines": [standing.by_id[name] for name in (INVK, IC0) if name in standing.by_id],
    }


def _track(environment: Environment, standing: Standing) -> str:
    rows, track = standing.rows, standing.track
    curves = curves_of(_drawn(standing)) if standing.real else []
    return _render(
        environment,
        "track",
        "../",
        standing=standing,
        track=track,
        rows=rows,
        hops=any(row.effective_hops for row in rows),
        gains=any(row.gain for row in rows),
        conditions=any(row.condition_median for row in rows),
        curves=curves,
        profiles=draw_profiles(curves) if curves else None,
        taus=TAUS,
        shares={row.entry.id: shares_within(row.ratios) for row in rows},
        cosine=draw_cosine(track, rows),
        ladder=draw_ladder(track, rows),
        rungs=sorted((int(hops), steps) for hops, steps in (track.ladder or {}).items()),
        ceilings=sorted((int(k), cosine) for k, cosine in (track.ceilings or {}).items()),
        matrices=[
            (matrix, standing.slugs[matrix.name], standing.on_matrix(index))
            for index, matrix in enumerate(track.matrices if standing.real else ())
        ],
    )


def _drawn(standing: Standing) -> list[RankedRow]:
    """Rows whose profiles are drawn: the best, and always the two classical factors."""
    rows = standing.rows
    always = [row for row in rows if row.entry.id in (IC0, INVK)]
    always += [row for row in (standing.best_learned, standing.best_classical) if row]
    names = {row.entry.id for row in always}
    for row in rows:
        if len(names) < _CURVES and row.rank is not None:
            names.add(row.entry.id)
    return [row for row in rows if row.entry.id in names]


def _entry(environment: Environment, standing: Standing, row: RankedRow, date: str | None) -> str:
    verdicts = standing.verdicts(row.entry)
    counts = Counter(verdicts or ())
    outcomes = standing.outcomes[row.entry.id]
    others = zip(standing.outcomes[IC0], verdicts, strict=True) if verdicts else None
    lines = list(zip(outcomes, others or [None] * len(outcomes), strict=True))
    if not standing.real:
        lines = sorted(lines, key=lambda line: line[0].hardness, reverse=True)[:_DRAWN]
    return _render(
        environment,
        "entry",
        "../../",
        standing=standing,
        track=standing.track,
        row=row,
        entry=row.entry,
        tier=TIERS["run" if row.entry.program else standing.tier(row.entry)],
        date=date,
        outcomes=outcomes,
        lines=lines,
        verdict_names=VERDICTS,
        tally=[(VERDICTS[verdict], counts[verdict]) for verdict in VERDICTS if counts[verdict]],
    )


def _matrix(environment: Environment, standing: Standing, index: int) -> str:
    matrix = standing.track.matrices[index]
    outcomes = standing.on_matrix(index)
    ranked = (outcome for outcome in outcomes if outcome.entry.kind != "oracle" and outcome.solved)
    return _render(
        environment,
        "matrix",
        "../../",
        standing=standing,
        track=standing.track,
        matrix=matrix,
        outcomes=outcomes,
        best=next(ranked, None),
        plain=next((outcome for outcome in outcomes if outcome.entry.id == NONE), None),
        solved=sum(outcome.solved for outcome in outcomes),
        spy=draw_spy(matrix),
    )


@contextmanager
def _replacing_site(out: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``out`` when the block ends well."""
    # A link stays a link: what it points to is replaced.
    out = out.resolve()
    _check_replaceable(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    unique = uuid.uuid4().hex
    new, old = (out.with_name(f".{out.name}.{unique}.{end}") for end in ("part", "old"))
    new.mkdir()
    try:
        yield new
        # Again, because something may have been written there meanwhile.
        _check_replaceable(out)
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


def _check_replaceable(out: Path) -> None:
    """Raise LeaderboardError unless the folder is not there, empty, or an earlier site."""
    if not out.exists():
        return
    if not out.is_dir():
        raise LeaderboardError(f"{out} is a file; name a folder for the site")
    names = sorted(path.name for path in out.iterdir())
    if not names:
        return
    if not _is_marked(out / MARKER):
        raise LeaderboardError(
            f"{out} is not a rendered site (it has no {MARKER} of one), so it is not replaced; "
            "name another folder, or remove it"
        )
    foreign = [name for name in names if name not in _TOP_LEVEL]
    if foreign:
        raise LeaderboardError(
            f"{out} holds {foreign[0]!r}, which is no part of a site and would be lost; move it "
            "away, or name another folder"
        )


def _is_marked(path: Path) -> bool:
    try:
        content = loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == FORMAT
