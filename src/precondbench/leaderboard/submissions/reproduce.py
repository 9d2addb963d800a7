"""Train an entry again by its command, and compare what the new models do."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from precondbench.baselines import training_command
from precondbench.errors import LeaderboardError, PredictionError, SubmissionError
from precondbench.leaderboard.entries import (
    Entry,
    Track,
    read_leaderboard,
    stored_entry,
)
from precondbench.leaderboard.registers import add_reproduced
from precondbench.leaderboard.scoring.score import predictions_by_seed, score_seeds
from precondbench.leaderboard.submissions.predicted import Judged, runs_for
from precondbench.leaderboard.submissions.tolerance import TRAINED_AGAIN, outside_band
from precondbench.leaderboard.tracks import OpenTrack, open_track, track_named
from precondbench.quality import Evaluation, Predictions, values_digest
from precondbench.shards import read_predictions


@dataclass(frozen=True)
class Reproduction:
    """Outcome of training an entry again.

    Attributes
    ----------
    identical : dict of int to bool
        By seed, whether the predictions have the digest that the entry states.
    evaluations : list of Evaluation
        Outcomes of the new predictions on the right-hand sides of the entry, one a seed.
    problem : str or None
        Where they leave the band around those of the entry; see docs/submitting.md.
    """

    identical: dict[int, bool]
    evaluations: list[Evaluation]
    problem: str | None


def reproduce(
    entry: Entry,
    track: OpenTrack,
    facts: Track,
    *,
    started: Callable[[str], None] | None = None,
    timeout: float | None = None,
) -> Reproduction:
    """Train every seed of an entry in an empty folder and compare what it predicts.

    An entry is reproduced if predictions are the same to the bit, or if, matrix by matrix, they
    need about as many iterations, and the number that ranks is about the same. ``timeout`` is in
    seconds for each seed.
    """
    seeds = [int(scores.seed or 0) for scores in entry.seeds]
    judged: Judged = {}
    identical: dict[int, bool] = {}
    for scores, run in zip(entry.seeds, runs_for(track, entry.command, seeds), strict=True):
        seed = run.training.seed
        words = shlex.split(training_command(run))
        if started is not None:
            started(shlex.join(words))
        with tempfile.TemporaryDirectory() as folder:
            _run([*words[1:], "--out", folder], timeout)
            given, digest = _predicted(Path(folder), track, seed)
        identical[seed] = digest == entry.predictions.get(str(seed))
        judged[scores.seed] = (given, scores.key)
    evaluations = score_seeds(
        track,
        {"": {seed: given for seed, (given, _) in judged.items()}},
        {"": {seed: key for seed, (_, key) in judged.items()}},
    )[""]
    problem = outside_band(entry.evaluations(facts), evaluations, TRAINED_AGAIN, track.ranked_by)
    return Reproduction(identical, evaluations, problem)


def reproduce_entry(
    folder: str | Path,
    track: str,
    entry: str,
    *,
    root: str | Path | None = None,
    started: Callable[[str], None] | None = None,
    timeout: float | None = None,
) -> Reproduction:
    """Train an entry of a leaderboard again, and write down in ``reproduced.json`` that it was.

    Raises LeaderboardError if the outcome lies outside the band, and SubmissionError if the
    command is refused or fails.
    """
    board = read_leaderboard(folder)
    stored = stored_entry(board, track, entry)
    opened = open_track(track_named(track), root)
    found = reproduce(stored, opened, board.tracks[track], started=started, timeout=timeout)
    if found.problem:
        raise LeaderboardError(f"{track}/{entry} is not reproduced: {found.problem}")
    add_reproduced(folder, stored)
    return found


def _run(words: list[str], timeout: float | None) -> None:
    command = [sys.executable, "-m", "precondbench", *words]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise SubmissionError(
            f"precondbench {shlex.join(words)} did not end in {timeout:g} seconds"
        ) from None
    if done.returncode != 0:
        output = done.stderr.strip().splitlines()
        raise SubmissionError(
            f"precondbench {shlex.join(words)} failed with exit status {done.returncode}: "
            f"{output[-1] if output else 'without a message'}"
        )


def _predicted(folder: Path, track: OpenTrack, seed: int) -> tuple[Predictions, str]:
    (data,) = track.datasets
    for path in folder.rglob(f"predictions-{track.name.split}.safetensors"):
        try:
            predictions = read_predictions(path, int(data.shard.prediction_offsets[-1]))
            by_seed = predictions_by_seed(predictions, data)
        except PredictionError as error:
            raise SubmissionError(f"the command predicts another split: {error}") from None
        if seed in by_seed:
            return by_seed[seed], values_digest(predictions.seeds[seed])
    raise SubmissionError(
        f"the command makes no predictions of seed {seed} for {track.name.split}; is it for this "
        "track?"
    )
