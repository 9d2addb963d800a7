"""``precondbench results`` and ``figures``: scores of many runs as a file, and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precondbench.cli.options import AsJson, Root
from precondbench.cli.output import (
    failing_clearly,
    print_json,
    print_table,
    progress_bar,
    say,
)

__all__ = ["figures", "results"]

_COLUMNS = {
    "cosine_mean": "cosine",
    "one_minus_cosine_mean": "1 - cosine",
    "iterations_mean": "iterations",
    "effective_hops": "effective hops",
    "n_log_k_median": "n log K",
    "seconds": "seconds",
}


def results(
    runs: Annotated[Path, typer.Argument(help="Folder of runs, as train makes it.")],
    out: Annotated[
        Path, typer.Option(help="File of results, .jsonl; what it holds is kept.")
    ] = Path("results.jsonl"),
    split: Annotated[
        list[str] | None, typer.Option(help="Split to score; by default test and test_large.")
    ] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Score the finished runs of a folder that a file of results does not have yet.

    Each line of the file is one run on one split, with the command that trains it.
    """
    with failing_clearly():
        from precondbench.leaderboard.results import SPLITS, summarise_results, update_results

        with progress_bar("scoring") as update:
            rows, new = update_results(out, runs, split or SPLITS, root=root, progress=update)
        if json:
            print_json(rows)
            return
        cells = []
        for row in summarise_results(rows):
            names = [row[key] for key in ("dataset", "version", "configuration", "split")]
            means = [None if row[key] is None else row[key]["mean"] for key in _COLUMNS]
            what = (row["model"], row["rounds"], row["max_epochs"], len(row["seeds"]))
            cells.append(("/".join(names), *what, *means))
        headings = ("split", "model", "rounds", "epochs", "seeds", *_COLUMNS.values())
        print_table("means over seeds", headings, cells)
        say(f"{new} of {len(rows)} rows in {out} are new")


def figures(
    stored: Annotated[Path, typer.Option("--results", help="File of results, .jsonl.")],
    out: Annotated[Path, typer.Option(help="Folder for the figures, SVG and PNG.")] = Path(
        "figures"
    ),
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Draw the figures of the paper from a file of results.

    Figure 2 needs SuiteSparseInvK 1.0 in the cache, or invk_against_ic0.json beside the results.
    """
    with failing_clearly():
        from precondbench.leaderboard.paper_figures import draw_paper_figures
        from precondbench.leaderboard.results import read_results

        drawn = draw_paper_figures(
            read_results(stored),
            out,
            root=root,
            stored_iterations=stored.with_name("invk_against_ic0.json"),
        )
        if json:
            print_json({"files": [str(path) for path in drawn.files], "left_out": drawn.left_out})
            return
        for path in drawn.files:
            say(str(path))
        for name, reason in drawn.left_out.items():
            say(f"{name} is left out: {reason}")
