"""The network that predicts iterations of formulas, and takes the best."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array, diags_array, eye_array, kron

from precondbench import ParametricInvK, evaluate, invk
from precondbench.baselines import (
    GraphBatch,
    TrainingConfiguration,
    build_model,
    predict_factor,
    train,
)
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.choice import formulas
from precondbench.baselines.choice.features import NAMES, features
from precondbench.baselines.choice.formulas import FORMULAS, UnitSystem, formula_values
from precondbench.errors import ConfigurationError
from precondbench.factors import lower_part, lower_values
from precondbench.quality import SymmetricProblem

pytestmark = pytest.mark.filterwarnings("error")


def grid_laplacian(rows, columns):
    """Five-point Laplacian with Dirichlet conditions."""
    lines = [
        diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(m, m)) for m in (rows, columns)
    ]
    return csr_array(kron(lines[0], eye_array(columns)) + kron(eye_array(rows), lines[1]))


def unit(A):
    root = 1.0 / np.sqrt(A.diagonal())
    scaled = csr_array(diags_array(root) @ A @ diags_array(root))
    scaled.sort_indices()
    pattern = lower_part(scaled)
    return UnitSystem(pattern, lower_values(scaled, pattern))


def drawn(family, n=256, count=1, seed=5):
    return ParametricInvK.generate(family, n=n, count=count, seed=seed)


def preferring(name):
    """A model that takes one formula whenever it can."""
    model = build_model("LearnedChoice", rounds=1)
    with torch.no_grad():
        model.network.chooser.network[-1].bias[list(FORMULAS).index(name)] = -1.0
    return model


def test_an_untrained_network_predicts_what_learned_elimination_starts_from():
    A = drawn("elasticity-2d").pair(0).A
    found = predict_factor(build_model("LearnedChoice", rounds=2), A)
    start = predict_factor(build_model("LearnedElimination", rounds=3, scaling="unit-diagonal"), A)
    np.testing.assert_allclose(found.toarray(), start.toarray(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["Inv-K", "IC(0), smallest shift", "MIC(0), solved vector, 1"])
def test_the_factor_follows_the_scaling_of_the_matrix(name):
    A = drawn("jumps-2d").pair(0).A
    n = A.shape[0]
    D = diags_array(2.0 ** np.random.default_rng(3).integers(-3, 4, n))
    model = preferring(name)
    factor, scaled = predict_factor(model, A), predict_factor(model, csr_array(D @ A @ D))
    np.testing.assert_array_equal((D @ factor).toarray(), scaled.toarray())
    if name == "Inv-K":
        np.testing.assert_allclose(factor.toarray(), invk(A).toarray(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_modified_factors_preserve_their_vector(shift):
    system = unit(grid_laplacian(9, 7))
    values = formula_values(system, f"MIC(0), solved vector, {shift:g}")
    factor = system.pattern.csr(values)
    vector = system.test_vector(shift)
    sigma = shift / np.median(system.test_vector(0.0))
    shifted = system.matrix + sigma * eye_array(63)
    np.testing.assert_allclose(factor @ (factor.T @ vector), shifted @ vector, rtol=1e-12)
    # Solved to two digits: all of it is about the right-hand side.
    np.testing.assert_allclose(shifted @ vector, 1.0, atol=0.1)


def test_reduction_preserves_the_vector_and_bounds_the_matrix():
    data = drawn("anisotropic-2d", 256, 12)
    systems = [unit(data.pair(i).A) for i in range(12)]
    reducible = [one for one in systems if one.test_vector(0.0).min() > 0.0]
    assert len(reducible) >= 6
    for system in reducible:
        vector, A = system.test_vector(0.0), system.matrix
        for share in (0.5, 1.0):
            reduced = system.pattern.symmetric_csr(system.reduced(share))
            np.testing.assert_allclose(reduced @ vector, A @ vector, atol=1e-9 * vector.max())
            # What is added is positive semidefinite, with the vector in its kernel.
            assert np.linalg.eigvalsh((reduced - A).toarray()).min() > -1e-12
        assert (reduced - diags_array(reduced.diagonal())).max() <= 0.0
        values = system.modified(0.0, 0.5)
        if values is not None:
            L, half = system.pattern.csr(values), system.pattern.symmetric_csr(system.reduced(0.5))
            np.testing.assert_allclose(L @ (L.T @ vector), half @ vector, atol=1e-9 * vector.max())


def test_reduced_factors_are_there_where_modified_ones_are_not():
    data = drawn("anisotropic-2d", 1024, 12)
    systems = [unit(data.pair(i).A) for i in range(12)]
    kinds = ("MIC(0), solved vector, 0", "MIC(0), 0.5 reduced, w = 0.98")
    found = [[formula_values(one, kind) is not None for kind in kinds] for one in systems]
    assert [False, True] in found
    # An M-matrix has nothing to reduce.
    assert formula_values(unit(grid_laplacian(9, 7)), kinds[1]) is None


def test_a_factor_whose_numbers_have_grown_is_refused(monkeypatch):
    system = unit(grid_laplacian(9, 7))
    name = "MIC(0), solved vector, 1"
    largest = formulas.largest_eigenvalue(system, formula_values(system, name))
    L = system.pattern.csr(formula_values(system, name)).toarray()
    half = np.linalg.solve(L, system.matrix.toarray())
    exact = np.linalg.eigvalsh(np.linalg.solve(L, half.T)).max()
    assert 0.8 * exact <= largest <= exact * (1.0 + 1e-12)
    monkeypatch.setattr(formulas, "MOST_ENERGY", 0.9 * largest)
    assert formula_values(system, name) is None


def test_a_vector_with_a_negative_entry_has_no_modified_factor():
    system = unit(csr_array(np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 1.0]])))
    assert formula_values(system, "MIC(0), solved vector, 0") is not None
    turned = unit(csr_array(np.array([[1.0, 0.8, 0.8], [0.8, 1.0, 0.5], [0.8, 0.5, 1.0]])))
    assert turned.test_vector(0.0).min() < 0.0
    assert formula_values(turned, "MIC(0), solved vector, 0") is None


def test_what_takes_too_long_is_left_for_the_next(monkeypatch):
    A = drawn("diffusion-2d").pair(0).A
    model = preferring("Inv-K")
    direct = predict_factor(model, A)
    monkeypatch.setattr(formulas, "MAX_OPERATIONS", 10)
    other = predict_factor(model, csr_array(2.0 * A))
    assert abs(np.sqrt(2.0) * direct - other).max() > 1e-3
    start = predict_factor(build_model("LearnedChoice", rounds=1), A)
    np.testing.assert_allclose(other.toarray(), np.sqrt(2.0) * start.toarray(), rtol=1e-10)


@pytest.mark.parametrize(
    "A",
    [
        csr_array(np.array([[4.0]])),
        csr_array(np.diag([1.0, 2.0, 3.0])),
        grid_laplacian(6, 6),
        csr_array(np.full((5, 5), 0.9) + 0.1 * np.eye(5)),
    ],
    ids=["one row", "diagonal", "grid", "dense"],
)
def test_features_are_finite_and_do_not_know_the_scaling(A):
    found = features(unit(A))
    assert found.shape == (len(NAMES),)
    assert np.all(np.isfinite(found))
    D = diags_array(3.0 ** np.arange(A.shape[0]))
    np.testing.assert_allclose(features(unit(csr_array(D @ A @ D))), found, rtol=1e-6, atol=1e-6)


def trained(epochs=60):
    parts = [drawn(family, 64, 4, 1) for family in ("diffusion-2d", "elasticity-2d")]
    checks = [drawn(family, 64, 2, 2) for family in ("diffusion-2d", "elasticity-2d")]
    data, val = (_Joined(one) for one in (parts, checks))
    settings = TrainingConfiguration(
        model="LearnedChoice", rounds=1, width=8, loss="log-iterations", epochs=epochs,
        learning_rate=0.01, decay_every=60, batch_size=4,
    )  # fmt: skip
    return train(data, val, settings), parts, checks


class _Joined:
    """Several datasets as one."""

    def __init__(self, parts):
        self.items = [item for part in parts for item in part]
        self.pairs = [part.pair(i) for part in parts for i in range(len(part))]

    def __len__(self):
        return len(self.items)

    def __iter__(self):
        return iter(self.items)

    def pair(self, index):
        return self.pairs[index]


def test_training_lowers_iterations_that_are_those_of_the_solver():
    result, _, checks = trained()
    first, best = result.history[0], min(one["validation_loss"] for one in result.history)
    start, _, _ = trained(epochs=0)
    assert best <= start.history[0]["validation_loss"]
    assert first["loss"] > result.history[-1]["loss"]
    logs = [
        np.log(
            problem.solve(problem.place(predict_factor(result.model, problem.matrix))).iterations
        )
        for part in checks
        for problem in (SymmetricProblem.of(part.pair(i)) for i in range(len(part)))
    ]
    # Scores scale by powers of two, so that their right-hand sides are others.
    assert np.mean(logs) == pytest.approx(best, abs=0.05)


def test_the_choice_is_among_the_best():
    result, parts, _ = trained()
    for part in parts:
        found = evaluate(part, result.model).iterations
        others = [evaluate(part, preferring(name)).iterations for name in FORMULAS]
        assert np.mean(found) <= 1.1 * min(np.mean(one) for one in others)


def test_in_training_iterations_are_expected_and_then_taken():
    data = drawn("diffusion-2d", 64, 2)
    graphs = ResidentGraphs(data)
    model = build_model("LearnedChoice", rounds=1)
    graphs.add_core(data, model.core)
    batch: GraphBatch = graphs.whole()
    model.train()
    expected = model.log_iterations(batch)
    assert expected.requires_grad
    model.eval()
    model(batch)
    assert model.network.taken == [next(iter(FORMULAS))] * 2
    taken = model.log_iterations(batch)
    np.testing.assert_allclose(taken.exp(), evaluate(data, model).iterations, rtol=0.1)
    # All formulas alike at first: the mean over them.
    model = preferring("Inv-K")
    with torch.no_grad():
        model.network.chooser.network[-1].bias *= 100.0
    model.train()
    np.testing.assert_allclose(
        model.log_iterations(batch).detach().exp(), evaluate(data, invk).iterations, rtol=0.1
    )


@pytest.mark.parametrize(
    ("model", "loss", "message"),
    [
        ("LearnedChoice", "negative-cosine", "has no derivative by the parameters"),
        ("MLP", "log-iterations", "for a network that chooses among factors"),
    ],
)
def test_losses_and_models_that_do_not_fit(model, loss, message):
    data = drawn("diffusion-2d", 64, 2)
    settings = TrainingConfiguration(model=model, rounds=1, loss=loss, epochs=1)
    with pytest.raises(ConfigurationError, match=message):
        train(data, data, settings)
