import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from precondbench.baselines import GraphBatch, negative_cosine
from precondbench.baselines.losses import cosine_per_graph
from precondbench.errors import ConfigurationError


@pytest.fixture
def batch(tridiagonal_graphs):
    return GraphBatch.from_data(Batch.from_data_list(tridiagonal_graphs([4, 9, 6])))


@pytest.fixture
def predicted(batch):
    return batch.y + 0.3 * torch.randn(
        batch.y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )


def test_matches_numpy_graph_by_graph(batch, predicted):
    expected = []
    for k in range(3):
        p, t = (v[batch.lower_batch == k].numpy() for v in (predicted, batch.y))
        expected.append(p @ t / np.linalg.norm(p) / np.linalg.norm(t))
    np.testing.assert_allclose(cosine_per_graph(predicted, batch), expected, rtol=1e-14)
    assert negative_cosine(predicted, batch).item() == pytest.approx(-np.mean(expected), rel=1e-14)


def test_positive_scale_of_each_graph_is_immaterial(batch, predicted):
    scale = torch.tensor([1e-6, 3.0, 1e9], dtype=torch.float64)[batch.lower_batch]
    torch.testing.assert_close(
        negative_cosine(scale * predicted, batch), negative_cosine(predicted, batch)
    )


def test_gradient_is_right_and_has_no_radial_part(batch, predicted):
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda p: negative_cosine(p, batch), predicted)
    (gradient,) = torch.autograd.grad(negative_cosine(predicted, batch), predicted)
    radial = torch.zeros(3, dtype=torch.float64).index_add(
        0, batch.lower_batch, predicted.detach() * gradient
    )
    assert radial.abs().max() < 1e-15


def test_exact_and_opposite_predictions(batch):
    assert negative_cosine(2 * batch.y, batch).item() == pytest.approx(-1, abs=1e-15)
    assert negative_cosine(-batch.y, batch).item() == pytest.approx(1, abs=1e-15)


def test_single_precision_predictions_are_summed_in_double(batch):
    assert cosine_per_graph(batch.y.float(), batch).dtype == torch.float64


def test_zero_prediction_has_cosine_zero_and_a_finite_gradient(batch):
    zero = torch.zeros_like(batch.y, requires_grad=True)
    loss = negative_cosine(zero, batch)
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(zero.grad).all()


def test_labels_must_fit(batch, tridiagonal_graphs):
    with pytest.raises(ConfigurationError, match="labels of shape"):
        negative_cosine(batch.y[1:], batch)
    unlabelled = tridiagonal_graphs([4])[0]
    del unlabelled.y
    with pytest.raises(ConfigurationError, match="no labels"):
        negative_cosine(torch.zeros(7), unlabelled)
