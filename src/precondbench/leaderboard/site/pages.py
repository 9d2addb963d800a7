"""Pages of the site, rendered from standings; everything but the charts is escaped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from precondbench.leaderboard.board import IC0, INVK, Standing, Verdict
from precondbench.leaderboard.scoring.profile import TAUS, shares_within
from precondbench.leaderboard.scoring.ranking import RankedRow
from precondbench.leaderboard.site.charts import (
    curves_of,
    draw_cosine,
    draw_ladder,
    draw_profiles,
    draw_spy,
    draw_strip,
)
from precondbench.leaderboard.site.text import number, percent, safe_link, span

ASSETS = ("style.css", "board.js")
_CURVES = 8

VERDICTS: dict[Verdict, str] = {
    "fewer": "fewer iterations",
    "only this": "only this one converges",
    "tie": "tie",
    "more": "more iterations",
    "only IC(0)": "only IC(0) converges",
    "neither": "neither converges",
}
TIERS = {
    "scored": "The predictions were scored by the maintainers; what made them is what the "
    "authors say.",
    "reproduced": "The maintainers ran the command above, and it gave these predictions.",
    "reference": "Code of the precondbench library itself, which anyone can run again.",
}


def assets() -> dict[str, str]:
    """Return the style and the script by name of file."""
    loader = PackageLoader("precondbench.leaderboard.site")
    environment = Environment(loader=loader, autoescape=True)
    return {name: loader.get_source(environment, name)[0] for name in ASSETS}


def pages_of(standings: Sequence[Standing]) -> Iterator[tuple[str, str]]:
    """Render all pages.

    Parameters
    ----------
    standings : sequence of Standing
        In the order of the first page.

    Yields
    ------
    (str, str)
        Path below the folder of the site, with slashes, and text.
    """
    environment = _environment()
    yield "index.html", _render(environment, "index", "", cards=[_card(s) for s in standings])
    for standing in standings:
        track = standing.track.id
        yield f"tracks/{track}.html", _track(environment, standing)
        for row in standing.rows:
            yield f"entries/{track}/{row.entry.id}.html", _entry(environment, standing, row)
        for index, matrix in enumerate(standing.track.matrices if standing.real else ()):
            slug = standing.slugs[matrix.name]
            yield f"matrices/{track}/{slug}.html", _matrix(environment, standing, index)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("precondbench.leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, span=span, safe_link=safe_link)
    return environment


def _render(environment: Environment, name: str, up: str, **content: Any) -> str:
    """Render a page; ``up`` leads from its folder to that of the site."""
    return environment.get_template(f"{name}.html.j2").render(up=up, **content) + "\n"


def _card(standing: Standing) -> dict[str, Any]:
    """What a reader sees first of a track: who is best, by how much, on what."""
    return {
        "standing": standing,
        "strip": draw_strip(standing, f"strip-{standing.track.id}"),
        "baselines": [standing.by_id[name] for name in (INVK, IC0) if name in standing.by_id],
        "lead": _lead(standing),
    }


def _lead(standing: Standing) -> float | None:
    """By how much the best learned entry is ahead: of area, or times fewer iterations."""
    learned, classical = standing.best_learned, standing.best_classical
    if learned is None or classical is None:
        return None
    if standing.real:
        return learned.score.mean - classical.score.mean
    return classical.score.mean / max(learned.score.mean, 1.0)


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


def _entry(environment: Environment, standing: Standing, row: RankedRow) -> str:
    verdicts = standing.verdicts(row.entry)
    counts = Counter(verdicts or ())
    baseline = standing.outcomes[IC0] if verdicts else None
    return _render(
        environment,
        "entry",
        "../../",
        standing=standing,
        track=standing.track,
        row=row,
        entry=row.entry,
        tier=TIERS[row.entry.tier],
        outcomes=standing.outcomes[row.entry.id],
        verdicts=verdicts,
        verdict_names=VERDICTS,
        tally=[(VERDICTS[verdict], counts[verdict]) for verdict in VERDICTS if counts[verdict]],
        baseline=baseline,
    )


def _matrix(environment: Environment, standing: Standing, index: int) -> str:
    matrix = standing.track.matrices[index]
    outcomes = standing.on_matrix(index)
    return _render(
        environment,
        "matrix",
        "../../",
        standing=standing,
        track=standing.track,
        matrix=matrix,
        outcomes=outcomes,
        solved=sum(outcome.solved for outcome in outcomes),
        spy=draw_spy(matrix),
    )
