"""The board as one JSON file, as Markdown for a README, and as a table for a terminal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from precondbench.leaderboard.board import Standing
from precondbench.leaderboard.scoring.intervals import Interval
from precondbench.leaderboard.scoring.ranking import (
    TAUS,
    RankedRow,
    Spread,
    ranked_by,
    shares_within,
)
from precondbench.leaderboard.site.text import (
    between,
    figure,
    markdown,
    number,
    percent,
    signed_between,
)
from precondbench.quality import rounded

FORMAT, FORMAT_VERSION = "precondbench-leaderboard", 2


def board_content(standings: Sequence[Standing]) -> dict[str, Any]:
    """Return the content of ``leaderboard.json``; docs/submitting.md describes its keys."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "tracks": [_track(standing) for standing in standings],
    }


def board_json(standings: Sequence[Standing]) -> str:
    """Return the text of ``leaderboard.json``."""
    content = board_content(standings)
    return json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _track(standing: Standing) -> dict[str, Any]:
    track = standing.track
    return {
        "id": track.id,
        "title": track.title,
        "kind": track.kind,
        "dataset": track.dataset,
        "version": track.version,
        "configuration": track.configuration,
        "split": track.split,
        "label": track.label,
        "content_digest": track.content_digest,
        "protocol": track.protocol.model_dump(mode="json"),
        "ranked_by": ranked_by(track),
        "matrices": len(track.matrices),
        "families": standing.families,
        "target_iterations_mean": _rounded(standing.target_iterations),
        "ladder": track.ladder,
        "ceilings": track.ceilings,
        "page": f"tracks/{track.id}.html",
        "rows": [_row(standing, row) for row in standing.rows],
    }


def _row(standing: Standing, row: RankedRow) -> dict[str, Any]:
    entry = row.entry
    numbers: Mapping[str, Spread | None] = {
        "profile_area": row.area,
        "ratio_mean": row.ratio_mean,
        "iterations_mean": row.iterations_mean,
        "solved": row.solved,
        "ratio_to_target_median": row.ratio_median,
        "cosine_mean": row.cosine_mean,
        "log10_one_minus_cosine_median": row.log10_one_minus_cosine_median,
        "n_log_k_median": row.n_log_k_median,
        "condition_median": row.condition_median,
        "work_median": row.work_median,
        "effective_hops": row.effective_hops,
    }
    return {
        "rank": row.rank,
        "id": entry.id,
        "method": entry.method,
        "kind": entry.kind,
        "tier": standing.tier(entry),
        "form": entry.form,
        "authors": list(entry.authors),
        "links": entry.links.model_dump(mode="json"),
        "parameters": entry.parameters,
        "seeds": len(entry.seeds),
        "page": f"entries/{entry.track}/{entry.id}.html",
        "interval": list(entry.interval),
        "gain": _interval(row.gain),
        "over_first": _interval(row.over_first),
        "over_next": _interval(row.over_next),
        "uneven": row.uneven,
        "numbers": {name: _spread(spread) for name, spread in numbers.items()},
        "profile": (
            {
                f"{tau:g}": _rounded(s)
                for tau, s in zip(TAUS, shares_within(row.ratios), strict=True)
            }
            if standing.real
            else None
        ),
    }


def _spread(spread: Spread | None) -> dict[str, float] | None:
    if spread is None:
        return None
    return {
        "mean": _rounded(spread.mean),
        "min": _rounded(spread.low),
        "max": _rounded(spread.high),
    }


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval._asdict()


def _rounded(value: float) -> float:
    return float(rounded(float(value), 10))


def board_table(standing: Standing) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Return headings and rows of a track for a terminal: means over seeds, best first."""
    real = standing.real
    columns: dict[str, Callable[[RankedRow], Any]] = {
        "iterations": lambda row: row.iterations_mean.mean,
        "95 % interval": lambda row: between(row.interval, real) or None,
        "uneven": lambda row: row.uneven or None,
        "gain": lambda row: row.gain and signed_between(row.gain, real),
        "solved": lambda row: row.solved.mean,
        "effective hops": lambda row: _mean(row.effective_hops),
        "cosine": lambda row: _mean(row.cosine_mean),
        "log10(1-cos)": lambda row: _mean(row.log10_one_minus_cosine_median),
        "n log K": lambda row: _mean(row.n_log_k_median),
        "condition": lambda row: _mean(row.condition_median),
    }
    if standing.ranked_as != "iterations":
        steps = columns.pop("iterations")
        columns = {standing.ranked_as: lambda row: row.score.mean, **columns, "iterations": steps}
    cells = {name: [value(row) for row in standing.rows] for name, value in columns.items()}
    # What no row has is left out.
    cells = {name: column for name, column in cells.items() if any(c is not None for c in column)}
    rows = [
        (standing.rank(row) or "-", row.entry.method, row.entry.kind, *values)
        for row, *values in zip(standing.rows, *cells.values(), strict=True)
    ]
    return ("rank", "method", "kind", *cells), rows


def _mean(spread: Spread | None) -> float | None:
    return None if spread is None else spread.mean


def board_markdown(standings: Sequence[Standing], top: int = 10) -> str:
    """Return the text of ``leaderboard.md``: the first ``top`` ranked rows of every track.

    Oracles between them are shown as well, unless they are exact, and the best learned method
    always.
    """
    parts = ["# Leaderboard\n"]
    for standing in standings:
        parts.append(f"## {markdown(standing.track.title)}\n")
        parts.append(_explanation(standing) + "\n")
        parts.append(_table(standing, top))
    return "\n".join(parts)


def _explanation(standing: Standing) -> str:
    count = len(standing.track.matrices)
    if standing.real:
        text = (
            f"{count} real matrices. Ranked by the area under the performance profile, where the "
            "target scores 0.5 and 16 times fewer iterations on every matrix score 1."
        )
    elif standing.ranked_as == "ratio":
        text = (
            f"{count} matrices of a family. Ranked by the geometric mean of iterations over the "
            "fewest that Jacobi, IC(0), Inv-K or MIC(0) with one of eight relaxations need; "
            f"a failure counts as {standing.track.protocol.maxiter:,} iterations."
        )
    else:
        text = (
            f"{count} synthetic matrices. Ranked by mean iterations; the target needs "
            f"{number(standing.target_iterations)}."
        )
    text += f" Protocol {standing.track.protocol.version}."
    if standing.families > 1:
        text += (
            " Brackets hold 95 % intervals; rows share a rank (=) with the first of them unless "
            "the interval of the difference excludes 0."
        )
    exact = [markdown(row.entry.method) for row in standing.rows if _exact(standing, row)]
    return text + (f" Exact methods, not shown: {', '.join(exact)}." if exact else "")


def _exact(standing: Standing, row: RankedRow) -> bool:
    """An oracle that needs no more than the exact factor does."""
    mean = row.iterations_mean.mean
    exact = standing.target_iterations if standing.track.kind == "synthetic" else 2.0
    return row.rank is None and mean <= exact


def _table(standing: Standing, top: int) -> str:
    real = standing.real
    ranks = standing.ranked_as
    beside = "effective hops" if ranks == "iterations" else "iterations"
    lines = [
        f"| rank | method | kind | tier | {ranks} | {beside} | gain over start | uneven | solved |",
        "| ---: | --- | --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    shown = 0
    for row in standing.rows:
        if _exact(standing, row):
            continue
        shown += row.rank is not None
        if shown > top and row is not standing.best_learned:
            continue
        hops = "" if row.effective_hops is None else f"{row.effective_hops.mean:.1f}"
        cells = (
            standing.rank(row),
            markdown(row.entry.method),
            row.entry.kind,
            standing.tier(row.entry),
            f"{figure(row.score.mean, real)} {between(row.interval, real)}".rstrip(),
            hops if ranks == "iterations" else number(row.iterations_mean.mean),
            "" if row.gain is None else signed_between(row.gain, real),
            str(row.uneven or ""),
            percent(row.solved.mean),
        )
        lines.append("| " + " | ".join(cells) + " |")
    if len(lines) == 2:
        lines.append("| | no entries yet | | | | | | | |")
    return "\n".join(lines) + "\n"
