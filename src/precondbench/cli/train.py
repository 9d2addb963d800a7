"""``precondbench train``: one run, several seeds, or a grid."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precondbench.cli.output import Root, failing_clearly, print_json, print_table, say
from precondbench.errors import ConfigurationError

if TYPE_CHECKING:
    from precondbench.baselines import RunConfiguration


Import = Annotated[
    list[str] | None,
    typer.Option("--import", help="Module or .py file that registers models of your own."),
]


def train(
    dataset: Annotated[
        str | None,
        typer.Argument(help="Name of a dataset, as 'precondbench list' prints it."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Name of a registered model.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Graph Network blocks; default 4.")] = None,
    width: Annotated[int | None, typer.Option(help="Of hidden layers; default 16.")] = None,
    epochs: Annotated[int | None, typer.Option(help="At most; default 300.")] = None,
    loss: Annotated[str | None, typer.Option(help="Default negative-cosine.")] = None,
    scaling: Annotated[
        str | None, typer.Option(help="standardised (default) or unit-diagonal.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="At first; default 1e-3.")] = None,
    decay_every: Annotated[
        int | None, typer.Option(help="Epochs between decays of the learning rate; default 50.")
    ] = None,
    patience: Annotated[
        int | None, typer.Option(help="Epochs without a better model before stopping; default 50.")
    ] = None,
    seeds: Annotated[str, typer.Option(help="Comma-separated, one run each.")] = "0",
    config: Annotated[str | None, typer.Option(help="Configuration of the data.")] = None,
    label: Annotated[str | None, typer.Option(help="Label or target to learn.")] = None,
    version: Annotated[str | None, typer.Option(help="Of the data; by default the newest.")] = None,
    max_rows: Annotated[
        int | None, typer.Option(help="Learn from matrices with at most so many rows.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Default 16 for synthetic, 8 for real matrices.")
    ] = None,
    max_edges: Annotated[
        int | None, typer.Option(help="Most edges in memory at a time; default 1000000.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    compile_steps: Annotated[
        bool | None, typer.Option("--compile/--no-compile", help="Through torch.compile.")
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads; default 1.")] = None,
    protocol: Annotated[
        Path | None, typer.Option(help="TOML file of settings; options override it.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Run every run of --grid.")] = False,
    grid: Annotated[Path | None, typer.Option(help="TOML file of runs, with --all.")] = None,
    overwrite: Annotated[bool, typer.Option(help="Start anew what is there.")] = False,
    models: Import = None,
    out: Annotated[Path, typer.Option(help="Folder for the runs.")] = Path("runs"),
    root: Root = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON at the end.")] = False,
) -> None:
    """Train a baseline by the paper's protocol and predict val, test and test_large.

    A run that was interrupted goes on where it was; one that is finished is only reported.
    Several of these commands may share a folder, and torchrun may start one in parallel.
    """
    with failing_clearly():
        from precondbench._internal import import_user_code

        for source in models or []:
            import_user_code(source)
        settings = {
            "model": model,
            "rounds": rounds,
            "width": width,
            "epochs": epochs,
            "loss": loss,
            "scaling": scaling,
            "learning_rate": learning_rate,
            "decay_every": decay_every,
            "patience": patience,
            "batch_size": batch_size,
            "max_edges": max_edges,
            "device": device,
            "compile": compile_steps,
            "threads": threads,
        }
        data = {
            "dataset": dataset,
            "configuration": config,
            "label": label,
            "version": version,
            "max_rows": max_rows,
        }
        if everything or grid is not None:
            single = [*settings.values(), *data.values(), protocol]
            if any(value is not None for value in single) or overwrite:
                raise ConfigurationError("--all takes its settings from the grid; use --grid FILE")
            if int(os.environ.get("WORLD_SIZE", "1")) > 1:
                raise ConfigurationError(
                    "--all trains every run in one process; instead of torchrun, start the command "
                    "as often as there are devices: each takes runs that no other holds"
                )
            if grid is None:
                raise ConfigurationError(
                    "--all needs a file of runs, --grid FILE; that of the paper is "
                    "paper/grid.toml in the repository"
                )
            _train_grid(grid, out, root, json)
            return
        run = _one_run(protocol, data, settings)
        _train_seeds(run, _numbers(seeds), out, root, overwrite, json)


def _numbers(seeds: str) -> list[int]:
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError:
        raise ConfigurationError(f"seeds is {seeds!r}; write for example 0,1,2") from None
    if len(set(numbers)) < len(numbers):
        raise ConfigurationError(f"seeds is {seeds!r}; name every seed once")
    return numbers


def _one_run(
    protocol: Path | None, data: dict[str, Any], settings: dict[str, Any]
) -> RunConfiguration:
    from precondbench.baselines import RunConfiguration, read_toml, run_tables
    from precondbench.recipes import dataset_specs

    tables = run_tables({} if protocol is None else read_toml(protocol))
    for name, given in (("data", data), ("training", settings)):
        tables[name] |= {key: value for key, value in given.items() if value is not None}
    if "dataset" not in tables["data"]:
        known = ", ".join(spec.name for spec in dataset_specs())
        raise ConfigurationError(f"name a dataset; there are: {known}")
    for spec in dataset_specs():
        if spec.name == tables["data"]["dataset"] and spec.batch_size is not None:
            tables["training"].setdefault("batch_size", spec.batch_size)
    return RunConfiguration.from_mapping(tables).resolved()


def _train_seeds(
    run: RunConfiguration,
    seeds: list[int],
    out: Path,
    root: Path | None,
    overwrite: bool,
    json: bool,
) -> None:
    from precondbench.baselines import train_seeds, training_progress

    # Of the processes that torchrun starts, the first speaks.
    speaks = int(os.environ.get("RANK", "0")) == 0
    silent = json or not speaks
    name = f"{run.training.model}, {run.training.rounds} rounds"

    def started(seed: int, folder: Path) -> None:
        if not silent:
            say(f"{name}, seed {seed}: {folder}")

    runs = train_seeds(
        run,
        seeds,
        out,
        resume=not overwrite,
        root=root,
        started=started,
        progress=partial(training_progress, silent=silent),
    )
    results = [
        {
            "seed": done.seed,
            "folder": str(done.folder),
            **done.result.to_dict(),
            "predictions": [str(path) for path in done.predictions],
        }
        for done in runs
    ]
    if not speaks:
        return
    if json:
        print_json(results)
        return
    columns = ("seed", "parameters", "epochs", "best_epoch", "best_validation_cosine", "seconds")
    print_table(name, columns, [[row[key] for key in columns] for row in results])
    say(f"score with: precondbench score {results[0]['folder']}/predictions-test.h5")


def _train_grid(grid: Path, out: Path, root: Path | None, json: bool) -> None:
    from precondbench.baselines import read_grid, run_grid, training_progress

    runs = read_grid(grid)

    def started(number: int, run: RunConfiguration, folder: Path) -> None:
        if not json:
            say(f"{number} of {len(runs)}: {folder}")

    counts = run_grid(
        runs, out, root=root, started=started, progress=partial(training_progress, silent=True)
    )
    if json:
        print_json(counts)
    else:
        say(", ".join(f"{count} {what}" for what, count in counts.items()))
