"""``precondbench score``: what a solver does with predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precondbench.cli.options import Root
from precondbench.cli.output import (
    failing_clearly,
    print_json,
    print_table,
    progress_bar,
    say,
)

__all__ = ["board", "score"]


def score(
    predictions: Annotated[Path, typer.Argument(help="File of predictions, .h5.")],
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, every matrix in it.")] = False,
) -> None:
    """Score a file of predictions by cosine, PCG iterations, effective hops and n log K."""
    with failing_clearly():
        from precondbench.leaderboard.scoring import score_file
        from precondbench.leaderboard.tables import COLUMNS

        with progress_bar("scoring") as update:
            scored = score_file(predictions, root, update)
        if json:
            print_json(
                {
                    "method": scored.method,
                    "split": scored.split,
                    "seeds": {
                        seed: result.to_dict() for seed, result in scored.evaluations.items()
                    },
                }
            )
            return
        rows = [
            (seed, *(result.summary.get(key) for key in COLUMNS))
            for seed, result in scored.evaluations.items()
        ]
        print_table(f"{scored.method} on {scored.split}", ("seed", *COLUMNS.values()), rows)
        for seed, result in scored.evaluations.items():
            failures = [row for row in result.rows if not row.solved]
            for row in failures[:10]:
                say(f"seed {seed}: {row.name}: {row.status} {row.reason}".rstrip())
            if len(failures) > 10:
                say(f"seed {seed}: and {len(failures) - 10} more; see --json")


def board(
    predictions: Annotated[list[Path], typer.Argument(help="Files of predictions of one split.")],
    out: Annotated[Path, typer.Option(help="Page to write.")] = Path("board.html"),
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rank files of predictions beside classical methods and oracles, and write a page."""
    with failing_clearly():
        from precondbench.leaderboard.file_board import board_of_files, write_board

        with progress_bar("scoring") as update:
            ranked = board_of_files(predictions, root, update)
        write_board(ranked, out)
        if json:
            print_json(ranked.to_dict())
            return
        print_table(ranked.title, ranked.headings(), ranked.rows())
        say(f"wrote {out}")
