"""Submissions: the schema of submission.json, and the folder checked before it is believed."""

from __future__ import annotations

import json
import math
import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from precondbench._internal import read_model, replacing, verify_file
from precondbench.errors import ConfigurationError, PredictionError, SubmissionError
from precondbench.leaderboard.running.program import Program, check_program
from precondbench.leaderboard.submissions.names import author_name, method_name, visible
from precondbench.quality import values_digest
from precondbench.recipes import select_plans
from precondbench.shards import PredictionFile, find_predictions, load_manifest, read_predictions

if TYPE_CHECKING:
    from precondbench.datasets import FactorDataset


SUBMISSION, PREDICTIONS = "submission.json", "predictions.safetensors"
LARGEST = 2**20
# Of the weights of a seed; those of the baselines have less than 100 kB.
LARGEST_WEIGHTS = 2**26
LEARNED_SEEDS = 3
SAME_SEEDS = (
    "submit what does not depend on the seed as one seed, 0, and as kind fitted if its parameters "
    "are solved for"
)
_SAME = ("dataset", "version", "configuration", "split", "label", "content_digest")


def _plain(text: str) -> str:
    text.encode("utf-8")  # Half a surrogate pair cannot be written: a ValueError, too.
    return visible(text)


def _address(address: str) -> str:
    """Refuse an address that leads elsewhere than it seems to."""
    parts = urlsplit(address)
    if "@" in parts.netloc:
        raise ValueError("the address names a user before its host; leave out what ends in @")
    # Letters of other scripts look like these. What is shown is what stands here.
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)*\.?(:[0-9]{1,5})?", parts.netloc, re.IGNORECASE):
        raise ValueError(
            f"the host {parts.netloc!a:.80} is not made of ASCII letters, digits, dots and "
            "hyphens; write an international name in its form xn--..."
        )
    return visible(address)


def _finite(value: float) -> float:
    if not (math.isfinite(value) and value >= 0):
        raise ValueError("a time is a finite number of seconds, 0 or more")
    return value


Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$"),
    AfterValidator(_plain),
]
MethodName = Annotated[Line, AfterValidator(method_name)]
AuthorName = Annotated[Line, AfterValidator(author_name)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4000), AfterValidator(_plain)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
Url = Annotated[
    str,
    StringConstraints(max_length=500, pattern=r"^https?://[^\s<>\"'\\^`{|}]+$"),
    AfterValidator(_address),
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Time = Annotated[float, AfterValidator(_finite)]
SeedName = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,8})$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Links(_Model):
    """Where to read on."""

    code: Url | None = Field(default=None, description="Source code.")
    paper: Url | None = Field(default=None, description="Paper or preprint.")


class Seconds(_Model):
    """Times as the authors measured them; shown, not ranked."""

    construction: Time | None = Field(default=None, description="Of the factors of all matrices.")
    training: Time | None = Field(default=None, description="Of one seed.")
    inference: Time | None = Field(default=None, description="Of the predictions for all matrices.")


class Submission(_Model):
    """The file ``submission.json``: a method on one split of one dataset."""

    schema_version: Literal[1] = 1
    method: MethodName = Field(description="Name on the board.")
    kind: Literal["learned", "fitted", "classical"] = Field(
        description="Learned methods are trained by descent, with several seeds; fitted ones solve "
        "for their parameters, in one way; classical ones read nothing but the matrix."
    )
    description: Text = Field(description="What the method does, in a few sentences.")
    authors: list[AuthorName] = Field(min_length=1, max_length=100)
    links: Links = Links()
    licence: Line | None = Field(default=None, description="Of the code, for example Apache-2.0.")
    parameters: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Trainable ones."
    )
    training: Text | None = Field(default=None, description="Data and effort of training.")
    hardware: Line | None = None
    seconds: Seconds = Seconds()
    command: Text | None = Field(default=None, description="What reproduces the predictions.")
    dataset: Name
    version: Name
    configuration: Name
    split: Name
    label: Name = Field(description="What was to be predicted, for example modified or best.")
    content_digest: Sha256 = Field(description="Of the split, as in data_manifest.json.")
    predictions: dict[SeedName, Sha256] = Field(
        default={}, max_length=20, description="Seed -> digest of its values."
    )
    weights: dict[SeedName, Sha256] = Field(
        default={},
        max_length=20,
        description="Seed -> sha256 of weights/seed-<seed>.safetensors; models of this library.",
    )
    program: Program | None = Field(
        default=None, description="What is run, in place of predictions: code/ and weights/."
    )

    @property
    def seeds(self) -> list[int]:
        """Seeds of the predictions, or of what is run."""
        return self.program.seeds if self.program else sorted(map(int, self.predictions))

    @model_validator(mode="after")
    def _predicts_or_runs(self) -> Submission:
        if (self.program is None) == (not self.predictions):
            raise ValueError("a submission has predictions, or a program that is run")
        if self.program and self.weights:
            raise ValueError("the weights of a program are stated with it")
        return self

    @model_validator(mode="after")
    def _enough_seeds(self) -> Submission:
        if self.kind == "learned" and len(self.seeds) < LEARNED_SEEDS:
            raise ValueError(
                f"a learned method needs {LEARNED_SEEDS} seeds or more, there are "
                f"{len(self.seeds)}: train and predict with others"
            )
        if self.kind == "fitted" and self.seeds != [0]:
            raise ValueError(
                f"a fitted method has seed 0 alone, there are {', '.join(map(str, self.seeds))}"
            )
        if self.weights and self.kind == "classical":
            raise ValueError(
                "a classical method has no weights; kinds with weights are learned and fitted"
            )
        if self.weights and self.weights.keys() != self.predictions.keys():
            raise ValueError(
                f"there are predictions of the seeds {', '.join(self.predictions)}, and weights "
                f"of {', '.join(self.weights)}"
            )
        return self

    @model_validator(mode="after")
    def _seeds_differ(self) -> Submission:
        run = {} if self.program is None else self.program.weights
        named = {"weights": self.weights, "weights of code": run}
        if not self.weights:  # Models that choose may agree; their weights are read with the file.
            named["predictions"] = self.predictions
        for what, digests in named.items():
            if len(set(digests.values())) < len(digests):
                raise ValueError(f"two seeds have the same {what}; {SAME_SEEDS}")
        return self

    @property
    def where(self) -> str:
        """``dataset/version/configuration/split``."""
        return f"{self.dataset}/{self.version}/{self.configuration}/{self.split}"


def read_submission(folder: str | Path) -> Submission:
    """Read ``submission.json`` of a bundle."""
    return read_model(
        Path(folder) / SUBMISSION,
        Submission,
        SubmissionError,
        "compare with `precondbench submit schema`",
        largest=LARGEST,
    )


def write_submission(folder: str | Path, submission: Submission) -> None:
    """Write ``submission.json``; equal submissions give equal bytes."""
    data = submission.model_dump(mode="json", exclude_none=True)
    if submission.program:
        data = {k: v for k, v in data.items() if k not in ("predictions", "weights")}
    text = json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replacing(Path(folder) / SUBMISSION) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8", newline="\n")


def submission_schema() -> dict[str, Any]:
    """JSON Schema of ``submission.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Submission.model_json_schema(),
    }


@dataclass(frozen=True)
class Bundle:
    """A submission that has been checked; one that is run has no predictions."""

    folder: Path
    submission: Submission
    predictions: PredictionFile | None
    dataset: FactorDataset
    weights: dict[int, Path]


def open_bundle(folder: str | Path, root: str | Path | None = None) -> Bundle:
    """Check a submission and read it.

    The folder holds ``submission.json`` and ``predictions.safetensors`` (or ``.h5``, if an
    older version packed it), both regular files, or, if it is run, code and weights. Nothing in
    them is executed or followed; sizes are checked against the split before memory is taken.
    """
    from precondbench.datasets import open_dataset

    folder = Path(folder)
    _check_regular(folder / SUBMISSION)
    submission = read_submission(folder)
    file = find_predictions(folder / PREDICTIONS)
    if submission.program is None:
        _check_regular(file)
    names = (submission.dataset, submission.version, submission.configuration, submission.split)
    try:
        select_plans(*names)
        expected = load_manifest().split(*names).content_digest
    except ConfigurationError as error:
        raise SubmissionError(f"{folder / SUBMISSION}: {error}") from None
    if submission.content_digest != expected:
        raise SubmissionError(
            f"{folder / SUBMISSION} is for {submission.where} with content digest "
            f"{submission.content_digest[:12]}, the published one has {expected[:12]}; predict "
            "the published data"
        )
    try:
        dataset = open_dataset(
            submission.dataset,
            submission.split,
            configuration=submission.configuration,
            label=submission.label,
            version=submission.version,
            root=root,
        )
    except ConfigurationError as error:
        raise SubmissionError(f"{folder / SUBMISSION}: {error}") from None
    if submission.program is not None:
        check_program(folder, submission.program)
        return Bundle(folder, submission, None, dataset, {})
    try:
        predictions = read_predictions(file, int(dataset.shard.prediction_offsets[-1]))
    except PredictionError as error:
        raise SubmissionError(str(error)) from None
    _check_agreement(folder, submission, predictions)
    weights = {int(seed): submitted_weights(folder, int(seed)) for seed in submission.weights}
    for seed, path in weights.items():
        verify_file(path, submission.weights[str(seed)], SubmissionError, largest=LARGEST_WEIGHTS)
    if (same := seeds_alike(predictions.seeds)) and not _choosing(weights.values()):
        raise SubmissionError(
            f"{folder}: the predictions of seeds {same[0]} and {same[1]} are equal up to rounding; "
            + SAME_SEEDS
        )
    return Bundle(folder, submission, predictions, dataset, weights)


def submitted_weights(folder: str | Path, seed: int) -> Path:
    """Return where a submission has the weights of a seed."""
    return Path(folder) / "weights" / f"seed-{seed}.safetensors"


def _choosing(weights: Collection[Path]) -> bool:
    from precondbench.baselines import load_models

    return bool(weights) and all(model.choosing for path in weights for model in load_models(path))


def _check_regular(path: Path) -> None:
    try:
        # Of the name itself: a link could point anywhere, a pipe would wait for ever.
        status = path.lstat()
    except OSError as error:
        raise SubmissionError(
            f"{path} cannot be read ({error.strerror}); a submission is a folder with "
            f"{SUBMISSION} and {PREDICTIONS}, as `precondbench submit pack` makes it"
        ) from None
    if not stat.S_ISREG(status.st_mode):
        raise SubmissionError(f"{path} is not a regular file; links are not followed")


def _check_agreement(folder: Path, submission: Submission, predictions: PredictionFile) -> None:
    for key in _SAME:
        ours, theirs = getattr(submission, key), getattr(predictions, key)
        if ours != theirs:
            raise SubmissionError(
                f"{folder}: {SUBMISSION} says {key} is {ours!r}, {PREDICTIONS} says {theirs!r}; "
                "pack the submission again"
            )
    seeds = {int(seed) for seed in submission.predictions}
    if seeds != set(predictions.seeds):
        raise SubmissionError(
            f"{folder}: {SUBMISSION} names the seeds {sorted(seeds)}, {PREDICTIONS} holds "
            f"{sorted(predictions.seeds)}; pack the submission again"
        )
    for seed, values in predictions.seeds.items():
        if values_digest(values) != submission.predictions[str(seed)]:
            raise SubmissionError(
                f"{folder}: the values of seed {seed} have another digest than {SUBMISSION} says; "
                "pack the submission again"
            )


# Two seeds are one if at most this share of their values differs by more than this, relatively.
_SHARE, _ROUNDING = 0.01, 1e-6


def seeds_alike(
    values: Mapping[int, NDArray[np.floating[Any]]],
) -> tuple[int, int] | None:
    """Return the first two seeds whose values are equal up to rounding, or None."""
    for one, other in combinations(sorted(values), 2):
        a, b = values[one], values[other]
        if a.shape != b.shape:
            continue
        with np.errstate(invalid="ignore", over="ignore"):
            close = np.isclose(a, b, rtol=_ROUNDING, atol=0.0, equal_nan=True)
        if np.count_nonzero(~close) <= _SHARE * close.size:
            return one, other
    return None
