"""Training of one model: epochs, validation, early stopping, resuming after an interrupt."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from precondbench.baselines.base import FactorModel
from precondbench.baselines.batch import GraphBatch, ResidentGraphs
from precondbench.baselines.checkpoint import load_model
from precondbench.baselines.losses import Loss, get_loss
from precondbench.baselines.prediction import cpu_threads
from precondbench.baselines.registry import build_model
from precondbench.baselines.training.configuration import (
    RunConfiguration,
    TrainingConfiguration,
    resolve_device,
    table_to_toml,
)
from precondbench.baselines.training.distributed import Ranks, process_group
from precondbench.baselines.training.progress import EpochRecord, ReportEpoch
from precondbench.baselines.training.run_directory import (
    RunDirectory,
    TrainingState,
    describe_environment,
)
from precondbench.baselines.training.validation import systems_of, validate
from precondbench.datasets import DataSelection
from precondbench.errors import ConfigurationError, TrainingDivergedError
from precondbench.quality import Problem

# A state takes milliseconds to write; an interrupt costs at most this much work.
SECONDS_BETWEEN_STATES = 15.0


@dataclass(frozen=True)
class FitLoop:
    """The loop over epochs on prepared graphs.

    ``model`` computes the training steps: the model of the state, or its compiled version.
    ``graphs`` are those to train on, ``checks`` those to validate on, by the loss or by solving
    their ``systems``.
    """

    model: FactorModel
    graphs: ResidentGraphs
    checks: ResidentGraphs
    loss: Loss
    configuration: TrainingConfiguration
    ranks: Ranks
    files: RunDirectory
    progress: ReportEpoch | None
    systems: list[Problem] | None = None

    def run(self, state: TrainingState) -> None:
        """Train until the last epoch or until patience ends; the state has the best weights."""
        checks = list(self._batches(self.checks))
        systems = self.systems and [self.systems[i] for i in self._mine(self.checks).tolist()]
        saved = time.monotonic()
        while not self._finished(state):
            # Without epochs the initial model is measured, as epoch 0.
            epoch = len(state.history) + min(1, self.configuration.epochs)
            start = time.perf_counter()
            rate = self.configuration.rate(epoch) if epoch else 0.0
            loss = self.epoch(state, rate) if epoch else self._initial_loss(state)
            validation_loss, cosine = validate(state.model, checks, self.loss, self.ranks, systems)
            self._check_finite(epoch, loss, validation_loss, cosine)
            record = EpochRecord(
                epoch=epoch,
                loss=loss,
                validation_loss=validation_loss,
                validation_cosine=cosine,
                learning_rate=rate,
                seconds=time.perf_counter() - start,
            )
            if state.record(record):
                self.files.save_best(state.model)
            self.files.add_epoch(record)
            if time.monotonic() - saved >= SECONDS_BETWEEN_STATES:
                self.files.save_state(state)
                saved = time.monotonic()
            if self.progress is not None and self.ranks.first:
                self.progress(record)

    def _finished(self, state: TrainingState) -> bool:
        done = len(state.history)
        late = state.best is not None and done - state.best["epoch"] >= self.configuration.patience
        return late or done >= max(1, self.configuration.epochs)

    def _batches(self, graphs: ResidentGraphs) -> Iterator[GraphBatch]:
        """Batches of this process's share of some graphs."""
        size = 4 * self.configuration.batch_size
        return graphs.batches(size, self._mine(graphs), max_edges=self.configuration.max_edges)

    def _mine(self, graphs: ResidentGraphs) -> Tensor:
        return self.ranks.share(torch.arange(len(graphs)))

    def _initial_loss(self, state: TrainingState) -> float:
        return validate(state.model, list(self._batches(self.graphs)), self.loss, self.ranks)[0]

    def epoch(self, state: TrainingState, rate: float) -> float:
        """Take one step a batch; return the loss averaged over graphs."""
        self.model.train()
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        order = torch.randperm(len(self.graphs), generator=state.shuffle)
        # Summed on the device and read once: reading every step would wait for every step.
        total = torch.zeros((), dtype=torch.float64, device=self.graphs.device)
        for numbers in torch.split(order, self.configuration.batch_size):
            state.optimiser.zero_grad()
            share = self.ranks.share(numbers)
            for piece in self.graphs.pieces(share, self.configuration.max_edges):
                batch = self.graphs.batch(piece)
                loss = self.loss.of(self.model, batch).sum()
                # Pieces and processes add up to the mean over the whole batch.
                if loss.requires_grad:
                    (loss / numbers.numel()).backward()  # type: ignore[no-untyped-call]
                elif not self.model.fitted:
                    raise ConfigurationError(
                        f"the loss {self.loss.name} has no derivative by the parameters of "
                        f"{self.configuration.model}; use one that has, such as log-iterations "
                        "for LearnedChoice"
                    )
                total += loss.detach()
            self.ranks.sum_gradients(self.model)
            state.optimiser.step()
        return float(self.ranks.sum(total)) / len(self.graphs)

    def _check_finite(self, epoch: int, loss: float, validation_loss: float, cosine: float) -> None:
        if not all(math.isfinite(value) for value in (loss, validation_loss, cosine)):
            raise TrainingDivergedError(
                f"{self.configuration.model} diverged in epoch {epoch}: loss {loss}, validation "
                f"loss {validation_loss}, validation cosine {cosine}. Check that labels and "
                "features are finite, or lower the learning rate "
                f"({self.configuration.learning_rate:g})"
            )


@dataclass(frozen=True)
class TrainingResult:
    """Result of :func:`train`.

    Attributes
    ----------
    model : FactorModel
        With the weights of the best epoch, in evaluation mode, on ``device``.
    history : list of dict
        One record an epoch: ``epoch`` from 1 (0 of a model that is not trained), ``loss``,
        ``validation_loss``, ``validation_cosine``, ``learning_rate`` and ``seconds``.
    best_epoch : int
        Epoch, counted from 1, that is best on the validation split; 0 without training.
    best_validation_cosine : float
        Its mean cosine over the validation split.
    steps : int
        Number of gradient steps, one a batch.
    seconds : float
        Wall time of the epochs, those before an interrupt included.
    device : str
        Where it ran.
    parameters : int
        Number of trainable parameters.
    """

    model: FactorModel
    history: list[EpochRecord]
    best_epoch: int
    best_validation_cosine: float
    steps: int
    seconds: float
    device: str
    parameters: int

    def to_dict(self) -> dict[str, Any]:
        """Return what ``result.json`` holds: everything but model and history."""
        return {
            "best_epoch": self.best_epoch,
            "best_validation_cosine": self.best_validation_cosine,
            "epochs": self.history[-1]["epoch"],
            "steps": self.steps,
            "seconds": self.seconds,
            "device": self.device,
            "parameters": self.parameters,
        }


def train(
    train_set: Sequence[Any],
    val_set: Sequence[Any],
    configuration: TrainingConfiguration,
    *,
    out_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    data: DataSelection | None = None,
    progress: ReportEpoch | None = None,
) -> TrainingResult:
    """Train a registered model and return it with the weights of its best epoch.

    On the CPU the same data and configuration give the same weights to the bit, run after run,
    interrupted and resumed or not. Processes that ``torchrun`` started train together, each on
    its share of every batch. The caller's random generators and number of threads are left as
    they were.

    Parameters
    ----------
    train_set, val_set : sequence of torch_geometric.data.Data
        Labelled graphs; they may differ in size.
    configuration : TrainingConfiguration
        The protocol.
    out_dir : path-like, optional
        Directory for configuration, metrics and checkpoint; see docs/training.md for its files.
    resume : bool
        Go on with an interrupted run in ``out_dir``, and only read a finished one. Otherwise
        a run in ``out_dir`` is replaced.
    data : DataSelection, optional
        Names of the data, written to ``configuration.toml``.
    progress : callable, optional
        Called with the record of every epoch, a dictionary.

    Returns
    -------
    TrainingResult
        Model, history and facts of the run.

    Raises
    ------
    ConfigurationError
        If the model, the loss or the device does not exist, or a split is empty or has no
        labels.
    TrainingDivergedError
        If the loss or the validation cosine stops being finite.
    CheckpointError
        If a run to resume is damaged, or has other settings or other data.
    """
    device = resolve_device(configuration.device)
    loss = get_loss(configuration.loss)
    text = table_to_toml("training", configuration)
    if data is not None:
        text = RunConfiguration(data=data, training=configuration).to_toml()
    cuda_devices = []
    if device.type == "cuda":
        cuda_devices = [torch.cuda.current_device() if device.index is None else device.index]
    with (
        process_group(device) as ranks,
        cpu_threads(configuration.threads),
        torch.random.fork_rng(devices=cuda_devices),
    ):
        model = _drawn(configuration)
        graphs = _labelled(train_set, device, "training")
        checks = _labelled(val_set, device, "validation")
        key = _fingerprint(text, graphs, checks)
        steps_an_epoch = 0 if model.fitted else -(-len(graphs) // configuration.batch_size)
        with RunDirectory(out_dir, text, key, writes=ranks.first) as files:
            if resume and files.finished() is not None:
                return _read(files, steps_an_epoch, device)
            if loss.needs_inverse:
                graphs.invert(train_set)
                checks.invert(val_set)
            if loss.needs_solution:
                graphs.solve(train_set)
                checks.solve(val_set)
            if model.core is not None:
                checks.add_core(val_set, model.core)
            _fit(model, graphs, train_set)
            ranks.same_everywhere(model)
            state = TrainingState(
                model,
                _optimiser(model, configuration.learning_rate),
                torch.Generator().manual_seed(configuration.seed),
            )
            files.start(describe_environment(device, ranks.size), state, resume)
            stepped = model.compiled() if configuration.compile else model
            systems = systems_of(val_set) if configuration.validation == "iterations" else None
            FitLoop(
                stepped, graphs, checks, loss, configuration, ranks, files, progress, systems
            ).run(state)
            model.load_state_dict(state.best_weights)
            result = _result(model.eval(), state.history, steps_an_epoch, device)
            files.finish(result.to_dict())
    return result


def initial_model(train_set: Sequence[Any], configuration: TrainingConfiguration) -> FactorModel:
    """Return the model that :func:`train` starts from, on the CPU and in evaluation mode.

    It is that of ``epochs=0``: features are measured on the training split, a network that solves
    for its parameters has done so, and other weights are as drawn.
    """
    with cpu_threads(configuration.threads), torch.random.fork_rng(devices=[]):
        model = _drawn(configuration)
        _fit(model, _labelled(train_set, torch.device("cpu"), "training"), train_set)
    return model.eval()


def _drawn(configuration: TrainingConfiguration) -> FactorModel:
    torch.manual_seed(configuration.seed)
    # Made on the CPU, so that a seed means the same weights on every device.
    return build_model(
        configuration.model,
        configuration.rounds,
        configuration.width,
        scaling=configuration.scaling,
    )


def _fit(model: FactorModel, graphs: ResidentGraphs, train_set: Sequence[Any]) -> None:
    """Do what comes before the first epoch, and move the model to the graphs."""
    if model.core is not None:
        graphs.add_core(train_set, model.core)
    model.fit_features(graphs.whole())
    model.to(graphs.device)
    model.fit_network(graphs.whole())


def _optimiser(model: FactorModel, learning_rate: float) -> torch.optim.Optimizer:
    descended = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # A group, since Adam refuses an empty list: a fitted network has nothing to descend on.
    # Fused is one call for all parameters: 0.2 ms a step where a loop takes 1.1.
    return torch.optim.Adam([{"params": descended}], learning_rate, fused=True)


def _labelled(dataset: Sequence[Any], device: torch.device, role: str) -> ResidentGraphs:
    graphs = ResidentGraphs(dataset, device)
    if graphs.y is None:
        raise ConfigurationError(f"a graph of the {role} set has no label y")
    return graphs


def _fingerprint(text: str, *splits: ResidentGraphs) -> str:
    """Digest of settings and data, which identifies a run."""
    digest = hashlib.sha256(text.encode())
    for graphs in splits:
        for values in (graphs.x, graphs.edge_index, graphs.edge_attr, graphs.y):
            assert values is not None
            digest.update(values.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _result(
    model: FactorModel, history: list[EpochRecord], steps_an_epoch: int, device: torch.device
) -> TrainingResult:
    best = min(history, key=lambda record: record["validation_loss"])
    return TrainingResult(
        model=model,
        history=history,
        best_epoch=best["epoch"],
        best_validation_cosine=best["validation_cosine"],
        steps=steps_an_epoch * history[-1]["epoch"],
        seconds=sum(record["seconds"] for record in history),
        device=str(device),
        parameters=model.parameter_count(),
    )


def _read(files: RunDirectory, steps_an_epoch: int, device: torch.device) -> TrainingResult:
    assert files.path is not None
    model = load_model(files.path / "checkpoint.safetensors", device=device)
    return _result(model, files.history(), steps_an_epoch, device)
