"""The loop over epochs: steps, validation, early stopping, and going on after an interrupt."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from precondbench.baselines.configuration import TrainingConfiguration
from precondbench.baselines.distributed import Ranks
from precondbench.baselines.factor_model import FactorModel
from precondbench.baselines.graph_batch import GraphBatch
from precondbench.baselines.graphs import ResidentGraphs
from precondbench.baselines.losses import Loss, cosine_per_graph
from precondbench.baselines.progress import EpochRecord, ReportEpoch
from precondbench.baselines.run_directory import RunDirectory
from precondbench.baselines.training_state import TrainingState
from precondbench.errors import TrainingDivergedError

__all__ = ["Fitting", "validate"]

# A state takes milliseconds to write; an interrupt costs at most this much work.
SECONDS_BETWEEN_STATES = 15.0


@dataclass(frozen=True)
class Fitting:
    """A run of the protocol on prepared graphs.

    Attributes
    ----------
    model : FactorModel
        Computes the training steps: the model of the state, or its compiled double.
    graphs, checks : ResidentGraphs
        Training and validation graphs, on the device.
    loss : Loss
        What is minimised.
    configuration : TrainingConfiguration
        The protocol.
    ranks : Ranks
        Processes that train together.
    files : RunDirectory
        Told of epochs and best models.
    progress : callable or None
        Told of epochs.
    """

    model: FactorModel
    graphs: ResidentGraphs
    checks: ResidentGraphs
    loss: Loss
    configuration: TrainingConfiguration
    ranks: Ranks
    files: RunDirectory
    progress: ReportEpoch | None

    def run(self, state: TrainingState) -> None:
        """Train until the last epoch or until patience ends; the best weights are in the state."""
        checks = list(self._check_batches())
        saved = time.monotonic()
        while not self._finished(state):
            epoch = len(state.history) + 1
            start = time.perf_counter()
            rate = self.configuration.rate(epoch)
            loss = self.train_epoch(state, rate)
            validation_loss, cosine = validate(state.model, checks, self.loss, self.ranks)
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
        return late or done >= self.configuration.epochs

    def _check_batches(self) -> Iterator[GraphBatch]:
        """Batches of this process's share of the validation graphs."""
        mine = self.ranks.share(torch.arange(len(self.checks)))
        size = 4 * self.configuration.batch_size
        return self.checks.batches(size, mine, max_edges=self.configuration.max_edges)

    def train_epoch(self, state: TrainingState, rate: float) -> float:
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
                loss = self.loss.per_graph(self.model(batch), batch).sum()
                # Pieces and processes add up to the mean over the whole batch.
                if loss.requires_grad:
                    (loss / numbers.numel()).backward()  # type: ignore[no-untyped-call]
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


@torch.no_grad()
def validate(
    model: FactorModel, batches: list[GraphBatch], loss: Loss, ranks: Ranks
) -> tuple[float, float]:
    """Mean loss and mean cosine over the graphs of all processes, in evaluation mode."""
    model.eval()
    device = model.standardisation.node_mean.device
    sums: Tensor = torch.zeros(3, dtype=torch.float64, device=device)
    for batch in batches:
        predicted = model(batch)
        losses, cosines = loss.per_graph(predicted, batch), cosine_per_graph(predicted, batch)
        sums += torch.stack([losses.sum(), cosines.sum(), sums.new_tensor(batch.num_graphs)])
    losses_sum, cosines_sum, count = ranks.sum(sums).tolist()
    return losses_sum / count, cosines_sum / count
