"""Update the tables and findings of docs/patterns.md.

    python docs/make_patterns_page.py

Reads leaderboard/, which `precondbench leaderboard reference` writes, and
benchmarks/results/patterns.json, which benchmarks/patterns.py writes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from making import (
    DOCS,
    committed_board,
    listed,
    markdown_table,
    paragraph,
    short,
    span,
    stored,
    with_parts,
)
from precondbench.leaderboard.entries import Entry, Leaderboard

PAGE = DOCS / "patterns.md"
SPLIT = "test"
PATTERNS = ("tril", "level-1", "level-2")
METHODS = {
    "Inv-K": "inv-k",
    "Inv-K after RCM": "inv-k-after-rcm",
    "incomplete Cholesky": "ic-{level}",
    "the same, smallest shift": "ic-{level}-smallest-shift",
    "ICT of equal memory": "ict-of-equal-memory",
    "FSAI": "fsai",
}


NAMES = {"tril": "tril(A)", "level-1": "level 1", "level-2": "level 2"}


def summary_table(summary: list[dict[str, Any]]) -> str:
    """Entries, solved matrices and ratios by pattern."""
    lines = [
        [
            _name(line["pattern"]),
            f"{line['entries_median']:.2f}",
            f"{line['ic_solved']} of {line['matrices']}",
            f"{line['ic_ratio']:.2f}",
            f"{line['invk_solved']} of {line['matrices']}",
            f"{line['invk_ratio']:.2f}",
        ]
        for line in summary
    ]
    head = ["pattern", "entries", "IC solves", "ratio", "Inv-K solves", "ratio"]
    return markdown_table(head, lines)


def _name(pattern: str) -> str:
    return NAMES.get(pattern) or f"ICT, {pattern.removeprefix('ict-')}"


def summary_findings(summary: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str:
    """What more entries change, from the table and from the rows that both methods solve."""
    of = {line["pattern"]: line for line in summary}
    first, levels = of["tril"], [of[name] for name in PATTERNS[1:]]
    entries = listed(
        f"{line['entries_median']:.2f} times the entries ({_name(line['pattern'])}) the iterations "
        f"of Inv-K are {line['invk_ratio']:.2f} of those on tril(A)"
        for line in levels
    )
    fails = [
        line["matrices"] - line["ic_solved"] for line in summary if line["pattern"][:3] == "ict"
    ]
    both = [row for row in rows if min(row["ic"], row["invk"] or -1) > 0]
    by_pattern = {
        pattern: float(np.median([r["invk"] / r["ic"] for r in both if r["pattern"] == pattern]))
        for pattern in of
    }
    return "\n\n".join(
        (
            paragraph(
                f"In the median, with {entries}. Incomplete Cholesky solves "
                f"{first['ic_solved']} matrices on tril(A) and "
                f"{listed(str(line['ic_solved']) for line in levels)} on the larger levels; with a "
                f"drop tolerance it fails on {span(fails)} of {first['matrices']}."
            ),
            paragraph(
                "On the matrices that both solve, the iterations of Inv-K over those of incomplete "
                "Cholesky of the same pattern are, in the median, "
                + listed(f"{value:.2f} ({_name(name)})" for name, value in by_pattern.items())
                + ". Inv-K exists for every matrix. The medians of ICT are over fewer, easier "
                "matrices, so they cannot be compared with those of the levels."
            ),
        )
    )


def boards_findings(board: Leaderboard) -> str:
    """What more entries or another order change on the boards."""

    def ratio(pattern: str, name: str) -> float:
        base = _iterations(board, "tril", "inv-k")
        return float(np.exp(np.mean(np.log(_iterations(board, pattern, name) / base))))

    larger = [
        f"{_entry(board, pattern, 'inv-k').seeds[0].summary['work_median']:.2f} times the work "
        f"({NAMES[pattern]}), {short(ratio(pattern, 'inv-k'))}"
        for pattern in PATTERNS[1:]
    ]
    changes = {
        method: ratio(PATTERNS[-1], entry.format(level=2)) / ratio("tril", entry.format(level=0))
        for method, entry in METHODS.items()
        if entry.format(level=0) in board.entries[_track("tril")]
    }
    return paragraph(
        "Relative to Inv-K on tril(A), the iterations of Inv-K are: with "
        f"{listed(larger)}; after reordering by RCM on tril(A), without additional memory, "
        f"{short(ratio('tril', 'inv-k-after-rcm'))}. From tril(A) to level 2 the iterations change "
        "by the factor "
        + listed(f"{short(value)} ({method})" for method, value in changes.items())
        + "."
    )


def boards_table(board: Leaderboard) -> str:
    """One line per method, one column per pattern: iterations, work and share solved."""
    base = _iterations(board, "tril", "inv-k")
    lines = []
    for method, entry in METHODS.items():
        cells = []
        for level, pattern in enumerate(PATTERNS):
            name = entry.format(level=level)
            if name not in board.entries[_track(pattern)]:
                cells.append("")
                continue
            ratio = np.exp(np.mean(np.log(_iterations(board, pattern, name) / base)))
            summary = _entry(board, pattern, name).seeds[0].summary
            work, solved = summary["work_median"], 100 * summary["solved"]
            cells.append(f"{ratio:.2f}, {work:.2f}, {solved:.0f} %")
        lines.append([method, *cells])
    return markdown_table(["method", "tril(A)", "level 1", "level 2"], lines)


def _track(pattern: str) -> str:
    return f"suitesparse-invk-1.0-{pattern}-{SPLIT}"


def _entry(board: Leaderboard, pattern: str, name: str) -> Entry:
    return board.entries[_track(pattern)][name]


def _iterations(board: Leaderboard, pattern: str, name: str) -> np.ndarray:
    track = board.tracks[_track(pattern)]
    (evaluation,) = _entry(board, pattern, name).evaluations(track)
    return np.maximum(evaluation.penalised_iterations, 1)


def filled(page: str) -> str:
    """Return the page with updated tables and findings."""
    results, board = stored("patterns.json"), committed_board()
    return with_parts(
        page,
        {
            "patterns": summary_table(results["summary"]),
            "patterns findings": summary_findings(results["summary"], results["rows"]),
            "boards": boards_table(board),
            "boards findings": boards_findings(board),
        },
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
