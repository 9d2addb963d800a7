"""Dates of entries, from the history of the repository that they stand in."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

# Path below entries/ without its ending, TRACK/ID -> date of the commit that added the file.
Dates = Mapping[str, str]


def dates_of(folder: str | Path) -> Dates:
    """Return when entries of a leaderboard were added, as ``YYYY-MM-DD``.

    Nothing outside a git repository, without git, and in a shallow clone, whose oldest commit
    seems to add everything.
    """
    entries = Path(folder) / "entries"
    if _git(entries, "rev-parse", "--is-shallow-repository").strip() != "false":
        return {}
    log = _git(
        entries, "log", "--no-renames", "--diff-filter=A", "--format=//%cs", "--name-only",
        "--relative", "-z", "--", ".",
    )  # fmt: skip
    dates: dict[str, str] = {}
    date = ""
    for word in log.replace("\n", "\0").split("\0"):
        if word.startswith("//"):
            date = word.removeprefix("//")
        elif word:
            # Newest first: an entry that was removed meanwhile has the date of its return.
            dates.setdefault(word.removesuffix(".json"), date)
    return dates


def _git(folder: Path, *words: str) -> str:
    command = ["git", "--no-optional-locks", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603
    except OSError:
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""
