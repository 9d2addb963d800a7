"""Update the tables of docs/labels.md and draw its figure.

    python docs/make_labels_page.py

Reads benchmarks/results/real_labels.json, which benchmarks/real_labels.py writes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from making import DOCS, listed, markdown_table, paragraph, short, stored, with_parts
from paper.figures import draw_four_labels, six_outcomes

PAGE = DOCS / "labels.md"
FIGURE = DOCS / "figures" / "real-labels.svg"
Row = dict[str, Any]
NAMES = {"invk": "Inv-K", "ic0": "IC(0)", "ic0_shifted": "shifted IC(0)", "mic0": "MIC(0)"}
METHODS = ("none", "jacobi", "ic0", "ic0_shifted", "mic0", "invk")


def cases_table(rows: list[Row], unsolved: int) -> str:
    """Cases of the figure with their shares."""
    counts = six_outcomes(rows, unsolved)
    total = sum(counts.values())
    lines = [[case, str(count), f"{count / total:.0%}"] for case, count in counts.items()]
    return markdown_table(["case", "matrices", "share"], lines)


def best_text(rows: list[Row]) -> str:
    """How often each label is the best, and by how much at most."""
    best = Counter(row["best_method"] for row in rows)
    words = []
    for method, count in best.most_common():
        others = [
            (row[f"iterations_{other}"] / row["best_iterations"], row["name"])
            for row in rows
            if row["best_method"] == method
            for other in ("ic0" if method == "invk" else "invk",)
            if row[f"iterations_{other}"] > 0
        ]
        against = "IC(0)" if method == "invk" else "Inv-K"
        ratio, name = max(others)
        words.append(
            f"{NAMES[method]} on {count} ({against} needs up to {short(ratio)} times as many "
            f"iterations where it converges, on `{name}`)"
        )
    return paragraph(f"Of {len(rows)} matrices with a label, the best is " + listed(words) + ".")


def matrices_table(rows: list[Row]) -> str:
    """Iterations with each method, or how the solve failed."""
    lines = []
    for row in rows:
        counts = [
            str(row[f"iterations_{method}"])
            if row[f"iterations_{method}"] != -1
            else row[f"status_{method}"]
            .replace("iteration-limit", "limit")
            .replace("too dear", "too costly")
            for method in METHODS
        ]
        condition = "-" if row["condition"] is None else f"{row['condition']:.1e}"
        best = NAMES.get(row["best_method"], "-")
        names = [row["name"], str(row["n"]), row["family"]]
        lines.append([*names, *counts, f"{row['relaxation_mic0']:g}", best, condition])
    head = ["matrix", "n", "family", "none", "Jacobi", "IC(0)", "shifted IC(0)", "MIC(0)", "Inv-K"]
    return markdown_table([*head, "w", "best", "condition"], lines)


def filled(page: str) -> str:
    """Return the page with updated tables."""
    found = stored("real_labels.json")["tril"]
    rows, unsolved = found["all"], found["unsolved"]
    return with_parts(
        page,
        {
            "cases": cases_table(rows, len(unsolved)),
            "best": best_text(rows),
            "matrices": matrices_table(rows + unsolved),
        },
    )


def main() -> None:
    """Rewrite the page and the figure."""
    found = stored("real_labels.json")["tril"]
    draw_four_labels(found["all"], len(found["unsolved"]), FIGURE)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
