"""The files of a training run, kept readable at every moment of it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from precondbench.baselines.checkpoint import save_model
from precondbench.baselines.configuration import TrainingConfiguration
from precondbench.baselines.factor_model import FactorModel
from precondbench.baselines.progress import EpochRecord
from precondbench.files import replacing

__all__ = ["RunDirectory"]


class RunDirectory:
    """Context manager that writes a run's files; without a path it writes nothing.

    - ``configuration.json``: the settings, written first;
    - ``metrics.jsonl``: one line an epoch, flushed when the epoch ends;
    - ``checkpoint.safetensors``: the best model so far, replaced whole.

    An interrupted run leaves its best model and whole lines. A new run in the same directory
    replaces these three files and touches no other.

    Parameters
    ----------
    path : path-like or None
        Directory, made if it does not exist.
    configuration : TrainingConfiguration
        Settings of the run.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, configuration: TrainingConfiguration
    ) -> None:
        self.path = None if path is None else Path(path)
        self._configuration = configuration
        self._metrics: TextIO | None = None

    def __enter__(self) -> Self:
        if self.path is not None:
            self.path.mkdir(parents=True, exist_ok=True)
            # An old model beside a new configuration would be a false pair.
            (self.path / "checkpoint.safetensors").unlink(missing_ok=True)
            with replacing(self.path / "configuration.json") as temporary:
                temporary.write_text(self._configuration.to_json(), encoding="utf-8")
            self._metrics = (self.path / "metrics.jsonl").open("w", encoding="utf-8")
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
        if self.path is not None:
            save_model(model, self.path / "checkpoint.safetensors")
