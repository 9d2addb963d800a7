"""Update the table of ceilings and the figures in the prose of docs/twins.md.

    python docs/make_twins_page.py

Computes mean ceilings from the test splits, and reads cosines of the 0-hop oracle from the entries
of the committed leaderboard.
"""

from __future__ import annotations

import json

from making import DOCS, LEADERBOARD, listed, markdown_table, paragraph, with_parts
from precondbench import SyntheticTridiag
from precondbench.quality import mean_ceiling

PAGE = DOCS / "twins.md"
CONFIGURATIONS = ("twin", "growth", "hard")
REACHES = (1, 2, 4, 7, 10, 16)


def ceilings_table() -> str:
    """Mean ceilings by set and number of columns that see the first entry."""
    lines = []
    for configuration in CONFIGURATIONS:
        for split in ("test", "test_large"):
            data = SyntheticTridiag(split=split, config=configuration)
            ceilings = [f"{mean_ceiling(data, reach):.5f}" for reach in REACHES]
            lines.append([f"`{configuration}`", f"{data.pair(0).A.shape[0]}", *ceilings])
    return markdown_table(["configuration", "rows", *(f"$C_{{{k}}}$" for k in REACHES)], lines)


def gaps() -> str:
    """Share of the gap to 1 that remains when most of the rows are seen."""
    parts = []
    for configuration, reach in (("growth", 30), ("hard", 25)):
        data = SyntheticTridiag(split="test", config=configuration)
        share = (1 - mean_ceiling(data, reach)) / (1 - mean_ceiling(data, 1))
        parts.append(
            f"{100 * share:.0f} % of the gap of $C_1$ remains on `{configuration}` when {reach} of "
            f"{data.pair(0).A.shape[0]} rows are seen"
        )
    return paragraph(
        "The figure shows the gap to 1 that the best local rule must leave, by its reach: "
        f"{listed(parts)}."
    )


def zero_hops() -> str:
    """Mean cosine of the 0-hop rule on `sawtooth` and on `uniform`."""
    cosines = {}
    for configuration in ("sawtooth", "uniform"):
        track = f"synthetic-tridiag-1.0-{configuration}-test"
        path = LEADERBOARD / "entries" / track / "0-hop-oracle.json"
        (seed,) = json.loads(path.read_text(encoding="utf-8"))["seeds"]
        cosines[configuration] = seed["summary"]["cosine_mean"]
    return paragraph(
        "At $n = 50$ the 0-hop rule has a mean cosine of "
        + listed(f"{value:.2f} on `{name}`" for name, value in cosines.items())
        + ". Condition numbers are in [data.md](data.md#synthetic-tridiagonal-pairs)."
    )


def filled(page: str) -> str:
    """Return the page with updated numbers."""
    return with_parts(
        page, {"ceilings": ceilings_table(), "gaps": gaps(), "zero hops": zero_hops()}
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
