"""Earlier spellings of commands, answered with the current ones."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

_FIELDS = ("kind", "code", "paper", "licence", "parameters", "training", "hardware", "command")


def current_spelling(words: Sequence[str]) -> str | None:
    """Return the current spelling of a command; None if the words have not changed."""
    command, *rest = words
    if command == "figures":
        return "python -m paper"  # In a checkout of the repository.
    if command == "train":
        new = _train(rest)
    elif command == "build":
        new = _build(rest)
    elif command == "submit" and rest[:1] == ["pack"]:
        new = _pack(rest[1:])
    else:
        return None
    return None if new == list(words) else shlex.join(["precondbench", *new])


def _train(rest: Sequence[str]) -> list[str]:
    grids, others = _without(rest, "--grid")
    if grids or "--all" in others:
        out, others = _without(others, "--out")
        models, _ = _without(others, "--import")
        return ["train-grid", *grids, *_repeated("--import", models), *_repeated("--out", out)]
    from precondbench.baselines import current_training_command

    return ["train", *current_training_command(rest)]


def _build(rest: Sequence[str]) -> list[str]:
    from precondbench.recipes import dataset_specs

    configurations, of_local = _without(rest, "--config")
    # The commands for real matrices outside the benchmark name no dataset.
    dropped = ("--unverified", *(spec.name for spec in dataset_specs()))
    of_local = [word for word in of_local if word not in dropped]
    manifests, of_manifest = _without(rest, "--update-manifest")
    names = {word.partition("=")[0] for word in rest}
    if manifests:
        return ["build", "manifest", *of_manifest, *manifests]
    if rest[:1] in (["large"], ["collection"], ["unverified"]):
        return ["build", *rest]
    if configurations == ["large"] or names & {"--dry-run", "--max-memory", "--min-n"}:
        return ["build", "large", *of_local]
    if "--max-n" in names:
        return ["build", "collection", *of_local]
    if "--unverified" in names:
        return ["build", "unverified", *of_local]
    if "--check" in names:
        return ["build", "check", *(word for word in rest if word != "--check")]
    return ["build", *rest]


def _pack(rest: Sequence[str]) -> list[str]:
    entries, others = _without(rest, "--entry")
    files, others = _without(others, "--predictions")
    datasets, others = _without(others, "--dataset")
    fields = []
    for name in _FIELDS:
        values, others = _without(others, f"--{name}")
        fields += _repeated("--set", [f"{name}={value}" for value in values])
    if entries:
        return ["submit", "function", *entries, *datasets, *others, *fields]
    return ["submit", "pack", *files, *others, *fields]


def _without(words: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """Return the values of an option, and the words without it."""
    values, others = [], []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name == option:
            values.append(value if equals else next(rest, "..."))
        else:
            others.append(word)
    return values, others


def _repeated(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
