"""What a submission that is run consists of: code, weights, an environment; and their digest."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
)

from precondbench._internal import make_folder, read_text
from precondbench.errors import SubmissionError
from precondbench.leaderboard.submissions.names import visible
from precondbench.shards import file_sha256

CODE, WEIGHTS = "code", "weights"
MOST_FILES = 200
LARGEST_CODE, LARGEST_WEIGHTS = 2**20, 2**26
# One part of the path of a file.
PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}"
_PART = re.compile(PART)
# Made by running code, and run in place of it if it is there.
_COMPILED = "__pycache__"

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Seed = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,8})$")]


class Program(BaseModel):
    """A method that is run: where it begins, what it needs, and digests of its files."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    entry: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.]{0,99}:[A-Za-z_]\w*$")]
    form: Literal["factor", "operator"] = Field(
        description="What setup returns: a factor on the pattern of the track, or an operator or "
        "a function close to the inverse of A."
    )
    python: Annotated[str, StringConstraints(pattern=r"^3\.[0-9]{1,2}$")] = Field(
        description="Version of the language."
    )
    requirements: Annotated[str, StringConstraints(max_length=20_000), AfterValidator(visible)] = (
        Field(default="", description="Packages it imports: requirements.txt of the code.")
    )
    code: Sha256 = Field(description="Digest of the files in code/.")
    weights: dict[Seed, Sha256] = Field(
        default={},
        max_length=20,
        description="Seed -> digest of the files in weights/seed-<seed>/.",
    )

    @field_validator("entry")
    @classmethod
    def _is_ascii(cls, entry: str) -> str:
        if not entry.isascii():
            raise ValueError("an entry point consists of ASCII letters, digits, dots and _")
        return entry

    @property
    def seeds(self) -> list[int]:
        """Seeds of the weights; 0 alone where there are none."""
        return sorted(map(int, self.weights)) or [0]

    def key(self, seed: int) -> str:
        """Digest of all that the method can read with the weights of a seed.

        Three of the four right-hand sides of each matrix are bound to it (docs/protocol.md).
        """
        lines = [
            "precondbench program 1",
            f"entry {self.entry}",
            f"form {self.form}",
            f"python {self.python}",
            f"requirements {hashlib.sha256(self.requirements.encode()).hexdigest()}",
            f"code {self.code}",
            f"weights {self.weights.get(str(seed), '-')}",
        ]
        return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def listing(folder: Path, leave_out: bool = False) -> list[str]:
    """Return the files below a folder, sorted by path, with ``/`` between the parts.

    Parameters
    ----------
    folder : Path
        Where they are.
    leave_out : bool
        Leave compiled code out, instead of refusing it.

    Returns
    -------
    list of str
        At least one.

    Raises
    ------
    SubmissionError
        If there are none or too many, a name has other characters than ASCII letters, digits,
        dots, hyphens and underscores or begins with a dot, or something is not a regular file.
    """
    found: list[str] = []
    waiting = [folder]
    while waiting:
        parent = waiting.pop()
        if not stat.S_ISDIR(_status(parent)):
            raise SubmissionError(f"{parent} is not a folder; links are not followed")
        for path in parent.iterdir():
            shown = ascii(path.relative_to(folder).as_posix())[1:-1][:200]
            if path.name == _COMPILED:
                if leave_out:
                    continue
                raise SubmissionError(f"{path} is compiled code; remove it")
            if not _PART.fullmatch(path.name):
                raise SubmissionError(
                    f"{folder} holds {shown}; names begin with a letter, a digit or _ and consist "
                    "of these, dots and hyphens: rename it or move it elsewhere"
                )
            mode = _status(path)
            if stat.S_ISDIR(mode):
                waiting.append(path)
            elif stat.S_ISREG(mode):
                found.append(path.relative_to(folder).as_posix())
            else:
                raise SubmissionError(f"{folder}: {shown} is not a regular file; copy it there")
            if len(found) + len(waiting) > MOST_FILES:
                raise SubmissionError(f"{folder} holds more than {MOST_FILES} files or folders")
    if not found:
        raise SubmissionError(f"{folder} holds no files")
    return sorted(found)


def files_digest(folder: Path, largest: int) -> str:
    """Digest of the files below a folder: sha256 of lines ``<sha256 of the file>  <path>``."""
    lines = []
    for name in listing(folder):
        size = (folder / name).lstat().st_size
        if size > largest:
            raise SubmissionError(
                f"{folder / name} has {size} bytes; such a file has at most {largest}"
            )
        lines.append(f"{file_sha256(folder / name)}  {name}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def pack_program(
    entry: str,
    code: str | Path,
    folder: str | Path,
    *,
    weights: Sequence[str | Path] = (),
    form: str = "factor",
) -> dict[str, Any]:
    """Copy code and weights into the folder of a submission, and return their description.

    Parameters
    ----------
    entry : str
        ``module:name`` of a method, of a class of methods, or of a function A -> M.
    code : path-like
        A module (one file) or a folder, from which modules are imported. Its
        ``requirements.txt``, if there is one, lists the packages that they import.
    folder : path-like
        Of the submission; code and weights that are there are replaced.
    weights : sequence of path-like
        Files or folders, those of seeds 0, 1, 2, ...
    form : {"factor", "operator"}
        What the method returns.

    Returns
    -------
    dict
        Content of a :class:`Program`.
    """
    folder = Path(folder)
    module = entry.partition(":")[0].partition(".")[0]
    if Path(code).is_file() and Path(code).stem != module:
        raise SubmissionError(f"{code} is not the module {module!r} of {entry!r}; name its file")
    parts = {CODE: (code, LARGEST_CODE)}
    for seed, path in enumerate(weights):
        parts[f"{WEIGHTS}/seed-{seed}"] = (path, LARGEST_WEIGHTS)
    digests = {}
    for part in (CODE, WEIGHTS):
        shutil.rmtree(folder / part, ignore_errors=True)
    for part, (source, largest) in parts.items():
        _copy(Path(source), folder / part)
        digests[part] = files_digest(folder / part, largest)
    return {
        "entry": entry,
        "form": form,
        "python": ".".join(platform.python_version_tuple()[:2]),
        "requirements": _requirements(folder),
        "code": digests.pop(CODE),
        "weights": {part.partition("seed-")[2]: digest for part, digest in digests.items()},
    }


def check_program(folder: Path, program: Program) -> None:
    """Raise SubmissionError unless the files of a submission have the digests that it states."""
    stated: Mapping[str, tuple[str, int]] = {
        CODE: (program.code, LARGEST_CODE),
        **{
            f"{WEIGHTS}/seed-{seed}": (digest, LARGEST_WEIGHTS)
            for seed, digest in program.weights.items()
        },
    }
    for part, (digest, largest) in stated.items():
        if files_digest(folder / part, largest) != digest:
            raise SubmissionError(
                f"{folder / part} has another digest than the submission states; pack it again"
            )
    if _requirements(folder) != program.requirements:
        raise SubmissionError(
            f"{folder} states other requirements than requirements.txt of its code; pack it again"
        )
    if (folder / WEIGHTS).is_dir():
        known = {f"seed-{seed}" for seed in program.weights}
        for path in (folder / WEIGHTS).iterdir():
            if path.name not in known:
                raise SubmissionError(f"{path} belongs to no seed of the submission; remove it")


def _requirements(folder: Path) -> str:
    path = folder / CODE / "requirements.txt"
    return read_text(path, SubmissionError) if path.is_file() else ""


def _copy(source: Path, target: Path) -> None:
    make_folder(target)
    if source.is_dir():
        for name in listing(source, leave_out=True):
            make_folder((target / name).parent)
            shutil.copyfile(source / name, target / name)
    elif source.is_file():
        shutil.copyfile(source, target / source.name)
    else:
        raise SubmissionError(f"there is neither a file nor a folder {source}")


def _status(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError as error:
        raise SubmissionError(f"{path} cannot be read ({error.strerror}); is it there?") from None
