"""Entries of a leaderboard: score submissions and reference rows, and score them again."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from precondbench.errors import LeaderboardError
from precondbench.leaderboard.entries import (
    Entry,
    Leaderboard,
    Track,
    entry_of,
    read_leaderboard,
    submission_path,
    write_entry,
    write_track,
)
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.methods.row import ReferenceMethod
from precondbench.leaderboard.scoring.score import (
    score_bundle,
    score_seeds,
    scored_entry,
    track_of,
)
from precondbench.leaderboard.submissions.reproduce import Reproduction, reproduce
from precondbench.leaderboard.submissions.schema import open_bundle
from precondbench.leaderboard.tracks import OpenTrack, TrackName, open_track, track_named
from precondbench.quality import Evaluation

Progress = Callable[[int, int], None]


def entry_id(method: str) -> str:
    """Make the id of an entry from the name of its method."""
    words = re.findall(r"[a-z0-9]+", method.lower())
    return "-".join(words)[:80] or "entry"


def score_submission(
    submission: str | Path,
    folder: str | Path,
    *,
    name: str | None = None,
    root: str | Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Entry:
    """Check and score a submission, and write its entry, under an id made from the method's name.

    An entry of that id on the same track is replaced.
    """
    bundle = open_bundle(submission, root)
    track = open_track(track_of(bundle), root)
    known = name or entry_id(bundle.submission.method)
    entry = score_bundle(bundle, track, known, executor, progress)
    _write_track(folder, track)
    write_entry(folder, entry)
    return entry


def score_reference(
    name: TrackName,
    folder: str | Path,
    *,
    root: str | Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Entry]:
    """Score the classical methods and oracles of a track, and write their entries."""
    track = open_track(name, root)
    methods = reference_rows(name)
    scores = score_seeds(
        track,
        {key: {None: row} for key, row in methods.items()},
        executor=executor,
        progress=progress,
    )
    entries = [reference_entry(track, methods[key], seeds) for key, seeds in scores.items()]
    _write_track(folder, track)
    for entry in entries:
        write_entry(folder, entry)
    return entries


def check_entry(
    folder: str | Path,
    track: str,
    entry: str,
    *,
    submission: str | Path | None = None,
    root: str | Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Entry:
    """Score an entry again; raise LeaderboardError with the first outcome that differs.

    ``submission`` is by default ``<folder>/submissions/<track>/<entry>``; entries of tier
    ``reference`` need none.
    """
    board = read_leaderboard(folder)
    stored = _stored(board, track, entry)
    opened = open_track(track_named(track), root)
    if stored.tier == "reference":
        methods = reference_rows(opened.name)
        if stored.method not in methods:
            raise LeaderboardError(f"the library has no method {stored.method!r} on {track}")
        method = methods[stored.method]
        scores = score_seeds(opened, {"": {None: method}}, executor=executor, progress=progress)[""]
        again = reference_entry(opened, method, scores)
    else:
        submission = submission or submission_path(folder, track, entry)
        if not Path(submission).is_dir():
            raise LeaderboardError(
                f"{track}/{entry} is scored from a submission, and {submission} is not a folder; "
                "put it there, or name it by --submission"
            )
        bundle = open_bundle(submission, root)
        again = score_bundle(bundle, opened, entry, executor, progress)
    _compare(stored.model_dump(mode="json"), again.model_dump(mode="json"), f"{track}/{entry}")
    _compare(
        board.tracks[track].model_dump(mode="json"),
        Track.model_validate(opened.describe()).model_dump(mode="json"),
        f"track {track}",
    )
    return stored


def reproduce_entry(
    folder: str | Path,
    track: str,
    entry: str,
    *,
    root: str | Path | None = None,
    started: Callable[[str], None] | None = None,
    timeout: float | None = None,
) -> Reproduction:
    """Run the command of an entry again; on success its tier becomes ``reproduced``.

    Raises LeaderboardError if what comes out lies beyond tolerance, and SubmissionError if the
    command is refused or fails.
    """
    stored = _stored(read_leaderboard(folder), track, entry)
    opened = open_track(track_named(track), root)
    content = stored.model_dump(mode="json")
    found = reproduce(content, opened, started=started, timeout=timeout)
    if not found.succeeded:
        raise LeaderboardError(f"{track}/{entry} is not reproduced: {'; '.join(found.problems)}")
    write_entry(folder, entry_of({**content, "tier": "reproduced"}))
    return found


def _stored(board: Leaderboard, track: str, entry: str) -> Entry:
    there = board.entries.get(track, {})
    if entry not in there:
        raise LeaderboardError(
            f"there is no entry {entry!r} on track {track!r}; there are "
            + (", ".join(sorted(there)) or "none")
        )
    return there[entry]


def reference_entry(
    track: OpenTrack,
    method: ReferenceMethod,
    evaluations: list[Evaluation],
) -> Entry:
    """Return the entry of a row of the library."""
    content: dict[str, Any] = {
        "id": entry_id(method.name),
        "method": method.name,
        "kind": method.kind,
        "tier": "reference",
        "form": method.form,
        "description": method.description,
        "reference": method.reference,
        "authors": ["precondbench"],
    }
    return scored_entry(track, content, evaluations)


def _write_track(folder: str | Path, track: OpenTrack) -> None:
    write_track(folder, Track.model_validate(track.describe()))


# SuperLU computes the estimate with the BLAS of the machine, so its last digits differ.
_CONDITION_TOLERANCE = 1e-6


def _compare(stored: Any, again: Any, where: str) -> None:
    """Raise for the first place where two JSON values differ."""
    # The version of the library may be another; what it computes may not.
    if where.endswith("scorer.precondbench"):
        return
    floats = isinstance(stored, float) and isinstance(again, float)
    tolerance = _CONDITION_TOLERANCE if where.endswith(".condition") else 0.0
    if floats and math.isclose(stored, again, rel_tol=tolerance):
        return
    if isinstance(stored, dict) and isinstance(again, dict) and stored.keys() == again.keys():
        for key in stored:
            _compare(stored[key], again[key], f"{where}.{key}")
    elif isinstance(stored, list) and isinstance(again, list) and len(stored) == len(again):
        for number, (one, other) in enumerate(zip(stored, again, strict=True)):
            _compare(one, other, f"{where}[{number}]")
    elif stored != again:
        raise LeaderboardError(
            f"{where} is {_short(stored)}, scored again it is {_short(again)}; the entry is not "
            "what its predictions give"
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
