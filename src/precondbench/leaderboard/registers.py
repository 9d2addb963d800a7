"""Files beside the entries: whose an entry is, and which entries were reproduced.

Neither stands in the entry itself, where its authors would write it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from precondbench._internal import read_model, replacing
from precondbench.errors import LeaderboardError
from precondbench.leaderboard.submissions.schema import Sha256

if TYPE_CHECKING:
    from precondbench.leaderboard.entries import Entry

ModelT = TypeVar("ModelT", bound=BaseModel)
OWNERS, REPRODUCED = "owners.json", "reproduced.json"
LARGEST = 2**22
# Account at the hosting service, by its number: names of accounts can be given up and taken.
Account = Annotated[int, Field(gt=0, lt=2**53)]
Place = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Owners(_Model):
    """``owners.json``: who may change what."""

    format: Literal["precondbench-owners"] = "precondbench-owners"
    format_version: Literal[1] = 1
    maintainers: list[Account] = Field(default=[], description="They may change everything.")
    owners: dict[Place, Account] = Field(
        default={}, description="TRACK/ID of an entry -> who may change it; else maintainers."
    )


class Reproduced(_Model):
    """``reproduced.json``: entries that maintainers have trained again."""

    format: Literal["precondbench-reproduced"] = "precondbench-reproduced"
    format_version: Literal[1] = 1
    entries: dict[Place, Sha256] = Field(
        default={}, description="TRACK/ID of an entry -> digest of what was reproduced."
    )


def read_owners(folder: str | Path) -> Owners:
    """Read whose the entries of a leaderboard are; without a file they are the maintainers'."""
    return _read(Path(folder) / OWNERS, Owners)


def read_reproduced(folder: str | Path) -> Reproduced:
    """Read which entries of a leaderboard were reproduced; without a file none."""
    return _read(Path(folder) / REPRODUCED, Reproduced)


def add_owner(folder: str | Path, track: str, entry: str, account: int) -> None:
    """Write down whose an entry is."""
    known = read_owners(folder)
    write_register(
        folder, known.model_copy(update={"owners": known.owners | {f"{track}/{entry}": account}})
    )


def add_reproduced(folder: str | Path, entry: Entry) -> None:
    """Write down that an entry, as it is now, was reproduced."""
    known = read_reproduced(folder)
    found = known.entries | {place(entry): claim_digest(entry)}
    write_register(folder, known.model_copy(update={"entries": found}))


def reproduced_ids(register: Reproduced, entries: Mapping[str, Entry]) -> frozenset[str]:
    """Return which entries of a track, by id, were reproduced and have not changed since."""
    return frozenset(
        name
        for name, entry in entries.items()
        if register.entries.get(place(entry)) == claim_digest(entry)
    )


def place(entry: Entry) -> str:
    """``TRACK/ID``."""
    return f"{entry.track}/{entry.id}"


def claim_digest(entry: Entry) -> str:
    """Digest of what is reproduced: that this command gives these predictions and weights."""
    claim = [entry.track, entry.id, entry.kind, entry.command, entry.predictions, entry.weights]
    return hashlib.sha256(json.dumps(claim, sort_keys=True).encode()).hexdigest()


def register_text(register: Owners | Reproduced) -> str:
    """Return the text of a register's file; equal content gives equal text."""
    content = register.model_dump(mode="json")
    if isinstance(register, Owners):
        content["maintainers"] = sorted(set(register.maintainers))
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def write_register(folder: str | Path, register: Owners | Reproduced) -> None:
    """Write a register into the folder of a leaderboard."""
    name = OWNERS if isinstance(register, Owners) else REPRODUCED
    with replacing(Path(folder) / name) as temporary:
        temporary.write_text(register_text(register), encoding="utf-8", newline="\n")


def _read(path: Path, model: type[ModelT]) -> ModelT:
    if not path.exists():
        return model()
    hint = "compare with docs/submitting.md"
    return read_model(path, model, LeaderboardError, hint, largest=LARGEST)
