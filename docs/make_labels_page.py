"""Update the tables of docs/labels.md and draw its figure.

    python docs/make_labels_page.py

Reads benchmarks/results/real_labels.json, which benchmarks/real_labels.py writes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from making import DOCS, listed, markdown_table, paragraph, short, stored, with_parts
from paper.figures import draw_four_labels, six_outcomes
from precondbench.recipes.building.four import FOUR_LABELS

PAGE = DOCS / "labels.md"
FIGURE = DOCS / "figures" / "real-labels.svg"
Row = dict[str, Any]
LABELS = ("ic0", "ic0_shifted", "mic0", "invk")
METHODS = {"none": "none", "jacobi": "Jacobi"} | {label: FOUR_LABELS[label] for label in LABELS}


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
        other = "ic0" if method == "invk" else "invk"
        ratio, name = max(
            (row[f"iterations_{other}"] / row["best_iterations"], row["name"])
            for row in rows
            if row["best_method"] == method and row[f"iterations_{other}"] > 0
        )
        words.append(
            f"{FOUR_LABELS[method]} on {count} ({FOUR_LABELS[other]} needs up to "
            f"{short(ratio)} times as many iterations where it converges, on `{name}`)"
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
        best = FOUR_LABELS.get(row["best_method"], "-")
        names = [row["name"], str(row["n"]), row["family"]]
        lines.append([*names, *counts, f"{row['relaxation_mic0']:g}", best, condition])
    head = ["matrix", "n", "family", *METHODS.values(), "w", "best", "condition"]
    return markdown_table(head, lines)


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
