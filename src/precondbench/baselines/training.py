"""One run of the protocol: Adam on the negative cosine, early stopping on the validation split."""

from __future__ import annotations

import copy
import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch

from precondbench.baselines.configuration import TrainingConfiguration, resolve_device
from precondbench.baselines.factor_model import FactorModel
from precondbench.baselines.graphs import GraphBatch, ResidentGraphs
from precondbench.baselines.loss import cosine_per_graph, negative_cosine
from precondbench.baselines.progress import EpochRecord, ReportEpoch
from precondbench.baselines.registry import build_model
from precondbench.baselines.run_directory import RunDirectory
from precondbench.baselines.threads import cpu_threads
from precondbench.errors import ConfigurationError, TrainingDivergedError

__all__ = ["TrainingResult", "mean_cosine", "train"]


@dataclass(frozen=True)
class TrainingResult:
    """What :func:`train` returns.

    Attributes
    ----------
    model : FactorModel
        With the weights of the best epoch, in evaluation mode, on ``device``.
    history : list of EpochRecord
        One record an epoch.
    best_epoch : int
        Epoch, counted from 1, with the best validation cosine.
    best_validation_cosine : float
        Its mean cosine over the validation split.
    seconds : float
        Wall time of the whole call.
    device : str
        Where it ran.
    parameters : int
        Number of trainable parameters.
    """

    model: FactorModel
    history: list[EpochRecord]
    best_epoch: int
    best_validation_cosine: float
    seconds: float
    device: str
    parameters: int


def train(
    train_set: Iterable[Any],
    val_set: Iterable[Any],
    configuration: TrainingConfiguration,
    *,
    out_dir: str | os.PathLike[str] | None = None,
    progress: ReportEpoch | None = None,
) -> TrainingResult:
    """Train a registered model and return it as it was in its best epoch.

    On the CPU the same data and configuration give the same weights to the bit, run after run.
    The caller's random generators and number of threads are left as they were.

    Parameters
    ----------
    train_set, val_set : iterable of torch_geometric.data.Data
        Labelled graphs; they may differ in size.
    configuration : TrainingConfiguration
        The protocol.
    out_dir : path-like, optional
        Directory for configuration, metrics and checkpoint, see ``RunDirectory``.
    progress : callable, optional
        Called with the record of every epoch; ``training_progress`` makes one. Silent without.

    Raises
    ------
    ConfigurationError
        If the model or the device does not exist, or a split is empty or has no labels.
    TrainingDivergedError
        If the loss or the validation cosine stops being finite.
    """
    start = time.perf_counter()
    device = resolve_device(configuration.device)
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    with cpu_threads(configuration.threads), torch.random.fork_rng(devices=devices):
        torch.manual_seed(configuration.seed)
        # Made on the CPU, so that a seed means the same weights on every device.
        model = build_model(configuration.model, configuration.rounds, configuration.width)
        graphs = _labelled(train_set, device, "training")
        checks = list(
            _labelled(val_set, device, "validation").batches(4 * configuration.batch_size)
        )
        model.standardisation.fit(graphs.x.cpu(), graphs.edge_attr.cpu())
        model.to(device)
        with RunDirectory(out_dir, configuration) as files:
            history, best = _fit(model, graphs, checks, configuration, files, progress)
    return TrainingResult(
        model=model,
        history=history,
        best_epoch=best["epoch"],
        best_validation_cosine=best["validation_cosine"],
        seconds=time.perf_counter() - start,
        device=str(device),
        parameters=model.parameter_count(),
    )


def _labelled(dataset: Iterable[Any], device: torch.device, role: str) -> ResidentGraphs:
    graphs = ResidentGraphs(dataset, device)
    if graphs.y is None:
        raise ConfigurationError(f"a graph of the {role} set has no label y")
    return graphs


def _fit(
    model: FactorModel,
    graphs: ResidentGraphs,
    checks: list[GraphBatch],
    configuration: TrainingConfiguration,
    files: RunDirectory,
    progress: ReportEpoch | None,
) -> tuple[list[EpochRecord], EpochRecord]:
    """Leave the best weights in the model; return the records of all and of the best epoch."""
    # Fused is one call for all parameters: 0.2 ms a step where a loop over them takes 1.1.
    optimiser = torch.optim.Adam(model.parameters(), lr=configuration.learning_rate, fused=True)
    schedule = torch.optim.lr_scheduler.StepLR(
        optimiser, configuration.decay_every, configuration.decay_factor
    )
    shuffle = torch.Generator().manual_seed(configuration.seed)
    history: list[EpochRecord] = []
    best: EpochRecord | None = None
    weights: dict[str, Any] = {}
    for epoch in range(1, configuration.epochs + 1):
        start = time.perf_counter()
        rate = float(schedule.get_last_lr()[0])
        order = torch.randperm(len(graphs), generator=shuffle)
        loss = _train_epoch(model, graphs.batches(configuration.batch_size, order), optimiser)
        schedule.step()
        cosine = mean_cosine(model, checks)
        _check_finite(loss, cosine, epoch, configuration)
        record = EpochRecord(
            epoch=epoch,
            loss=loss,
            validation_cosine=cosine,
            learning_rate=rate,
            seconds=time.perf_counter() - start,
        )
        history.append(record)
        files.add_epoch(record)
        if best is None or cosine > best["validation_cosine"]:
            best, weights = record, copy.deepcopy(model.state_dict())
            files.save_best(model)
        if progress is not None:
            progress(record)
        if epoch - best["epoch"] >= configuration.patience:
            break
    assert best is not None
    model.load_state_dict(weights)
    model.eval()
    return history, best


def _train_epoch(
    model: FactorModel, batches: Iterable[GraphBatch], optimiser: torch.optim.Optimizer
) -> float:
    """Take one step a batch; return the loss averaged over graphs."""
    model.train()
    # Summed on the device and read once: reading every step would wait for every step.
    total: torch.Tensor | float = 0.0
    count = 0
    for batch in batches:
        optimiser.zero_grad()
        loss = negative_cosine(model(batch), batch)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total = total + loss.detach() * batch.num_graphs
        count += batch.num_graphs
    return float(total) / count


@torch.no_grad()
def mean_cosine(model: FactorModel, batches: Iterable[GraphBatch]) -> float:
    """Mean over graphs of the cosine between predicted and true values, in evaluation mode."""
    model.eval()
    return float(torch.cat([cosine_per_graph(model(batch), batch) for batch in batches]).mean())


def _check_finite(
    loss: float, cosine: float, epoch: int, configuration: TrainingConfiguration
) -> None:
    if not (math.isfinite(loss) and math.isfinite(cosine)):
        raise TrainingDivergedError(
            f"{configuration.model} diverged in epoch {epoch}: loss {loss}, validation cosine "
            f"{cosine}. Check that labels and features are finite, or lower the learning rate "
            f"({configuration.learning_rate:g})"
        )
