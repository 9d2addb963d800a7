"""Validation by iterations: the best epoch is that whose factors solve fastest."""

import math

import pytest

from precondbench import ParametricInvK, evaluate
from precondbench.baselines import TrainingConfiguration, predict, train
from precondbench.baselines.training.validation import MOST_STEPS
from precondbench.errors import ConfigurationError

SHORT = {
    "model": "CorrectedIC0", "rounds": 2, "width": 4, "epochs": 4, "loss": "pcg-residual",
    "learning_rate": 0.03, "scaling": "unit-diagonal",
}  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return [
        ParametricInvK.generate("jumps-2d", n=64, count=count, seed=seed)
        for count, seed in ((6, 1), (5, 2))
    ]


def mean_logarithm(model, data):
    found = evaluate(data, predict(model, data), key="reference", log_k=False)
    counts = [min(count, MOST_STEPS) for count in found.penalised_iterations]
    return sum(math.log(max(count, 1)) for count in counts) / len(counts)


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_best_epoch_needs_the_fewest_iterations(data, batch_size):
    configuration = TrainingConfiguration(
        **SHORT, validation="iterations", batch_size=batch_size, max_edges=600
    )
    result = train(*data, configuration)
    losses = [record["validation_loss"] for record in result.history]
    assert result.best_epoch == 1 + losses.index(min(losses))
    assert min(losses) == pytest.approx(mean_logarithm(result.model, data[1]), rel=1e-12)


def test_factors_that_are_no_use_count_as_the_limit(data):
    """An untrained network of values predicts factors that do not precondition at all."""
    values = {**SHORT, "model": "MLP", "loss": "negative-cosine", "epochs": 0}
    result = train(*data, TrainingConfiguration(**values, validation="iterations"))
    assert 0.0 < result.history[0]["validation_loss"] <= math.log(MOST_STEPS)


def test_graphs_without_matrices_are_refused(data):
    configuration = TrainingConfiguration(
        model="MLP", rounds=1, width=4, epochs=1, validation="iterations"
    )
    train_set, val_set = data
    with pytest.raises(ConfigurationError, match="solves with the matrices themselves"):
        train(train_set, list(val_set), configuration)
