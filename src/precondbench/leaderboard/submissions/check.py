"""Entries of a leaderboard: score submissions and reference rows, and score entries again."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from precondbench.errors import ConfigurationError, LeaderboardError, PrecondbenchError
from precondbench.leaderboard.entries import (
    Entry,
    Leaderboard,
    Track,
    read_leaderboard,
    stored_entry,
    submission_path,
    weights_path,
    write_entry,
    write_track,
)
from precondbench.leaderboard.methods.registry import reference_rows, tuned
from precondbench.leaderboard.methods.row import ReferenceMethod
from precondbench.leaderboard.pretrained import add_weights
from precondbench.leaderboard.running.method import Running
from precondbench.leaderboard.scoring.score import (
    DIGITS,
    Candidate,
    bundle_candidate,
    score_candidates,
    scored_entry,
    track_of,
)
from precondbench.leaderboard.submissions.predicted import Judged, predicted_again, starts_of
from precondbench.leaderboard.submissions.schema import Bundle, open_bundle
from precondbench.leaderboard.submissions.tolerance import (
    OTHER_SIDES,
    SAME_SIDES,
    UNKNOWN_SIDES,
    first_difference,
    outside_band,
)
from precondbench.leaderboard.tracks import OpenTrack, TrackName, open_track, track_named
from precondbench.quality import REFERENCE, Evaluation

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
    running: Running | None = None,
) -> Entry:
    """Check and score a submission, and write its entry, under an id made from the method's name.

    Weights are copied into the leaderboard. An entry of that id on the same track is replaced.
    ``running`` says how the code of a submission is run, if it has any.
    """
    bundle = open_bundle(submission, root)
    track = open_track(track_of(bundle), root)
    bundles = {name or entry_id(bundle.submission.method): bundle}
    (entry,) = _score_bundles(bundles, track, folder, root, executor, progress, running)
    return entry


def score_submissions(
    submissions: Iterable[str | Path],
    folder: str | Path,
    *,
    root: str | Path | None = None,
    executor: Executor | None = None,
) -> Iterator[Entry]:
    """Score many submissions and write their entries; those of one track share its work."""
    tracks: dict[TrackName, dict[str, Bundle]] = {}
    for submission in submissions:
        bundle = open_bundle(submission, root)
        tracks.setdefault(track_of(bundle), {})[entry_id(bundle.submission.method)] = bundle
    for name, bundles in tracks.items():
        yield from _score_bundles(bundles, open_track(name, root), folder, root, executor, None)


def _score_bundles(
    bundles: Mapping[str, Bundle],
    track: OpenTrack,
    folder: str | Path,
    root: str | Path | None,
    executor: Executor | None,
    progress: Progress | None,
    running: Running | None = None,
) -> list[Entry]:
    candidates = {
        name: _submitted(bundle, name, track, root, running) for name, bundle in bundles.items()
    }
    scored = score_candidates(track, candidates, executor=executor, progress=progress)
    _write_track(folder, track)
    for name, entry in scored.items():
        add_weights(folder, track.name, name, bundles[name].weights)
        write_entry(folder, entry)
    return list(scored.values())


def score_reference(
    name: TrackName,
    folder: str | Path,
    *,
    methods: Sequence[str] = (),
    root: str | Path | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> list[Entry]:
    """Score classical methods and oracles of a track, by default all, and write their entries.

    ConfigurationError if the track has no row of a name.
    """
    rows = reference_rows(name)
    if unknown := set(methods) - set(rows):
        raise ConfigurationError(
            f"{name.id} has no row {min(unknown)!r}; choose from {', '.join(rows)}"
        )
    track = open_track(name, root)
    candidates = {
        key: _reference(tuned(method, name, root, executor))
        for key, method in rows.items()
        if not methods or key in methods
    }
    scored = score_candidates(track, candidates, executor=executor, progress=progress)
    _write_track(folder, track)
    for entry in scored.values():
        write_entry(folder, entry)
    return list(scored.values())


def extend_entry(
    folder: str | Path,
    track: str,
    entry: str,
    to: TrackName,
    *,
    root: str | Path | None = None,
    executor: Executor | None = None,
) -> Entry:
    """Predict another track from the weights of an entry, and write the entry of that track.

    Tracks of one configuration share weights, so that a model need not be trained again where a
    track is new. LeaderboardError if the entry has no weights or the tracks do not share them.
    """
    board = read_leaderboard(folder)
    stored = stored_entry(board, track, entry)
    if not stored.weights:
        raise LeaderboardError(f"{track}/{entry} has no weights to predict {to.id} from")
    here, there = (weights_path("", name, entry, 0) for name in (board.tracks[track], to))
    if here != there:
        raise LeaderboardError(f"{to.id} has other weights than {track}; train on its data")
    opened = open_track(to, root)
    candidate = _from_weights(folder, stored, opened, root)
    found = score_candidates(opened, {entry: candidate}, executor=executor)[entry]
    _write_track(folder, opened)
    write_entry(folder, found)
    return found


# How an entry was confirmed.
COMPUTED = "computed again"
SUBMITTED = "its submission scored again"
SAME_BITS = "predicted again from its weights, to the bit"
RUN = "run again"
RUN_IN_BAND = "run again, with other roundings and within the band for them"
IN_BAND = "predicted again from its weights, with other roundings and within the band for them"


@dataclass(frozen=True)
class CheckedTrack:
    """What scoring a track again has confirmed.

    Attributes
    ----------
    track : str
        Its id.
    confirmed : dict of str to str
        Id of an entry -> how it was confirmed.
    problems : dict of str to str
        Id of an entry, or ``track`` for the file of the track itself -> what differs.
    seconds : float
        Wall time.
    """

    track: str
    confirmed: dict[str, str]
    problems: dict[str, str]
    seconds: float


def check_entries(
    folder: str | Path,
    entries: Iterable[tuple[str, str]] | None = None,
    *,
    submission: str | Path | None = None,
    root: str | Path | None = None,
    executor: Executor | None = None,
    progress: Callable[[str], AbstractContextManager[Progress]] | None = None,
    running: Running | None = None,
) -> Iterator[CheckedTrack]:
    """Score entries again, track by track; those of one track share what is computed a matrix.

    Reference rows are computed by the library, learned and fitted ones predicted from their
    weights, with the model that they start from. Others are scored from their submission, by
    default ``<folder>/submissions/<track>/<entry>``, and run as ``running`` says if they are code.
    The files of the tracks are compared, too.

    ``entries`` are pairs (track, id), by default all. ``progress(track)`` opens what is called
    after each matrix.
    """
    board = read_leaderboard(folder)
    wanted: dict[str, list[str]] = {}
    for track, entry in _all(board) if entries is None else entries:
        wanted.setdefault(track, []).append(stored_entry(board, track, entry).id)
    for track, names in wanted.items():
        start = perf_counter()
        with nullcontext(None) if progress is None else progress(track) as report:
            again = _Again(Path(folder), board, submission, root, executor, report, running)
            confirmed, problems = again.check(track, names)
        yield CheckedTrack(track, confirmed, problems, perf_counter() - start)


def check_entry(
    folder: str | Path,
    track: str,
    entry: str,
    *,
    submission: str | Path | None = None,
    root: str | Path | None = None,
    executor: Executor | None = None,
) -> str:
    """Score one entry again; LeaderboardError with the first outcome that differs.

    Returns how it was confirmed.
    """
    (found,) = check_entries(
        folder, [(track, entry)], submission=submission, root=root, executor=executor
    )
    for problem in found.problems.values():
        raise LeaderboardError(problem)
    return found.confirmed[entry]


def _all(board: Leaderboard) -> Iterator[tuple[str, str]]:
    return ((track, entry) for track, entries in board.entries.items() for entry in entries)


# What is compared in a band: the last of the entries that are made again.
_BANDS = {
    IN_BAND: (SAME_SIDES, OTHER_SIDES),
    RUN: (UNKNOWN_SIDES,),
    RUN_IN_BAND: (SAME_SIDES, UNKNOWN_SIDES),
}
# Fields of an entry that are not its description.
_COMPUTED = {"seeds", "start", "interval", "gain"}


@dataclass(frozen=True)
class _Again:
    """Entries of a folder made again, as far as they can be."""

    folder: Path
    board: Leaderboard
    submission: str | Path | None
    root: str | Path | None
    executor: Executor | None
    progress: Progress | None
    running: Running | None = None

    def check(self, name: str, entries: list[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Return how entries were confirmed, and what differs, by id."""
        ways: dict[str, str] = {}
        problems: dict[str, str] = {}
        candidates: dict[tuple[str, int], Candidate] = {}
        try:
            track = open_track(track_named(name), self.root)
            described = Track.model_validate(track.describe())
        except PrecondbenchError as error:
            return ways, {"track": str(error)}
        facts = self.board.tracks[name]
        if wrong := first_difference(_content(facts), _content(described), f"track {name}"):
            problems["track"] = wrong
        for entry in entries:
            try:
                found, ways[entry] = self._candidates(track, self.board.entries[name][entry])
                candidates |= {(entry, number): one for number, one in enumerate(found)}
            except PrecondbenchError as error:
                problems[entry] = f"{name}/{entry}: {error}"
        scored = score_candidates(track, candidates, executor=self.executor, progress=self.progress)
        for entry in ways:
            again = [one for key, one in scored.items() if key[0] == entry]
            stored = self.board.entries[name][entry]
            wrong = _difference(track, described, stored, again, ways[entry])
            if wrong and ways[entry] == RUN:
                wrong = _difference(track, described, stored, again, RUN_IN_BAND)
                ways[entry] = RUN_IN_BAND
            if wrong:
                problems[entry] = wrong
        return {entry: way for entry, way in ways.items() if entry not in problems}, problems

    def _candidates(self, track: OpenTrack, entry: Entry) -> tuple[list[Candidate], str]:
        """Return what an entry should be, and how it is known.

        Where predictions made again have other bits there are two: on the right-hand sides of the
        entry, and on their own. What a submission gives comes first, if there is one.
        """
        if entry.tier == "reference":
            methods = reference_rows(track.name)
            if entry.method not in methods:
                raise LeaderboardError(f"the library has no method {entry.method!r} on this track")
            method = tuned(methods[entry.method], track.name, self.root, self.executor)
            return [_reference(method)], COMPUTED
        place = self.submission or submission_path(self.folder, entry.track, entry.id)
        bundle = open_bundle(place, self.root) if Path(place).is_dir() else None
        if bundle is None and entry.program:
            raise LeaderboardError(
                f"it is run, and {place} is not the folder of its submission; put it there, or "
                "name it by --submission"
            )
        if not (bundle or entry.weights):
            raise LeaderboardError(
                f"there are no weights of it, and {place} is not the folder of its submission; put "
                "it there, or name it by --submission"
            )
        found = (
            [] if bundle is None else [_submitted(bundle, entry.id, track, self.root, self.running)]
        )
        if bundle is not None and bundle.submission.program:
            # Code that finds its own key knows the solutions; it cannot know these.
            unknown = {seed: secrets.token_hex(32) for seed in found[0].seeds}
            return [*found, replace(found[0], seeds=_bound(found[0].seeds, unknown))], RUN
        if not entry.weights:
            return found, SUBMITTED
        own = _from_weights(self.folder, entry, track, self.root)
        keys = {scores.seed: scores.key for scores in entry.seeds}
        first = {scores.seed: scores.key for scores in entry.start}
        if keys == _keys(own.seeds) and first == _keys(own.starts):
            return (found or [own]), SAME_BITS
        given = Candidate(
            {**own.content, "predictions": _named(keys)},
            _bound(own.seeds, keys),
            _bound(own.starts, first),
        )
        return [*found, given, own], IN_BAND


def _content(model: Entry | Track) -> dict[str, Any]:
    # Whoever checks an entry sets limits of his own; what came of hidden matrices is a statement of
    # the maintainers.
    return model.model_dump(mode="json", exclude={"limits", "hidden"})


def _keys(judged: Mapping[int | None, tuple[Any, str]]) -> dict[int | None, str]:
    return {seed: key for seed, (_, key) in judged.items()}


def _named(keys: Mapping[int | None, str]) -> dict[str, str]:
    return {str(seed): key for seed, key in keys.items()}


def _bound(judged: Mapping[int | None, tuple[Any, str]], keys: Mapping[int | None, str]) -> Judged:
    """Bind right-hand sides to what an entry states."""
    return {seed: (given, keys.get(seed, key)) for seed, (given, key) in judged.items()}


def _submitted(
    bundle: Bundle,
    name: str,
    track: OpenTrack,
    root: str | Path | None,
    running: Running | None = None,
) -> Candidate:
    stated = bundle.submission
    starts = _starts(stated.kind, stated.command, stated.weights, track, root)
    return replace(bundle_candidate(bundle, name, running), starts=starts)


def _from_weights(
    folder: str | Path, entry: Entry, track: OpenTrack, root: str | Path | None
) -> Candidate:
    """Return what an entry is on a track of its data, predicted from its weights."""
    seeds = predicted_again(folder, entry, track)
    starts = _starts(entry.kind, entry.command, entry.weights, track, root)
    content = {key: value for key, value in _content(entry).items() if key not in _COMPUTED}
    return Candidate({**content, "predictions": _named(_keys(seeds))}, seeds, starts)


def _starts(
    kind: str, command: str | None, seeds: Iterable[str], track: OpenTrack, root: str | Path | None
) -> Judged:
    """Predictions of the untrained model; a fitted one is nothing before its fit."""
    numbers = sorted(map(int, seeds))
    return starts_of(command, numbers, track, root) if numbers and kind == "learned" else {}


def _difference(
    track: OpenTrack, facts: Track, stored: Entry, again: list[Entry], way: str
) -> str | None:
    """Describe the first difference of an entry from what it should be, if there is one."""
    where = f"{stored.track}/{stored.id}"
    bands = _BANDS.get(way, ())
    if way == RUN_IN_BAND:
        old, new = (
            {key: value for key, value in _content(one).items() if key not in _COMPUTED}
            for one in (stored, again[0])
        )
        wrong = first_difference(old, new, where) or _inconsistent(track, facts, stored, where)
    elif len(again) == 2 and way == IN_BAND:
        wrong = _inconsistent(track, facts, stored, where)
    else:
        wrong = first_difference(_content(stored), _content(again[0]), where)
    if wrong:
        return wrong
    for other, band in zip(again[len(again) - len(bands) :], bands, strict=True):
        if len(other.start) != len(stored.start):
            return f"{where}.start has {len(stored.start)} seeds, not {len(other.start)}"
        problem = outside_band(
            stored.evaluations(facts), other.evaluations(facts), band, track.ranked_by
        ) or outside_band(stored.starts(facts), other.starts(facts), band, track.ranked_by)
        if problem:
            return f"{where}: {problem}"
    return None


def _inconsistent(track: OpenTrack, facts: Track, stored: Entry, where: str) -> str | None:
    """Describe where summary, interval or gain are not those of the outcomes of an entry."""
    seeds, starts = (
        [
            replace(Evaluation.of(one.rows, track.ladder, one.key).rounded(DIGITS), seed=one.seed)
            for one in evaluations
        ]
        for evaluations in (stored.evaluations(facts), stored.starts(facts))
    )
    content = _content(stored)
    if not stored.program:
        content["predictions"] = {str(scores.seed): scores.key for scores in stored.seeds}
    again = scored_entry(track, content, seeds, starts)
    return first_difference(_content(stored), _content(again), where)


def _reference(method: ReferenceMethod) -> Candidate:
    """Return the entry of a row of the library."""
    return Candidate(reference_content(method), {None: (method, REFERENCE)})


def reference_content(method: ReferenceMethod) -> dict[str, Any]:
    """Return the description of a row of the library."""
    return {
        "id": entry_id(method.name),
        "method": method.name,
        "kind": method.kind,
        "tier": "reference",
        "form": method.form,
        "description": method.description,
        "reference": method.reference,
        "authors": ["precondbench"],
    }


def _write_track(folder: str | Path, track: OpenTrack) -> None:
    write_track(folder, Track.model_validate(track.describe()))
