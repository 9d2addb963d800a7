"""Update the tables of docs/unsolved.md.

    python docs/make_unsolved_page.py

Reads benchmarks/results/attainable.json, which benchmarks/attainable.py writes, and the committed
leaderboard.
"""

from __future__ import annotations

from typing import Any

from making import (
    DOCS,
    committed_standings,
    counted,
    listed,
    markdown_table,
    paragraph,
    short,
    stored,
    with_parts,
)
from precondbench.quality import RTOL

PAGE = DOCS / "unsolved.md"
TRACK = "suitesparse-invk-2.0-tril-unsolved"


def attainable_table(rows: list[dict[str, Any]]) -> str:
    """Condition and attainable residual of each matrix."""
    lines = [
        [
            f"`{row['name']}`",
            f"{row['n']:,}",
            f"{row['condition']:.1e}",
            f"{row['attainable']:.1e}",
            short(row["share_of_rows"]),
        ]
        for row in rows
    ]
    return markdown_table(
        ["matrix", "n", "condition", "residual of the rounded solution", "rows"], lines
    )


def attainable_text(unsolved: list[dict[str, Any]], solved: list[dict[str, Any]]) -> str:
    """How the attainable residuals of both splits compare with the tolerance."""
    above = [row for row in unsolved if row["attainable"] > RTOL]
    largest = max(solved, key=lambda row: row["attainable"])
    others = [row for row in solved if row["attainable"] > RTOL]
    share = counted(len(above), len(unsolved), "matrices").capitalize()
    return paragraph(
        f"{share} of split `unsolved` have such a residual above the tolerance, and "
        f"{counted(len(others), len(solved))} of those of split `all` that were measured; the "
        "largest of these is "
        f"{largest['attainable']:.1e} (`{largest['name']}`)."
    )


def board_text() -> str:
    """Which rows of the board solve which matrices."""
    (board,) = (one for one in committed_standings() if one.track.id == TRACK)
    names = [matrix.name for matrix in board.track.matrices]
    found = []
    for row in board.rows:
        solved = [
            f"`{name}`"
            for name, *seeds in zip(names, *(one.solved for one in row.evaluations), strict=True)
            if any(seeds)
        ]
        if solved:
            oracle = " (an exact factor)" if row.entry.kind == "oracle" else ""
            found.append(f"{row.entry.method}{oracle} solves {listed(solved)}")
    return paragraph(f"Of {len(board.rows)} rows, {listed(found)}; the others solve none.")


def solved_table(rows: list[dict[str, Any]]) -> str:
    """Iterations and errors of each method on each matrix."""
    methods = list(rows[0]["with_solution"])
    lines = []
    for row in rows:
        cells = []
        for method in methods:
            found = row["with_solution"][method]
            solved = found["status"] == "converged"
            cells.append(str(found["iterations"]) if solved else found["status"])
            cells.append(f"{found['error']:.0e}" if "error" in found else "")
        lines.append([f"`{row['name']}`", *cells])
    head = [text for method in methods for text in (method, "error of x")]
    return markdown_table(["matrix", *head], lines)


def solved_text(rows: list[dict[str, Any]]) -> str:
    """How many matrices each method solves."""
    counts = [
        f"{method} {sum(row['with_solution'][method]['status'] == 'converged' for row in rows)}"
        for method in rows[0]["with_solution"]
    ]
    # The largest error of a solve that met the tolerance.
    error, method, name = max(
        (found["error"], method, row["name"])
        for row in rows
        for method, found in row["with_solution"].items()
        if found["status"] == "converged"
    )
    return paragraph(
        f"Of {len(rows)} matrices {listed(counts)}. A small residual is not a small error here: on "
        f"`{name}` {method} meets the tolerance with a relative error of {short(error)}."
    )


def filled(page: str) -> str:
    """Return the page with updated tables."""
    found = stored("attainable.json")
    return with_parts(
        page,
        {
            "attainable": attainable_table(found["unsolved"]),
            "attainable text": attainable_text(found["unsolved"], found["all"]),
            "board": board_text(),
            "solved": solved_table(found["unsolved"]),
            "solved text": solved_text(found["unsolved"]),
        },
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
