"""``precondbench submit`` and ``precondbench leaderboard``: submissions and entries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precondbench.cli.output import (
    AsJson,
    Dask,
    Dataset,
    Jobs,
    Root,
    Version,
    command,
    group,
    print_json,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from precondbench.leaderboard import Submission

submit = group(no_args_is_help=True, help="Make and check submissions to the leaderboard.")
app = group(no_args_is_help=True, help="Score, check and publish entries.")

Out = Annotated[Path, typer.Option(help="Folder of the submission.")]
Split = Annotated[str, typer.Option(help="Which split was predicted.")]
Name = Annotated[
    str | None,
    typer.Option("--method", help="Name on the board; that of the runs or the file is known."),
]
Author = Annotated[list[str] | None, typer.Option(help="Required; may be repeated.")]
Description = Annotated[str | None, typer.Option(help="Required: what the method does.")]
Fields = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Another field of submission.json: kind (learned or classical), code, paper, licence, "
        "parameters, training, hardware or command; with --entry, form (factor or operator). "
        "May be repeated.",
    ),
]
Limit = Annotated[
    list[str] | None,
    typer.Option(
        "--limit",
        metavar="KEY=NUMBER",
        help="For code that is run: seconds of setup and solve of a matrix, total seconds, bytes "
        "of memory and of file_size. May be repeated.",
    ),
]
Python = Annotated[
    str | None, typer.Option(help="Interpreter with the environment of code that is run.")
]
Unconfined = Annotated[
    bool, typer.Option("--unconfined", help="Run code even where the kernel cannot confine it.")
]
Folder = Annotated[Path, typer.Option("--folder", help="Folder of the leaderboard.")]


@command(submit, "submit pack")
def pack(
    sources: Annotated[
        list[Path],
        typer.Argument(
            help="Run directories, one for each seed, or prediction files; with --entry, a module "
            "or a folder of code."
        ),
    ],
    out: Out = Path("submission"),
    split: Split = "test",
    entry: Annotated[
        str | None, typer.Option(help="Method to be run, module:name in the code.")
    ] = None,
    weights: Annotated[
        list[Path] | None,
        typer.Option(help="File or folder of its weights; repeated for seeds 0, 1, 2, ..."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="Data that it is run on.")] = None,
    config: Annotated[str | None, typer.Option(help="Configuration of this data.")] = None,
    method: Name = None,
    author: Author = None,
    description: Description = None,
    fields: Fields = None,
    root: Root = None,
) -> None:
    """Pack runs, files of predictions, or code that is to be run, into a submission."""
    from precondbench.leaderboard import pack_method, pack_predictions, pack_runs, read_fields

    given = read_fields(fields or [], method, author, description)
    if entry is not None:
        from precondbench.datasets import open_dataset
        from precondbench.errors import ConfigurationError

        if len(sources) != 1 or dataset is None:
            raise ConfigurationError(
                "--entry needs one module or folder of code, and --dataset that it is run on"
            )
        data = open_dataset(dataset, split, configuration=config, root=root)
        given = {"method": entry, "kind": "classical", **given}
        submission = pack_method(entry, sources[0], data, out, given, root, weights or [])
    elif any(source.is_file() for source in sources):
        submission = pack_predictions(sources, out, given, root)
    else:
        submission = pack_runs(sources, split, out, given, root)
    _print_valid(submission, out)


@command(submit, "submit function")
def function(
    entry: Annotated[
        str, typer.Argument(help="A function A -> L, my_module:predict or file.py:predict.")
    ],
    dataset: Dataset,
    config: Annotated[str | None, typer.Option(help="Configuration.")] = None,
    version: Version = None,
    split: Split = "test",
    label: Annotated[str | None, typer.Option(help="Label or target of the track.")] = None,
    out: Out = Path("submission"),
    method: Name = None,
    author: Author = None,
    description: Description = None,
    fields: Fields = None,
    root: Root = None,
) -> None:
    """Pack what a function returns for each matrix of a split."""
    from precondbench.datasets import open_dataset
    from precondbench.leaderboard import load_entry_point, pack_function, read_fields

    given = {
        "method": entry,
        "kind": "classical",
        **read_fields(fields or [], method, author, description),
    }
    called = load_entry_point(entry)
    data = open_dataset(
        dataset, split, configuration=config, label=label, version=version, root=root
    )
    _print_valid(pack_function(called, data, out, given, root), out)


@command(submit, "submit check")
def check_submission(
    folder: Annotated[Path, typer.Argument(help="Folder of the submission.")],
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Check a submission without scoring it."""
    from precondbench.leaderboard import open_bundle

    submission = open_bundle(folder, root).submission
    if json:
        print_json(submission.model_dump(mode="json"))
    else:
        _print_valid(submission, folder)


@command(submit, "submit schema")
def schema() -> None:
    """Print the JSON Schema of submission.json."""
    from precondbench.leaderboard import submission_schema

    print_json(submission_schema())


def _print_valid(submission: Submission, folder: Path) -> None:
    seeds = ", ".join(map(str, submission.seeds))
    say(f"{folder}: {submission.method} on {submission.where}, seeds {seeds}: a valid submission")


@command(app, "leaderboard score")
def score(
    submission: Annotated[Path, typer.Argument(help="Folder of the submission.")],
    folder: Folder = Path("leaderboard"),
    name: Annotated[str | None, typer.Option("--id", help="Of the entry.")] = None,
    owner: Annotated[
        int | None, typer.Option(min=1, help="Number of your account at the hosting service.")
    ] = None,
    python: Python = None,
    limit: Limit = None,
    unconfined: Unconfined = False,
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
) -> None:
    """Check and score a submission, and write its entry; with --owner, also whose it is."""
    from precondbench.leaderboard import (
        Running,
        add_owner,
        entry_path,
        read_limits,
        score_submission,
    )
    from precondbench.recipes import open_executor

    running = Running(read_limits(limit or []), python, unconfined)
    with open_executor(jobs, dask) as executor, progress_bar("scoring") as update:
        entry = score_submission(
            submission, folder, name=name, root=root, executor=executor, progress=update,
            running=running,
        )  # fmt: skip
    if owner is not None:
        add_owner(folder, entry.track, entry.id, owner)
    say(f"{entry.method}: {entry_path(folder, entry.track, entry.id)}")


@command(app, "leaderboard reference")
def reference(
    track: Annotated[list[str] | None, typer.Argument(help="Tracks; by default all.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help="Name of a row; may be repeated; by default all.")
    ] = None,
    folder: Folder = Path("leaderboard"),
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
) -> None:
    """Score classical methods and oracles; write their entries."""
    from precondbench.leaderboard import TRACKS, score_reference, track_named
    from precondbench.recipes import open_executor

    names = [track_named(name) for name in track] if track else list(TRACKS)
    with open_executor(jobs, dask) as executor:
        for name in names:
            with progress_bar(name.id) as update:
                entries = score_reference(
                    name, folder, methods=method or (), root=root, executor=executor,
                    progress=update,
                )  # fmt: skip
            say(f"{name.id}: {len(entries)} entries")


@command(app, "leaderboard extend")
def extend(
    entries: Annotated[
        list[Path], typer.Argument(help="Files LEADERBOARD/entries/TRACK/ID.json with weights.")
    ],
    to: Annotated[str, typer.Option(help="Track of the same configuration.")],
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
) -> None:
    """Score entries on another track of their data from their weights; write its entries."""
    from precondbench.leaderboard import entry_path, extend_entry, place_of, track_named
    from precondbench.recipes import open_executor

    name = track_named(to)
    with open_executor(jobs, dask) as executor:
        for path in entries:
            folder, track, entry = place_of(path)
            extend_entry(folder, track, entry, name, root=root, executor=executor)
            say(f"{entry}: {entry_path(folder, name.id, entry)}")


@command(app, "leaderboard check")
def check(
    entries: Annotated[
        list[Path] | None,
        typer.Argument(help="Files LEADERBOARD/entries/TRACK/ID.json; by default all entries."),
    ] = None,
    folder: Folder = Path("leaderboard"),
    submission: Annotated[
        Path | None, typer.Option(help="Of one entry; by default LEADERBOARD/submissions/TRACK/ID.")
    ] = None,
    python: Python = None,
    limit: Limit = None,
    unconfined: Unconfined = False,
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
) -> None:
    """Score entries again, from weights where there are any; any difference is an error."""
    from precondbench.errors import ConfigurationError, LeaderboardError
    from precondbench.leaderboard import Running, check_entries, place_of, read_limits
    from precondbench.recipes import open_executor

    if submission is not None and len(entries or []) != 1:
        raise ConfigurationError("--submission belongs to one entry; name one file with it")
    places: dict[Path, list[tuple[str, str]] | None] = {} if entries else {folder: None}
    for path in entries or []:
        where, track, entry = place_of(path)
        named = places.setdefault(where, [])
        assert named is not None
        named.append((track, entry))
    running = Running(read_limits(limit or []), python, unconfined)
    failed = []
    with open_executor(jobs, dask) as executor:
        for where, wanted in places.items():
            for found in check_entries(
                where,
                wanted,
                submission=submission,
                root=root,
                executor=executor,
                progress=progress_bar,
                running=running,
            ):
                for entry, way in found.confirmed.items():
                    say(f"{found.track}/{entry}: {way}")
                for problem in found.problems.values():
                    say(problem)
                    failed.append(problem)
                count = len(found.confirmed)
                say(f"{found.track}: {count} entries hold ({found.seconds:.1f} s)")
    if failed:
        raise LeaderboardError(f"{len(failed)} entries or tracks do not hold, first: {failed[0]}")


@command(app, "leaderboard hidden")
def hidden(
    entry: Annotated[Path, typer.Argument(help="File LEADERBOARD/entries/TRACK/ID.json.")],
    seed: Annotated[Path, typer.Option(help="File with a secret of 16 bytes or more.")],
    matrices: Annotated[
        Path | None, typer.Option(help="Folder of matrices that are not published.")
    ] = None,
    count: Annotated[int, typer.Option(min=0, help="Draws, where the track is of a family.")] = 50,
    submission: Annotated[
        Path | None, typer.Option(help="By default LEADERBOARD/submissions/TRACK/ID.")
    ] = None,
    python: Python = None,
    limit: Limit = None,
    unconfined: Unconfined = False,
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
) -> None:
    """Run an entry on hidden matrices; its file then states the aggregates."""
    from precondbench.errors import ConfigurationError
    from precondbench.leaderboard import HiddenSet, Running, place_of, read_limits, score_hidden
    from precondbench.recipes import open_executor

    try:
        secret = seed.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{seed} cannot be read: {error.strerror}") from None
    folder, track, name = place_of(entry)
    running = Running(read_limits(limit or []), python, unconfined)
    with open_executor(jobs, dask) as executor:
        found = score_hidden(
            folder, track, name, HiddenSet(secret, matrices, count), submission=submission,
            root=root, executor=executor, running=running,
        )  # fmt: skip
    out = found.hidden
    assert out is not None
    say(
        f"{found.method}: {out.matrices} hidden matrices, {out.solved:.1%} solved, "
        f"ratio {out.ratio_mean:.4g}, IC(0) {out.ic0_ratio_mean:.4g}"
    )


@command(app, "leaderboard review")
def review(
    base: Annotated[Path, typer.Option(help="Checkout of the repository without the change.")],
    change: Annotated[Path, typer.Option(help="Checkout of the repository with the change.")],
    account: Annotated[
        int, typer.Option(min=1, help="Number of the account that asks for the change.")
    ],
    jobs: Jobs = 1,
    dask: Dask = None,
    root: Root = None,
) -> None:
    """Judge a pull request: what changed in leaderboard/, by whom, and whether its scores hold.

    Nothing of the change is run. It is refused for one reason, or every entry that it touches was
    scored again.
    """
    from precondbench.leaderboard import review_change
    from precondbench.recipes import open_executor

    with open_executor(jobs, dask) as executor:
        found = review_change(
            base, change, account, root=root, executor=executor, progress=progress_bar
        )
    for entry, way in found.confirmed.items():
        say(f"{entry}: {way}")
    say(f"{len(found.changed)} files of the board change, {len(found.confirmed)} entries hold")


@command(app, "leaderboard reproduce")
def reproduce(
    entry: Annotated[Path, typer.Argument(help="File LEADERBOARD/entries/TRACK/ID.json.")],
    timeout: Annotated[float | None, typer.Option(help="Seconds for each seed.")] = None,
    root: Root = None,
) -> None:
    """Train an entry again by its command, and compare what it predicts, matrix by matrix.

    A success is written into reproduced.json beside the entries; the board shows it.
    """
    from precondbench.errors import ConfigurationError
    from precondbench.leaderboard import place_of, reproduce_entry

    if timeout is not None and not 0 < timeout < float("inf"):
        raise ConfigurationError(f"--timeout is {timeout}; give seconds, more than 0")
    folder, track, name = place_of(entry)
    found = reproduce_entry(folder, track, name, root=root, timeout=timeout, started=say)
    same = sum(found.identical.values())
    say(f"{same} of {len(found.identical)} seeds are the same to the bit; all are within the band")


@command(app, "leaderboard render")
def render(
    folder: Folder = Path("leaderboard"),
    out: Annotated[Path, typer.Option(help="Folder of the site; an earlier site is replaced.")] = (
        Path("site")
    ),
    documentation: Annotated[
        str | None,
        typer.Option(help="Where the documentation is: an address, or a path from the site."),
    ] = None,
) -> None:
    """Render all entries as a static site."""
    from precondbench.leaderboard import render_site

    count = render_site(folder, out, documentation=documentation)
    say(f"{count} files; open {out / 'index.html'}")
