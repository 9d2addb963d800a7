"""Update the table of results in README.md from the entries of the committed leaderboard.

python docs/make_readme_table.py
"""

from __future__ import annotations

from making import (
    ROOT,
    committed_standings,
    large_families,
    markdown_table,
    mean_over_families,
    rewrite,
    with_parts,
)
from precondbench.leaderboard.board import Standing
from precondbench.leaderboard.scoring.ranking import RankedRow
from precondbench.leaderboard.site.text import between, figure, number, percent

PAGE = ROOT / "README.md"
SYNTHETIC = ("synthetic-tridiag-1.0-uniform-test", "synthetic-tridiag-1.0-twin-test")
REAL = "suitesparse-invk-2.0-tril-all"
CLASSICAL = ("inv-k", "ic-0", "mic-0-tuned", "local-patch-inv-k-k-3", "jacobi")
# Of these kinds so many of the best rows of every track, the model for all families, and the graph
# network that most know.
BEST = {"fitted": 1, "learned": 2}
ALWAYS = ("learnedchoice-1-round", "gatv2-4-rounds")


def _rows(board: list[Standing]) -> list[str]:
    """Return the entries in the table, each with one model on all tracks."""
    chosen = [*CLASSICAL]
    for kind, count in BEST.items():
        rows = [
            row
            for standing in board
            for row in [row for row in standing.rows if row.entry.kind == kind][:count]
        ]
        chosen += [row.entry.id for row in rows]
    # In the order of their first track, each once.
    return list(dict.fromkeys([*chosen, *ALWAYS]))


def _score(row: RankedRow | None, real: bool) -> str:
    if row is None:
        return ""
    return f"{figure(row.score.mean, real)} {between(row.interval, real)}".rstrip()


def table() -> str:
    """One line a row of the boards: iterations on synthetic sets and families, area on real."""
    known = {standing.track.id: standing for standing in committed_standings()}
    board = [known[track] for track in (*SYNTHETIC, REAL)]
    families = large_families()
    header = ["method", "kind", "`uniform`: iterations", "`twin`: iterations"]
    header += ["families: iterations over the best", "real: area", "real: rank", "real: solved"]
    lines = []
    for name in _rows(board):
        found = [standing.by_id.get(name) for standing in board]
        drawn = families[0].by_id.get(name)
        first = next((row for row in (*reversed(found), drawn) if row is not None), None)
        if first is None:
            continue
        *synthetic, real = found
        cells = [first.entry.method, first.entry.kind]
        cells += [_score(row, real=False) for row in synthetic]
        mean = mean_over_families(name)
        cells += ["" if mean is None else number(mean), _score(real, real=True), "", ""]
        if real is not None:
            cells[-2:] = [board[-1].rank(real), percent(real.solved.mean)]
        lines.append(cells)
    return markdown_table(header, lines, words=2)


def filled(page: str) -> str:
    """Return the page with an updated table."""
    return with_parts(page, {"results": table()})


if __name__ == "__main__":
    rewrite(PAGE, {"results": table()})
