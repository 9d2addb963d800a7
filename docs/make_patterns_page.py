"""Update the table of the boards in docs/patterns.md.

    python docs/make_patterns_page.py

Reads leaderboard/, which `precondbench leaderboard reference` writes.
"""

from __future__ import annotations

import numpy as np

from making import DOCS, LEADERBOARD, markdown_table, rewrite, with_parts
from precondbench.leaderboard.entries import Entry, Leaderboard, read_leaderboard

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


def filled(page: str, board: Leaderboard) -> str:
    """Return the page with an updated table."""
    return with_parts(page, {"boards": boards_table(board)})


if __name__ == "__main__":
    rewrite(PAGE, {"boards": boards_table(read_leaderboard(LEADERBOARD))})
