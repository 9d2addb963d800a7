"""Learned models for general matrices: initial values and restrictions."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch_geometric.data import Batch, Data

from precondbench import Pair, ic0, invk
from precondbench.baselines import (
    GraphBatch,
    TrainingConfiguration,
    build_model,
    load_model,
    predict,
    save_model,
    train,
)
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.losses import get_loss
from precondbench.baselines.patches import closed_patches, patch_graphs
from precondbench.errors import ConfigurationError
from precondbench.factors import local_invk, lower_pattern, shifted_ic0
from precondbench.matrices import formula_matrix

# Parameters with 3 rounds of width 16; a change of a network changes what checkpoints hold.
PARAMETERS = {
    "ChowPatel": 666,
    "CorrectedIC0": 6242,
    "CorrectedPatch": 6242,
    "EliminationSweep": 6769,
    "LearnedClosure": 6226,
    "LearnedElimination": 6628,
    "LiFactor": 5681,
    "NeuralIF": 11249,
    "PatchNetwork": 6241,
}
MODELS = sorted(PARAMETERS)


class Graphs(list):
    """Graphs whose matrices can be asked for, as those of a precondbench dataset."""

    def pair(self, i):
        return self[i].pair


def graph(A, name="A"):
    A = sparse.csr_array(A)
    rows, columns = A.nonzero()
    values = A[rows, columns]
    order = np.lexsort((columns, rows))
    row, column, a = rows[order], columns[order], np.asarray(values)[order]
    lower = torch.from_numpy(row >= column)
    L = shifted_ic0(A)[0].toarray()
    return Data(
        x=torch.tensor(A.diagonal()[:, None], dtype=torch.float32),
        edge_index=torch.from_numpy(np.stack([column, row])).long(),
        edge_attr=torch.tensor(np.stack([a, np.sign(row - column)], 1), dtype=torch.float32),
        lower_mask=lower,
        y=torch.from_numpy(L[row, column])[lower],
        name=name,
        pair=Pair(name, A, None),
    )


def random_spd(n, density, seed):
    rng = np.random.default_rng(seed)
    B = np.tril(rng.uniform(-1, 1, (n, n)) * (rng.random((n, n)) < density), -1)
    B = B + B.T
    # Not diagonally dominant: IC(0) may break down.
    return B + (0.05 - np.linalg.eigvalsh(B).min()) * np.eye(n)


def arrow(n, full):
    A = np.diag(np.linspace(1.0, 2.0, n))
    A[full, :] = A[:, full] = 0.1
    A[full, full] = 1.5
    return A


GRID = formula_matrix("HB/gr_30_30")[:90, :90]
SETS = {
    "one row": np.array([[2.0]]),
    "diagonal": np.diag([1.0, 3.0, 0.5]),
    "first column full": arrow(12, 0),
    "last row full": arrow(12, 11),
    "tridiagonal": sparse.csr_array(2.1 * np.eye(20) - np.eye(20, k=1) - np.eye(20, k=-1)),
    "random": random_spd(25, 0.3, 0),
    "grid": GRID,
}  # fmt: skip


@pytest.fixture(scope="module")
def graphs():
    return Graphs(graph(A, name) for name, A in SETS.items())


def made(name, rounds=3, seed=0, scaling="unit-diagonal", stir=0.1):
    """A model whose silent layers are stirred, so that it says something."""
    torch.manual_seed(seed)
    model = build_model(name, rounds, scaling=scaling)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(stir * torch.randn_like(parameter))
    return model


def resident(graphs, model):
    held = ResidentGraphs(graphs)
    if model.core is not None:
        held.add_core(graphs, model.core)
    return held


@pytest.mark.parametrize("name", MODELS)
def test_parameter_counts(name):
    assert build_model(name, rounds=3).parameter_count() == PARAMETERS[name]


@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("name", MODELS)
def test_every_parameter_has_a_finite_gradient(graphs, name, rounds):
    model = made(name, rounds)
    model(resident(graphs, model).whole()).square().sum().backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("scaling", ["standardised", "unit-diagonal"])
@pytest.mark.parametrize("name", MODELS)
def test_hostile_patterns_get_finite_factors_with_positive_diagonals(graphs, name, scaling):
    for stir in (0.0, 0.1, 1.0):
        model = made(name, scaling=scaling, stir=stir)
        for key, values in predict(model, graphs).items():
            A = sparse.csr_array(sparse.tril(sparse.csr_array(SETS[key])))
            A.sort_indices()
            assert np.isfinite(values).all(), (key, stir)
            assert (values[A.indptr[1:] - 1] > 0).all(), (key, stir)


@pytest.mark.parametrize("name", MODELS)
def test_a_graph_does_not_depend_on_its_batch(graphs, name):
    model = made(name)
    apart = predict(model, graphs, batch_size=1)
    together = predict(model, graphs, batch_size=10)
    moved = predict(model, Graphs(graphs[::-1]), batch_size=10)
    for key, values in apart.items():
        np.testing.assert_allclose(together[key], values, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(moved[key], values, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_scaling_by_powers_of_two_scales_the_factor(graphs, name):
    d = np.exp2(np.arange(90) % 5 - 2.0)
    D = sparse.diags_array(d)
    model = made(name)
    values = predict(model, Graphs([graph(GRID)]))["A"]
    scaled = predict(model, Graphs([graph(D @ GRID @ D)]))["A"]
    lower = sparse.csr_array(sparse.tril(GRID))
    rows = np.repeat(np.arange(90), np.diff(lower.indptr))
    np.testing.assert_allclose(scaled, d[rows] * values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_checkpoints_hold_all_of_it(graphs, name, tmp_path):
    model = made(name)
    save_model(model, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    before, after = predict(model, graphs), predict(again, graphs)
    assert all(np.array_equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("name", MODELS)
def test_training_lowers_the_loss(graphs, name):
    settings = {"loss": "relative-k-condition", "scaling": "unit-diagonal", "batch_size": 3}
    configuration = TrainingConfiguration(
        model=name, rounds=2, epochs=6, learning_rate=5e-3, device="cpu", **settings
    )
    history = train(graphs, graphs, configuration).history
    assert min(record["validation_loss"] for record in history[1:]) < history[0]["loss"]


@pytest.mark.parametrize("name", MODELS)
def test_sizes_below_one_are_refused(name):
    with pytest.raises(ConfigurationError, match="rounds is 0; give an integer of 1 or more"):
        build_model(name, rounds=0)


def lower_dense(values, A):
    lower = sparse.csr_array(sparse.tril(sparse.csr_array(A)))
    return sparse.csr_array((values, lower.indices, lower.indptr), shape=lower.shape).toarray()


def test_chow_patel_sweeps_end_at_ic0():
    model = build_model("ChowPatel", rounds=40, scaling="unit-diagonal")
    with torch.no_grad():
        model.network.damping.fill_(40.0)
    values = predict(model, Graphs([graph(GRID)]))["A"]
    np.testing.assert_allclose(lower_dense(values, GRID), ic0(GRID).toarray(), atol=1e-5)


def test_the_corrected_factor_is_the_classical_one_at_first(graphs):
    values = predict(build_model("CorrectedIC0", scaling="unit-diagonal"), graphs)
    for item in graphs:
        np.testing.assert_allclose(values[item.name], item.y, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rounds", [1, 3])
def test_learned_elimination_is_exact_where_nothing_fills_in(rounds):
    A = SETS["tridiagonal"]
    model = made("LearnedElimination", rounds, stir=0.0)
    values = predict(model, Graphs([graph(A)]))["A"]
    exact = np.linalg.cholesky(A.toarray())
    np.testing.assert_allclose(lower_dense(values, A), exact, rtol=1e-5, atol=1e-6)


def test_learned_elimination_shifts_where_pivots_fail():
    kershaw = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])
    model = made("LearnedElimination", 1, stir=0.0)
    L = lower_dense(predict(model, Graphs([graph(kershaw)]))["A"], kershaw)
    assert np.linalg.cond(L @ L.T) < np.linalg.cond(kershaw)


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_the_corrected_patch_is_the_classical_one_at_first(graphs, rounds):
    values = predict(build_model("CorrectedPatch", rounds, scaling="unit-diagonal"), graphs)
    for item in graphs:
        expected = local_invk(item.pair.A, rounds - 1).data
        np.testing.assert_allclose(values[item.name], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("scaling", ["standardised", "unit-diagonal"])
def test_a_closure_of_nothing_is_the_classical_patch(graphs, scaling):
    model = made("LearnedClosure", 3, scaling=scaling, stir=0.0)
    with torch.no_grad():
        model.network.start.fill_(-200.0)
    for item, values in zip(graphs, predict(model, graphs).values(), strict=True):
        np.testing.assert_allclose(values, local_invk(item.pair.A, 2).data, rtol=1e-12, atol=1e-14)


def test_patches_without_a_boundary_give_invk(graphs):
    model = made("LearnedClosure", 9, stir=1.0)
    for key in ("one row", "diagonal", "first column full", "last row full", "random"):
        values = predict(model, Graphs([graph(SETS[key], key)]))[key]
        np.testing.assert_allclose(values, invk(SETS[key]).data, rtol=1e-9, atol=1e-11)


def test_the_right_closure_of_a_tridiagonal_matrix_is_exact():
    A = SETS["tridiagonal"].tocsr()
    n = A.shape[0]
    pattern = lower_pattern(sparse.tril(A, format="csr"))
    full = pattern.symmetric_csr(sparse.tril(A, format="csr").data)
    down = np.linalg.cholesky(A.toarray()).diagonal() ** 2
    up = np.linalg.cholesky(A.toarray()[::-1, ::-1]).diagonal()[::-1] ** 2
    rows = np.repeat(np.arange(n), np.diff(full.indptr))
    before, after = full.indices < rows, full.indices > rows
    outside = np.zeros(full.nnz)
    outside[before] = full.data[before] ** 2 / down[full.indices[before]]
    outside[after] = full.data[after] ** 2 / up[full.indices[after]]
    a = torch.from_numpy(sparse.tril(A, format="csr").data)
    for hops in (0, 1, 5):
        values = closed_patches(torch.from_numpy(outside), a, pattern, hops)
        np.testing.assert_allclose(
            lower_dense(values.numpy(), A), np.linalg.cholesky(A.toarray()), rtol=1e-12
        )


@pytest.mark.parametrize("hops", [0, 1, 2])
@pytest.mark.parametrize("name", ["grid", "random", "tridiagonal", "last row full"])
def test_the_adjoint_of_closed_patches(name, hops):
    A = sparse.csr_array(SETS[name])[:30, :30]
    lower = sparse.tril(A, format="csr")
    pattern = lower_pattern(lower)
    a = torch.from_numpy(lower.data)
    rng = np.random.default_rng(0)
    size = pattern.symmetric_csr(lower.data).nnz
    # Small, so that no patch is left open and none is near to singular.
    outside = torch.from_numpy(1e-3 * rng.random(size)).requires_grad_()
    weights = torch.from_numpy(rng.standard_normal(pattern.nnz))
    direction = torch.from_numpy(rng.standard_normal(size))

    def value(numbers):
        return (weights * closed_patches(numbers, a, pattern, hops)).sum()

    value(outside).backward()
    step = 1e-6
    difference = (value(outside + step * direction) - value(outside - step * direction)).item()
    expected = difference / (2 * step)
    assert (outside.grad * direction).sum().item() == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_closure_that_takes_too_much_is_left_open():
    lower = sparse.tril(sparse.csr_array(GRID), format="csr")
    pattern = lower_pattern(lower)
    size = pattern.symmetric_csr(lower.data).nnz
    outside = torch.full((size,), 100.0, dtype=torch.float64, requires_grad=True)
    values = closed_patches(outside, torch.from_numpy(lower.data), pattern, 1)
    np.testing.assert_array_equal(values.detach().numpy(), local_invk(GRID, 1).data)
    values.sum().backward()
    assert not outside.grad.any()


def test_patches_are_breadth_first_searches(graphs):
    for item in graphs:
        A = item.pair.A
        pattern = lower_pattern(sparse.tril(A, format="csr"))
        found = patch_graphs(pattern, 2, torch.device("cpu"))
        steps = sparse.csgraph.shortest_path(abs(A), unweighted=True)
        lower = sparse.csc_array(sparse.tril(A))
        for j in range(A.shape[0]):
            rows = lower.indices[lower.indptr[j] : lower.indptr[j + 1]]
            mine = found.anchor == j
            distance = dict(
                zip(found.node[mine].tolist(), found.distance[mine].tolist(), strict=True)
            )
            expected = steps[rows].min(axis=0)
            assert distance == {i: int(d) for i, d in enumerate(expected) if d <= 2}
        full = pattern.symmetric_csr(np.arange(pattern.nnz) + 1.0)
        rows = np.repeat(np.arange(A.shape[0]), np.diff(full.indptr))
        np.testing.assert_array_equal(rows[found.entry], found.node[found.target])
        np.testing.assert_array_equal(full.indices[found.entry], found.node[found.source])
        assert (found.anchor[found.source] == found.anchor[found.target]).all()
        column, row = item.edge_index[:, item.lower_mask]
        wanted = found.wanted
        assert (found.node[found.target[wanted]] == row).all()
        assert (found.node[found.source[wanted]] == column).all()
        assert (found.anchor[found.target[wanted]] == column).all()


def test_patches_too_large_for_memory_are_refused(monkeypatch):
    monkeypatch.setattr("precondbench.baselines.patches.MOST_EDGES", 1000)
    with pytest.raises(ConfigurationError, match="take fewer rounds, smaller batches"):
        predict(build_model("PatchNetwork", 3), Graphs([graph(GRID)]))


def first_rows_reach(name, rounds):
    """Last row of a path whose values change with the first entry of A."""
    A = SETS["tridiagonal"].toarray()
    B = A.copy()
    B[0, 0] *= 1.3
    model = made(name, rounds, scaling="standardised")
    first, second = (predict(model, Graphs([graph(M)]))["A"] for M in (A, B))
    L, M = lower_dense(first, A), lower_dense(second, A)
    return int(np.flatnonzero((L != M).any(axis=1)).max())


@pytest.mark.parametrize(
    ("name", "farthest"), [("ChowPatel", 3), ("LiFactor", 2), ("NeuralIF", 4), ("PatchNetwork", 2)]
)
def test_local_models_see_as_far_as_they_say(name, farthest):
    assert first_rows_reach(name, 2) <= farthest


def test_a_sweep_reaches_further_than_its_rounds():
    assert first_rows_reach("EliminationSweep", 1) > 2


def test_the_two_values_of_an_edge_are_averaged(graphs):
    model = made("LiFactor")
    values = predict(model, graphs)
    lower = sparse.csr_array(sparse.tril(GRID))
    root = np.sqrt(GRID.diagonal())
    np.testing.assert_allclose(values["grid"][lower.indptr[1:] - 1], root, rtol=1e-6)


@pytest.mark.parametrize("loss", ["frobenius-residual", "relative-k-condition"])
def test_losses_vanish_at_the_exact_factor_and_nowhere_near_it(loss):
    items = Graphs([graph(SETS["tridiagonal"], "a"), graph(np.diag([1.0, 2.0]), "b")])
    held = ResidentGraphs(items)
    held.invert(items)
    batch = held.whole()
    function = get_loss(loss).per_graph
    assert function(batch.y, batch).max() < 1e-6
    assert function(batch.y * torch.linspace(0.5, 1.5, len(batch.y)), batch).min() > 1e-4


def test_the_residual_is_estimated_without_bias_and_by_graph():
    items = [graph(random_spd(30, 0.2, seed), str(seed)) for seed in range(3)]
    batch = GraphBatch.from_data(Batch.from_data_list([_bare(item) for item in items]))
    values = batch.y * 1.2
    found = get_loss("frobenius-residual").per_graph(values, batch)
    alone = [
        get_loss("frobenius-residual").per_graph(1.2 * item.y, GraphBatch.from_data(_bare(item)))
        for item in items
    ]
    torch.testing.assert_close(found, torch.cat(alone))
    for item, value in zip(items, found.tolist(), strict=True):
        A = item.pair.A.toarray()
        L = 1.2 * shifted_ic0(item.pair.A)[0].toarray()
        exact = np.linalg.norm(L @ L.T - A) / np.linalg.norm(A)
        assert value == pytest.approx(exact, rel=0.3)


def _bare(item):
    return Data(**{key: value for key, value in item.to_dict().items() if key != "pair"})
