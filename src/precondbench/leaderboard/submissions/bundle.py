"""A submission's folder: checked before anything in it is believed."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from precondbench.errors import ConfigurationError, PredictionError, SubmissionError
from precondbench.leaderboard.submissions.schema import (
    PREDICTIONS,
    SUBMISSION,
    Submission,
    read_submission,
    values_digest,
)
from precondbench.recipes import select_plans
from precondbench.shards import (
    PredictionFile,
    find_predictions,
    load_manifest,
    read_predictions,
)

if TYPE_CHECKING:
    from precondbench.datasets import FactorDataset


_SAME = ("dataset", "version", "configuration", "split", "label", "content_digest")


@dataclass(frozen=True)
class Bundle:
    """A submission that has been checked.

    Attributes
    ----------
    submission : Submission
        What its authors say.
    predictions : PredictionFile
        Values of every seed; those that are not finite count as failures when scored.
    dataset : FactorDataset
        The split they are for.
    """

    submission: Submission
    predictions: PredictionFile
    dataset: FactorDataset


def open_bundle(folder: str | Path, root: str | Path | None = None) -> Bundle:
    """Check a submission and read it.

    The folder holds ``submission.json`` and ``predictions.safetensors`` (or ``.h5``, if an
    older version packed it), both regular files. Nothing in
    them is executed or followed; sizes are checked against the split before memory is taken.

    Parameters
    ----------
    folder : path-like
        The submission.
    root : path-like, optional
        Cache folder of the data.

    Raises
    ------
    SubmissionError
        If a file is missing, damaged, hostile, or contradicts the other or the manifest.
    """
    from precondbench.datasets import open_dataset

    folder = Path(folder)
    file = find_predictions(folder / PREDICTIONS)
    for path in (folder / SUBMISSION, file):
        _check_regular(path)
    submission = read_submission(folder)
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
    try:
        predictions = read_predictions(file, int(dataset.shard.prediction_offsets[-1]))
    except PredictionError as error:
        raise SubmissionError(str(error)) from None
    _check_agreement(folder, submission, predictions)
    return Bundle(submission, predictions, dataset)


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
