"""Scores of predictions in files, of methods on a track, and of a submission as an entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import precondbench
from precondbench.errors import PredictionError, SubmissionError
from precondbench.leaderboard.entries import Entry, entry_of, stored
from precondbench.leaderboard.running.method import RunMethod, Running
from precondbench.leaderboard.running.program import Program
from precondbench.leaderboard.scoring.intervals import gain_of, interval_of
from precondbench.leaderboard.submissions.schema import Bundle
from precondbench.leaderboard.tracks import (
    PROTOCOL_VERSION,
    TRACKS,
    OpenTrack,
    TrackName,
    ranked_track,
)
from precondbench.quality import Evaluation, Predictions, evaluate_many
from precondbench.recipes import GENERATED_VERSION
from precondbench.shards import PredictionFile, read_predictions

if TYPE_CHECKING:
    from precondbench.datasets import FactorDataset

Progress = Callable[[int, int], None]
Key = TypeVar("Key")
# Of numbers in an entry's file.
DIGITS = 8


def open_predicted(
    path: str | Path, root: str | Path | None = None
) -> tuple[PredictionFile, FactorDataset]:
    """Read a file of predictions and open the split it is for.

    A damaged file, or one for generated data, raises PredictionError.
    """
    predictions = read_predictions(path)
    if predictions.version == GENERATED_VERSION:
        raise PredictionError(
            f"{path} is for generated data, which no manifest knows and so cannot be looked up "
            "by name; score it in Python: evaluate(SyntheticTridiag.from_shard(...), predictions)"
        )
    # Only now, because it imports torch.
    from precondbench.datasets import open_dataset

    data = open_dataset(
        predictions.dataset,
        predictions.split,
        configuration=predictions.configuration,
        label=predictions.label,
        version=predictions.version,
        root=root,
    )
    return predictions, data


def predictions_by_seed(
    predictions: PredictionFile, data: FactorDataset
) -> dict[int | None, Predictions]:
    """Return the predictions of a file for the matrices that a dataset serves."""
    found: dict[int | None, Predictions] = {}
    for seed in sorted(predictions.seeds):
        values = predictions.by_name(seed, data.shard)
        found[seed] = {name: values[name] for name in data.names}
    return found


def score_file(
    path: str | Path,
    root: str | Path | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> tuple[PredictionFile, list[Evaluation]]:
    """Score a file of predictions on the split it names: one evaluation a seed.

    Raises PredictionError if the file is damaged, or for other or generated data.
    """
    predictions, data = open_predicted(path, root)
    by_seed = predictions_by_seed(predictions, data)
    methods = {str(seed): given for seed, given in by_seed.items()}
    found = evaluate_many(data, methods, executor=executor, progress=progress)
    return predictions, [
        replace(evaluation, seed=seed)
        for seed, evaluation in zip(by_seed, found.values(), strict=True)
    ]


def score_seeds(
    track: OpenTrack,
    methods: Mapping[str, Mapping[int | None, Predictions]],
    keys: Mapping[str, Mapping[int | None, str]] | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> dict[str, list[Evaluation]]:
    """Score every seed of several methods on a track, rounded as entries are.

    ``methods`` maps a name to predictions by seed, None for a method without one. ``keys`` maps
    it to what the right-hand sides are bound to, where that is not the digest of the values. The
    result does not depend on ``executor``, whose workers take one matrix at a time.
    """
    flat = {(name, seed): given for name, seeds in methods.items() for seed, given in seeds.items()}
    bound = {
        str(number): keys[name][seed]
        for number, (name, seed) in enumerate(flat)
        if keys is not None and seed in keys.get(name, {})
    }
    scored = evaluate_many(
        track,
        {str(number): given for number, given in enumerate(flat.values())},
        keys=bound,
        ladder=track.ladder,
        executor=executor,
        progress=progress,
    )
    result: dict[str, list[Evaluation]] = {name: [] for name in methods}
    for (name, seed), evaluation in zip(flat, scored.values(), strict=True):
        result[name].append(replace(evaluation.rounded(DIGITS), seed=seed))
    return result


def track_of(bundle: Bundle) -> TrackName:
    """Return the track that a submission is for; SubmissionError if its split is not ranked."""
    stated = bundle.submission
    name = ranked_track(
        stated.dataset, stated.version, stated.configuration, stated.split, stated.label
    )
    if name is not None:
        return name
    raise SubmissionError(
        f"{stated.where}, label {stated.label}, is not a track of the leaderboard; these are: "
        + ", ".join(f"{name.id} (label {name.label})" for name in TRACKS)
    )


@dataclass(frozen=True)
class Candidate:
    """What an entry is made of: its description, and what is judged, by seed.

    With the predictions stands what their right-hand sides are bound to. ``starts`` are those of
    the same model untrained.
    """

    content: Mapping[str, Any]
    seeds: Mapping[int | None, tuple[Predictions, str]]
    starts: Mapping[int | None, tuple[Predictions, str]] = field(default_factory=dict)


def score_candidates(
    track: OpenTrack,
    candidates: Mapping[Key, Candidate],
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> dict[Key, Entry]:
    """Score entries of one track, which share the work on each matrix."""
    if not candidates:
        return {}
    judged = {(name, "seeds"): one.seeds for name, one in candidates.items()}
    judged |= {(name, "starts"): one.starts for name, one in candidates.items()}
    scores = score_seeds(
        track,
        {str(key): {seed: given for seed, (given, _) in of.items()} for key, of in judged.items()},
        {str(key): {seed: bound for seed, (_, bound) in of.items()} for key, of in judged.items()},
        executor=executor,
        progress=progress,
    )
    return {
        name: scored_entry(
            track, one.content, scores[str((name, "seeds"))], scores[str((name, "starts"))]
        )
        for name, one in candidates.items()
    }


def bundle_candidate(bundle: Bundle, entry_id: str, running: Running | None = None) -> Candidate:
    """Return the entry that a checked submission describes, without its start."""
    stated, program = bundle.submission, bundle.submission.program
    content = {
        "id": entry_id,
        "method": stated.method,
        "kind": stated.kind,
        "tier": "scored",
        "description": stated.description,
        "authors": list(stated.authors),
        "links": stated.links.model_dump(exclude_none=True),
        "licence": stated.licence,
        "parameters": stated.parameters,
        "training": stated.training,
        "hardware": stated.hardware,
        "seconds": stated.seconds.model_dump(exclude_none=True),
        "command": stated.command,
        "predictions": dict(stated.predictions),
        "weights": dict(stated.weights),
    }
    if program is not None:
        running = running or Running()
        content |= {
            "program": program.model_dump(mode="json"),
            "limits": asdict(running.limits),
            "form": program.form,
        }
        return Candidate(content, _run_seeds(bundle.folder, program, running))
    assert bundle.predictions is not None
    given = predictions_by_seed(bundle.predictions, bundle.dataset)
    return Candidate(
        content, {seed: (given[seed], stated.predictions[str(seed)]) for seed in given}
    )


def _run_seeds(
    folder: Path, program: Program, running: Running
) -> dict[int | None, tuple[Predictions, str]]:
    """Return the methods of all seeds, and what their right-hand sides are bound to."""
    methods = {seed: RunMethod(folder, program, seed, running) for seed in program.seeds}
    return {seed: (method, method.key) for seed, method in methods.items()}


# Of an entry whose makers say nothing else.
_NOT_STATED: dict[str, Any] = {
    "form": "factor",
    "links": {},
    "seconds": {},
    "predictions": {},
    "weights": {},
    **dict.fromkeys(("reference", "licence", "parameters", "training", "hardware", "command")),
}


def scored_entry(
    track: OpenTrack,
    content: Mapping[str, Any],
    evaluations: list[Evaluation],
    starts: Sequence[Evaluation] = (),
) -> Entry:
    """Return an entry: the description of a method, and its evaluations on a track.

    ``starts`` are those of the same model untrained.
    """
    families, number = track.families, track.ranked_by
    return entry_of(
        {
            **_NOT_STATED,
            **content,
            "format": "precondbench-entry",
            "format_version": 2,
            "track": track.name.id,
            "content_digest": track.content_digest,
            "scorer": {"precondbench": precondbench.__version__, "protocol": PROTOCOL_VERSION},
            "interval": list(interval_of(number, families, evaluations)),
            "gain": gain_of(number, families, evaluations, starts) if starts else None,
            "seeds": [stored(evaluation) for evaluation in evaluations],
            "start": [stored(evaluation) for evaluation in starts],
        }
    )
