"""Files of a board that may come from anybody: which there may be, and which differ."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from precondbench.errors import LeaderboardError
from precondbench.leaderboard.running.program import PART

Kind = Literal[
    "readme",
    "owners",
    "reproduced",
    "track",
    "entry",
    "sums",
    "weights",
    "submission",
    "predictions",
    "submitted-weights",
    "code",
    "run-weights",
]
_ID = r"([a-z0-9][a-z0-9.-]{0,80})"
_DATA = r"([a-z0-9][A-Za-z0-9._-]{0,200})"
_FOLDER = r"seed-(?:0|[1-9][0-9]{0,8})"
_SEED = r"seed-(?:0|[1-9][0-9]{0,8})\.safetensors"
# Of code, and of its weights.
_BELOW = rf"(?:{PART}/){{0,3}}{PART}"
_MIB = 2**20
# What a file may be called below leaderboard/, and the most bytes it may have. Submissions are
# kept in the repository while nothing else can score their entry again.
_ALLOWED: dict[Kind, tuple[str, int]] = {
    "readme": (r"README\.md", _MIB),
    "owners": (r"owners\.json", 4 * _MIB),
    "reproduced": (r"reproduced\.json", 4 * _MIB),
    "track": (rf"tracks/{_ID}\.json", 16 * _MIB),
    "entry": (rf"entries/{_ID}/{_ID}\.json", 4 * _MIB),
    "sums": (r"weights/SHA256SUMS", 4 * _MIB),
    "weights": (rf"weights/{_DATA}/{_ID}/{_SEED}", 4 * _MIB),
    "submission": (rf"submissions/{_ID}/{_ID}/submission\.json", _MIB),
    "predictions": (rf"submissions/{_ID}/{_ID}/predictions\.safetensors", 20 * _MIB),
    "submitted-weights": (rf"submissions/{_ID}/{_ID}/weights/{_SEED}", 4 * _MIB),
    "code": (rf"submissions/{_ID}/{_ID}/code/{_BELOW}", _MIB),
    "run-weights": (rf"submissions/{_ID}/{_ID}/weights/{_FOLDER}/{_BELOW}", 4 * _MIB),
}
_DEEPEST = 8
_MOST_FILES = 50_000
# Names that Windows gives to devices, with any ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


@dataclass(frozen=True)
class BoardFile:
    """A file below the folder of a leaderboard.

    ``names`` are track (or, for weights, configuration of the data) and id of the entry that its
    path names.
    """

    path: Path
    kind: Kind
    names: tuple[str, ...]


def board_files(folder: Path) -> dict[str, BoardFile]:
    """Return the files below a leaderboard by their relative path.

    Raises LeaderboardError for what no leaderboard holds: other names and kinds of files, links,
    files larger than they can be, empty folders. No file is opened.
    """
    found: dict[str, BoardFile] = {}
    if not _is_folder(folder):
        raise LeaderboardError(f"{folder} is not a folder; a leaderboard is one")
    waiting = [folder]
    while waiting:
        parent = waiting.pop()
        paths = sorted(parent.iterdir())
        if not paths:
            raise LeaderboardError(f"{_shown(folder, parent)} is an empty folder; remove it")
        for path in paths:
            if _is_folder(path):
                if len(path.relative_to(folder).parts) >= _DEEPEST:
                    raise LeaderboardError(_unknown(folder, path))
                waiting.append(path)
            else:
                found[path.relative_to(folder).as_posix()] = _board_file(folder, path)
            if len(found) + len(waiting) > _MOST_FILES:
                raise LeaderboardError(f"{folder} holds more than {_MOST_FILES} files")
    return found


def different(old: Mapping[str, BoardFile], new: Mapping[str, BoardFile]) -> list[str]:
    """Return the paths of files that are only in one of two leaderboards, or other, sorted."""
    return sorted(
        path
        for path in old.keys() | new.keys()
        if path not in old or path not in new or not _same(old[path].path, new[path].path)
    )


def _board_file(folder: Path, path: Path) -> BoardFile:
    status = path.lstat()
    shown = _shown(folder, path)
    if stat.S_ISLNK(status.st_mode):
        raise LeaderboardError(f"{shown} is a symbolic link; put the file itself there")
    if not stat.S_ISREG(status.st_mode):
        raise LeaderboardError(f"{shown} is not a regular file")
    relative = path.relative_to(folder).as_posix()
    for kind, (pattern, largest) in _ALLOWED.items():
        match = re.fullmatch(pattern, relative)
        if match is None:
            continue
        if status.st_mode & 0o111:
            raise LeaderboardError(f"{shown} is executable; a file of a leaderboard is data")
        if status.st_size > largest:
            raise LeaderboardError(
                f"{shown} has {status.st_size} bytes; such a file has at most {largest}"
            )
        if any(_DEVICES.fullmatch(part) or part.endswith(".") for part in match.groups()):
            raise LeaderboardError(f"{shown} has a name that Windows cannot store; choose another")
        return BoardFile(path, kind, match.groups())
    raise LeaderboardError(_unknown(folder, path))


def _unknown(folder: Path, path: Path) -> str:
    return (
        f"{_shown(folder, path)} has no place in a leaderboard, which holds tracks/TRACK.json, "
        "entries/TRACK/ID.json, submissions/TRACK/ID/ and weights/DATA/ID/, with ids of lower-case "
        "letters, digits, dots and hyphens"
    )


def _shown(folder: Path, path: Path) -> str:
    """Name a path as ASCII text of bounded length, below the name of the folder."""
    return ascii(f"{folder.name}/{path.relative_to(folder).as_posix()}")[1:-1][:200]


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(path.lstat().st_mode) if os.path.lexists(path) else False


def _same(one: Path, other: Path) -> bool:
    return one.lstat().st_size == other.lstat().st_size and one.read_bytes() == other.read_bytes()
