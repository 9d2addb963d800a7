"""Update the tables of docs/ledger.md.

    python docs/make_ledger_page.py

Reads benchmarks/results/ledger/*.json, which the scripts of benchmarks/ledger write.
"""

from __future__ import annotations

from typing import Any

from making import DOCS, markdown_table, paragraph, rewrite, stored, with_parts
from precondbench.leaderboard.site.text import percent

PAGE = DOCS / "ledger.md"
METHODS = ("neural_if", "precorrector")
WITHIN = 0.1


def _cases() -> list[tuple[str, dict[str, Any]]]:
    """Name of the method and case, sorted as the table shows them."""
    found = []
    for name in METHODS:
        content = stored(f"ledger/{name}.json")
        found += [(content["method"], case) for case in content["cases"]]
    return sorted(found, key=lambda one: (one[0], _case(one[1]["case"]), one[1]["seed"]))


def _ratio(case: dict[str, Any], method: str) -> float:
    return float(case["measured"][method]["mean"] / case["printed"][method])


def _case(case: dict[str, Any]) -> str:
    if "side" in case:
        return f"{case['side']} x {case['side']}, variance {case['variance']:g}"
    return f"n = {case['n']:,}"


def ledger_table(cases: list[tuple[str, dict[str, Any]]]) -> str:
    """Printed and measured numbers."""
    lines = []
    for method, case in cases:
        cells = [method, _case(case["case"])]
        for name in ("IC(0)", method):
            if name in case["printed"]:
                printed, ratio = f"{case['printed'][name]:g}", f"{_ratio(case, name):.2f}"
            else:
                printed = ratio = ""
            cells += [printed, f"{case['measured'][name]['mean']:g}", ratio]
        sizes = [f"{case[key]:,}" for key in ("parameters", "steps")]
        lines.append([*cells, *sizes, f"{case['seconds'] / 3600:.2f}"])
    head = ["method", "case", "IC(0), printed", "IC(0), here", "ratio", "printed", "here", "ratio"]
    return markdown_table([*head, "parameters", "steps", "hours"], lines, words=2)


def findings_text(cases: list[tuple[str, dict[str, Any]]]) -> str:
    """How many are within the bound."""
    near = [case for method, case in cases if abs(_ratio(case, method) - 1.0) <= WITHIN]
    return paragraph(
        f"Iterations, means over the test matrices, one seed. Within {percent(WITHIN)} of the "
        f"printed number: {len(near)} of {len(cases)}. Hours of training are those of the clock, "
        "on one core that had other work as well."
    )


def course_text(cases: list[tuple[str, dict[str, Any]]]) -> str:
    """How the iterations of NeuralIF on validation matrices fell."""
    (case,) = (case for method, case in cases if method == "NeuralIF")
    checks = case["validation"]
    return paragraph(
        f"Training took {case['steps']:,} steps of their 100,000. On ten validation matrices the "
        f"means fell from {checks[0]:g} iterations after {case['checked_every']} steps to "
        f"{min(checks):g} after {case['best_step']:,}, whose weights are taken."
    )


def parts() -> dict[str, str]:
    """Return what the page shows."""
    cases = _cases()
    return {
        "ledger": ledger_table(cases),
        "findings": findings_text(cases),
        "course": course_text(cases),
    }


def filled(page: str) -> str:
    """Return the page with updated tables."""
    return with_parts(page, parts())


if __name__ == "__main__":
    rewrite(PAGE, parts())
