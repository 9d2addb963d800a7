"""Losses, compared with their formulas in dense matrices."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import Batch

from precondbench import Pair, ParametricInvK, SuiteSparseInvK, ic0, invk, k_condition
from precondbench.baselines import (
    GraphBatch,
    TrainingConfiguration,
    loss_names,
    register_loss,
    train,
)
from precondbench.baselines import losses as losses_module
from precondbench.baselines.batch import ResidentGraphs
from precondbench.baselines.losses import cosine_per_graph, get_loss
from precondbench.baselines.unrolled import residuals
from precondbench.errors import ConfigurationError
from precondbench.factors import lower_part, lower_values


class WithPairs(list):
    """Graphs whose matrices can be asked for, as those of a precondbench dataset."""

    def pair(self, i):
        graph = self[i]
        n = graph.x.shape[0]
        column, row = graph.edge_index
        A = torch.zeros(n, n, dtype=torch.float64)
        A[row, column] = graph.edge_attr[:, 0].double()
        L = torch.zeros(n, n, dtype=torch.float64)
        L[row[graph.lower_mask], column[graph.lower_mask]] = graph.y
        return Pair(graph.name, A.numpy(), L.numpy())


@pytest.fixture
def graphs(tridiagonal_graphs):
    return WithPairs(tridiagonal_graphs([4, 7, 5]))


@pytest.fixture
def batch(graphs):
    resident = ResidentGraphs(graphs)
    resident.invert(graphs)
    return resident.batch(torch.tensor([2, 0, 1]))


def dense(values, batch, graph):
    """Lower-triangular matrix of one graph of a batch from values on its lower edges."""
    nodes = torch.nonzero(batch.batch == graph).flatten()
    mine = batch.lower_batch == graph
    column, row = batch.edge_index[:, batch.lower[mine]] - nodes[0]
    L = torch.zeros(len(nodes), len(nodes), dtype=torch.float64)
    L[row, column] = values[mine]
    return L, nodes


def test_names():
    assert loss_names() == [
        "frobenius-residual",
        "k-condition",
        "log-iterations",
        "log-relative-error",
        "negative-cosine",
        "pcg-residual",
        "relative-k-condition",
        "solution-residual",
    ]
    with pytest.raises(
        ConfigurationError, match="no loss is called 'mse'; known: frobenius-residual, k-"
    ):
        get_loss("mse")


def test_negative_cosine(batch):
    predicted = torch.randn_like(batch.y)
    ours = get_loss("negative-cosine").per_graph(predicted, batch)
    assert torch.equal(ours, -cosine_per_graph(predicted, batch))


def test_log_relative_error(batch):
    loss = get_loss("log-relative-error").per_graph
    noise = torch.randn_like(batch.y)
    for size in (1e-1, 1e-6):
        ours = loss(batch.y + size * noise, batch)
        for graph in range(3):
            mine = batch.lower_batch == graph
            expected = torch.log(size * noise[mine].norm() / batch.y[mine].norm())
            torch.testing.assert_close(ours[graph], expected, rtol=1e-6, atol=0)
    assert torch.isfinite(loss(batch.y, batch)).all()


def test_k_condition_is_that_of_the_scorer(graphs, batch):
    predicted = batch.y + 0.1 * torch.randn_like(batch.y)
    for values in (predicted, -3.0 * predicted):  # of any sign and scale
        ours = get_loss("k-condition").per_graph(values, batch)
        for graph, number in enumerate([2, 0, 1]):
            L, _ = dense(values, batch, graph)
            theirs = k_condition(graphs.pair(number).A, L.numpy()).n_log_k
            assert ours[graph].item() * len(L) == pytest.approx(theirs, rel=1e-9)
    exact = get_loss("k-condition").per_graph(batch.y, batch)
    assert (exact.abs() < 1e-6).all()  # the graphs hold A in float32


def test_k_condition_on_a_real_pattern_is_least_at_inv_k():
    data = SuiteSparseInvK(split="test", version="sample", label="invk")
    resident = ResidentGraphs(data)
    resident.invert(data)
    batch = resident.batch(torch.arange(len(data)))
    values = batch.y.clone().requires_grad_()
    losses = get_loss("k-condition").per_graph(values, batch)
    for i, (_, A, L) in enumerate(data.pair(i) for i in range(len(data))):
        assert losses[i].item() * A.shape[0] == pytest.approx(k_condition(A, L).n_log_k, rel=1e-9)
    (gradient,) = torch.autograd.grad(losses.sum(), values)
    assert gradient.abs().max() < 1e-12
    assert (get_loss("k-condition").per_graph(1.01 * values, batch) <= losses + 1e-12).all()
    noise = 1 + 1e-3 * torch.randn_like(batch.y)
    assert (get_loss("k-condition").per_graph(values * noise, batch) > losses).all()


def steps_of_pcg(A, L, b, steps):
    """r^T M r before each step and after all, by dense algebra."""
    M = np.linalg.inv(L @ L.T)
    r, p = b, M @ b
    found = [r @ M @ r]
    for _ in range(steps):
        alpha = found[-1] / (p @ A @ p)
        r = r - alpha * A @ p
        found.append(r @ M @ r)
        p = M @ r + found[-1] / found[-2] * p
    return np.array(found)


@pytest.fixture(scope="module")
def meshes():
    data = ParametricInvK.generate("mesh-2d", n=60, count=2)
    return data, ResidentGraphs(data).batch(torch.arange(2))


def test_residuals_are_those_of_the_solver(meshes):
    data, batch = meshes
    values = batch.y * (1 + 0.1 * torch.rand_like(batch.y))
    b = torch.rand(batch.batch.numel(), dtype=torch.float64)
    ours = torch.stack(residuals(values, batch, b, 8)).numpy()
    for graph in range(2):
        L, nodes = dense(values, batch, graph)
        A = data.pair(graph).A.toarray()
        theirs = steps_of_pcg(A, L.numpy(), b[nodes].numpy(), 8)
        # The graphs hold A in float32.
        np.testing.assert_allclose(ours[:, graph], theirs, rtol=1e-3)


def test_the_derivative_goes_through_every_step(meshes):
    _, batch = meshes
    values = (batch.y * (1 + 0.1 * torch.rand_like(batch.y))).requires_grad_()
    b = torch.rand(batch.batch.numel(), dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda entries: torch.stack(residuals(entries, batch, b, 5)).log().sum(), values
    )


def test_pcg_residual_ranks_as_the_solver_does():
    data = ParametricInvK.generate("jumps-2d", n=1000, count=3)
    batch = ResidentGraphs(data).batch(torch.arange(3))
    loss = get_loss("pcg-residual").per_graph
    found = {}
    for method in (invk, ic0, lambda A: sp.diags_array(np.sqrt(A.diagonal()))):
        factors = [sp.csr_array(method(data.pair(i).A)) for i in range(3)]
        values = [lower_values(factors[i], lower_part(data.pair(i).A)) for i in range(3)]
        predicted = torch.from_numpy(np.concatenate(values))
        found[method] = loss(predicted, batch)
        torch.testing.assert_close(loss(-8.0 * predicted, batch), found[method])
    best, second, worst = found.values()
    assert (best < second).all()
    assert (second < worst).all()


def test_pcg_residual_stands_still_where_a_matrix_is_indefinite():
    """As one that is nearly singular may be in single precision."""
    data = ParametricInvK.generate("jumps-2d", n=200, count=1)
    batch = ResidentGraphs(data).whole()
    entries = batch.edge_attr.clone()
    entries[batch.edge_index[0] == batch.edge_index[1], 0] *= 0.5
    values = torch.from_numpy(ic0(data.pair(0).A).data).requires_grad_()
    found = get_loss("pcg-residual").per_graph(values, replace(batch, edge_attr=entries))
    (gradient,) = torch.autograd.grad(found.sum(), values)
    assert torch.isfinite(found).all()
    assert torch.isfinite(gradient).all()


def test_solution_residual(graphs):
    resident = ResidentGraphs(graphs)
    resident.solve(graphs)
    numbers = [2, 0, 1]
    batch = resident.batch(torch.tensor(numbers))
    predicted = batch.y + 0.1 * torch.randn_like(batch.y)
    found = get_loss("solution-residual").per_graph(predicted, batch)
    for graph, number in enumerate(numbers):
        x, b = batch.solved[batch.batch == graph].T
        A = torch.as_tensor(graphs.pair(number).A)
        torch.testing.assert_close(A @ x, b)
        L, _ = dense(predicted, batch, graph)
        torch.testing.assert_close(found[graph], (L @ L.T @ x - b).norm() / b.norm())
    with pytest.raises(ConfigurationError, match="with solutions"):
        get_loss("solution-residual").per_graph(predicted, replace(batch, solved=None))


@pytest.mark.parametrize("name", ["log-relative-error", "k-condition", "pcg-residual"])
def test_every_loss_trains(tridiagonal_graphs, name):
    sets = [WithPairs(tridiagonal_graphs([10] * count, seed)) for count, seed in ((64, 1), (16, 2))]
    configuration = TrainingConfiguration(
        rounds=2, epochs=15, loss=name, learning_rate=1e-2, device="cpu"
    )
    result = train(*sets, configuration)
    losses = [record["validation_loss"] for record in result.history]
    assert min(losses) < losses[0] - 0.05
    assert result.best_epoch == 1 + int(np.argmin(losses))
    # Solvers do not mind the signs of columns, which this loss leaves open.
    assert name == "pcg-residual" or result.best_validation_cosine > 0.9


def test_a_loss_that_inverts_needs_matrices(tridiagonal_graphs):
    graphs = tridiagonal_graphs([5] * 4)
    configuration = TrainingConfiguration(rounds=1, epochs=1, loss="k-condition")
    with pytest.raises(ConfigurationError, match=r"pair\(i\)"):
        train(graphs, graphs, configuration)
    batch = GraphBatch.from_data(Batch.from_data_list(graphs))
    with pytest.raises(ConfigurationError, match=r"entries of A\^-1"):
        get_loss("k-condition").per_graph(batch.y, batch)


def test_a_loss_of_ones_own(tridiagonal_graphs, monkeypatch):
    monkeypatch.setattr(losses_module, "_LOSSES", dict(losses_module._LOSSES))

    @register_loss("squares")
    def squares(predicted, graphs):
        start = torch.zeros(graphs.num_graphs, dtype=torch.float64)
        return start.index_add(0, graphs.lower_batch, (predicted - graphs.y).square())

    graphs = tridiagonal_graphs([5] * 8)
    result = train(graphs, graphs, TrainingConfiguration(rounds=1, epochs=2, loss="squares"))
    assert result.history[1]["validation_loss"] < result.history[0]["validation_loss"]
