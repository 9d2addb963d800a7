"""Models with a unit diagonal as input are equivariant under diagonal scaling."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from precondbench import SyntheticTridiag, evaluate
from precondbench.baselines import (
    Network,
    TrainingConfiguration,
    build_model,
    load_model,
    predict,
    register_model,
    registry,
    save_model,
    train,
)
from precondbench.baselines.batch import ResidentGraphs, core_names, core_values
from precondbench.errors import ConfigurationError


@pytest.fixture(scope="module")
def graphs():
    return SyntheticTridiag(split="test", config="uniform")[:5]


def scaled(graphs, factors):
    """Graphs of D A D, D the same for all."""
    out = []
    for graph in graphs:
        copy = graph.clone()
        column, row = copy.edge_index
        copy.x = copy.x * factors[:, None] ** 2
        copy.edge_attr[:, 0] *= factors[row] * factors[column]
        out.append(copy)
    return out


@pytest.mark.parametrize(
    "name", ["MessagePassingMLP", "GraphTransformer", "GlobalGraphTransformer"]
)
def test_the_factor_of_d_a_d_is_d_times_the_factor_of_a(graphs, name):
    torch.manual_seed(0)
    model = build_model(name, 3, scaling="unit-diagonal")
    model.fit_features(ResidentGraphs(graphs).whole())
    n = graphs[0].x.shape[0]
    factors = torch.exp2(torch.randint(-3, 4, (n,)).float())
    row = graphs[0].edge_index[1][graphs[0].lower_mask]
    before = predict(model, graphs)
    after = predict(model, scaled(graphs, factors))
    for graph in graphs:
        expected = before[graph.name] * factors[row].numpy()
        assert np.array_equal(after[graph.name], expected)


def test_without_it_they_are_not(graphs):
    torch.manual_seed(0)
    model = build_model("MessagePassingMLP", 3)
    n = graphs[0].x.shape[0]
    factors = torch.full((n,), 2.0)
    before, after = predict(model, graphs), predict(model, scaled(graphs, factors))
    name = graphs[0].name
    assert not np.allclose(after[name], 2.0 * before[name], rtol=1e-2)


def test_training_and_reading_back_keep_the_scaling(graphs, tmp_path):
    configuration = TrainingConfiguration(
        model="MLP", rounds=1, epochs=2, device="cpu", scaling="unit-diagonal"
    )
    result = train(graphs, graphs, configuration, out_dir=tmp_path)
    again = load_model(tmp_path / "checkpoint.safetensors")
    assert again.scaling == "unit-diagonal"
    values, read = predict(result.model, graphs), predict(again, graphs)
    assert all(np.array_equal(values[name], read[name]) for name in values)


def test_only_scaled_models_need_the_new_format(tmp_path):
    versions = {}
    for scaling in ("standardised", "unit-diagonal"):
        path = tmp_path / scaling
        save_model(build_model("MLP", 1, scaling=scaling), path)
        with safe_open(path, framework="pt") as file:
            versions[scaling] = '"format_version": 2' in file.metadata()["precondbench"]
    assert versions == {"standardised": False, "unit-diagonal": True}


def test_an_unknown_scaling_is_refused():
    with pytest.raises(ConfigurationError, match="scaling is 'log'; it must be 'standardised' or"):
        TrainingConfiguration(scaling="log")
    with pytest.raises(ConfigurationError, match="scaling is 'log'"):
        build_model("MLP", scaling="log")


class Core(Network):
    """Returns the classical factor it is given, times a number to learn."""

    core = "shifted-ic0"

    def __init__(self, rounds, width):
        super().__init__(rounds, width)
        self.factor = torch.nn.Parameter(torch.tensor(1.0))

    def forward(self, batch):
        return self.factor * batch.core


@pytest.mark.parametrize("scaling", ["standardised", "unit-diagonal"])
def test_a_network_is_given_the_classical_factor_it_asks_for(graphs, scaling):
    from precondbench.baselines import FactorModel

    model = FactorModel(Core(1, 1), "Core", 1, 1, scaling)
    score = evaluate(graphs, predict(model, graphs, batch_size=3)).summary
    # IC(0) is the exact factor here; single precision is all that is lost.
    assert score["cosine_mean"] > 1 - 1e-12
    with pytest.raises(ConfigurationError, match="'shifted-ic0' of each matrix, which these"):
        model(graphs[0])


def test_training_gives_it_too(graphs, monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})
    register_model("Core")(Core)
    configuration = TrainingConfiguration(model="Core", epochs=1, device="cpu")
    result = train(graphs, graphs, configuration)
    assert result.best_validation_cosine > 1 - 1e-12


@pytest.mark.parametrize("name", core_names())
def test_classical_factors_stand_in_the_order_of_the_shard(graphs, name):
    values = core_values(graphs, name)
    assert values.shape == torch.cat([graph.y for graph in graphs]).shape
    assert torch.isfinite(values).all()


def test_a_core_needs_a_name_and_matrices(graphs):
    with pytest.raises(ConfigurationError, match="no classical factor is called 'ilu'; known: loc"):
        core_values(graphs, "ilu")
    with pytest.raises(ConfigurationError, match="an object with pair"):
        core_values([SimpleNamespace()], "shifted-ic0")
