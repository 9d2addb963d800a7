"""``precondbench quickstart``: data, training, scores and a board in minutes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from precondbench.cli.output import Root, failing_clearly, print_json, print_table, say


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
    """Build both samples, train two models, score them, and render a board."""
    with failing_clearly():
        from precondbench.leaderboard import (
            board_content,
            board_table,
            run_quickstart,
            standings_of,
        )

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
        for standing in standings:
            print_table(standing.track.title, *board_table(standing))
        voice.step(f"done; open {result.page}")
