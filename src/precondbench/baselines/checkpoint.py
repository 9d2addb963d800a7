"""Trained models on disk: weights and feature map in one safetensors file."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from precondbench._internal import loads, replacing
from precondbench.baselines.base import FactorModel
from precondbench.baselines.registry import build_model
from precondbench.errors import CheckpointError

# Version 1 has no scaling, version 2 no folds; a model without them is still written so, for older
# readers.
FORMAT_VERSION = 3
# One key: safetensors keeps metadata in a hash map, whose order differs from run to run.
METADATA_KEY = "precondbench"


def save_model(
    model: FactorModel,
    path: str | os.PathLike[str],
    weights: Mapping[str, torch.Tensor] | None = None,
) -> None:
    """Write a model to a file, in one step; equal models give equal bytes.

    Parameters
    ----------
    model : FactorModel
        Made by ``build_model`` or ``train``.
    path : path-like
        File to write or replace, by convention ``checkpoint.safetensors``.
    weights : mapping, optional
        Another state of the model, to be written in place of its own.
    """
    state = model.state_dict() if weights is None else weights
    description: dict[str, Any] = {
        "format_version": 1,
        "model": model.name,
        "rounds": model.rounds,
        "width": model.width,
    }
    if model.scaling != "standardised":
        description |= {"format_version": 2, "scaling": model.scaling}
    tensors = {name: value.contiguous().cpu() for name, value in state.items()}
    metadata = {METADATA_KEY: json.dumps(description, sort_keys=True)}
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(safetensors.torch.save(tensors, metadata))


def load_model(path: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> FactorModel:
    """Read a model, ready to predict.

    Parameters
    ----------
    path : path-like
        File written by :func:`save_model`.
    device : torch.device or str
        Where to put it.

    Returns
    -------
    FactorModel
        In evaluation mode.

    Raises
    ------
    CheckpointError
        If the file is damaged, of another format, or does not fit the model it names.
    ConfigurationError
        If the model it names is not registered.
    FileNotFoundError
        If there is no file.
    """
    models = load_models(path, device=device)
    if len(models) > 1:
        raise CheckpointError(f"{path} holds the models of {len(models)} folds; use load_models")
    return models[0]


def join_models(paths: Sequence[str | os.PathLike[str]], path: str | os.PathLike[str]) -> None:
    """Write models of several folds, which differ in their weights only, to one file, in one step.

    Parameters
    ----------
    paths : sequence of path-like
        Files written by :func:`save_model`, in the order of the folds.
    path : path-like
        File to write or replace, for :func:`load_models`.

    Raises
    ------
    CheckpointError
        If one of the files is damaged, or the models differ in more than their weights.
    """
    read = [_read(Path(one)) for one in paths]
    description = read[0][0]
    if any(other != description for other, _ in read):
        raise CheckpointError(
            f"{', '.join(map(str, paths))} hold different models; models of folds differ in their "
            "weights only"
        )
    tensors = {
        f"{_fold(fold)}{name}": tensor
        for fold, (_, own) in enumerate(read)
        for name, tensor in own.items()
    }
    joined = {**description, "format_version": 3, "folds": len(read)}
    with replacing(Path(path)) as temporary:
        metadata = {METADATA_KEY: json.dumps(joined, sort_keys=True)}
        temporary.write_bytes(safetensors.torch.save(tensors, metadata))


def load_models(
    path: str | os.PathLike[str], *, device: torch.device | str = "cpu"
) -> list[FactorModel]:
    """Read the models of all folds, or the one model of a file without folds.

    Parameters
    ----------
    path : path-like
        File written by :func:`join_models` or :func:`save_model`.
    device : torch.device or str
        Where to put them.

    Returns
    -------
    list of FactorModel
        In evaluation mode, in the order of the folds.

    Raises
    ------
    CheckpointError
        As :func:`load_model`.
    """
    path = Path(path)
    description, tensors = _read(path)
    folds = description.get("folds")
    if folds is None:
        return [_built(path, description, tensors, device)]
    models = []
    for fold in range(folds):
        own = {
            name.removeprefix(_fold(fold)): tensor
            for name, tensor in tensors.items()
            if name.startswith(_fold(fold))
        }
        models.append(_built(path, description, own, device))
    return models


def _fold(fold: int) -> str:
    return f"fold-{fold}."


def _built(
    path: Path,
    description: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    device: torch.device | str,
) -> FactorModel:
    # Building draws weights that are then overwritten: keep the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        model = build_model(
            description["model"],
            description["rounds"],
            description["width"],
            scaling=description.get("scaling", "standardised"),
        )
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        # Torch lists every tensor, each on a line of its own.
        lines = [line.strip() for line in str(error).splitlines()[1:]] or [str(error)]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        raise CheckpointError(
            f"{path} does not fit model {description['model']!r} of {description['rounds']} rounds "
            f"and width {description['width']}; has the model changed since? "
            f"{lines[0][:500]}{more}"
        ) from error
    return model.to(device).eval()


def read_tensors(path: Path, error: str) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    """Read metadata and tensors of a safetensors file, or raise CheckpointError with ``error``."""
    if path.exists() and not path.is_file():
        raise CheckpointError(f"{path} {error}: it is not a regular file")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, RuntimeError) as problem:
        raise CheckpointError(f"{path} {error}: {problem}") from problem


def _read(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    unreadable = "is not a readable safetensors file"
    if path.is_dir():
        raise CheckpointError(
            f"{path} {unreadable}: it is not a regular file; a run has checkpoint.safetensors in "
            "its folder"
        )
    metadata, tensors = read_tensors(path, unreadable)
    try:
        description: dict[str, Any] = loads(metadata[METADATA_KEY])
        version = description["format_version"]
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a checkpoint of precondbench"
        ) from error
    if version not in range(1, FORMAT_VERSION + 1):
        raise CheckpointError(
            f"{path} has checkpoint format {version}; this version reads up to "
            f"{FORMAT_VERSION}. "
            "Load it with the version of precondbench that wrote it"
        )
    _check_description(path, description, tensors)
    return description, tensors


def _check_description(
    path: Path, description: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Refuse sizes that the file itself cannot hold, before a model of that size is made."""
    kinds = [("model", str), ("rounds", int), ("width", int)]
    if "folds" in description:
        kinds.append(("folds", int))
    wrong = [key for key, kind in kinds if type(description.get(key)) is not kind]
    if wrong:
        raise CheckpointError(
            f"{path} is a safetensors file, but not a checkpoint of precondbench: its {wrong[0]} "
            f"is {description.get(wrong[0])!r:.60}"
        )
    largest = max((size for tensor in tensors.values() for size in tensor.shape), default=0)
    # Small sizes may be tried: not every model has a tensor for each round, or of that width.
    limits = [("rounds", max(64, len(tensors))), ("width", max(256, largest))]
    if "folds" in description:
        limits.append(("folds", len(tensors)))
    if description.get("folds", 1) < 1:
        raise CheckpointError(f"{path} says folds = {description['folds']!r:.40}; it is damaged")
    for key, most in limits:
        if description[key] > most:
            raise CheckpointError(
                f"{path} says {key} = {description[key]!r:.40}, which its {len(tensors)} tensors "
                "cannot hold; it is damaged, or made to fill memory"
            )
