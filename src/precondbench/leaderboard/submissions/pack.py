"""Make submissions of runs, of files of predictions, or of a function."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from precondbench._internal import first_problem, import_user_code, replacing
from precondbench.baselines import read_run_json
from precondbench.errors import ConfigurationError, PredictionError, SubmissionError
from precondbench.leaderboard.running.program import pack_program
from precondbench.leaderboard.scoring.score import open_predicted
from precondbench.leaderboard.submissions.schema import (
    PREDICTIONS,
    Bundle,
    Submission,
    open_bundle,
    submitted_weights,
    write_submission,
)
from precondbench.quality import (
    Method,
    Refusal,
    check_cover,
    context_of,
    covers_all,
    prediction_of,
    problem_of,
    set_up,
    values_digest,
)
from precondbench.shards import (
    file_sha256,
    find_predictions,
    read_predictions,
    write_predictions,
)

_LINKS = ("code", "paper")


def read_fields(
    assignments: Iterable[str],
    method: str | None = None,
    authors: Sequence[str] | None = None,
    description: str | None = None,
) -> dict[str, Any]:
    """Return fields of a submission, some of them written as ``key=value``.

    ``code`` and ``paper`` are addresses; what is None is left out.
    """
    known = (*_LINKS, "kind", "licence", "parameters", "training", "hardware", "command", "form")
    fields: dict[str, Any] = {"method": method, "authors": authors, "description": description}
    links: dict[str, str] = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or name not in known:
            raise ConfigurationError(
                f"--set {assignment}: write it as key=value; known keys: {', '.join(known)}"
            )
        (links if name in _LINKS else fields)[name] = value
    if "parameters" in fields:
        try:
            fields["parameters"] = int(fields["parameters"])
        except ValueError:
            raise ConfigurationError(
                f"parameters is {fields['parameters']!r}; give a number"
            ) from None
    return {k: v for k, v in {**fields, "links": links or None}.items() if v is not None}


def load_entry_point(entry: str) -> Any:
    """Import a function A -> L, or a method, from ``module:name`` or ``file.py:name``.

    The code of the module or file is run.
    """
    source, _, name = entry.rpartition(":")
    if not source or not name:
        raise ConfigurationError(
            f"{entry!r} is not an entry point; write for example mine.py:predict"
        )
    function: Any = getattr(import_user_code(source), name, None)
    if not callable(function) and not isinstance(function, Method):
        raise ConfigurationError(f"{source} has no function {name!r}")
    return function


def pack_runs(
    runs: Sequence[str | Path],
    split: str,
    folder: str | Path,
    fields: Mapping[str, Any],
    root: str | Path | None = None,
) -> Submission:
    """Make a submission of the runs of several seeds.

    Parameters, hardware, seconds and the command come from the runs, unless ``fields`` has them;
    so do the weights, if the model is one of this library. Runs on all families together have no
    test split of their own: ``split`` is then ``<family>/<split>``, which is predicted here.
    """
    from precondbench.baselines import (
        RunConfiguration,
        is_built_in,
        join_models,
        load_models,
        predict_with_run,
        read_toml,
        runs_of_folds,
        training_command,
    )

    paths = [Path(run) for run in runs]
    # Of data in folds, each run has a folder for every one.
    folds = [sorted(path.glob("fold-*/")) or [path] for path in paths]
    for path in chain.from_iterable(folds):
        if not (path / "result.json").is_file():
            raise SubmissionError(f"{path} is not the folder of a finished run; train it first")
    configurations = [
        RunConfiguration.from_mapping(read_toml(own[0] / "configuration.toml")) for own in folds
    ]
    configurations = [replace(c, data=replace(c.data, fold=None)) for c in configurations]
    for path, own, configuration in zip(paths, folds, configurations, strict=True):
        if len(own) != len(runs_of_folds(configuration)):
            raise SubmissionError(
                f"{path} is not the folder of a run on all folds; name the folder seed-K that "
                "holds them"
            )
    alike = {replace(c, training=replace(c.training, seed=0)) for c in configurations}
    if len(alike) != 1:
        raise SubmissionError(
            "the runs differ in more than the seed; submit them apart, one method each"
        )
    first = configurations[0]
    seeds = [c.training.seed for c in configurations]
    if len(set(seeds)) != len(seeds):
        raise SubmissionError(f"a seed appears twice among {seeds}; name every run once")
    keys = ("parameters", "seconds", "best_epoch", "epochs")
    results = [[read_run_json(one / "result.json", *keys) for one in own] for own in folds]
    seconds = [sum(result["seconds"] for result in own) for own in results]
    environment = read_run_json(folds[0][0] / "environment.json", "device_name")
    data = first.data.resolved()
    weights = {}
    fitted = False
    if is_built_in(first.training.model):
        for seed, own in zip(seeds, folds, strict=True):
            copy = submitted_weights(folder, seed)
            checkpoints = [one / "checkpoint.safetensors" for one in own]
            if first.data.in_folds:
                join_models(checkpoints, copy)
            else:
                with replacing(copy) as temporary:
                    shutil.copyfile(checkpoints[0], temporary)
            weights[str(seed)] = file_sha256(copy)
        fitted = load_models(submitted_weights(folder, seeds[0]))[0].fitted
    known = {
        "method": first.training.method,
        "kind": "fitted" if fitted else "learned",
        "weights": weights,
        "parameters": results[0][0]["parameters"],
        "training": f"{data.dataset} {data.version}, {data.configuration}, train; "
        + ("solved for" if fitted else _course(seeds, results)),
        "hardware": environment["device_name"],
        "seconds": {"training": round(float(np.mean(seconds)), 1)},
        "command": "\n".join(training_command(c) for c in configurations),
    }
    family, _, split = split.rpartition("/")
    if not family:
        files = [find_predictions(path / f"predictions-{split}.safetensors") for path in paths]
        return pack_predictions(files, folder, {**known, **fields}, root)
    files = []
    with TemporaryDirectory() as temporary:
        for path, run in zip(paths, configurations, strict=True):
            files.append(Path(temporary) / f"{run.training.seed}.safetensors")
            wanted = replace(run, data=replace(run.data, configuration=family))
            predict_with_run(wanted, path, split, files[-1], root)
        return pack_predictions(files, folder, {**known, **fields}, root)


def _course(seeds: Sequence[int], results: Sequence[Sequence[Mapping[str, Any]]]) -> str:
    """How far training went, seed by seed, and fold by fold."""
    runs = []
    for seed, own in zip(seeds, results, strict=True):
        for fold, run in enumerate(own):
            of = f" fold {fold}" if len(own) > 1 else ""
            # Version 0.1.0 did not count steps.
            steps = f", {run['steps']} steps" if "steps" in run else ""
            ended = f"{run['epochs']} epochs{steps}, best epoch {run['best_epoch']}"
            runs.append(f"seed {seed}{of}: {ended}")
    return "; ".join(runs)


def submit(
    dataset: Any,
    predictions: Any,
    folder: str | Path = "submission",
    *,
    method: str,
    authors: str | Sequence[str],
    description: str,
    kind: str | None = None,
    **fields: Any,
) -> Submission:
    """Make a submission of predictions for a split, however they were made, and check it.

    Parameters
    ----------
    dataset : FactorDataset
        The whole split, in the label and scaling that the predictions are for.
    predictions : mapping, sequence, callable or Method
        As for :func:`precondbench.quality.evaluate`; those of several seeds as a mapping seed ->
        predictions.
    folder : path-like
        Where the submission goes.
    method : str
        Name on the board.
    authors : str or sequence of str
        Who made it.
    description : str
        What the method does, in a few sentences.
    kind : {"learned", "fitted", "classical"}, optional
        By default ``classical`` for a function or a method, else ``learned``, which needs three
        seeds or more.
    **fields
        Other fields of ``submission.json``: ``licence``, ``parameters``, ``training``,
        ``hardware``, ``command``, ``seconds``, and the addresses ``code`` and ``paper``.

    Returns
    -------
    Submission
        What ``submission.json`` says. ``precondbench leaderboard score FOLDER`` scores it.

    Raises
    ------
    SubmissionError
        If a field is wrong, or the dataset is no split.
    PredictionError
        If predictions do not fit the dataset.

    Examples
    --------
    >>> from precondbench import SyntheticTridiag, ic0
    >>> from precondbench.leaderboard import submit
    >>> data = SyntheticTridiag(split="test", config="twin")
    >>> made = submit(data, ic0, method="Mine", authors="A. Author", description="IC(0).")
    >>> made.kind, made.where
    ('classical', 'synthetic-tridiag/1.0/twin/test')
    """
    by_seed = isinstance(predictions, Mapping) and all(
        isinstance(seed, int) for seed in predictions
    )
    seeds = predictions if by_seed else {0: predictions}
    if kind is None:
        kind = "classical" if all(map(covers_all, seeds.values())) else "learned"
    links = {name: fields.pop(name) for name in _LINKS if name in fields}
    names = [authors] if isinstance(authors, str) else list(authors)
    said = {"method": method, "authors": names, "description": description, "kind": kind}
    _check_split(dataset)
    values = {seed: _values(dataset, given) for seed, given in seeds.items()}
    return _pack_values(values, dataset, folder, {**said, "links": links, **fields})


def pack_function(
    function: Method | Callable[[Any], Any],
    dataset: Any,
    folder: str | Path,
    fields: Mapping[str, Any],
    root: str | Path | None = None,
) -> Submission:
    """Make a submission of what a method, or a function A -> L or (L, U), gives."""
    _check_complete(fields)
    start = perf_counter()
    values = _values(dataset, function)
    seconds = {"construction": round(perf_counter() - start, 3)}
    _check_split(dataset)
    return _pack_values({0: values}, dataset, folder, {"seconds": seconds, **fields}, root)


def _check_split(dataset: Any) -> None:
    if not hasattr(dataset, "shard"):
        raise SubmissionError(
            f"the dataset is a {type(dataset).__name__}; give a split of this library, such as "
            "SuiteSparseInvK(split='test')"
        )
    if len(dataset) < len(dataset.shard):
        raise SubmissionError(
            f"{dataset!r} has {len(dataset)} of the {len(dataset.shard)} matrices of its split; "
            "predict and give all of them"
        )


def _pack_values(
    values: Mapping[int, Mapping[str, NDArray[np.float64] | None]],
    dataset: Any,
    folder: str | Path,
    fields: Mapping[str, Any],
    root: str | Path | None = None,
) -> Submission:
    """Write values by seed and name of the matrix to a file of predictions, and pack it."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / PREDICTIONS
    write_predictions(path, fields["method"], dataset.shard, dataset.label, values)
    return pack_predictions([path], folder, fields, root)


def _values(dataset: Any, predictions: Any) -> dict[str, NDArray[np.float64] | None]:
    """Values on the published pattern by name of the matrix; None for a failure."""
    if not covers_all(predictions):
        check_cover(predictions, [dataset.pair(i).name for i in range(len(dataset))])
    values: dict[str, NDArray[np.float64] | None] = {}
    for i in range(len(dataset)):
        pair = dataset.pair(i)
        one = prediction_of(predictions, i, pair.name)
        given = set_up(one, pair, context_of(dataset, i, pair.name))
        if callable(given):
            raise SubmissionError(
                f"the function gives an operator for {pair.name}; a submission holds factors on "
                "the published pattern"
            )
        placed = given if isinstance(given, Refusal) else problem_of(pair).place(given)
        values[pair.name] = None if isinstance(placed, Refusal) else placed
    return values


def pack_method(
    entry: str,
    code: str | Path,
    dataset: Any,
    folder: str | Path,
    fields: Mapping[str, Any],
    root: str | Path | None = None,
    weights: Sequence[str | Path] = (),
) -> Submission:
    """Make a submission of code that is run.

    Code and weights are those of :func:`pack_program`; ``fields`` may have ``form``, what the
    method returns.
    """
    shard = dataset.shard
    said = dict(fields)
    program = pack_program(entry, code, folder, weights=weights, form=said.pop("form", "factor"))
    submission = _submission(
        {
            **said,
            "dataset": shard.header.dataset,
            "version": shard.header.version,
            "configuration": shard.header.configuration,
            "split": shard.header.split,
            "label": dataset.label,
            "content_digest": shard.content_digest,
            "program": program,
        }
    )
    write_submission(folder, submission)
    return open_bundle(folder, root).submission


def pack_predictions(
    files: Sequence[str | Path],
    folder: str | Path,
    fields: Mapping[str, Any],
    root: str | Path | None = None,
) -> Submission:
    """Join files of predictions into a submission and check it."""
    if not files:
        raise SubmissionError("there are no predictions to submit; name at least one file")
    try:
        first, dataset = open_predicted(files[0], root)
        seeds: dict[int, NDArray[np.floating[Any]]] = {}
        for file in files:
            found = read_predictions(file)
            if (found.where, found.label, found.content_digest) != (
                first.where,
                first.label,
                first.content_digest,
            ):
                raise SubmissionError(
                    f"{file} is for {found.where}, {files[0]} for {first.where}; a submission is "
                    "for one split"
                )
            repeated = sorted(set(seeds) & set(found.seeds))
            if repeated:
                raise SubmissionError(f"{file} repeats seed {repeated[0]}; give each seed once")
            for seed in found.seeds:
                found.by_name(seed, dataset.shard)  # Checks the number of values.
            seeds |= found.seeds
    except (PredictionError, OSError) as error:
        raise SubmissionError(str(error)) from None
    submission = _submission(
        {
            "method": first.method,
            **fields,
            "dataset": first.dataset,
            "version": first.version,
            "configuration": first.configuration,
            "split": first.split,
            "label": first.label,
            "content_digest": first.content_digest,
            "predictions": {str(seed): values_digest(values) for seed, values in seeds.items()},
        }
    )
    folder = Path(folder)
    _write(folder, submission, dataset.shard, seeds)
    write_submission(folder, submission)
    return open_bundle(folder, root).submission


def write_bundle_predictions(bundle: Bundle, folder: str | Path) -> Path:
    """Write the predictions of a submission as packing them again would, and return the path."""
    shard = bundle.dataset.shard
    assert bundle.predictions is not None
    return _write(Path(folder), bundle.submission, shard, bundle.predictions.seeds)


def _write(
    folder: Path,
    submission: Submission,
    shard: Any,
    seeds: Mapping[int, NDArray[np.floating[Any]]],
) -> Path:
    by_name = {}
    for seed in sorted(seeds):
        # One NaN: the others have bits to spare.
        values = np.where(np.isnan(seeds[seed]), np.nan, seeds[seed]).astype(seeds[seed].dtype)
        pieces = np.split(values, shard.prediction_offsets[1:-1])
        by_name[seed] = dict(zip(shard.names, pieces, strict=True))
    path = folder / PREDICTIONS
    write_predictions(path, submission.method, shard, submission.label, by_name)
    return path


# What a submission cannot be without -> how it is given on a command line.
_REQUIRED = {
    "method": "--method NAME",
    "kind": "--set kind=learned",
    "authors": "--author NAME",
    "description": "--description TEXT",
}


def _check_complete(fields: Mapping[str, Any]) -> None:
    missing = [name for name in _REQUIRED if name not in fields]
    if missing:
        ways = " ".join(_REQUIRED[name] for name in missing)
        raise SubmissionError(
            f"the submission lacks {', '.join(missing)}; on a command line: {ways}"
        )


def _submission(fields: Mapping[str, Any]) -> Submission:
    _check_complete(fields)
    try:
        return Submission.model_validate(dict(fields))
    except ValidationError as error:
        raise SubmissionError(f"the submission is wrong at {first_problem(error)}") from None
