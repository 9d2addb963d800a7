"""``precondbench submit pack | check | schema``: predictions for the leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precondbench.cli.output import AsJson, Root, epilog, failing_clearly, print_json, say

if TYPE_CHECKING:
    from precondbench.leaderboard import Submission


app = typer.Typer(no_args_is_help=True, help="Make and check submissions to the leaderboard.")


@app.command(epilog=epilog("submit pack"))
def pack(
    runs: Annotated[
        list[Path] | None, typer.Argument(help="Run directories, one a seed; or use --entry.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the submission.")] = Path("submission"),
    split: Annotated[str, typer.Option(help="Which split was predicted.")] = "test",
    entry: Annotated[
        str | None, typer.Option(help="A function A -> L, my_module:predict or file.py:predict.")
    ] = None,
    predictions: Annotated[
        list[Path] | None, typer.Option(help="Files of predictions, in place of runs.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="With --entry.")] = None,
    config: Annotated[str | None, typer.Option(help="With --entry.")] = None,
    label: Annotated[str | None, typer.Option(help="With --entry.")] = None,
    version: Annotated[str | None, typer.Option(help="With --entry; default the newest.")] = None,
    method: Annotated[str | None, typer.Option(help="Name on the board.")] = None,
    kind: Annotated[str | None, typer.Option(help="learned or classical.")] = None,
    author: Annotated[list[str] | None, typer.Option(help="Repeat for several.")] = None,
    description: Annotated[str | None, typer.Option(help="What the method does.")] = None,
    code: Annotated[str | None, typer.Option(help="Address of the source code.")] = None,
    paper: Annotated[str | None, typer.Option(help="Address of a paper.")] = None,
    licence: Annotated[str | None, typer.Option(help="Of the code.")] = None,
    parameters: Annotated[int | None, typer.Option(help="Trainable ones.")] = None,
    training: Annotated[str | None, typer.Option(help="Data and effort of training.")] = None,
    hardware: Annotated[str | None, typer.Option(help="What it ran on.")] = None,
    command: Annotated[str | None, typer.Option(help="What makes the predictions again.")] = None,
    root: Root = None,
) -> None:
    """Pack the runs of several seeds, files of predictions, or a function into a submission."""
    with failing_clearly():
        from precondbench.errors import ConfigurationError
        from precondbench.leaderboard import pack_predictions, pack_runs

        given = {
            "method": method,
            "kind": kind,
            "authors": author,
            "description": description,
            "licence": licence,
            "parameters": parameters,
            "training": training,
            "hardware": hardware,
            "command": command,
            "links": {name: url for name, url in (("code", code), ("paper", paper)) if url} or None,
        }
        said = {key: value for key, value in given.items() if value is not None}
        if sum(map(bool, (runs, predictions, entry))) != 1:
            raise ConfigurationError(
                "name one of: folders of runs, --predictions FILE, --entry my_module:predict"
            )
        if runs:
            submission = pack_runs(runs, split, out, said, root)
        elif predictions:
            submission = pack_predictions(predictions, out, said, root)
        else:
            assert entry is not None
            names = (dataset, config, label, version)
            submission = _pack_entry(entry, names, split, out, said, root)
        _tell(submission, out)


def _pack_entry(
    entry: str,
    names: tuple[str | None, str | None, str | None, str | None],
    split: str,
    out: Path,
    said: dict[str, Any],
    root: Path | None,
) -> Submission:
    from precondbench.datasets import open_dataset
    from precondbench.errors import ConfigurationError
    from precondbench.leaderboard import load_entry_point, pack_function

    dataset, config, label, version = names
    if dataset is None:
        raise ConfigurationError("--entry needs --dataset, --config and --split of the data")
    function = load_entry_point(entry)
    data = open_dataset(
        dataset, split, configuration=config, label=label, version=version, root=root
    )
    return pack_function(function, data, out, {"method": entry, "kind": "classical", **said}, root)


@app.command(epilog=epilog("submit check"))
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of the submission.")],
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Check a submission as the leaderboard will, without scoring it."""
    with failing_clearly():
        from precondbench.leaderboard import open_bundle

        submission = open_bundle(folder, root).submission
        if json:
            print_json(submission.model_dump(mode="json"))
        else:
            _tell(submission, folder)


@app.command(epilog=epilog("submit schema"))
def schema() -> None:
    """Print the JSON Schema of submission.json."""
    from precondbench.leaderboard import submission_schema

    print_json(submission_schema())


def _tell(submission: Submission, folder: Path) -> None:
    seeds = ", ".join(sorted(submission.predictions, key=int))
    say(f"{folder}: {submission.method} on {submission.where}, seeds {seeds}: a valid submission")
