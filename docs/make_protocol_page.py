"""Update the measured parts of docs/protocol.md.

    python docs/make_protocol_page.py

Reads check_bands.json, interval_coverage.json, lockstep.json and recompute.json in
benchmarks/results, which the benchmarks of these names write.
"""

from __future__ import annotations

from typing import Any

from making import DOCS, counted, listed, markdown_table, paragraph, short, stored, with_parts
from precondbench.leaderboard.submissions.tolerance import TRAINED_AGAIN

PAGE = DOCS / "protocol.md"
SIDES = ("one side", "four sides")
# Choices of the kernels, and what they are called in the table.
CHOICES = {
    ("forward substitution", "product by the reciprocal"): (
        "reciprocals multiplied in at the end of a row"
    ),
    ("forward substitution", "division"): "division at the end of a row",
    ("backward substitution, and r^T z", "rows of L, then r^T z"): (
        "backward substitution by the rows of $L$ (the same bits)"
    ),
    ("backward substitution, and r^T z", "rows of L^T, then r^T z"): (
        "$r^T z$ after the substitution, first row to last"
    ),
    ("A p and p^T A p", "one after the other"): "$p^T A p$ after the product (the same bits)",
    ("a dot product", "one sum"): "inner products in one sum",
    ("a dot product", "eight sums"): "inner products in eight sums",
}
# Fields of the comparison of outcomes, how they are shown, and what they are called.
OUTCOMES = {
    "matrices": ("matrices", "{:,}"),
    "same iterations": ("with the same iterations", "{:.0%}"),
    "most steps apart": ("most steps apart", "{}"),
    "largest share apart, beyond one step": ("largest share apart, beyond one step", "{:.1%}"),
    "largest change of a mean": ("largest change of a mean", "{:.2%}"),
    "largest change of 1 - cosine": ("largest change of 1 - cosine", "{:.1e}"),
    "largest change of condition": ("largest change of the condition number", "{:.1e}"),
    "outside the band": ("outside the band", "{:.1%}"),
}
KINDS = ("trained, same sides", "trained, own sides", "start, same sides", "start, own sides")
TOGETHER = "all of these"


def lockstep() -> str:
    """Cost of one and of four sides, and of what was left out."""
    found = stored("lockstep.json")
    ratios, choices = found["to_one_side_of_0.1.0"], found["choices"]
    names = {
        "PCG": "PCG with IC(0)",
        "GMRES": f"GMRES with ILU(0), first {found['iterations']} steps",
    }
    cost = [
        [label, "1", *(f"{ratios[f'{solver}, {sides}']:.2f}" for sides in SIDES)]
        for solver, label in names.items()
    ]
    others = [
        [label, *(f"{choices[sides][part][case]['ratio']:.2f}" for sides in SIDES)]
        for (part, case), label in CHOICES.items()
    ]
    text = (
        "These were chosen by measurement (`benchmarks/lockstep.py`, IC(0) on the 5-point "
        f"Laplacian with {found['n']:,} unknowns, processor time in one run):"
    )
    return "\n\n".join(
        [
            paragraph(text),
            markdown_table(["an iteration", "one side of version 0.1.0", *SIDES], cost),
            markdown_table(["left out", "time of the part, one side", "four sides"], others),
        ]
    )


def processors() -> str:
    """Which outcomes of reference rows other instructions change."""
    found = stored("recompute.json")["scores"]
    names = [
        f"{library} without AVX" if kind == "no AVX" else f"{library} for {kind}"
        for library, kind in (setting.split(": ") for setting in found)
    ]
    moved = {
        field: max(row[field]["largest"] for row in found.values() if field in row)
        for field in sorted({field for row in found.values() for field in row})
    }
    changed = (
        listed(
            f"`{field}` (by at most {largest:.0e}, relative)" for field, largest in moved.items()
        )
        if moved
        else "none"
    )
    return paragraph(
        "`benchmarks/recompute.py scores` computes reference rows of three tracks again, with "
        f"{listed(names)}. Fields of outcomes and tracks that differ: {changed}."
    )


def entries() -> str:
    """How far entries lie apart that were predicted by two processors."""
    found = stored("check_bands.json")["entries"]
    lines = []
    for track, row in found.items():
        cells = [f"`{track}`", str(row["same sides"]["models"])]
        for sides in ("same sides", "own sides"):
            cells += [
                f"{100 * row[sides][what]:.{digits}f} %"
                for what, digits in (("outside the band", 1), ("largest change of a mean", 2))
            ]
        lines.append(cells)
    header = ["track", "models", "outside, sides of the entry", "mean moves by"]
    header += ["outside, own sides", "mean moves by"]
    there = sorted({name for row in found.values() for name in row["processors"][0]})
    (here,) = {row["processors"][1] for row in found.values()}
    text = paragraph(f"Here: {listed(there)}, and {here}; the most of any model or row.")
    return f"{markdown_table(header, lines)}\n\n{text}"


def predictions() -> str:
    """How predictions from the same weights move, and outcomes with them."""
    found = stored("recompute.json")["predictions"]
    together = found[TOGETHER]
    rows = together["rows"]
    settings = [
        [
            setting,
            f"{row['same to the bit']} of {row['rows']}",
            short(row["largest change of a factor"]),
        ]
        for setting, row in found.items()
    ]
    header = ["setting", "models with the same bits", "largest change of a factor (2-norm)"]
    text = (
        "It predicts again with the instructions of older processors and with two threads, by "
        f"{rows} models of one seed on `uniform`, `test`, trained and untrained, and scores what "
        "has changed:"
    )
    outcomes = [
        [label, *(form.format(together[kind][field]).replace("%", " %") for kind in KINDS)]
        for field, (label, form) in OUTCOMES.items()
    ]
    return "\n\n".join(
        [
            paragraph(text),
            markdown_table(header, settings),
            paragraph(
                f"With all of these together, {counted(rows - together['same to the bit'], rows)} "
                "models have other bits:"
            ),
            markdown_table(
                [
                    "outcomes",
                    *("trained, sides of the entry", "trained, own sides"),
                    *("untrained, sides of the entry", "untrained, own sides"),
                ],
                outcomes,
            ),
        ]
    )


def sides() -> str:
    """How far outcomes of the same rows lie apart on right-hand sides of other keys."""
    found = stored("check_bands.json")["sides"]
    lines = [
        [
            f"`{track}`",
            str(len(rows)),
            f"{100 * min(row['same iterations'] for row in rows.values()):.0f} %",
            f"{100 * max(row['outside the band'] for row in rows.values()):.1f} %",
            f"{100 * max(row['largest change of a mean'] for row in rows.values()):.2f} %",
            str(sum(row["refused"] for row in rows.values())),
        ]
        for track, rows in found.items()
    ]
    header = ["track", "rows", "same iterations, least", "outside the band, most"]
    header += ["mean moves by, most", "refused"]
    return markdown_table(header, lines)


def trained() -> str:
    """How models of the board differ from those of the same commands on another machine."""
    rows = stored("recompute.json")["trained"]
    band = TRAINED_AGAIN
    tracks: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        tracks.setdefault(row["track"], []).append(row)
    lines = []
    for track, found in tracks.items():
        inside = sum(row["outside the band"] <= band.outside for row in found)
        changes = sorted(abs(row["change of the mean"]) for row in found)
        middle = changes[len(changes) // 2]
        lines.append(
            [
                f"`{track.removeprefix('synthetic-tridiag-1.0-')}`",
                str(len(found)),
                str(inside),
                f"{100 * middle:.1f} %",
                f"{100 * changes[-1]:.1f} %",
            ]
        )
    header = ["tridiagonal track", "models, one a seed", "in the band", "mean moves by, median"]
    header.append("most")
    same = sum(row["same iterations"] == 1.0 for row in rows)
    text = (
        f"{same} of all {len(rows)} models need the same iterations on every matrix. A model "
        "outside the band can be scored again from its weights anywhere; training reproduces it "
        "on like processors only."
    )
    return f"{markdown_table(header, lines)}\n\n{paragraph(text)}"


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
    parts = (coverage, lockstep, processors, entries, predictions, sides, trained)
    return with_parts(page, {part.__name__: part() for part in parts})


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
