"""Update the tables of docs/suitesparse.md and draw its figure.

    python docs/make_suitesparse_page.py

Reads the manifest and benchmarks/results/invk_against_ic0.json, which docs/make_results_page.py
writes where the data are in the cache.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from making import DOCS, markdown_table, stored, with_parts
from paper.figures import draw_invk_against_ic0, five_outcomes
from precondbench.shards import load_manifest

PAGE = DOCS / "suitesparse.md"
FIGURE = DOCS / "figures" / "invk-against-ic0.svg"
METHODS = ("none", "jacobi", "ic0", "invk")
# Outcomes of the manifest that the page words differently.
SHOWN = {"too dear": "too expensive"}


def cell(value: object) -> str:
    """Format a number for the table."""
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def iterations(row: dict[str, object], method: str) -> str:
    """Iterations, or how the solve failed."""
    count = row[f"iterations_{method}"]
    return str(count) if count != -1 else str(row[f"status_{method}"])


def parts(results: dict[str, Any]) -> dict[str, str]:
    """Mark -> text."""
    sources = load_manifest().sources_of("1.0")
    outcomes = Counter(source.outcome for source in sources)
    counted = five_outcomes(results["matrices"], results["neither"])
    total = sum(counted.values())
    matrices = [
        [
            *(cell(row[key]) for key in ("name", "n", "nnz", "split")),
            *(iterations(row, method) for method in METHODS),
            *(cell(row[k]) for k in ("n_log_k_ic0", "n_log_k_invk", "winner", "condition_scaled")),
        ]
        for row in results["matrices"]
    ]
    head = ["matrix", "n", "entries of L", "split", "none", "Jacobi", "IC(0)", "Inv-K"]
    head += ["n log K, IC(0)", "n log K, Inv-K", "winner", "condition"]
    return {
        "index": (
            f"The collection's index of 8 October 2020 marks {len(sources)} real matrices with\n"
            "n < 50,000 as symmetric positive definite. Their outcomes:"
        ),
        "outcomes": markdown_table(
            ["outcome", "matrices"],
            [[SHOWN.get(name, name), str(count)] for name, count in outcomes.most_common()],
        ),
        "cases": markdown_table(
            ["case", "matrices", "share"],
            [[case, str(count), f"{count / total:.0%}"] for case, count in counted.items()],
        ),
        "matrices": markdown_table(head, matrices),
        "excluded": markdown_table(
            ["matrix", "n", "outcome"],
            [
                [
                    f"{source.group}/{source.name}",
                    str(source.n),
                    SHOWN.get(source.outcome, source.outcome),
                ]
                for source in sources
                if source.outcome != "built"
            ],
        ),
    }


def filled(page: str) -> str:
    """Return the page with updated tables."""
    return with_parts(page, parts(stored("invk_against_ic0.json")))


def main() -> None:
    """Rewrite the page and the figure."""
    results = stored("invk_against_ic0.json")
    draw_invk_against_ic0(results["matrices"], results["neither"], FIGURE)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
