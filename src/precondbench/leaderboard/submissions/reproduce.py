"""Run the command of an entry again and compare its predictions with those submitted."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from precondbench.baselines import current_training_command
from precondbench.errors import PredictionError, SubmissionError
from precondbench.leaderboard.entries import stored
from precondbench.leaderboard.scoring.score import score_seeds
from precondbench.leaderboard.tracks import OpenTrack
from precondbench.quality import Predictions, values_digest
from precondbench.shards import read_predictions

# How far another machine, device or version of torch may lead.
COSINE_TOLERANCE = 0.1
ITERATIONS_TOLERANCE = 0.05
_REFUSED = {"--out", "--import", "--root", "--protocol", "--grid", "--all", "--overwrite"}


@dataclass(frozen=True)
class Reproduction:
    """Outcome of running a command again.

    By seed: whether the predictions have the digest that was submitted, and the new scores;
    ``problems`` says where they lie beyond tolerance.
    """

    identical: dict[int, bool]
    summaries: dict[int, dict[str, Any]]
    problems: list[str]

    @property
    def succeeded(self) -> bool:
        """Whether every seed was reproduced, to the bit or within tolerance."""
        return not self.problems


def training_commands(command: str | None) -> list[list[str]]:
    """Split an entry's command into lines that may be run: ``precondbench train`` and settings.

    The command is untrusted: no other program or shell runs, and no option may name a file, a
    module or a folder.
    """
    lines = (command or "").split("\n")
    commands = []
    for line in filter(str.strip, lines):
        try:
            words = shlex.split(line)
        except ValueError as error:
            raise SubmissionError(f"the command {line!r} cannot be read: {error}") from None
        if words[:2] != ["precondbench", "train"]:
            raise SubmissionError(
                f"{line!r} is not `precondbench train ...`; other commands are run by hand, after "
                "reading what they do"
            )
        refused = [word for word in words if word.partition("=")[0] in _REFUSED]
        if refused:
            raise SubmissionError(
                f"{line!r} uses {refused[0]}, which reads or writes files of its author's choice; "
                "run it by hand, after reading what it does"
            )
        commands.append(words[1:])
    if not commands:
        raise SubmissionError("the entry states no command; there is nothing to run again")
    return commands


def reproduce(
    entry: Mapping[str, Any],
    track: OpenTrack,
    *,
    started: Callable[[str], None] | None = None,
    timeout: float | None = None,
) -> Reproduction:
    """Run an entry's command in an empty folder and compare what it predicts.

    A seed is reproduced if its predictions are the same to the bit or, on another machine, if its
    mean iterations differ by at most 5 % and 1 - cosine by at most 10 %.
    """
    commands = training_commands(entry["command"])
    with tempfile.TemporaryDirectory() as folder:
        for words in map(current_training_command, commands):
            if started is not None:
                started(shlex.join(["precondbench", *words]))
            _run([*words, "--out", folder], timeout)
        found = _predictions(Path(folder), track)
    digests = {seed: values_digest(values) for seed, (values, _) in found.items()}
    methods: dict[int | None, Predictions] = {seed: given for seed, (_, given) in found.items()}
    evaluations = score_seeds(track, {"": methods})[""]
    scores = {seed: stored(one)["summary"] for seed, one in zip(found, evaluations, strict=True)}
    identical: dict[int, bool] = {}
    problems: list[str] = []
    for submitted in entry["seeds"]:
        seed = submitted["seed"]
        if seed not in found:
            problems.append(f"seed {seed}: the command makes no predictions for it")
            continue
        identical[seed] = digests[seed] == entry["predictions"][str(seed)]
        if not identical[seed]:
            problems += _differences(seed, submitted["summary"], scores[seed])
    return Reproduction(identical, scores, problems)


def _run(words: Sequence[str], timeout: float | None) -> None:
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


def _predictions(folder: Path, track: OpenTrack) -> dict[int, tuple[Any, Predictions]]:
    (data,) = track.datasets
    found: dict[int, tuple[Any, Predictions]] = {}
    for path in sorted(folder.rglob(f"predictions-{track.name.split}.safetensors")):
        try:
            predictions = read_predictions(path, int(data.shard.prediction_offsets[-1]))
            for seed, values in predictions.seeds.items():
                by_name = predictions.by_name(seed, data.shard)
                found[seed] = (values, {name: by_name[name] for name in data.names})
        except PredictionError as error:
            raise SubmissionError(f"the command predicts another split: {error}") from None
    if not found:
        raise SubmissionError(
            f"the command makes no predictions for {track.name.split}; is it for this track?"
        )
    return found


def _differences(seed: int, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    problems = []
    if not np.isclose(
        ours["iterations_mean"], theirs["iterations_mean"], rtol=ITERATIONS_TOLERANCE, atol=0
    ):
        problems.append(
            f"seed {seed}: {theirs['iterations_mean']:.6g} iterations, the entry has "
            f"{ours['iterations_mean']:.6g}"
        )
    cosines = ours["cosine_mean"], theirs["cosine_mean"]
    if None in cosines:
        if cosines[0] != cosines[1]:
            problems.append(f"seed {seed}: cosine {cosines[1]}, the entry has {cosines[0]}")
    elif not np.isclose(1 - cosines[0], 1 - cosines[1], rtol=COSINE_TOLERANCE, atol=1e-12):
        problems.append(f"seed {seed}: cosine {cosines[1]:.8f}, the entry has {cosines[0]:.8f}")
    return problems
