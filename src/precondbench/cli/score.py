"""``precondbench score | board | results | quickstart``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from precondbench.cli.output import (
    AsJson,
    Dask,
    Jobs,
    Root,
    print_json,
    print_table,
    progress_bar,
    say,
)
from precondbench.errors import PredictionError

# Key of a summary -> heading.
_SUMMARY = {
    "solved": "solved",
    "iterations_mean": "iterations",
    "effective_hops": "effective hops",
    "cosine_mean": "cosine",
    "log10_one_minus_cosine_median": "log10(1-cos)",
    "n_log_k_median": "n log K",
}
# Key of a summary over seeds -> heading.
_COLUMNS = {
    "cosine_mean": "cosine",
    "one_minus_cosine_mean": "1 - cosine",
    "iterations_mean": "iterations",
    "effective_hops": "effective hops",
    "n_log_k_median": "n log K",
    "seconds": "seconds",
}


def _check_files(paths: list[Path]) -> None:
    """Tell of a wrong name before the imports, which take longer."""
    for path in paths:
        if not path.is_file():
            raise PredictionError(f"there is no file {path}")


def score(
    predictions: Annotated[Path, typer.Argument(help="File of predictions.")],
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, every matrix in it.")] = False,
) -> None:
    """Score predictions. Prints cosine, iterations, effective hops and n log K."""
    _check_files([predictions])
    from precondbench.leaderboard import score_file
    from precondbench.recipes import open_executor

    with open_executor(jobs, dask) as executor, progress_bar("scoring") as update:
        file, evaluations = score_file(predictions, root, update, executor)
    if json:
        print_json(
            {
                "method": file.method,
                "split": file.where,
                "seeds": {result.seed: result.to_dict() for result in evaluations},
            }
        )
        return
    rows = [(result.seed, *(result.summary.get(key) for key in _SUMMARY)) for result in evaluations]
    print_table(f"{file.method} on {file.where}", ("seed", *_SUMMARY.values()), rows)
    for result in evaluations:
        failures = [row for row in result.rows if not row.solved]
        for row in failures[:10]:
            say(f"seed {result.seed}: {row.name}: {row.status} {row.reason}".rstrip())
        if len(failures) > 10:
            say(f"seed {result.seed}: and {len(failures) - 10} more; see --json")


def board(
    predictions: Annotated[list[Path], typer.Argument(help="Files of predictions of one split.")],
    out: Annotated[Path, typer.Option(help="Folder of the site; an earlier one is replaced.")] = (
        Path("board")
    ),
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Rank files of predictions. Classical methods and oracles are on the board, too."""
    _check_files(predictions)
    from precondbench.leaderboard import board_content, board_of_files, render_site, standings_of

    with progress_bar("scoring") as update:
        ranked = board_of_files(predictions, root, update)
    render_site(ranked, out)
    standings = standings_of(ranked)
    if json:
        print_json(board_content(standings))
        return
    _print_standings(standings)
    say(f"open {out / 'index.html'}")


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
    """Score the finished runs of a folder into a file of results.

    Runs that the file contains are skipped. Each line is one run on one split, with the command
    that trains it.
    """
    from precondbench.leaderboard import SPLITS, summarise_results, update_results

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


def _print_standings(standings: Any) -> None:
    from precondbench.leaderboard import board_table

    for standing in standings:
        print_table(standing.track.title, *board_table(standing))


class _Voice:
    """Messages about the progress, unless silent."""

    def __init__(self, silent: bool) -> None:
        self.silent = silent
        self.start = time.perf_counter()

    def step(self, text: str) -> None:
        """Print one line with the time since the start."""
        if not self.silent:
            say(f"[{time.perf_counter() - self.start:5.1f} s] {text}")

    def training(self, model: str, epochs: int) -> Any:
        """Return a progress bar with loss and validation cosine."""
        from precondbench.baselines import training_progress

        return training_progress(epochs, silent=self.silent)

    def scoring(self, done: int, total: int) -> None:
        """Print nothing; scoring takes seconds."""


def quickstart(
    out: Annotated[Path, typer.Option(help="Folder for what comes out.")] = Path(
        "quickstart-output"
    ),
    epochs: Annotated[int, typer.Option(help="Training epochs of each model.")] = 20,
    rounds: Annotated[int, typer.Option(help="Graph Network blocks.")] = 4,
    seed: Annotated[int, typer.Option(help="Seed of the training.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON only.")] = False,
) -> None:
    """Build samples, train two models, score them, render a board."""
    from precondbench.leaderboard import board_content, run_quickstart, standings_of

    voice = _Voice(silent=json)
    result = run_quickstart(
        out, voice, epochs=epochs, rounds=rounds, seed=seed, device=device, root=root
    )
    standings = standings_of(result.board)
    if json:
        print_json(
            {
                "board": board_content(standings),
                "page": str(result.page),
                "files": [str(path) for path in result.files],
            }
        )
        return
    _print_standings(standings)
    voice.step(f"done; open {result.page}")
