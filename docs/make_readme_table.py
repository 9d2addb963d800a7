"""Update the table of results in README.md from the entries of the committed leaderboard.

python docs/make_readme_table.py
"""

from __future__ import annotations

from making import LEADERBOARD, ROOT, markdown_table, rewrite, with_parts
from precondbench.leaderboard.board import standings_of
from precondbench.leaderboard.entries import read_leaderboard
from precondbench.leaderboard.scoring.ranking import RankedRow

PAGE = ROOT / "README.md"
TRACKS = ("synthetic-tridiag-1.0-uniform-test", "synthetic-tridiag-1.0-twin-test")
REAL = "suitesparse-invk-1.0-tril-test"
# Name of the entry on the synthetic boards and on the real one; empty where it has none.
ROWS = (
    ("Inv-K", "inv-k", "inv-k"),
    ("IC(0)", "ic-0", "ic-0"),
    ("local-patch Inv-K, k = 3", "local-patch-inv-k-k-3", "local-patch-inv-k-k-3"),
    ("Jacobi", "jacobi", "jacobi"),
    ("GATv2", "gatv2-7-rounds", ""),
    ("FastGraphTransformer", "fastgraphtransformer-7-rounds", ""),
    ("MessagePassingMLP", "messagepassingmlp-7-rounds-unit-diagonal",
     "messagepassingmlp-4-rounds-unit-diagonal"),
    ("NeuralIF", "", "neuralif-3-rounds-unit-diagonal"),
    ("BidirectionalGRU", "bidirectionalgru-1-rounds-unit-diagonal", ""),
    ("LearnedElimination", "", "learnedelimination-3-rounds-unit-diagonal"),
    ("CorrectedPatch", "", "correctedpatch-4-rounds-unit-diagonal"),
)  # fmt: skip


def _cell(row: RankedRow | None) -> str:
    return "" if row is None else f"{row.iterations_mean.mean:,.3g}".replace("e+03", "k")


def table() -> str:
    """One line per method: iterations on two synthetic sets, share solved and ratio on real."""
    board = {
        standing.track.id: standing for standing in standings_of(read_leaderboard(LEADERBOARD))
    }
    rows = {track: {row.entry.id: row for row in board[track].rows} for track in (*TRACKS, REAL)}
    header = ["method", "kind", "`uniform`", "`twin`", "real: solved", "over Inv-K's"]
    lines = []
    for name, synthetic, real in ROWS:
        found = [rows[track].get(synthetic) for track in TRACKS]
        on_real = rows[REAL].get(real)
        entry = next((row.entry for row in (*found, on_real) if row is not None), None)
        if entry is None:
            continue
        solved = ratio = ""
        if on_real is not None:
            solved = f"{100 * on_real.solved.mean:.3g} %"
            ratio = "" if on_real.ratio_median is None else f"{on_real.ratio_median.mean:.2f}"
        cells = [name, "classical" if entry.kind == "oracle" else entry.kind]
        cells += [*(_cell(row) for row in found), solved, ratio]
        lines.append(cells)
    return markdown_table(header, lines, words=2)


def filled(page: str) -> str:
    """Return the page with an updated table."""
    return with_parts(page, {"results": table()})


if __name__ == "__main__":
    rewrite(PAGE, {"results": table()})
