"""The decision on a change of the board: two folders are compared, and what differs is judged.

The change is data that may come from anybody. What may be changed by whom, and what is scored,
is decided by the library and the registers of the base alone; docs/submitting.md has the rules.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

import precondbench
from precondbench.baselines import load_model, load_models, save_model
from precondbench.errors import LeaderboardError
from precondbench.leaderboard.entries import (
    Entry,
    Leaderboard,
    entry_path,
    read_leaderboard,
    submission_path,
    weights_path,
    write_entry,
    write_track,
)
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.pretrained import sums_text, tracks_by_weights
from precondbench.leaderboard.registers import (
    OWNERS,
    Owners,
    claim_digest,
    place,
    read_owners,
    read_reproduced,
    register_text,
)
from precondbench.leaderboard.scoring.score import track_of
from precondbench.leaderboard.submissions.check import check_entries, entry_id
from precondbench.leaderboard.submissions.files import BoardFile, board_files, different
from precondbench.leaderboard.submissions.names import RESERVED_AUTHOR, skeleton
from precondbench.leaderboard.submissions.pack import write_bundle_predictions
from precondbench.leaderboard.submissions.schema import (
    SAME_SEEDS,
    open_bundle,
    read_submission,
    seeds_alike,
    write_submission,
)
from precondbench.leaderboard.tracks import TRACKS
from precondbench.shards import file_sha256

Progress = Callable[[int, int], None]
MOST_ENTRIES = 60
# Fields that may change without a submission: words of the authors.
_WORDS = {"method", "description", "authors", "links", "licence", "training", "hardware"}
_ATTRIBUTES = ".gitattributes"


@dataclass(frozen=True)
class Review:
    """A change that may be merged.

    Attributes
    ----------
    changed : list of str
        Paths below ``leaderboard/`` that differ.
    confirmed : dict of str to str
        TRACK/ID of every entry that was scored again -> how it was confirmed.
    """

    changed: list[str]
    confirmed: dict[str, str]


def review_change(
    base: str | Path,
    change: str | Path,
    account: int,
    *,
    root: str | Path | None = None,
    executor: Executor | None = None,
    progress: Callable[[str], AbstractContextManager[Progress]] | None = None,
) -> Review:
    """Judge a change of the board; LeaderboardError with the first reason against it.

    Parameters
    ----------
    base, change : path-like
        Checkouts of the repository without and with the change.
    account : int
        Number of the account at the hosting service that asks for the change.
    root : path-like, optional
        Cache folder.
    executor : Executor, optional
        Its workers score matrices.
    progress : callable, optional
        ``progress(track)`` opens what is called after each matrix.
    """
    _check_attributes(Path(base), Path(change))
    folders = Path(base) / "leaderboard", Path(change) / "leaderboard"
    old, new = map(board_files, folders)
    changed = different(old, new)
    if not changed:
        return Review([], {})
    judged = _Change(*folders, old, new, changed, account, root)
    judged.check_rights()
    judged.check_owners()
    judged.check_bytes()
    for entry in judged.entries:
        judged.check_entry(entry)
    judged.check_weights()
    judged.check_rest()
    confirmed: dict[str, str] = {}
    for found in check_entries(
        folders[1], judged.scored(), root=root, executor=executor, progress=progress
    ):
        for problem in found.problems.values():
            raise LeaderboardError(problem)
        confirmed |= {f"{found.track}/{name}": way for name, way in found.confirmed.items()}
    return Review(changed, confirmed)


def _check_attributes(base: Path, change: Path) -> None:
    """Refuse a change of how git writes files: those read here would not be those merged."""
    files = [path / _ATTRIBUTES for path in (base, change)]
    contents = [
        file.read_bytes() if file.is_file() and not file.is_symlink() else None for file in files
    ]
    if contents[0] != contents[1] or files[1].is_symlink():
        raise LeaderboardError(
            f"{_ATTRIBUTES} changes how git writes files; change it apart from the board"
        )


_TRACKS_OF = tracks_by_weights()
_DATA_OF = {track: data for data, tracks in _TRACKS_OF.items() for track in tracks}


@dataclass(frozen=True)
class _Change:
    base: Path
    folder: Path
    old: dict[str, BoardFile]
    new: dict[str, BoardFile]
    changed: list[str]
    account: int
    root: str | Path | None

    @cached_property
    def owners(self) -> Owners:
        """Of the base: no change decides on itself."""
        return read_owners(self.base)

    @cached_property
    def new_owners(self) -> Owners:
        return read_owners(self.folder)

    @cached_property
    def maintainer(self) -> bool:
        return self.account in self.owners.maintainers

    @cached_property
    def before(self) -> Leaderboard:
        return read_leaderboard(self.base)

    @cached_property
    def board(self) -> Leaderboard:
        return read_leaderboard(self.folder)

    @cached_property
    def entries(self) -> list[Entry]:
        """Entries that are new or other, in order."""
        files = (self.new[path] for path in self.changed if path in self.new)
        return [
            self.board.entries[file.names[0]][file.names[1]]
            for file in files
            if file.kind == "entry"
        ]

    def _stored_before(self, entry: Entry) -> Entry | None:
        return self.before.entries.get(entry.track, {}).get(entry.id)

    def check_rights(self) -> None:
        """Raise unless the account may change every file that is changed."""
        count = 0
        for path in self.changed:
            file = self.new.get(path) or self.old[path]
            if len(file.names) == 2:
                count += file.kind == "entry"
                self._check_place(path, *file.names)
            elif not self.maintainer and file.kind in ("readme", "reproduced", "track"):
                raise LeaderboardError(f"leaderboard/{path} is changed by maintainers only")
        if count > MOST_ENTRIES and not self.maintainer:
            raise LeaderboardError(
                f"{count} entries change at once; {MOST_ENTRIES} are the most in a pull request"
            )

    def _check_place(self, path: str, first: str, entry: str) -> None:
        tracks = _TRACKS_OF.get(_DATA_OF.get(first, first))
        if tracks is None:
            raise LeaderboardError(f"leaderboard/{path}: there is no track {first!r}")
        if self.maintainer:
            return
        # The splits of a configuration share weights, so that an id has one owner on all of them.
        for track in tracks:
            name = f"{track}/{entry}"
            there = f"entries/{name}.json" in self.old
            if there and self.owners.owners.get(name) != self.account:
                raise LeaderboardError(
                    f"leaderboard/{path}: {name} is an entry of "
                    + ("another account" if name in self.owners.owners else "the maintainers")
                    + f", which account {self.account} may not change; take another id for an entry"
                    " of your own"
                )

    def check_owners(self) -> None:
        """Raise unless the file of owners has the changes that new and deleted entries ask for."""
        paths = [f"entries/{name}.json" for name in self.new_owners.owners]
        if self.maintainer:
            stray = [path for path in paths if path not in self.new]
            if stray:
                raise LeaderboardError(f"{OWNERS} names {stray[0]}, which does not exist")
            return
        owners = dict(self.owners.owners)
        for path in self.changed:
            file = self.new.get(path) or self.old[path]
            if file.kind == "entry":
                name = "/".join(file.names)
                if path not in self.new:
                    owners.pop(name, None)
                elif path not in self.old:
                    owners[name] = self.account
        expected = self.owners.model_copy(update={"owners": owners})
        if register_text(self.new_owners) == register_text(expected):
            return
        missing = [
            name
            for name, of in owners.items()
            if name not in self.owners.owners and self.new_owners.owners.get(name) != of
        ]
        advice = (
            f"it must say that {missing[0]} is of account {owners[missing[0]]}; `precondbench "
            f"leaderboard score ... --owner {self.account}` writes it"
            if missing
            else "only the lines of entries that this change adds or removes may change"
        )
        raise LeaderboardError(f"leaderboard/{OWNERS}: {advice}")

    def check_bytes(self) -> None:
        """Raise unless changed files have the bytes that the library writes."""
        with tempfile.TemporaryDirectory() as temporary:
            for path in self.changed:
                file = self.new.get(path)
                written = file and self._written(file, Path(temporary))
                if file and written is not None and written != file.path.read_bytes():
                    raise LeaderboardError(
                        f"leaderboard/{path} has other bytes than the library writes for what it "
                        "says; write it with `precondbench`"
                    )

    def _written(self, file: BoardFile, folder: Path) -> bytes | None:
        """Return what the library writes for what a file says."""
        if file.kind == "track":
            return write_track(folder, self.board.tracks[file.names[0]]).read_bytes()
        if file.kind == "entry":
            track, entry = file.names
            return write_entry(folder, self.board.entries[track][entry]).read_bytes()
        if file.kind == "owners":
            return register_text(self.new_owners).encode()
        if file.kind == "reproduced":
            return register_text(read_reproduced(self.folder)).encode()
        if file.kind == "sums":
            return sums_text(self.folder / "weights").encode()
        if file.kind == "submission":
            write_submission(folder, read_submission(file.path.parent))
            return (folder / file.path.name).read_bytes()
        if file.kind in ("weights", "submitted-weights"):
            save_model(load_model(file.path), folder / "weights.safetensors")
            return (folder / "weights.safetensors").read_bytes()
        return None

    def check_entry(self, entry: Entry) -> None:
        """Raise unless an entry is what it may be, apart from its scores."""
        where = f"leaderboard/entries/{place(entry)}.json"
        before = self._stored_before(entry)
        if entry.tier == "reference":
            if not self.maintainer:
                raise LeaderboardError(
                    f"{where} has tier reference, which is for rows of the library; yours is scored"
                )
            return
        if entry.program and not self.maintainer:
            raise LeaderboardError(
                f"{where} is run; its code is read, scored and added by maintainers: send them the "
                "submission"
            )
        if entry.hidden != (before and before.hidden) and not self.maintainer:
            raise LeaderboardError(
                f"{where} states what came of hidden matrices; only maintainers write that"
            )
        self._check_names(entry, where)
        version = entry.scorer.precondbench
        if version not in (precondbench.__version__, before and before.scorer.precondbench):
            raise LeaderboardError(
                f"{where} was scored by version {version!a:.40} of the library; the board is "
                f"scored by {precondbench.__version__}, score it again"
            )
        trains = any(line.startswith("precondbench train") for line in _lines(entry.command))
        if entry.kind in ("learned", "fitted") and trains and not entry.weights:
            raise LeaderboardError(
                f"{where} is of a model of the library and has no weights; pack its runs with "
                "`precondbench submit pack`, which puts them beside the predictions"
            )
        self._check_submission(entry, where, before)

    def _check_names(self, entry: Entry, where: str) -> None:
        look = skeleton(entry.method)
        for track in TRACKS:
            for name in reference_rows(track):
                if skeleton(name) == look or skeleton(entry_id(name)) == skeleton(entry.id):
                    raise LeaderboardError(
                        f"{where}: {entry.method!a} or its id can be taken for {name}, a row of "
                        "the library; choose another name"
                    )
        reserved = [a for a in entry.authors if skeleton(RESERVED_AUTHOR) in skeleton(a)]
        if reserved and not self.maintainer:
            raise LeaderboardError(
                f"{where}: the author {reserved[0]!a} can be taken for the authors of the library; "
                "name yourself"
            )
        for other in self._others(entry):
            same = other.track == entry.track
            if skeleton(other.method) == look and (
                same or self._owner(other) != self._owner(entry)
            ):
                raise LeaderboardError(
                    f"{where}: {entry.method!a} can be taken for {other.method!a}, the name of "
                    f"{place(other)}; choose another"
                )
            if same and skeleton(other.id) == skeleton(entry.id):
                raise LeaderboardError(
                    f"{where}: the id {entry.id} can be taken for {other.id}; choose another"
                )

    def _others(self, entry: Entry) -> Iterator[Entry]:
        for entries in self.board.entries.values():
            for other in entries.values():
                if place(other) != place(entry):
                    yield other

    def _owner(self, entry: Entry) -> int | None:
        return self.new_owners.owners.get(place(entry))

    def _check_submission(self, entry: Entry, where: str, before: Entry | None) -> None:
        folder = submission_path(self.folder, entry.track, entry.id)
        shown = f"leaderboard/submissions/{place(entry)}"
        if not folder.is_dir():
            if not entry.weights:
                raise LeaderboardError(
                    f"{where} has neither weights of a model of the library nor its submission in "
                    f"{shown}, so that nobody can score it again; put the submission there"
                )
            fixed = (one and one.model_dump(exclude=_WORDS) for one in (before, entry))
            if len({repr(one) for one in fixed}) > 1:
                raise LeaderboardError(
                    f"{where} is not scored without its submission; put it into {shown}"
                )
            return
        bundle = open_bundle(folder, self.root)
        if track_of(bundle).id != entry.track:
            raise LeaderboardError(f"{shown} is for track {track_of(bundle).id}; put it there")
        if bundle.predictions is None:
            return
        with tempfile.TemporaryDirectory() as temporary:
            again = write_bundle_predictions(bundle, Path(temporary))
            if again.read_bytes() != (folder / again.name).read_bytes():
                raise LeaderboardError(
                    f"{shown}/{again.name} has other bytes than `precondbench submit pack` writes "
                    "for its values; pack it again"
                )

    def check_weights(self) -> None:
        """Raise unless weights belong to entries, and those of different seeds differ."""
        touched = {
            (_DATA_OF.get(file.names[0], file.names[0]), file.names[1])
            for file in (self.new.get(path) or self.old[path] for path in self.changed)
            if len(file.names) == 2
        }
        for data, name in sorted(touched):
            sharing = self._sharing(data, name)
            for path, file in self.new.items():
                if file.kind == "weights" and file.names == (data, name):
                    seed = file.path.stem.removeprefix("seed-")
                    stated = {entry.weights[seed] for entry in sharing if seed in entry.weights}
                    if stated != {file_sha256(file.path)}:
                        raise LeaderboardError(
                            f"leaderboard/{path} is not what "
                            + (place(sharing[0]) if sharing else "any entry")
                            + " states as its weights"
                        )
            for entry in sharing:
                self._check_models(entry)

    def _sharing(self, data: str, name: str) -> list[Entry]:
        """Return the entries of one id on all splits of a configuration."""
        found = (self.board.entries.get(track, {}).get(name) for track in _TRACKS_OF[data])
        return [entry for entry in found if entry is not None]

    def _check_models(self, entry: Entry) -> None:
        values = {}
        for seed in map(int, entry.weights):
            path = weights_path(self.folder, self.board.tracks[entry.track], entry.id, seed)
            if not path.is_file():
                raise LeaderboardError(
                    f"{place(entry)} states weights of seed {seed}; {path} is not there"
                )
            # Sorted: with its hidden units in another order, a network is the same.
            values[seed] = np.concatenate(
                [
                    np.sort(parameter.detach().numpy(), axis=None)
                    for model in load_models(path)
                    for parameter in model.parameters()
                ]
            )
        if same := seeds_alike(values):
            raise LeaderboardError(
                f"{place(entry)}: the weights of seeds {same[0]} and {same[1]} are equal up to "
                f"rounding; {SAME_SEEDS}"
            )

    def check_rest(self) -> None:
        """Raise for what is left over: submissions without entries, claims that do not fit."""
        parts = ("submission", "predictions", "submitted-weights", "code", "run-weights")
        for path, file in self.new.items():
            if file.kind in parts and entry_path("", *file.names).as_posix() not in self.new:
                raise LeaderboardError(
                    f"leaderboard/{path} belongs to no entry; add the entry that `precondbench "
                    "leaderboard score` writes, or remove the submission"
                )
            if file.kind in ("code", "run-weights"):
                track, entry = file.names
                if self.board.entries[track][entry].program is None:
                    raise LeaderboardError(
                        f"leaderboard/{path} is code of an entry that is not run; remove it"
                    )
        sums = self.new.get("weights/SHA256SUMS")
        if sums_text(self.folder / "weights") != ("" if sums is None else _text(sums)):
            raise LeaderboardError(
                "leaderboard/weights/SHA256SUMS is not the list of the files of weights; "
                "`precondbench leaderboard score` writes it"
            )
        claims = read_reproduced(self.folder).entries
        known = read_reproduced(self.base).entries
        for name, digest in claims.items():
            track, _, entry = name.partition("/")
            there = self.board.entries.get(track, {}).get(entry)
            if known.get(name) != digest and (there is None or claim_digest(there) != digest):
                raise LeaderboardError(
                    f"reproduced.json: {name} is not the entry that was reproduced"
                )
        for path in self.changed:
            found = self.new.get(path)
            if found and found.kind == "track" and not self.board.entries[found.names[0]]:
                raise LeaderboardError(f"leaderboard/{path} has no entries; add its reference rows")

    def scored(self) -> Iterable[tuple[str, str]]:
        """Return track and id of all entries to be scored again, tracks together."""
        found: set[tuple[str, str]] = set()
        for path in self.changed:
            file = self.new.get(path) or self.old[path]
            if file.kind == "track":
                track = file.names[0]
                found |= {(track, name) for name in self.board.entries.get(track, {})}
            elif file.kind == "weights":
                found |= {(entry.track, entry.id) for entry in self._sharing(*file.names)}
            elif len(file.names) == 2 and entry_path("", *file.names).as_posix() in self.new:
                found.add((file.names[0], file.names[1]))
        return sorted(found)


def _lines(command: str | None) -> list[str]:
    return [line.strip() for line in (command or "").split("\n")]


def _text(file: BoardFile) -> str:
    return file.path.read_bytes().decode("utf-8", "replace")
