"""``precondbench models | train | train-grid``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from precondbench.cli.output import AsJson, Root, print_json, print_rows, print_table, say
from precondbench.errors import ConfigurationError

Import = Annotated[
    list[str] | None,
    typer.Option("--import", help="Module or .py file that registers models of your own."),
]
_COLUMNS = ("seed", "parameters", "epochs", "best_epoch", "best_validation_cosine", "seconds")
Out = Annotated[Path, typer.Option(help="Folder for the runs.")]


def list_models(models: Import = None, json: AsJson = False) -> None:
    """List the models that can be trained: what each does, and its parameters by default."""
    from precondbench.baselines import build_model, model_names, model_summary

    _import(models)
    rows = [
        {
            "model": name,
            "parameters": build_model(name).parameter_count(),
            "description": model_summary(name),
        }
        for name in model_names()
    ]
    print_rows("Models", rows, json, {name: name for name in rows[0]})


def train(
    dataset: Annotated[
        str | None, typer.Argument(help="Name of a dataset, as 'precondbench list' prints it.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Name of a model, as 'precondbench models' prints it.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Configuration of the data.")] = None,
    version: Annotated[str | None, typer.Option(help="Of the data; by default the newest.")] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated, one run each.")] = "0",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of the training or the data, e.g. epochs=100, label=best, device=cuda. "
            "May be repeated.",
        ),
    ] = None,
    protocol: Annotated[
        Path | None, typer.Option(help="TOML file of settings, which options override.")
    ] = None,
    models: Import = None,
    out: Out = Path("runs"),
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Train again what is there already.")
    ] = False,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Train a model by the paper's protocol, and predict with it.

    All splits but the one for training are predicted. An interrupted run is continued; of a
    finished one, only the result is printed. torchrun may start this command in several
    processes, which then share the work.

    Settings of the training: rounds, width, epochs, loss, scaling, learning_rate, decay_factor,
    decay_every, validation, patience, batch_size, max_edges, device, compile, threads. Of the
    data: label, fold, max_rows. TrainingConfiguration documents them.
    """
    from precondbench.baselines import run_from_settings, train_seeds, training_progress

    _import(models)
    names = {"dataset": dataset, "configuration": config, "version": version, "model": model}
    run = run_from_settings(names, settings or [], protocol)
    name = f"{run.training.model}, {run.training.rounds} rounds"
    # Of the processes that torchrun starts, the first one prints.
    prints = int(os.environ.get("RANK", "0")) == 0
    silent = json or not prints

    def started(seed: int, folder: Path) -> None:
        if not silent:
            say(f"{name}, seed {seed}: {folder}")

    runs = train_seeds(
        run,
        _numbers(seeds),
        out,
        resume=not overwrite,
        root=root,
        started=started,
        progress=partial(training_progress, silent=silent),
    )
    if not prints:
        return
    results = [
        {
            "seed": done.seed,
            "folder": str(folder),
            **result.to_dict(),
            "predictions": [str(path) for path in done.predictions],
        }
        for done in runs
        for folder, result in done.results.items()
    ]
    if json:
        print_json(results)
        return
    print_table(name, _COLUMNS, [[row[key] for key in _COLUMNS] for row in results])
    to_score = [path for path in runs[0].predictions if path.stem != "predictions-val"]
    if to_score:
        say(f"score with: precondbench score {to_score[0]}")


def train_grid(
    grid: Annotated[Path, typer.Argument(help="TOML file of runs.")],
    models: Import = None,
    out: Out = Path("runs"),
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Train the runs of a grid file that are not finished yet.

    Several of these commands may share a folder: each takes runs that no other works on.
    """
    from precondbench.baselines import read_grid, run_grid, training_progress

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigurationError(
            "train-grid trains every run in one process; instead of torchrun, start the "
            "command once for each device: each takes runs that no other works on"
        )
    _import(models)
    runs = read_grid(grid)

    def started(number: int, run: object, folder: Path) -> None:
        if not json:
            say(f"{number} of {len(runs)}: {folder}")

    counts = run_grid(
        runs, out, root=root, started=started, progress=partial(training_progress, silent=True)
    )
    if json:
        print_json(counts)
    else:
        say(", ".join(f"{count} {what}" for what, count in counts.items()))


def _import(models: list[str] | None) -> None:
    from precondbench._internal import import_user_code

    for source in models or []:
        import_user_code(source)


def _numbers(seeds: str) -> list[int]:
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise ConfigurationError(f"seeds is {seeds!r}; write for example 0,1,2") from None
    if len(set(numbers)) < len(numbers):
        raise ConfigurationError(f"seeds is {seeds!r}; name every seed once")
    return numbers
