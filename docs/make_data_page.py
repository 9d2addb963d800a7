"""Update the table of locality in docs/data.md.

    python docs/make_data_page.py

Reads benchmarks/results/locality.json, which benchmarks/locality.py writes.
"""

from __future__ import annotations

from typing import Any

from making import DOCS, markdown_table, stored, with_parts

PAGE = DOCS / "data.md"


def locality_table(rows: list[dict[str, Any]]) -> str:
    """Condition, iterations of the k-hop oracles and two cosines, one line per kind and size."""
    hops = list(rows[0]["iterations"])
    shown = (hops[0], "8")
    lines = []
    for row in rows:
        name, _, matrix = row["configuration"].partition(", ")
        power, _, exponent = f"{row['condition_median']:.0e}".partition("e+")
        lines.append(
            [
                f"`{name}`" + (f", ${matrix}$" if matrix else ""),
                str(row["n"]),
                f"{power}e{int(exponent)}",
                *(f"{row['iterations'][k]:.1f}" for k in hops),
                *(f"{row['cosine'][k]:.4f}" for k in shown),
            ]
        )
    head = ["configuration", "rows", "cond", *(f"{k} hop{'s' * (k != '1')}" for k in hops)]
    return markdown_table([*head, *(f"cosine, {k}" for k in shown)], lines)


def filled(page: str) -> str:
    """Return the page with an updated table."""
    return with_parts(page, {"locality": locality_table(stored("locality.json"))})


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
