"""``precondbench leaderboard``: score, check and reproduce entries, render them as a site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precondbench.cli.output import Root, epilog, failing_clearly, progress_bar, say

app = typer.Typer(no_args_is_help=True, help="Score submissions, and score them again.")

Folder = Annotated[Path, typer.Option("--folder", help="Folder of the leaderboard.")]
Jobs = Annotated[int, typer.Option(help="Processes; the result does not depend on it.")]


@app.command(epilog=epilog("leaderboard score"))
def score(
    submission: Annotated[Path, typer.Argument(help="Folder of the submission.")],
    folder: Folder = Path("leaderboard"),
    name: Annotated[str | None, typer.Option("--id", help="Of the entry.")] = None,
    jobs: Jobs = 1,
    root: Root = None,
) -> None:
    """Check and score a submission, and write its entry."""
    with failing_clearly():
        from precondbench.leaderboard import entry_path, score_submission
        from precondbench.recipes import open_executor

        with open_executor(jobs) as executor, progress_bar("scoring") as update:
            entry = score_submission(
                submission, folder, name=name, root=root, executor=executor, progress=update
            )
        say(f"{entry.method}: {entry_path(folder, entry.track, entry.id)}")


@app.command(epilog=epilog("leaderboard reference"))
def reference(
    track: Annotated[list[str] | None, typer.Argument(help="Tracks; by default all.")] = None,
    folder: Folder = Path("leaderboard"),
    jobs: Jobs = 1,
    root: Root = None,
) -> None:
    """Score the classical methods and oracles, and write their entries."""
    with failing_clearly():
        from precondbench.leaderboard import TRACKS, score_reference, track_named
        from precondbench.recipes import open_executor

        names = [track_named(name) for name in track] if track else list(TRACKS)
        with open_executor(jobs) as executor:
            for name in names:
                with progress_bar(name.id) as update:
                    entries = score_reference(
                        name, folder, root=root, executor=executor, progress=update
                    )
                say(f"{name.id}: {len(entries)} entries")


@app.command(epilog=epilog("leaderboard check"))
def check(
    entries: Annotated[list[Path], typer.Argument(help="Files LEADERBOARD/entries/TRACK/ID.json.")],
    submission: Annotated[
        Path | None,
        typer.Option(help="Of one entry; by default LEADERBOARD/submissions/TRACK/ID."),
    ] = None,
    jobs: Jobs = 1,
    root: Root = None,
) -> None:
    """Score entries again; any difference is an error."""
    with failing_clearly():
        from precondbench.errors import ConfigurationError, LeaderboardError, SubmissionError
        from precondbench.leaderboard import check_entry, place_of
        from precondbench.recipes import open_executor

        if submission is not None and len(entries) != 1:
            raise ConfigurationError("--submission belongs to one entry; name one file with it")
        failed = []
        with open_executor(jobs) as executor:
            for path in entries:
                try:
                    folder, track, entry = place_of(path)
                    with progress_bar(f"{track}/{entry}") as update:
                        found = check_entry(
                            folder,
                            track,
                            entry,
                            submission=submission,
                            root=root,
                            executor=executor,
                            progress=update,
                        )
                    say(f"{path}: {found.method}, every outcome is the same")
                except (LeaderboardError, SubmissionError) as error:
                    say(f"{path}: {error}")
                    failed.append(path)
        if failed:
            raise LeaderboardError(
                f"{len(failed)} of {len(entries)} entries do not hold, first {failed[0]}"
            )


@app.command(epilog=epilog("leaderboard reproduce"))
def reproduce(
    entry: Annotated[Path, typer.Argument(help="File LEADERBOARD/entries/TRACK/ID.json.")],
    timeout: Annotated[float | None, typer.Option(help="Seconds for each command.")] = None,
    root: Root = None,
) -> None:
    """Run the command that an entry states, and compare what it predicts."""
    with failing_clearly():
        from precondbench.errors import ConfigurationError
        from precondbench.leaderboard import place_of, reproduce_entry

        if timeout is not None and not 0 < timeout < float("inf"):
            raise ConfigurationError(f"--timeout is {timeout}; give seconds, more than 0")
        folder, track, name = place_of(entry)
        found = reproduce_entry(folder, track, name, root=root, timeout=timeout, started=say)
        same = sum(found.identical.values())
        say(f"{same} of {len(found.identical)} seeds are the same to the bit; all within tolerance")


@app.command(epilog=epilog("leaderboard render"))
def render(
    folder: Folder = Path("leaderboard"),
    out: Annotated[Path, typer.Option(help="Folder of the site; an earlier site is replaced.")] = (
        Path("site")
    ),
) -> None:
    """Render all entries as a static site that opens from a folder."""
    with failing_clearly():
        from precondbench.leaderboard import render_site

        count = render_site(folder, out)
        say(f"{count} files; open {out / 'index.html'}")
