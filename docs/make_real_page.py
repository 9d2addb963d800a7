"""Update docs/real.md from the committed leaderboard.

python docs/make_real_page.py
"""

from __future__ import annotations

import re
from statistics import geometric_mean, median

from making import (
    DOCS,
    committed_standings,
    counted,
    listed,
    markdown_table,
    paragraph,
    rewrite,
    short,
    span,
    stored,
    with_parts,
)
from precondbench.leaderboard.board import INVK, Standing
from precondbench.leaderboard.scoring.intervals import Interval, Resampled
from precondbench.leaderboard.scoring.ranking import RankedRow, ranked_by
from precondbench.leaderboard.site.text import between, figure, percent, signed_between

PAGE = DOCS / "real.md"
GIVEN = "suitesparse-invk-2.0-tril-all"
ORDERS = {
    GIVEN: "given",
    "suitesparse-invk-2.0-tril-rcm-all": "reverse Cuthill-McKee",
    "suitesparse-invk-2.0-tril-minimum-degree-all": "minimum degree",
}
LOCAL = "local-patch-inv-k-k-3"
TARGET = 0.03
SECONDS_AN_HOUR = 3600.0


def _boards() -> dict[str, Standing]:
    known = {standing.track.id: standing for standing in committed_standings()}
    return {track: known[track] for track in ORDERS if track in known}


def _ranked(board: Standing) -> list[RankedRow]:
    return [row for row in board.rows if row.entry.kind != "oracle"]


def _half(row: RankedRow) -> float:
    return (row.interval.high - row.interval.low) / 2.0


def _area(area: Interval) -> str:
    return f"{figure(area.mean, True)} {between(area, True)}"


def board_table(board: Standing) -> str:
    """Every row with its area, half of the width of its interval, and the share solved."""
    lines = [
        [
            board.rank(row),
            row.entry.method,
            row.entry.kind,
            _area(row.interval),
            figure(_half(row), True),
            percent(row.solved.mean),
        ]
        for row in board.rows
    ]
    head = ["rank", "method", "kind", "area", "half-width", "solved"]
    return markdown_table(head, lines, words=3)


def widths_text(board: Standing) -> str:
    """How wide the intervals are, and whether Inv-K is told from a patch of three hops."""
    rows = _ranked(board)
    narrow = [row for row in rows if _half(row) <= TARGET]
    families = [matrix.family for matrix in board.track.matrices]
    inverse, local = (
        Resampled(ranked_by(board.track), families, board.by_id[name].evaluations)
        for name in (INVK, LOCAL)
    )
    difference = inverse.minus(local)
    told = "holds" if difference.holds_zero else "excludes"
    return paragraph(
        f"Half of the width of the interval is {figure(_half(board.by_id[INVK]), True)} for Inv-K, "
        f"and at most {TARGET} for {counted(len(narrow), len(rows), 'rows')}; the median is "
        f"{figure(median(map(_half, rows)), True)}. There are {len(set(families))} families. The "
        f"difference between Inv-K and Inv-K of patches of three hops is "
        f"{signed_between(difference, True)}, which {told} zero."
    )


def _mean(row: RankedRow) -> float:
    return geometric_mean(
        max(count, 1) for seed in row.evaluations for count in seed.penalised_iterations
    )


def orders_table(boards: dict[str, Standing]) -> str:
    """Iterations and shares solved of rows that are on the boards of all orders."""
    common = set.intersection(*(set(board.by_id) for board in boards.values()))
    lines = []
    for row in boards[GIVEN].rows:
        if row.entry.id in common:
            found = [board.by_id[row.entry.id] for board in boards.values()]
            cells = [f"{short(_mean(one))} ({percent(one.solved.mean)})" for one in found]
            lines.append([row.entry.method, *cells])
    return markdown_table(["method", *(ORDERS[track] for track in boards)], lines)


def learned_table(board: Standing) -> str:
    """Networks, with what training gave and took: rows of the board, and those of one seed."""
    found = []
    for row in board.rows:
        if row.entry.kind != "learned" or row.gain is None:
            continue
        seeds = len(row.evaluations)
        hours = (row.entry.seconds.training or 0.0) * seeds / SECONDS_AN_HOUR
        course = r"(\d+) epochs, (\d+) steps, best epoch (\d+)"
        runs = [tuple(map(int, run)) for run in re.findall(course, row.entry.training or "")]
        judged = row.entry.method, row.interval, row.gain, row.solved.mean
        found.append((*judged, seeds, runs, hours))
    for one in stored("one_seed.json")["rows"]:
        judged = one["method"], Interval(*one["area"]), Interval(*one["gain"]), one["solved"]
        hours = one["seconds"] / SECONDS_AN_HOUR
        runs = list(zip(one["epochs"], one["steps"], one["best_epochs"], strict=True))
        found.append((*judged, 1, runs, hours))
    lines = [
        [
            method,
            _area(area),
            signed_between(gain, True),
            percent(solved),
            str(seeds),
            span(steps for _, steps, _ in runs),
            span(steps // epochs * best for epochs, steps, best in runs),
            short(hours),
        ]
        for method, area, gain, solved, seeds, runs, hours in sorted(
            found, key=lambda one: -one[1].mean
        )
    ]
    head = ["method", "area", "gain over its start", "solved", "seeds"]
    head += ["steps of a model", "best step", "core-hours of all seeds"]
    return markdown_table(head, lines)


def ahead_text(board: Standing) -> str:
    """Which networks gain, and which are ahead of Inv-K."""
    rows = [row for row in board.rows if row.entry.kind == "learned" and row.gain is not None]
    gaining = [row.entry.method for row in rows if row.gain is not None and row.gain.low > 0.0]
    ones = stored("one_seed.json")["rows"]
    ones_gaining = [one["method"] for one in ones if Interval(*one["gain"]).low > 0.0]
    areas = {row.entry.method: row.score.mean for row in rows}
    areas |= {one["method"]: one["area"][0] for one in ones}
    invk = board.by_id[INVK].score.mean
    (alone,) = (one for one in ones if one["method"].startswith("MLP "))
    most = max((one for one in ones if one is not alone), key=lambda one: one["area"][0])
    return paragraph(
        f"The interval of the gain is above zero for {listed(gaining)}, and with one seed for "
        f"{counted(len(ones_gaining), len(ones))} networks. The area is larger than that of Inv-K "
        f"for {listed(name for name, area in areas.items() if area > invk)}. Of the networks with "
        f"one seed that pass messages {most['method']} has the largest area, "
        f"{_area(Interval(*most['area']))}; MLP, which passes none, has "
        f"{_area(Interval(*alone['area']))}."
    )


def order_text() -> str:
    """What LearnedOrder gains, and how it compares."""
    found = stored("orders.json")
    learned, gain = found["learned"], Interval(**found["gain"])
    area = Interval(*learned["area"])
    differences = {
        "Inv-K": Interval(*learned["inv-k"]),
        "Inv-K after RCM": Interval(*learned["inv-k-after-rcm"]),
    }
    over = [
        f"{signed_between(difference, True)} over {method}"
        for method, difference in differences.items()
    ]
    alike = [method for method, difference in differences.items() if difference.holds_zero]
    told = f" It cannot be told from {listed(alike)}." if alike else ""
    steps = [step for row in found["seeds"] for step in row["best_steps"]]
    seconds = sum(row["seconds"] for row in found["seeds"])
    best = figure(found["best"]["area"][0], True)
    return paragraph(
        f"Its area is {_area(area)}, "
        f"{signed_between(gain, True)} over its untrained start, which takes IC(0) with the "
        f"smallest shift in the order given: {listed(over)}.{told} It solves "
        f"{percent(sum(found['solved']) / len(found['solved']))} of the matrices. The best of the "
        f"candidates on each matrix, in hindsight, has area {best}. "
        f"Over {len(found['seeds'])} seeds and five folds the best step is {span(steps)}, and "
        f"training takes {short(seconds)} s in all."
    )


def taken_table() -> str:
    """How often each candidate is taken."""
    taken = stored("orders.json")["taken"]
    total = sum(taken.values())
    rows = [
        [*name.split(", ", 1), f"{count / total:.1%}"]
        for name, count in sorted(taken.items(), key=lambda one: -one[1])
    ]
    return markdown_table(["order", "formula", "share"], rows, words=2)


def parts() -> dict[str, str]:
    """Return what the page shows of the boards."""
    boards = _boards()
    board = boards[GIVEN]
    return {
        "board": board_table(board),
        "widths": widths_text(board),
        "orders": orders_table(boards),
        "learned": learned_table(board),
        "ahead": ahead_text(board),
        "order": order_text(),
        "taken": taken_table(),
    }


def filled(page: str) -> str:
    """Return the page with updated tables."""
    return with_parts(page, parts())


if __name__ == "__main__":
    rewrite(PAGE, parts())
