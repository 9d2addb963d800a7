"""Update the tables and observations of docs/nonsymmetric.md.

    python docs/make_nonsymmetric_page.py

Reads the entries of the committed leaderboard and benchmarks/results/nonsymmetric.json, which
benchmarks/nonsymmetric.py writes.
"""

from __future__ import annotations

from typing import Any

from making import (
    DOCS,
    bullets,
    committed_board,
    listed,
    markdown_table,
    short,
    stored,
    with_parts,
)
from precondbench.leaderboard.entries import Leaderboard

PAGE = DOCS / "nonsymmetric.md"
CONFIGURATIONS = ("uniform", "growth", "twin", "convection")
# Names and entries of the rows, in the order of the table.
METHODS = {
    "none": "none",
    "Jacobi": "jacobi",
    "Gauss-Seidel": "gauss-seidel",
    **{f"{hops}-hop oracle": f"{hops}-hop-oracle" for hops in (0, 1, 2, 4, 8, 16, 32)},
    "exact factors, ILU(0)": "ilu-0",
}


def boards_of(leaderboard: Leaderboard) -> list[dict[str, Any]]:
    """Summaries of the methods on each track, by configuration and size."""
    boards = []
    for configuration in CONFIGURATIONS:
        for split in ("test", "test-large"):
            track = f"synthetic-tridiag-lu-1.0-{configuration}-{split}"
            rows = [
                {"method": name, **leaderboard.entries[track][entry].seeds[0].summary}
                for name, entry in METHODS.items()
            ]
            n = leaderboard.tracks[track].matrices[0].n
            boards.append({"configuration": configuration, "n": n, "rows": rows})
    return boards


def _heading(board: dict[str, Any]) -> str:
    return f"`{board['configuration']}`, {board['n']}"


def _iterations(row: dict[str, Any]) -> str:
    text = f"{row['iterations_mean']:,.1f}"
    return text if row["solved"] == 1.0 else f"{text} ({100 * row['solved']:.4g} %)"


def boards_table(boards: list[dict[str, Any]], cosine: bool) -> str:
    """One line per method, one column per split: mean iterations, or mean cosine."""
    lines = []
    for k, row in enumerate(boards[0]["rows"]):
        cells = [board["rows"][k] for board in boards]
        assert all(cell["method"] == row["method"] for cell in cells)
        shown = [f"{c['cosine_mean']:.4f}" if cosine else _iterations(c) for c in cells]
        lines.append([row["method"], *shown])
    return markdown_table(["method", *map(_heading, boards)], lines)


def matrices_table(results: dict[str, Any]) -> str:
    """One line per matrix, one column per method; the status where it did not converge."""
    methods = list(results["matrices"][0]["methods"])
    lines = []
    for entry in results["matrices"]:
        found = [entry["methods"][name] for name in methods]
        cells = [
            f"{one['iterations']:,}" if one["status"] == "converged" else one["status"]
            for one in found
        ]
        lines.append([entry["matrix"], f"{entry['n']:,}", f"{entry['nnz']:,}", *cells])
    return markdown_table(["matrix", "n", "entries", *methods], lines)


def observations(boards: list[dict[str, Any]]) -> str:
    """What the tables show on cosines, short windows and local rules, as a list."""
    found = {
        (board["configuration"], board["n"], row["method"]): row
        for board in boards
        for row in board["rows"]
    }
    two, exact = (found["twin", 20, name] for name in ("2-hop oracle", "exact factors, ILU(0)"))
    windows = [
        (name, found["uniform", 200, name]["iterations_mean"])
        for name in ("0-hop oracle", "1-hop oracle", "2-hop oracle")
    ]
    worse = [
        f"on `{configuration}` at n = {n} they solve {100 * row['solved']:.3g} % with a mean "
        f"cosine of {row['cosine_mean']:.2f}, and no preconditioner solves "
        f"{100 * none['solved']:.3g} % in {short(none['iterations_mean'])} steps"
        for (configuration, n, method), row in found.items()
        if method == "0-hop oracle"
        and (none := found[configuration, n, "none"])["iterations_mean"] < row["iterations_mean"]
    ]
    return bullets(
        (
            f"A high cosine does not imply few steps: on `twin` at n = 20 the 2-hop oracle has "
            f"{two['cosine_mean']:.3f} and needs {short(two['iterations_mean'])} steps, the exact "
            f"factors {short(exact['iterations_mean'])}.",
            "Short windows cost restarts: on `uniform` at n = 200 "
            + listed(f"the {name} needs {value:.0f} steps" for name, value in windows)
            + ".",
            "A local rule may be worse than no preconditioner. Where the 0-hop factors need more "
            f"steps: {'; '.join(worse)}. Their pivots are too small, and the triangular solves "
            "grow from row to row."
            if worse
            else "",
        )
    )


def tables(boards: list[dict[str, Any]], results: dict[str, Any]) -> dict[str, str]:
    """Mark -> text."""
    return {
        "boards": boards_table(boards, cosine=False),
        "cosines": boards_table(boards, cosine=True),
        "observations": observations(boards),
        "matrices": matrices_table(results),
    }


def filled(page: str) -> str:
    """Return the page with updated tables and observations."""
    boards = boards_of(committed_board())
    return with_parts(page, tables(boards, stored("nonsymmetric.json")))


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
