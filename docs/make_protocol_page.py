"""Update the table of coverage in docs/protocol.md.

    python docs/make_protocol_page.py

Reads interval_coverage.json in benchmarks/results, which the benchmark of this name writes.
"""

from __future__ import annotations

from making import DOCS, markdown_table, paragraph, stored, with_parts

PAGE = DOCS / "protocol.md"


def coverage() -> str:
    """One line a track: sizes, coverage of intervals, false differences, and a sentence."""
    found = stored("interval_coverage.json")
    header = ["sizes as in", "families (largest)", "resamples", "holds the mean: normal"]
    header += ["skewed", "2.5 % points: normal", "skewed", "one method, different"]
    lines = []
    for track, row in found["tracks"].items():
        held = [
            f"{100 * row['intervals'][law][kind]:.1f} %"
            for kind in ("leaderboard", "percentiles")
            for law in ("normal", "skewed")
        ]
        lines.append(
            [
                f"`{track}`",
                f"{row['families']} ({row['largest_family']})",
                f"{row['resamples']:,}",
                *held,
                f"{100 * row['differences']['leaderboard']:.1f} %",
            ]
        )
    tracks = found["tracks"].values()
    moves = [row["stability"] for row in tracks]
    means = [100 * row["differences"]["mean of seeds"] for row in tracks]
    text = (
        f"Each share is of {found['rows']:,} simulated rows. With the mean of the seeds alone, "
        f"{min(means):.0f} to {max(means):.0f} % of the pairs count as different. With other bits "
        "for the draws, the ends of the intervals of committed entries move by a standard "
        f"deviation of at most {max(row['median'] for row in moves):.2f} in the third digit in the "
        f"median, and of {sorted(row['largest'] for row in moves)[-2]:.2f} at most, except on "
        f"the smallest track, where resampled means are few and a row's end may move to the next "
        f"one ({max(row['largest'] for row in moves):.0f} in that digit)."
    )
    return f"{markdown_table(header, lines)}\n\n{paragraph(text)}"


def filled(page: str) -> str:
    """Return the page with the table."""
    return with_parts(page, {"coverage": coverage()})


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
