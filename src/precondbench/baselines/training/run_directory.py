"""The folder of a run: its files, and the state that an interrupted run continues from."""

from __future__ import annotations

import copy
import json
import os
import platform
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import safetensors.torch
import torch
from torch import Tensor

import precondbench
from precondbench._internal import loads, processor_name, replacing
from precondbench.baselines.base import FactorModel
from precondbench.baselines.checkpoint import METADATA_KEY, read_tensors, save_model
from precondbench.baselines.training.progress import EpochRecord, check_history
from precondbench.errors import CheckpointError

_PACKAGES = ("torch", "torch-geometric", "numpy", "scipy")


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or of the processor where the system has it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return processor_name()


def describe_environment(device: torch.device, processes: int) -> dict[str, Any]:
    """Return versions, device and number of processes, as plain types."""
    return {
        "precondbench": precondbench.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "device": str(device),
        "device_name": device_name(device),
        "threads": torch.get_num_threads(),
        "processes": processes,
    }


@dataclass
class TrainingState:
    """State of a run between two epochs; ``best`` has the smallest validation loss."""

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
        """Write the state, whole or not at all; :meth:`load` refuses a state with another key."""
        tensors = {
            "random.shuffle": self.shuffle.get_state(),
            "random.torch": torch.get_rng_state(),
        }
        device = self.model.device
        if device.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(device)
        for prefix, weights in (("model", self.model.state_dict()), ("best", self.best_weights)):
            tensors |= {f"{prefix}.{name}": value for name, value in weights.items()}
        for number, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": value for name, value in moments.items()}
        # The format does not support tensors that share memory (tied weights).
        stored = {name: value.detach().cpu().clone() for name, value in tensors.items()}
        description = {"key": key, "history": self.history, "best": self.best}
        with replacing(path) as temporary:
            metadata = {METADATA_KEY: json.dumps(description)}
            temporary.write_bytes(safetensors.torch.save(stored, metadata))

    def load(self, path: Path, key: str) -> None:
        """Restore a saved state, including the random generators of torch."""
        description, tensors = _read_state(path)
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
        device = self.model.device

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


def _read_state(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    damaged = "is not a readable state of training"
    metadata, tensors = read_tensors(path, damaged)
    try:
        description = loads(metadata[METADATA_KEY])
        best = description["best"]
        check_history([*description["history"], *([] if best is None else [best])])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} {damaged}: {error}; remove it to start afresh") from error
    return description, tensors


class RunDirectory:
    """Context manager that writes a run's files, see docs/training.md; without a path, none.

    ``result.json`` comes last: with it the run is finished. ``key`` identifies settings and data,
    and a state with another key is refused. With ``writes=False`` nothing is written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        configuration: str,
        key: str,
        *,
        writes: bool = True,
    ) -> None:
        self.path = None if path is None else Path(path)
        self._writes = writes and path is not None
        self._configuration = configuration
        self._key = key
        self._metrics: TextIO | None = None

    def start(self, environment: dict[str, Any], state: TrainingState, resume: bool) -> Self:
        """Write the first files; with ``resume``, restore the state if there is one."""
        if self.path is None:
            return self
        saved = self.path / "state.safetensors"
        resumes = resume and saved.is_file()
        if resumes:
            state.load(saved, self._key)
        if not self._writes:
            return self
        self.path.mkdir(parents=True, exist_ok=True)
        # An old model does not belong to a new configuration.
        for name in ("result.json", "checkpoint.safetensors", "state.safetensors"):
            if not (resumes and name == "state.safetensors"):
                (self.path / name).unlink(missing_ok=True)
        self._write("configuration.toml", self._configuration)
        self._write("environment.json", json.dumps(environment, indent=2) + "\n")
        self._metrics = (self.path / "metrics.jsonl").open("w", encoding="utf-8")
        for record in state.history:
            self.add_epoch(record)
        if resumes:
            save_model(state.model, self.path / "checkpoint.safetensors", state.best_weights)
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._metrics is not None:
            self._metrics.close()
            self._metrics = None

    def add_epoch(self, record: EpochRecord) -> None:
        """Append one line to ``metrics.jsonl``."""
        if self._metrics is not None:
            self._metrics.write(json.dumps(record) + "\n")
            self._metrics.flush()

    def save_best(self, model: FactorModel) -> None:
        """Replace ``checkpoint.safetensors``."""
        if self.path is not None and self._writes:
            save_model(model, self.path / "checkpoint.safetensors")

    def save_state(self, state: TrainingState) -> None:
        """Replace ``state.safetensors``."""
        if self.path is not None and self._writes:
            state.save(self.path / "state.safetensors", self._key)

    def finish(self, result: dict[str, Any]) -> None:
        """Write ``result.json`` and remove the state."""
        if self.path is not None and self._writes:
            self._write("result.json", json.dumps({**result, "key": self._key}, indent=2) + "\n")
            (self.path / "state.safetensors").unlink(missing_ok=True)

    def finished(self) -> dict[str, Any] | None:
        """Return what :meth:`finish` wrote, if the run is finished."""
        if self.path is None or not (self.path / "result.json").is_file():
            return None
        try:
            result: dict[str, Any] = loads((self.path / "result.json").read_text("utf-8"))
            key = result.pop("key")
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise CheckpointError(
                f"{self.path / 'result.json'} is damaged: {error}; remove the folder"
            ) from error
        if key != self._key:
            raise CheckpointError(
                f"{self.path} holds a finished run with other settings or other data; compare "
                "configuration.toml, and remove the folder or choose another"
            )
        for name in ("metrics.jsonl", "checkpoint.safetensors"):
            if not (self.path / name).is_file():
                raise CheckpointError(
                    f"{self.path} holds a finished run without its {name}; remove the folder"
                )
        return result

    def history(self) -> list[EpochRecord]:
        """Read ``metrics.jsonl``."""
        assert self.path is not None
        path = self.path / "metrics.jsonl"
        try:
            records = [loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
            check_history(records)
        except ValueError as error:
            raise CheckpointError(f"{path} is damaged: {error}; remove the folder") from error
        if not records:
            raise CheckpointError(f"{path} is damaged: it is empty; remove the folder")
        return records

    def _write(self, name: str, text: str) -> None:
        assert self.path is not None
        with replacing(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
