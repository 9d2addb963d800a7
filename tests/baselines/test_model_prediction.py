import numpy as np
import pytest
import torch

from precondbench import SyntheticTridiag, evaluate
from precondbench.baselines import build_model, predict
from precondbench.errors import ConfigurationError, PredictionError


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model("MessagePassingMLP", 3)


def test_one_vector_a_name_in_the_order_of_the_shard(model, tridiagonal_graphs):
    graphs = tridiagonal_graphs([5, 9, 1, 7])
    predictions = predict(model, graphs, batch_size=3)
    assert list(predictions) == [graph.name for graph in graphs]
    for graph in graphs:
        values = predictions[graph.name]
        assert values.dtype == np.float64
        assert values.shape == graph.y.shape
        np.testing.assert_allclose(values, model(graph).detach(), rtol=1e-5, atol=1e-6)


def test_batch_size_is_immaterial(model, tridiagonal_graphs):
    graphs = tridiagonal_graphs([5, 9, 6, 7])
    one, all_at_once = (predict(model, graphs, batch_size=size) for size in (1, 100))
    for name, values in one.items():
        np.testing.assert_allclose(values, all_at_once[name], rtol=1e-5, atol=1e-6)


def test_labels_are_not_needed(model, tridiagonal_graphs):
    graphs = tridiagonal_graphs([5, 9])
    with_labels = predict(model, graphs)
    for graph in graphs:
        del graph.y
    for name, values in predict(model, graphs).items():
        assert np.array_equal(values, with_labels[name])


@pytest.mark.parametrize("training", [True, False])
def test_mode_and_gradients_are_left_alone(model, tridiagonal_graphs, training):
    model.train(training)
    predict(model, tridiagonal_graphs([5]))
    assert model.training is training
    assert all(p.grad is None for p in model.parameters())


def test_names_must_differ(model, tridiagonal_graphs):
    graphs = tridiagonal_graphs([5, 6])
    graphs[1].name = graphs[0].name
    with pytest.raises(PredictionError, match="'graph-0'"):
        predict(model, graphs)


def test_sizes_are_checked(model, tridiagonal_graphs):
    with pytest.raises(ConfigurationError, match="batch_size is 0"):
        predict(model, tridiagonal_graphs([5]), batch_size=0)
    with pytest.raises(ConfigurationError, match="threads is 0"):
        predict(model, tridiagonal_graphs([5]), threads=0)


def test_a_model_is_a_method(model):
    data = SyntheticTridiag(split="val")[:3]
    found, expected = evaluate(data, model), evaluate(data, predict(model, data))
    assert found.status == expected.status
    np.testing.assert_allclose(found.cosine, expected.cosine, rtol=1e-4)
