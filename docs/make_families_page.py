"""Update the table of docs/families.md on PreCorrector's data.

    python docs/make_families_page.py

Reads benchmarks/results/precorrector_case.json, which benchmarks/precorrector_case.py writes.
"""

from __future__ import annotations

from making import DOCS, markdown_table, paragraph, rewrite, stored, with_parts

PAGE = DOCS / "families.md"


def parts() -> dict[str, str]:
    """Text by mark."""
    case = stored("precorrector_case.json")
    theirs, ours, published = case["mean"]["absolute"], case["mean"]["relative"], case["published"]
    rows = [
        [name, _count(theirs[name]), _count(ours[name]), _count(published.get(name))]
        for name in theirs
    ]
    rows += [[name, "", "", _count(count)] for name, count in published.items() if name not in ours]
    table = markdown_table(["method", "their rule", "rule of this benchmark", "published"], rows)
    ic, learned = published["IC(0)"], published["PreCorrector"]
    best = min((name for name in theirs if name.startswith("MIC")), key=lambda name: theirs[name])
    fewer = {name: f"{100 - 100 * theirs[name] / theirs['IC(0)']:.0f} %" for name in theirs}
    text = paragraph(
        f"Means over {len(case['draws'])} draws. Under their rule IC(0) needs "
        f"{theirs['IC(0)'] / ic:.2f} times the published iterations. Of those of IC(0) "
        f"PreCorrector takes off {100 - 100 * learned / ic:.0f} %, Inv-K {fewer['Inv-K']} "
        f"and {best} {fewer[best]}."
    )
    return {"PreCorrector's data": f"{table}\n\n{text}"}


def _count(mean: float | None) -> str:
    return "" if mean is None else f"{mean:,.0f}"


def filled(page: str) -> str:
    """Return the page with its parts new."""
    return with_parts(page, parts())


if __name__ == "__main__":
    rewrite(PAGE, parts())
