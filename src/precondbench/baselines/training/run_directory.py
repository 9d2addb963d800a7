"""What a run ran on: versions and machines, for the record."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import torch

import precondbench
from precondbench._internal import loads, replacing
from precondbench.baselines.base import FactorModel
from precondbench.baselines.checkpoint import save_model
from precondbench.baselines.training.progress import EpochRecord, check_history
from precondbench.baselines.training.state import TrainingState
from precondbench.errors import CheckpointError

_PACKAGES = ("torch", "torch-geometric", "numpy", "scipy")


def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or of the processor where its system tells it."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


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


class RunDirectory:
    """Context manager that writes a run's files; without a path it writes nothing.

    - ``configuration.toml``: the settings, written first;
    - ``environment.json``: versions and devices;
    - ``metrics.jsonl``: one line an epoch, flushed when the epoch ends;
    - ``checkpoint.safetensors``: the best model so far, replaced whole;
    - ``state.safetensors``: what an interrupted run goes on from, while it is not finished;
    - ``result.json``: the outcome, written last; with it the run is finished.

    A new run in the same directory replaces these files and touches no other.

    Parameters
    ----------
    path : path-like or None
        Directory, made if it does not exist.
    configuration : str
        Text of ``configuration.toml``.
    key : str
        What the run is, settings and data: a state with another key is not gone on from.
    writes : bool
        False for a process that only follows another: it reads and writes nothing.
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
        """Write what is known at the start; with ``resume``, take up the state if there is one.

        Parameters
        ----------
        environment : dict
            For ``environment.json``.
        state : TrainingState
            Filled from ``state.safetensors``.
        resume : bool
            Whether to go on from an interrupted run.

        Raises
        ------
        CheckpointError
            If the state is damaged, or of another run.
        """
        if self.path is None:
            return self
        saved = self.path / "state.safetensors"
        going_on = resume and saved.is_file()
        if going_on:
            state.load(saved, self._key)
        if not self._writes:
            return self
        self.path.mkdir(parents=True, exist_ok=True)
        # An old model beside a new configuration would be a false pair.
        for name in ("result.json", "checkpoint.safetensors", "state.safetensors"):
            if not (going_on and name == "state.safetensors"):
                (self.path / name).unlink(missing_ok=True)
        self._write("configuration.toml", self._configuration)
        self._write("environment.json", json.dumps(environment, indent=2) + "\n")
        self._metrics = (self.path / "metrics.jsonl").open("w", encoding="utf-8")
        for record in state.history:
            self.add_epoch(record)
        if going_on:
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
        """Return what :meth:`finish` wrote, if the run is finished.

        Raises
        ------
        CheckpointError
            If ``result.json`` is damaged, or of a run with other settings or data.
        """
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
        """Read ``metrics.jsonl``.

        Raises
        ------
        CheckpointError
            If it is damaged.
        """
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
