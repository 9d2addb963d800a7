import dataclasses

import pytest
import torch

from precondbench.baselines import TrainingConfiguration
from precondbench.baselines.training.configuration import resolve_device
from precondbench.errors import ConfigurationError


def test_defaults_are_the_protocol_of_the_paper():
    assert dataclasses.asdict(TrainingConfiguration()) == {
        "model": "MessagePassingMLP",
        "rounds": 4,
        "width": 16,
        "epochs": 300,
        "loss": "negative-cosine",
        "learning_rate": 1e-3,
        "decay_factor": 0.6,
        "decay_every": 50,
        "validation": "loss",
        "patience": 50,
        "batch_size": 16,
        "scaling": "standardised",
        "max_edges": 1_000_000,
        "seed": 0,
        "device": "auto",
        "compile": False,
        "threads": 1,
    }


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("model", 3),
        ("rounds", 0),
        ("rounds", 2.0),
        ("rounds", True),
        ("width", -1),
        ("epochs", "300"),
        ("batch_size", 0),
        ("seed", -1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("decay_factor", 1.5),
        ("decay_factor", "0.6"),
        ("patience", 0),
        ("decay_every", 0),
        ("threads", 0),
        ("max_edges", 0),
        ("loss", None),
        ("compile", 1),
        ("device", "tpu"),
    ],
)
def test_bad_settings_are_named_with_what_is_allowed(setting, value):
    with pytest.raises(ConfigurationError, match=rf"{setting} is .*; it must be"):
        TrainingConfiguration(**{setting: value})


def test_rate_falls_by_steps():
    configuration = TrainingConfiguration(learning_rate=1.0, decay_factor=0.5, decay_every=3)
    assert [configuration.rate(epoch) for epoch in range(1, 8)] == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_unknown_settings_are_not_ignored():
    with pytest.raises(ConfigurationError, match="learning_rte"):
        TrainingConfiguration(learning_rte=1)


def test_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        TrainingConfiguration().seed = 1


def test_devices(monkeypatch):
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda")
    assert resolve_device("cpu") == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert resolve_device("auto") == torch.device("cuda:3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == torch.device("cpu")
    with pytest.raises(ConfigurationError, match="no CUDA device"):
        resolve_device("cuda")
    with pytest.raises(ConfigurationError, match="one of auto, cpu, cuda"):
        resolve_device("mps")
