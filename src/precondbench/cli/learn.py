"""``precondbench train | score``: models and their scores."""

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

__all__ = ["score", "train"]


def train(
    dataset: Annotated[str, typer.Argument(help="synthetic-tridiag or suitesparse-invk.")],
    model: Annotated[str, typer.Option(help="Name of a registered model.")] = "MessagePassingMLP",
    rounds: Annotated[int, typer.Option(help="Graph Network blocks.")] = 4,
    epochs: Annotated[int, typer.Option(help="At most this many.")] = 300,
    seeds: Annotated[str, typer.Option(help="Comma-separated, one run each.")] = "0",
    config: Annotated[str | None, typer.Option(help="Configuration of the data.")] = None,
    label: Annotated[str | None, typer.Option(help="Label or target to learn.")] = None,
    version: Annotated[str | None, typer.Option(help="Of the data; by default the newest.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Default 16 for synthetic, 8 for real matrices.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs"),
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON at the end.")] = False,
) -> None:
    """Train a baseline by the paper's protocol and predict val, test and test_large."""
    with failing_clearly():
        from functools import partial

        from precondbench.baselines import TrainingConfiguration, training_progress
        from precondbench.errors import ConfigurationError
        from precondbench.leaderboard.runs import train_and_predict

        try:
            numbers = [int(seed) for seed in seeds.split(",")]
        except ValueError:
            raise ConfigurationError(f"seeds is {seeds!r}; write for example 0,1,2") from None
        if batch_size is None:
            batch_size = 8 if dataset == "suitesparse-invk" else 16
        runs = []
        for seed in numbers:
            configuration = TrainingConfiguration(
                model=model,
                rounds=rounds,
                epochs=epochs,
                seed=seed,
                batch_size=batch_size,
                device=device,
            )
            data = "-".join(part for part in (dataset, version, config) if part)
            folder = out / data / f"{model}-{rounds}" / f"seed-{seed}"
            if not json:
                say(f"{model}, {rounds} rounds, seed {seed}: {folder}")
            result, paths = train_and_predict(
                dataset,
                configuration,
                folder,
                data_configuration=config,
                label=label,
                version=version,
                root=root,
                progress=partial(training_progress, silent=json),
            )
            runs.append(
                {
                    "seed": seed,
                    "folder": str(folder),
                    "parameters": result.parameters,
                    "best_epoch": result.best_epoch,
                    "validation_cosine": result.best_validation_cosine,
                    "seconds": result.seconds,
                    "device": result.device,
                    "predictions": [str(path) for path in paths],
                }
            )
        if json:
            print_json(runs)
            return
        columns = ("seed", "parameters", "best_epoch", "validation_cosine", "seconds", "device")
        print_table(
            f"{model}, {rounds} rounds", columns, [[run[key] for key in columns] for run in runs]
        )
        say(f"score with: precondbench score {runs[0]['folder']}/predictions-test.h5")


def score(
    predictions: Annotated[Path, typer.Argument(help="File of predictions, .h5.")],
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, every matrix in it.")] = False,
) -> None:
    """Score a file of predictions by cosine, PCG iterations, effective hops and n log K."""
    with failing_clearly():
        from precondbench.leaderboard.runs import score_file
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
