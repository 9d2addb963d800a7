import io

import pytest
from rich.console import Console

from precondbench.baselines import training_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def record(epoch, validation):
    return {
        "epoch": epoch,
        "loss": -0.5,
        "validation_loss": validation,
        "validation_cosine": 0.875,
        "learning_rate": 1e-3,
        "seconds": 0.25,
    }


def shown(file, **options):
    console = Console(file=file, width=120, force_terminal=file.isatty(), legacy_windows=False)
    with training_progress(3, console=console, **options) as report:
        report(record(1, 0.5))
        report(record(2, 0.75))
    return file.getvalue()


def test_plain_lines_where_there_is_no_terminal():
    assert shown(io.StringIO()).splitlines() == [
        "epoch 1/3  loss -0.500000  validation loss 0.500000  validation cosine 0.875000  "
        "lr 1.0e-03  0.2 s",
        "epoch 2/3  loss -0.500000  validation loss 0.750000  validation cosine 0.875000  "
        "lr 1.0e-03  0.2 s",
    ]


def test_live_display_on_a_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = shown(Terminal())
    assert "2/3" in text
    assert "0.750000 (best 0.500000)" in text


@pytest.mark.parametrize("file", [io.StringIO(), Terminal()])
def test_silence(file):
    assert shown(file, silent=True) == ""


def test_an_exception_passes_and_the_display_closes(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    console = Console(file=Terminal(), force_terminal=True)

    def interrupted():
        with training_progress(3, console=console) as report:
            report(record(1, 0.5))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with training_progress(3, console=console) as report:  # The console is free again.
        report(record(1, 0.5))
