import pytest
import torch

from precondbench.baselines.base import Standardisation
from precondbench.baselines.batch import ResidentGraphs
from precondbench.errors import ConfigurationError


@pytest.fixture
def graphs(tridiagonal_graphs):
    return ResidentGraphs(tridiagonal_graphs([20, 30, 10]))


def test_training_features_get_zero_mean_and_unit_spread(graphs):
    standardisation = Standardisation()
    standardisation.fit(graphs.x, graphs.edge_attr)
    x, edge_attr = standardisation(graphs.x, graphs.edge_attr)
    for values in (x[:, 0], edge_attr[:, 0]):
        assert values.mean().item() == pytest.approx(0, abs=1e-5)
        assert values.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_direction_flag_is_untouched(graphs):
    standardisation = Standardisation()
    standardisation.fit(graphs.x, graphs.edge_attr)
    _, edge_attr = standardisation(graphs.x, graphs.edge_attr)
    assert torch.equal(edge_attr[:, 1], graphs.edge_attr[:, 1])


def test_identity_before_fit(graphs):
    x, edge_attr = Standardisation()(graphs.x, graphs.edge_attr)
    assert torch.equal(x, graphs.x)
    assert torch.equal(edge_attr, graphs.edge_attr)


def test_constant_feature_keeps_its_scale():
    standardisation = Standardisation()
    standardisation.fit(torch.full((4, 1), 2.0), torch.tensor([[1.0, 0.0], [3.0, 1.0]]))
    x, _ = standardisation(torch.tensor([[2.0], [5.0]]), torch.zeros(1, 2))
    assert x.tolist() == [[0.0], [3.0]]


def test_statistics_are_saved_and_not_trained():
    standardisation = Standardisation()
    assert sorted(standardisation.state_dict()) == [
        "edge_mean", "edge_std", "node_mean", "node_std",
    ]  # fmt: skip
    assert list(standardisation.parameters()) == []


def test_features_must_be_finite():
    with pytest.raises(ConfigurationError, match="x of the training set"):
        Standardisation().fit(torch.tensor([[1.0], [torch.inf]]), torch.zeros(1, 2))
