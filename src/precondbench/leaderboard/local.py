"""Boards in memory: predictions of any split ranked together with classical methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from precondbench._internal import first_problem
from precondbench.errors import PredictionError
from precondbench.leaderboard.entries import Entry, Leaderboard, Track
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.scoring.score import (
    open_predicted,
    predictions_by_seed,
    score_seeds,
    scored_entry,
)
from precondbench.leaderboard.submissions.check import entry_id, reference_content
from precondbench.leaderboard.submissions.schema import MethodName
from precondbench.leaderboard.tracks import OpenTrack, TrackName, ranked_track
from precondbench.quality import Predictions

if TYPE_CHECKING:
    from precondbench.datasets import FactorDataset

Progress = Callable[[int, int], None]
# Name of a method -> seed -> predictions.
Predicted = Mapping[str, Mapping[int | None, Predictions]]
_NAME = TypeAdapter(MethodName)


def board_of_files(
    paths: Sequence[str | Path], root: str | Path | None = None, progress: Progress | None = None
) -> Leaderboard:
    """Score files of predictions and classical methods on the split that the files are for.

    Parameters
    ----------
    paths : sequence of path-like
        Files of ``write_predictions``, all for one split and one label. Files of one method with
        different seeds become one entry.
    root : path-like, optional
        Cache folder.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    Leaderboard
        One track and its entries, which ``render_site`` makes a site of.

    Raises
    ------
    PredictionError
        If there is no file, one is damaged, they are for different splits or labels, or a method
        and seed appear twice.

    Examples
    --------
    >>> from precondbench import SyntheticTridiag
    >>> from precondbench.leaderboard import board_of_files
    >>> from precondbench.shards import write_predictions
    >>> data = SyntheticTridiag(split="val")
    >>> targets = {data.pair(i).name: data.pair(i).L.data for i in range(len(data))}
    >>> write_predictions("exact.safetensors", "exact", data.shard, "modified", {0: targets})
    >>> board = board_of_files(["exact.safetensors"])
    >>> board.entries["synthetic-tridiag-1.0-uniform-val"]["exact"].seeds[0].summary["solved"]
    1.0
    """
    if not paths:
        raise PredictionError("there is no file of predictions; name at least one")
    first, data = open_predicted(paths[0], root)
    predicted: dict[str, dict[int | None, Predictions]] = {}
    files: dict[str, list[str]] = {}
    for path in paths:
        predictions, _ = open_predicted(path, root)
        if (predictions.where, predictions.label) != (first.where, first.label):
            raise PredictionError(
                f"{path} is for {predictions.where}, label {predictions.label}; {paths[0]} is for "
                f"{first.where}, label {first.label}. One board compares predictions of one split"
            )
        seeds = predicted.setdefault(predictions.method, {})
        files.setdefault(predictions.method, []).append(str(path))
        for seed, given in predictions_by_seed(predictions, data).items():
            if seed in seeds:
                raise PredictionError(
                    f"{path} repeats '{predictions.method}, seed {seed}'; give the methods other "
                    "names"
                )
            seeds[seed] = given
    about = {
        method: {"description": f"Predictions in {', '.join(of_method)}."[:4000]}
        for method, of_method in files.items()
    }
    return _board(data, predicted, about, progress)


def board_of(
    dataset: FactorDataset, predictions: Mapping[str, Predictions], progress: Progress | None = None
) -> Leaderboard:
    """Score predictions and classical methods on a dataset, for example one of your own.

    Parameters
    ----------
    dataset : FactorDataset
        Matrices.
    predictions : mapping
        Name of a method -> what :func:`precondbench.quality.evaluate` takes.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    Leaderboard
        One track and its entries, which ``render_site`` makes a site of.

    Raises
    ------
    PredictionError
        If predictions do not fit the matrices, or a name cannot stand on a board.

    Examples
    --------
    >>> from precondbench import ParametricInvK, ic0
    >>> from precondbench.leaderboard import board_of
    >>> data = ParametricInvK.generate("diffusion-2d", n=100, count=5)
    >>> board = board_of(data, {"twice IC(0)": lambda A: 2.0 * ic0(A)})
    >>> (entries,) = board.entries.values()
    >>> entries["twice-ic-0"].seeds[0].iterations == entries["ic-0"].seeds[0].iterations
    True
    """
    predicted: Predicted = {method: {None: given} for method, given in predictions.items()}
    about = {method: {"description": "Given in Python."} for method in predictions}
    return _board(dataset, predicted, about, progress)


def _board(
    dataset: FactorDataset,
    predicted: Predicted,
    about: Mapping[str, Mapping[str, Any]],
    progress: Progress | None,
) -> Leaderboard:
    names = dataset.shard.header
    of = (names.dataset, names.version, names.configuration, names.split, dataset.label)
    title = f"{names.dataset} {names.version}, {names.configuration}, {names.split}"
    name = ranked_track(*of) or TrackName(*of, title)
    track, entries = local_track(OpenTrack(name, [dataset]), predicted, about, progress)
    return Leaderboard(tracks={track.id: track}, entries={track.id: entries})


def local_track(
    track: OpenTrack,
    predicted: Predicted,
    about: Mapping[str, Mapping[str, Any]],
    progress: Progress | None = None,
    starts: Predicted | None = None,
) -> tuple[Track, dict[str, Entry]]:
    """Score predictions beside the quick classical rows of a track; return it and its entries.

    ``starts`` are predictions of the same models untrained, where they are known.
    """
    rows = reference_rows(track.name, quick=True)
    for method in predicted:
        _check_name(method, rows)
    methods: dict[str, Mapping[int | None, Predictions]] = {
        name: {None: row} for name, row in rows.items()
    }
    # No name of a method has a line break.
    untrained = {f"{method}\nstart": seeds for method, seeds in (starts or {}).items()}
    scored = score_seeds(track, {**methods, **predicted, **untrained}, progress=progress)
    entries: dict[str, Entry] = {}
    for method, seeds in scored.items():
        if method in untrained:
            continue
        if method in rows:
            entry = scored_entry(track, reference_content(rows[method]), seeds)
        else:
            content = {
                "id": _free_id(method, entries),
                "method": method,
                "kind": "learned",
                "tier": "scored",
                "authors": [],
                **about[method],
            }
            entry = scored_entry(track, content, seeds, scored.get(f"{method}\nstart", ()))
        entries[entry.id] = entry
    return Track.model_validate(track.describe()), entries


def _check_name(method: str, rows: Mapping[str, object]) -> None:
    if method in rows:
        raise PredictionError(f"{method!r} is a row of every board; give the method another name")
    try:
        _NAME.validate_python(method)
    except ValidationError as error:
        raise PredictionError(
            f"{method!r:.80} cannot stand on a board: {first_problem(error)}; give the method "
            "another name"
        ) from None


def _free_id(method: str, taken: Mapping[str, object]) -> str:
    name = entry_id(method)
    count, free = 1, name
    while free in taken:
        count += 1
        free = f"{name[:76]}-{count}"
    return free
