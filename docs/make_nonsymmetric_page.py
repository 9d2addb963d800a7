"""Update the tables of docs/nonsymmetric.md.

    python docs/make_nonsymmetric_page.py

Reads benchmarks/results/nonsymmetric.json, which benchmarks/nonsymmetric.py writes.
"""

from __future__ import annotations

from typing import Any

from making import DOCS, markdown_table, rewrite, stored, with_parts

PAGE = DOCS / "nonsymmetric.md"


def _heading(board: dict[str, Any]) -> str:
    return f"`{board['configuration']}`, {board['n']}"


def _iterations(row: dict[str, Any]) -> str:
    text = f"{row['iterations_mean']:,.1f}"
    return text if row["solved"] == 1.0 else f"{text} ({100 * row['solved']:.4g} %)"


def boards_table(results: dict[str, Any], cosine: bool) -> str:
    """One line per method, one column per split: mean iterations, or mean cosine."""
    boards = results["boards"]
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


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Mark -> table."""
    return {
        "boards": boards_table(results, cosine=False),
        "cosines": boards_table(results, cosine=True),
        "matrices": matrices_table(results),
    }


def filled(page: str, results: dict[str, Any]) -> str:
    """Return the page with updated tables."""
    return with_parts(page, tables(results))


if __name__ == "__main__":
    rewrite(PAGE, tables(stored("nonsymmetric.json")))
