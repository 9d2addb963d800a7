"""PreCorrector: the sizes of its authors, its start, and one round by hand."""

import numpy as np
import pytest
import torch

from precondbench import ParametricInvK, ic0
from precondbench.baselines import TrainingConfiguration, build_model, predict, train
from precondbench.baselines.batch import ResidentGraphs


@pytest.fixture(scope="module")
def data():
    return ParametricInvK.generate("diffusion-2d", n=64, count=6)


def test_the_number_of_parameters_does_not_depend_on_the_rounds():
    # MLPs 1-16-16, 18-16-16 and 16-16-1, and alpha.
    assert {build_model("PreCorrector", rounds).parameter_count() for rounds in (1, 5)} == {1170}


@pytest.mark.parametrize("scaling", ["standardised", "unit-diagonal"])
def test_it_is_ic0_at_first(data, scaling):
    values = predict(build_model("PreCorrector", 5, scaling=scaling), data)
    for i in range(len(data)):
        pair = data.pair(i)
        np.testing.assert_allclose(values[pair.name], ic0(pair.A).data, rtol=1e-12)


def test_one_round_by_hand(data):
    torch.manual_seed(0)
    network = build_model("PreCorrector", 1).network
    with torch.no_grad():
        network.alpha.fill_(0.3)
    graphs = ResidentGraphs(data)
    graphs.add_core(data, "shifted-ic0")
    batch = graphs.batch(torch.tensor([1, 4]))
    with torch.no_grad():
        found = network(batch).reshape(2, -1)
        for values, number in zip(found, (1, 4), strict=True):
            L = ic0(data.pair(number).A)
            largest = abs(L).max()
            rows = np.repeat(np.arange(L.shape[0]), np.diff(L.indptr))
            entries = torch.as_tensor(L.data / largest, dtype=torch.float32)[:, None]
            e = network.encoder(entries)
            h = torch.stack([e[rows == i, 0].max() for i in range(L.shape[0])])
            ends = torch.stack([h[rows], h[L.indices]], dim=1)
            e = network.update(torch.cat([e, ends], dim=1))
            expected = L.data + 0.3 * largest * network.decoder(e)[:, 0].double().numpy()
            np.testing.assert_allclose(values.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_it_learns_by_its_own_loss(data):
    settings = {"model": "PreCorrector", "rounds": 5, "loss": "solution-residual"}
    configuration = TrainingConfiguration(**settings, epochs=30, batch_size=2, device="cpu")
    losses = [one["validation_loss"] for one in train(data, data, configuration).history]
    assert min(losses) < 0.9 * losses[0]
