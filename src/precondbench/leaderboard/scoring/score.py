"""From predictions to an entry of the leaderboard: every outcome, nothing averaged away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import date
from typing import Any

import precondbench
from precondbench.errors import SubmissionError
from precondbench.leaderboard.submissions.bundle import Bundle
from precondbench.leaderboard.tracks import PROTOCOL_VERSION, TRACKS, OpenTrack, TrackName
from precondbench.quality import Evaluation, Predictions, evaluate_many

_COLUMNS = (
    "status",
    "iterations",
    "residual",
    "cosine",
    "log10_one_minus_cosine",
    "n_log_k",
    "work",
)


def track_of(bundle: Bundle) -> TrackName:
    """Return the track that a submission is for.

    Raises
    ------
    SubmissionError
        If its split is not ranked.
    """
    said = bundle.submission
    for name in TRACKS:
        if (name.dataset, name.version, name.configuration, name.split, name.label) == (
            said.dataset,
            said.version,
            said.configuration,
            said.split,
            said.label,
        ):
            return name
    raise SubmissionError(
        f"{said.where}, label {said.label}, is not a track of the leaderboard; these are: "
        + ", ".join(f"{name.id} (label {name.label})" for name in TRACKS)
    )


def score_seeds(
    track: OpenTrack,
    methods: Mapping[str, Mapping[int | None, Predictions]],
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, list[dict[str, Any]]]:
    """Score every seed of several methods on a track.

    Parameters
    ----------
    track : OpenTrack
        Matrices and targets.
    methods : mapping
        Name -> seed -> predictions; the seed of a method without one is None.
    executor : concurrent.futures.Executor, optional
        Workers, one matrix at a time; the result does not depend on it.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    dict
        Name -> the list ``seeds`` of an entry.
    """
    flat = {
        f"{number}": predictions for number, (_, _, predictions) in enumerate(_flattened(methods))
    }
    scored = evaluate_many(track, flat, ladder=track.ladder(), executor=executor, progress=progress)
    result: dict[str, list[dict[str, Any]]] = {name: [] for name in methods}
    for (name, seed, _), evaluation in zip(_flattened(methods), scored.values(), strict=True):
        result[name].append(_seed_scores(seed, evaluation))
    return result


def _flattened(
    methods: Mapping[str, Mapping[int | None, Predictions]],
) -> list[tuple[str, int | None, Predictions]]:
    return [
        (name, seed, predictions)
        for name, seeds in methods.items()
        for seed, predictions in seeds.items()
    ]


def _seed_scores(seed: int | None, evaluation: Evaluation) -> dict[str, Any]:
    summary = {
        key: _stable(value) for key, value in evaluation.summary.items() if key != "matrices"
    }
    return {
        "seed": seed,
        "summary": summary,
        **{
            column: [_stable(getattr(row, column)) for row in evaluation.rows]
            for column in _COLUMNS
        },
        "reason": {
            str(index): row.reason for index, row in enumerate(evaluation.rows) if row.reason
        },
    }


def _stable(value: Any) -> Any:
    """Round to 8 digits: the last bits of a logarithm differ from one machine to another."""
    return float(f"{value:.8g}") if isinstance(value, float) else value


def score_bundle(
    bundle: Bundle,
    track: OpenTrack,
    entry_id: str,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
    submitted: date | None = None,
) -> dict[str, Any]:
    """Score a submission; the claims of its authors stand beside the result, unchanged.

    Parameters
    ----------
    bundle : Bundle
        The submission, checked.
    track : OpenTrack
        Its track, see :func:`track_of`.
    entry_id : str
        Name of the entry.
    executor, progress
        As for :func:`score_seeds`.
    submitted : datetime.date, optional
        Today, if not given.

    Returns
    -------
    dict
        Content of the entry's file.
    """
    said = bundle.submission
    seeds: dict[int | None, Predictions] = {
        seed: bundle.predictions.by_name(seed, bundle.dataset.shard)
        for seed in sorted(bundle.predictions.seeds)
    }
    names = set(bundle.dataset.names)
    seeds = {
        seed: {name: values for name, values in by_name.items() if name in names}
        for seed, by_name in seeds.items()
        if isinstance(by_name, Mapping)
    }
    return {
        **entry_head(track, entry_id, said.method, said.kind, "scored"),
        "description": said.description,
        "reference": None,
        "authors": list(said.authors),
        "links": said.links.model_dump(exclude_none=True),
        "licence": said.licence,
        "parameters": said.parameters,
        "training": said.training,
        "hardware": said.hardware,
        "seconds": said.seconds.model_dump(exclude_none=True),
        "command": said.command,
        "submitted": (submitted or date.today()).isoformat(),
        "predictions": dict(said.predictions),
        "seeds": score_seeds(track, {said.method: seeds}, executor, progress)[said.method],
    }


def entry_head(
    track: OpenTrack, entry_id: str, method: str, kind: str, tier: str, form: str = "factor"
) -> dict[str, Any]:
    """Return what every entry begins with."""
    return {
        "format": "precondbench-entry",
        "format_version": 1,
        "id": entry_id,
        "track": track.name.id,
        "content_digest": track.content_digest,
        "method": method,
        "kind": kind,
        "tier": tier,
        "form": form,
        "scorer": {"precondbench": precondbench.__version__, "protocol": PROTOCOL_VERSION},
    }
