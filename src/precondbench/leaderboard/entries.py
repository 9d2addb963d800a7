"""Files of the leaderboard: a track's matrices, an entry's outcomes, one JSON file each."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from precondbench._internal import first_problem, read_model, replacing
from precondbench.errors import LeaderboardError
from precondbench.leaderboard.registers import read_reproduced, reproduced_ids
from precondbench.leaderboard.running.program import Program
from precondbench.leaderboard.submissions.schema import (
    AuthorName,
    Line,
    Links,
    MethodName,
    Name,
    Seconds,
    SeedName,
    Sha256,
    Text,
)
from precondbench.quality import SIDES, Evaluation

if TYPE_CHECKING:
    from precondbench.leaderboard.tracks import TrackName

MOST_MATRICES = 10_000
_HINT = (
    "write it with `precondbench leaderboard score` of this version (files of protocol 1 must be "
    "scored again)"
)


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("the number is not finite")
    return value


Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,80}$")]
Number = Annotated[float, AfterValidator(_finite)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
# A digest, or ``reference``.
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,80}$")]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,64}$")]
Status = Literal["converged", "iteration-limit", "stagnated", "invalid"]
PerMatrix = Field(max_length=MOST_MATRICES)
Sides = Annotated[list[Count], Field(min_length=SIDES, max_length=SIDES)]
Interval = Annotated[list[Number], Field(min_length=2, max_length=2)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Protocol(_Model):
    """How the track is scored, see docs/protocol.md."""

    rtol: Number
    maxiter: Count
    version: Literal[2]
    sides: Literal[4] = Field(description="Right-hand sides of each matrix.")
    solver: Literal["PCG", "GMRES(50)"] = "PCG"


class MatrixInfo(_Model):
    """One matrix of a track."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._/-]{1,120}$")]
    n: Count
    nnz: Count = Field(description="Values of a prediction: L, or L and U.")
    kind: Line | None
    family: Line = Field(description="Families are independent, their matrices are not.")
    condition: Number | None = Field(description="Of the scaled matrix, an estimate.")
    target_iterations: Count
    density: list[Digits] | None = Field(description="Spy plot, rows of digits.", max_length=64)


class Track(_Model):
    """A ranking: a split, its matrices, and facts that do not depend on entries."""

    format: Literal["precondbench-track"]
    format_version: Literal[2]
    id: Id
    title: Line
    dataset: Name
    version: Name
    configuration: Name
    split: Name
    label: Name
    content_digest: Sha256
    kind: Literal["real", "parametric", "synthetic"]
    protocol: Protocol
    matrices: list[MatrixInfo] = Field(min_length=1, max_length=MOST_MATRICES)
    ladder: dict[SeedName, Number] | None = Field(description="Hops -> mean iterations.")
    ceilings: dict[SeedName, Number] | None = Field(
        description="Columns that see A_11 -> largest mean cosine."
    )


class Scorer(_Model):
    """What computed the scores."""

    precondbench: Line
    protocol: Literal[2]


class StoredEvaluation(_Model):
    """Outcomes of one seed; lists are in the order of the track's matrices."""

    seed: Count | None
    key: Key = Field(description="What three of the four right-hand sides are bound to.")
    summary: dict[Name, Number | Count | None]
    status: list[Status] = PerMatrix
    iterations: list[Count] = Field(
        description="Of the side with the most.", max_length=MOST_MATRICES
    )
    sides: list[Sides] = Field(
        description="Iterations of each side; the limit where it fails.", max_length=MOST_MATRICES
    )
    residual: list[Number | None] = PerMatrix
    cosine: list[Number | None] = PerMatrix
    log10_one_minus_cosine: list[Number | None] = PerMatrix
    n_log_k: list[Number | None] = PerMatrix
    condition: list[Number | None] = Field(
        description="Condition number of L^-1 A L^-T, from the coefficients of PCG.",
        max_length=MOST_MATRICES,
    )
    work: list[Number | None] = Field(
        description="Numbers read by one application, over those of a factor on tril(A), "
        "or of L and U on the pattern of A.",
        max_length=MOST_MATRICES,
    )
    reason: dict[SeedName, Text] = Field(description="Number of a matrix -> why it is invalid.")

    def on(self, track: Track) -> Evaluation:
        """Return the evaluation, with the matrices of its track."""
        matrices = track.matrices
        columns: dict[str, Any] = {name: tuple(getattr(self, name)) for name in _COLUMNS}
        columns["sides"] = tuple(map(tuple, self.sides))
        return Evaluation(
            name=tuple(matrix.name for matrix in matrices),
            n=tuple(matrix.n for matrix in matrices),
            nnz=tuple(matrix.nnz for matrix in matrices),
            target_iterations=tuple(matrix.target_iterations for matrix in matrices),
            reason=tuple(self.reason.get(str(i), "") for i in range(len(matrices))),
            summary={"matrices": len(matrices), **self.summary},
            seed=self.seed,
            key=self.key,
            **columns,
        )


def stored(evaluation: Evaluation) -> dict[str, Any]:
    """Return what an entry keeps of an evaluation; its track has the rest."""
    return {
        "seed": evaluation.seed,
        "key": evaluation.key,
        "summary": {k: v for k, v in evaluation.summary.items() if k != "matrices"},
        **{name: list(getattr(evaluation, name)) for name in _COLUMNS},
        "sides": [list(counts) for counts in evaluation.sides],
        "reason": {str(i): reason for i, reason in enumerate(evaluation.reason) if reason},
    }


_COLUMNS = (
    "status",
    "iterations",
    "sides",
    "residual",
    "cosine",
    "log10_one_minus_cosine",
    "n_log_k",
    "condition",
    "work",
)


LimitName = Literal["setup", "solve", "total", "memory", "file_size"]


class Gain(_Model):
    """The number that ranks over that of the start, mean and 95 % interval."""

    mean: Number
    low: Number
    high: Number


class Hidden(_Model):
    """What an entry that is run does on matrices that are not published."""

    digest: Sha256 = Field(description="Of the matrices and a secret seed.")
    matrices: Count
    solved: Number = Field(description="Share of the matrices, over seeds.")
    ratio_mean: Number = Field(
        description="Geometric mean of iterations over the fewest of classical methods, failures "
        "at the limit, mean over seeds."
    )
    interval: Interval = Field(description="95 % interval of it.")
    ic0_ratio_mean: Number = Field(description="The same of IC(0).")
    date: Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    precondbench: Line


class Entry(_Model):
    """A method on a track: what it is, as its authors say, and what came of it, as scored."""

    format: Literal["precondbench-entry"]
    format_version: Literal[2]
    id: Id
    track: Id
    content_digest: Sha256
    method: MethodName
    kind: Literal["learned", "fitted", "classical", "oracle"]
    tier: Literal["scored", "reference"]
    form: Literal["factor", "operator"] = Field(
        description="On the pattern of the track, or any operator close to the inverse of A."
    )
    description: Text
    reference: Line | None
    authors: list[AuthorName] = Field(max_length=100)
    links: Links
    licence: Line | None
    parameters: Count | None
    training: Text | None
    hardware: Line | None
    seconds: Seconds
    command: Text | None
    scorer: Scorer
    predictions: dict[SeedName, Sha256] = Field(description="Seed -> digest of its values.")
    weights: dict[SeedName, Sha256] = Field(description="Seed -> digest of its file of weights.")
    program: Program | None = Field(
        default=None, description="What was run, in place of predictions; others lack it."
    )
    limits: dict[LimitName, Number] | None = Field(
        default=None, description="Of the run that was scored, as bytes or seconds."
    )
    hidden: Hidden | None = Field(
        default=None, description="On matrices that only maintainers know; most entries lack it."
    )
    interval: Interval = Field(description="95 % interval of the number that ranks.")
    gain: Gain | None = Field(description="Over the start; none where there is no start.")
    seeds: list[StoredEvaluation] = Field(min_length=1, max_length=20)
    start: list[StoredEvaluation] = Field(
        description="The same model before its training, by seed.", max_length=20
    )

    @model_validator(mode="after")
    def _lists_have_one_length(self) -> Entry:
        scored = (*self.seeds, *self.start)
        lengths = {len(getattr(scores, name)) for scores in scored for name in _COLUMNS}
        if len(lengths) != 1:
            raise ValueError(f"lists of outcomes have different lengths: {sorted(lengths)}")
        return self

    @model_validator(mode="after")
    def _seeds_are_known(self) -> Entry:
        seeds = [scores.seed for scores in self.seeds]
        if len(set(seeds)) != len(seeds):
            raise ValueError(f"a seed appears twice among {seeds}")
        if self.start and [scores.seed for scores in self.start] != seeds:
            raise ValueError("the starts have other seeds than the outcomes")
        named = {str(seed) for seed in seeds}
        if self.weights and set(self.weights) != named:
            raise ValueError("the weights have other seeds than the outcomes")
        if self.program and sorted(named) != sorted(map(str, self.program.seeds)):
            raise ValueError("the program has weights of other seeds than the outcomes")
        return self

    def evaluations(self, track: Track) -> list[Evaluation]:
        """Return the evaluation of every seed on the track that the entry is for."""
        return [scores.on(track) for scores in self.seeds]

    def starts(self, track: Track) -> list[Evaluation]:
        """Return the evaluation of the untrained model of every seed, if there are any."""
        return [scores.on(track) for scores in self.start]


@dataclass(frozen=True)
class Leaderboard:
    """Tracks, and the entries of each.

    Attributes
    ----------
    tracks : dict of str to Track
        By id.
    entries : dict of str to dict of str to Entry
        By id of the track, then by id of the entry.
    reproduced : dict of str to frozenset of str
        By id of the track, which entries were reproduced.
    """

    tracks: dict[str, Track]
    entries: dict[str, dict[str, Entry]]
    reproduced: dict[str, frozenset[str]] = field(default_factory=dict)


def entry_of(content: Mapping[str, Any]) -> Entry:
    """Check the content of an entry's file; LeaderboardError if it is not by the schema."""
    try:
        return Entry.model_validate(dict(content))
    except ValidationError as error:
        raise LeaderboardError(f"the entry is wrong at {first_problem(error)}") from None


def track_path(folder: str | Path, track: str) -> Path:
    """Return where the file of a track is."""
    return Path(folder) / "tracks" / f"{track}.json"


def entry_path(folder: str | Path, track: str, entry: str) -> Path:
    """Return where the file of an entry is."""
    return Path(folder) / "entries" / track / f"{entry}.json"


def place_of(path: str | Path) -> tuple[Path, str, str]:
    """Return folder of the leaderboard, track and id of the entry that a path names.

    LeaderboardError if it is not ``<leaderboard>/entries/<track>/<id>.json``.
    """
    path = Path(path)
    # Not resolved: a link in the folder stands where its name stands.
    whole = Path(os.path.normpath(path.absolute()))
    if path.suffix != ".json" or len(whole.parts) < 4 or whole.parts[-3] != "entries":
        raise LeaderboardError(
            f"{path} is not the file of an entry; name one as LEADERBOARD/entries/TRACK/ID.json"
        )
    # As it was given where that is possible: messages name it.
    folder = path.parents[2] if len(path.parts) > 3 else whole.parents[2]
    return folder, whole.parent.name, path.stem


def submission_path(folder: str | Path, track: str, entry: str) -> Path:
    """Return where the submission of an entry is while a pull request with it is open."""
    return Path(folder) / "submissions" / track / entry


def weights_path(folder: str | Path, track: Track | TrackName, entry: str, seed: int) -> Path:
    """Return where the weights of one seed are, the same for all splits of a configuration."""
    data = f"{track.dataset}-{track.version}-{track.configuration}"
    return Path(folder) / "weights" / data / entry / f"seed-{seed}.safetensors"


def write_track(folder: str | Path, track: Track) -> Path:
    """Write a track; equal content gives equal bytes."""
    return _write(track_path(folder, track.id), track)


def write_entry(folder: str | Path, entry: Entry) -> Path:
    """Write an entry; equal content gives equal bytes."""
    return _write(entry_path(folder, entry.track, entry.id), entry)


def read_leaderboard(folder: str | Path) -> Leaderboard:
    """Read all tracks and entries of a folder.

    LeaderboardError if the folder has no tracks, a file is damaged or has another name than
    the one it holds, or an entry does not fit its track.
    """
    folder = Path(folder)
    tracks: dict[str, Track] = {}
    for path in sorted((folder / "tracks").glob("*.json")):
        track = read_model(path, Track, LeaderboardError, _HINT)
        if path != track_path(folder, track.id):
            raise LeaderboardError(f"{path} holds track {track.id!r}; give it that name")
        tracks[track.id] = track
    if not tracks:
        raise LeaderboardError(
            f"{folder} holds no tracks; name the folder of a leaderboard, with tracks/ and entries/"
        )
    entries: dict[str, dict[str, Entry]] = {track: {} for track in tracks}
    for path in sorted((folder / "entries").glob("*/*.json")):
        entry = read_model(path, Entry, LeaderboardError, _HINT)
        if path != entry_path(folder, entry.track, entry.id):
            raise LeaderboardError(
                f"{path} holds entry {entry.id!r} of track {entry.track!r}; put it in its place"
            )
        _check_fit(path, entry, tracks)
        entries[entry.track][entry.id] = entry
    known = read_reproduced(folder)
    reproduced = {track: reproduced_ids(known, there) for track, there in entries.items()}
    return Leaderboard(tracks=tracks, entries=entries, reproduced=reproduced)


def stored_entry(board: Leaderboard, track: str, entry: str) -> Entry:
    """Return an entry of a leaderboard; LeaderboardError says what there is instead."""
    there = board.entries.get(track, {})
    if entry not in there:
        raise LeaderboardError(
            f"there is no entry {entry!r} on track {track!r}; there are "
            + (", ".join(sorted(there)) or "none")
        )
    return there[entry]


def _check_fit(path: Path, entry: Entry, tracks: Mapping[str, Track]) -> None:
    track = tracks.get(entry.track)
    if track is None:
        raise LeaderboardError(f"{path} is for track {entry.track!r}, which the folder lacks")
    if entry.content_digest != track.content_digest:
        raise LeaderboardError(f"{path} was scored on other data than its track holds; score again")
    if len(entry.seeds[0].status) != len(track.matrices):
        raise LeaderboardError(
            f"{path} has outcomes of {len(entry.seeds[0].status)} matrices, its track has "
            f"{len(track.matrices)}; score again"
        )


def entry_schema() -> dict[str, Any]:
    """JSON Schema of an entry's file."""
    return {"$schema": _DRAFT, **Entry.model_json_schema()}


def track_schema() -> dict[str, Any]:
    """JSON Schema of a track's file."""
    return {"$schema": _DRAFT, **Track.model_json_schema()}


_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def _write(path: Path, model: BaseModel) -> Path:
    content = model.model_dump(mode="json")
    for name in ("program", "limits", "hidden"):
        if content.get(name, ...) is None:
            del content[name]
    text = _json(content, "") + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def _json(value: Any, margin: str) -> str:
    """Write JSON with sorted keys, and lists of plain values on one line."""
    inner = margin + " "
    if isinstance(value, dict) and value:
        items = [f"{inner}{json.dumps(k)}: {_json(v, inner)}" for k, v in sorted(value.items())]
        return "{\n" + ",\n".join(items) + f"\n{margin}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        items = [inner + _json(item, inner) for item in value]
        return "[\n" + ",\n".join(items) + f"\n{margin}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
