"""Progress of training: records of epochs, shown live on a terminal or as plain lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypedDict

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as LiveDisplay


class EpochRecord(TypedDict):
    """One epoch of a run; a line of ``metrics.jsonl``."""

    epoch: int
    """Counted from 1; 0 of a model that is not trained."""
    loss: float
    """Mean over the training graphs, each as of its step."""
    validation_loss: float
    """Mean over the validation graphs, after the epoch: of the loss, or of log iterations."""
    validation_cosine: float
    """Mean cosine over the validation graphs, after the epoch."""
    learning_rate: float
    """Rate used in the epoch."""
    seconds: float
    """Wall time of the epoch, validation included."""


ReportEpoch = Callable[[EpochRecord], None]


def check_history(records: Iterable[Any]) -> None:
    """Raise ValueError unless these are records of epochs, as a file may hold them."""
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict) or record.keys() != EpochRecord.__annotations__.keys():
            raise ValueError(f"record {number} is {record!r:.60}, not a record of an epoch")
        if any(type(value) not in (int, float) for value in record.values()):
            raise ValueError(f"record {number} holds something other than numbers")


@contextmanager
def training_progress(
    epochs: int, *, silent: bool = False, console: Console | None = None
) -> Iterator[ReportEpoch]:
    """Open a display and yield the function that ``train`` calls after every epoch."""
    console = console or Console()
    if silent:
        yield lambda record: None
    elif console.is_interactive and console.file.isatty():
        with _live_display(epochs, console) as report:
            yield report
    else:
        yield lambda record: _print_line(record, epochs, console)


def _print_line(record: EpochRecord, epochs: int, console: Console) -> None:
    console.file.write(
        f"epoch {record['epoch']}/{epochs}  loss {record['loss']:.6f}  "
        f"validation loss {record['validation_loss']:.6f}  "
        f"validation cosine {record['validation_cosine']:.6f}  "
        f"lr {record['learning_rate']:.1e}  {record['seconds']:.1f} s\n"
    )
    console.file.flush()


@contextmanager
def _live_display(epochs: int, console: Console) -> Iterator[ReportEpoch]:
    columns = (
        TextColumn("epoch"),
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("loss {task.fields[loss]}"),
        # What decides which epoch is best.
        TextColumn("validation {task.fields[validation]} (best {task.fields[best]})"),
        TextColumn("cosine {task.fields[cosine]}"),
        TimeRemainingColumn(),
    )
    best = float("inf")
    with LiveDisplay(*columns, console=console) as display:
        task = display.add_task(
            "train", total=epochs, loss="-", validation="-", best="-", cosine="-"
        )

        def report(record: EpochRecord) -> None:
            nonlocal best
            best = min(best, record["validation_loss"])
            display.update(
                task,
                completed=record["epoch"],
                loss=f"{record['loss']:.6f}",
                validation=f"{record['validation_loss']:.6f}",
                best=f"{best:.6f}",
                cosine=f"{record['validation_cosine']:.6f}",
            )

        yield report
