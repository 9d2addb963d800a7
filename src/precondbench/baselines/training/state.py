"""Everything that training goes on from: weights, moments, random numbers, history."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from precondbench._internal import loads, replacing
from precondbench.baselines.base import FactorModel
from precondbench.baselines.checkpoint import read_tensors
from precondbench.baselines.training.progress import EpochRecord, check_history
from precondbench.errors import CheckpointError

_METADATA_KEY = "precondbench"


@dataclass
class TrainingState:
    """State of a run between two epochs.

    Attributes
    ----------
    model : FactorModel
        As it is after the last epoch.
    optimiser : torch.optim.Optimizer
        Of the model's parameters.
    shuffle : torch.Generator
        Orders the training graphs; on the processor.
    history : list of EpochRecord
        One record an epoch.
    best : EpochRecord or None
        Of the epoch with the smallest validation loss.
    best_weights : dict
        The model's weights and buffers in that epoch.
    """

    model: FactorModel
    optimiser: torch.optim.Optimizer
    shuffle: torch.Generator
    history: list[EpochRecord] = field(default_factory=list)
    best: EpochRecord | None = None
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    def record(self, record: EpochRecord) -> bool:
        """Add an epoch; return whether it is the best so far, whose weights are then kept."""
        self.history.append(record)
        if self.best is not None and not record["validation_loss"] < self.best["validation_loss"]:
            return False
        self.best = record
        self.best_weights = copy.deepcopy(self.model.state_dict())
        return True

    def save(self, path: Path, key: str) -> None:
        """Write the state to a safetensors file, whole or not at all.

        Parameters
        ----------
        path : pathlib.Path
            The file.
        key : str
            What the run is: :meth:`load` refuses a state with another key.
        """
        tensors = {
            "random.shuffle": self.shuffle.get_state(),
            "random.torch": torch.get_rng_state(),
        }
        device = self.model.standardisation.node_mean.device
        if device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(device)
        for prefix, weights in (("model", self.model.state_dict()), ("best", self.best_weights)):
            tensors |= {f"{prefix}.{name}": value for name, value in weights.items()}
        for number, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in moments.items()}
        # Tensors may share memory (tied weights), which the format does not know.
        stored = {name: value.detach().cpu().clone() for name, value in tensors.items()}
        description = {"key": key, "history": self.history, "best": self.best}
        with replacing(path) as temporary:
            metadata = {_METADATA_KEY: json.dumps(description)}
            temporary.write_bytes(safetensors.torch.save(stored, metadata))

    def load(self, path: Path, key: str) -> None:
        """Take up a saved state, random generators of torch included.

        Raises
        ------
        CheckpointError
            If the file is damaged, or of another run.
        """
        description, tensors = _read(path)
        if description.get("key") != key:
            raise CheckpointError(
                f"{path} is the state of a run with other settings or other data; remove its "
                "folder, or choose another"
            )
        try:
            self._take(tensors)
        except (KeyError, RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{path} does not fit the model; has it changed since? {error}"
            ) from error
        self.history = list(description["history"])
        self.best = description["best"]

    def _take(self, tensors: dict[str, Tensor]) -> None:
        device = self.model.standardisation.node_mean.device

        def part(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): value
                for name, value in tensors.items()
                if name.startswith(prefix)
            }

        self.model.load_state_dict(part("model."))
        self.best_weights = {name: value.to(device) for name, value in part("best.").items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part("optimiser.").items():
            number, _, kind = name.partition(".")
            moments.setdefault(int(number), {})[kind] = value
        whole = self.optimiser.state_dict()
        self.optimiser.load_state_dict({**whole, "state": moments})
        self.shuffle.set_state(tensors["random.shuffle"])
        torch.set_rng_state(tensors["random.torch"])
        if device.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], device)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    damaged = "is not a readable state of training"
    metadata, tensors = read_tensors(path, damaged)
    try:
        description = loads(metadata[_METADATA_KEY])
        best = description["best"]
        check_history([*description["history"], *([] if best is None else [best])])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} {damaged}: {error}; remove it to start afresh") from error
    return description, tensors
