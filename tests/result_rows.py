"""Rows of results written by hand."""

from collections.abc import Callable
from typing import Any

import pytest


def _row(
    model: str = "MLP",
    rounds: int = 4,
    seed: int = 0,
    one_minus_cosine: float = 0.01,
    **others: Any,
) -> dict[str, Any]:
    row = {
        "dataset": "synthetic-tridiag",
        "version": "1.0",
        "configuration": "uniform",
        "split": "test",
        "label": "modified",
        "content_digest": "0" * 64,
        "protocol": 2,
        "matrices": 200,
        "model": model,
        "rounds": rounds,
        "width": 16,
        "loss": "negative-cosine",
        "seed": seed,
        "epochs": 200,
        "max_epochs": 300,
        "best_epoch": 150,
        "learning_rate": 1e-3,
        "max_rows": None,
        "parameters": 1969,
        "seconds": 12.5,
        "device": "cpu",
        "device_name": "some processor",
        "torch": "2.13.0",
        "cosine_mean": 1.0 - one_minus_cosine,
        "one_minus_cosine_mean": one_minus_cosine,
        "log10_one_minus_cosine_median": -2.0,
        "iterations_mean": 30.0,
        "iterations_median": 30.0,
        "solved": 1.0,
        "ratio_to_target": 30.0,
        "effective_hops": 1.5,
        "n_log_k_median": 4.0,
    } | others
    names = (row["configuration"], model, rounds, seed, row["max_epochs"])
    row["key"] = "-".join(map(str, names))
    row["command"] = (
        f"precondbench train {row['dataset']} --config {row['configuration']} --model {model} "
        f"--rounds {rounds} --epochs {row['max_epochs']} --seeds {seed}"
    )
    return row


@pytest.fixture(scope="session")
def make_row() -> Callable[..., dict[str, Any]]:
    """Make a row: ``make_row("MLP", rounds=4, seed=1, one_minus_cosine=0.01, split="test")``."""
    return _row


@pytest.fixture
def paper_like(make_row) -> list[dict[str, Any]]:
    """Rows that say what the paper says, except that cosines are high."""
    levels = {
        "MLP": {2: 0.0150, 4: 0.0150},
        "GATv2": {2: 0.0140, 4: 0.0135},
        "GEN": {2: 0.0141, 4: 0.0136},
        "MessagePassingMLP": {1: 0.0151, 2: 0.004, 4: 0.001},
        "GraphTransformer": {2: 0.005, 4: 0.002},
        "FastGraphTransformer": {2: 0.0149, 4: 0.0148},
        "GlobalGraphTransformer": {4: 0.012},
    }
    return [
        make_row(model, rounds, seed, level * (1 + 0.001 * seed))
        for model, by_rounds in levels.items()
        for rounds, level in by_rounds.items()
        for seed in range(3)
    ]
