"""Update the table of errors in docs/mathematics.md.

    python docs/make_mathematics_page.py

Reads benchmarks/results/invk_accuracy.json, which benchmarks/invk_accuracy.py writes.
"""

from __future__ import annotations

from typing import Any

from making import DOCS, listed, markdown_table, paragraph, stored, with_parts

PAGE = DOCS / "mathematics.md"
METHODS = ("simplicial", "supernodal")


def accuracy_table(cases: list[dict[str, Any]]) -> str:
    """Errors and residuals of both methods, by condition number."""
    lines = [
        [
            f"{case['condition']:.0e}",
            str(case["n"]),
            *(f"{case[method][key]:.0e}" for method in METHODS for key in ("error", "residual")),
        ]
        for case in sorted(cases, key=lambda case: float(case["condition"]))
    ]
    head = ["cond(A)", "n", *(text for method in METHODS for text in (method, "its residual"))]
    return markdown_table(head, lines, words=0)


def warnings(cases: list[dict[str, Any]]) -> str:
    """Cases in which each method warns, with its error."""
    parts = []
    for method in METHODS:
        warned = [case for case in cases if case[method]["warned"]]
        quiet = max(case[method]["error"] for case in cases if not case[method]["warned"])
        where = listed(f"cond(A) = {case['condition']:.0e}" for case in warned)
        parts.append(
            f"the {method} method warns for {where}; without a warning its error is at "
            f"most {quiet:.1e}"
        )
    return paragraph(f"{'. '.join(text[0].upper() + text[1:] for text in parts)}.")


def filled(page: str) -> str:
    """Return the page with an updated table."""
    cases = stored("invk_accuracy.json")["cases"]
    return with_parts(page, {"accuracy": accuracy_table(cases), "warnings": warnings(cases)})


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
