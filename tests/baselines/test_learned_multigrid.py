"""The network that chooses parameters of smoothed aggregation."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, diags_array, eye_array, kron

from precondbench import ParametricInvK, pcg
from precondbench.baselines import LearnedMultigrid
from precondbench.baselines.choice import multigrid
from precondbench.baselines.choice.fitting import CostTable, save_weights
from precondbench.baselines.choice.multigrid import (
    CANDIDATES,
    NAMES,
    Aggregation,
    costs,
    features,
)
from precondbench.errors import BreakdownError, ConfigurationError, MatrixError
from precondbench.quality import MAXITER, Context
from precondbench.quality.method import context_of
from precondbench.solvers import smoothed_aggregation

pytest.importorskip("pyamg", reason="needs the amg extra")


def grid(rows, columns, along=1.0):
    """Five-point Laplacian with Dirichlet conditions; couplings of one direction are scaled."""
    lines = [
        diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(m, m)) for m in (rows, columns)
    ]
    found = kron(lines[0], eye_array(columns)) + along * kron(eye_array(rows), lines[1])
    return csr_array(found)


def described(A, context=None):
    return dict(zip(NAMES, features(A, context or Context()), strict=True))


@pytest.fixture(scope="module")
def elastic():
    data = ParametricInvK.generate("elasticity-2d", n=400, count=1, geometry=True)
    return data.pair(0).A, context_of(data, 0, "elastic")


# -- features --


def test_known_shares_of_a_laplacian():
    found = described(grid(12, 12))
    # Off the diagonal is a quarter of the diagonal, and all links are alike.
    assert found["symmetric 0.2"] == found["classical 0.5"] == 1.0
    assert found["symmetric 0.3"] == found["alone 0.2"] == found["positive"] == 0.0
    assert found["alone 0.3"] == 1.0
    assert found["rows"] == pytest.approx(np.log(144))
    anisotropic = described(grid(12, 12, along=0.01))
    assert anisotropic["classical 0.1"] == pytest.approx(0.5)


def test_features_follow_neither_scaling_nor_numbering():
    A = grid(10, 15, along=0.3)
    order = np.random.default_rng(1).permutation(150)
    given = features(A, Context())
    for other in (csr_array(8.0 * A), csr_array(A[order][:, order])):
        np.testing.assert_allclose(features(other, Context()), given, rtol=1e-10, atol=1e-12)


def test_what_is_not_positive_definite_is_refused():
    A = grid(5, 5)
    A[3, 3] = 0.0
    with pytest.raises(MatrixError, match="diagonal entry 3 of A is not positive"):
        LearnedMultigrid(seed=None).setup(A)


def test_some_nodes_are_enough(monkeypatch):
    A = grid(60, 60)
    whole = features(A, Context())
    monkeypatch.setattr(multigrid, "SAMPLE", 400)
    np.testing.assert_allclose(features(A, Context()), whole, atol=0.1)


def test_nodes_with_several_unknowns(elastic):
    A, context = elastic
    found = described(A, context)
    assert (found["unknowns"], found["vectors"]) == (2.0, 3.0)
    # As many links as the graph of nodes has.
    nodes = csr_array(
        (np.abs(A.data), A.indices // 2, A.indptr.copy()), shape=(A.shape[0], A.shape[0] // 2)
    )
    nodes.sum_duplicates()
    assert found["links"] == pytest.approx(np.log(nodes.nnz / A.shape[0] - 1.0))


# -- costs and choice --


def test_an_untrained_one_is_the_default(elastic):
    A, context = elastic
    model = LearnedMultigrid(seed=None)
    found = model.setup(A, context)
    assert model.taken == CANDIDATES[0] == Aggregation()
    expected = smoothed_aggregation(A, context.geometry["near_null"], 2)
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    np.testing.assert_array_equal(found @ b, expected @ b)


def breaking(*args, **parameters):
    raise BreakdownError("never", 0)


def test_work_is_counted_and_failures_count_most(monkeypatch):
    A = grid(24, 24)
    found = costs(A, Context())
    assert found.shape == (len(CANDIDATES),)
    cycle = Aggregation().of(A, Context())
    steps = pcg(A, np.ones(A.shape[0]), M=cycle).iterations
    per_step = 1.0 + cycle.entries / A.nnz
    assert (steps - 3 + 24) * per_step <= np.exp(found[0]) <= (steps + 6 + 24) * per_step
    monkeypatch.setattr(multigrid, "smoothed_aggregation", breaking)
    np.testing.assert_allclose(np.exp(costs(A, Context())), 10.0 * MAXITER)


def test_what_breaks_down_is_passed_over(monkeypatch):
    tried = []

    def fragile(*args, **parameters):
        tried.append(parameters)
        return (smoothed_aggregation if len(tried) == 3 else breaking)(*args, **parameters)

    monkeypatch.setattr(multigrid, "smoothed_aggregation", fragile)
    model, A = LearnedMultigrid(seed=None), grid(15, 15)
    assert pcg(A, np.ones(225), M=model.setup(A)).iterations < 30
    assert model.taken == CANDIDATES[2]
    monkeypatch.setattr(multigrid, "smoothed_aggregation", breaking)
    with pytest.raises(BreakdownError, match="never"):
        model.setup(A)


def synthetic(count, seed):
    """One of two candidates is cheap, by the sign of a feature."""
    generator = torch.Generator().manual_seed(seed)
    described = torch.randn(count, len(NAMES), generator=generator, dtype=torch.float64)
    work = torch.full((count, len(CANDIDATES)), 5.0, dtype=torch.float64)
    cheap = torch.where(described[:, 7] > 0, 3, 11)
    work[torch.arange(count), cheap] = 4.0
    return CostTable(described, work)


def test_it_learns_which_candidate_is_cheap(tmp_path):
    model = LearnedMultigrid(seed=None)
    fitted = model.fit(synthetic(300, 0), synthetic(100, 1), seed=3)
    assert fitted.step > 0
    assert fitted.validation < 4.2  # 5 is what the default costs, 4 the best.
    again = LearnedMultigrid(seed=None)
    assert again.fit(synthetic(300, 0), synthetic(100, 1), seed=3) == fitted
    path = tmp_path / "weights.safetensors"
    save_weights({"0": model.chooser, "1": LearnedMultigrid(seed=None).chooser}, path)
    assert path.stat().st_size < 200_000


def test_trained_weights_are_in_the_library(elastic):
    A, context = elastic
    models = [LearnedMultigrid(seed) for seed in range(3)]
    start = LearnedMultigrid(seed=None).chooser.state_dict()
    for model in models:
        assert model.setup(A, context).shape == A.shape
        assert model.taken in CANDIDATES
        weights = model.chooser.state_dict()
        assert any(not torch.equal(weights[name], start[name]) for name in start)
    with pytest.raises(ConfigurationError, match="no weights of 7; there are: 0, 1, 2"):
        LearnedMultigrid(7)
