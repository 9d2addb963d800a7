"""Scripts of the ledger: the matrices, and the networks against plain formulas."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

FOLDER = Path(__file__).parents[1] / "benchmarks" / "ledger"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the benchmarks are not installed")


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import neural_if
    import precorrector
    import spai4gpu

    yield SimpleNamespace(precorrector=precorrector, neural_if=neural_if, spai4gpu=spai4gpu)
    for module in ("neural_if", "precorrector", "records", "spai4gpu"):
        sys.modules.pop(module, None)


def test_a_constant_coefficient_gives_the_laplacian(scripts):
    precorrector = scripts.precorrector
    second = sp.diags_array([[-1.0] * 4, [2.0] * 5, [-1.0] * 4], offsets=[-1, 0, 1])
    eye = sp.eye_array(5)
    expected = 36.0 * (sp.kron(second, eye) + sp.kron(eye, second))
    found = precorrector.matrix_of(np.ones((6, 6)))
    np.testing.assert_allclose(found.toarray(), expected.toarray(), rtol=1e-15)


def test_fields_are_within_their_bounds(scripts):
    precorrector = scripts.precorrector
    A, _ = precorrector.drawn(32, 0.5, 0)
    assert abs(A - A.T).max() == 0.0
    # The contrast of sums of four coefficients is at most that of the field.
    assert A.diagonal().max() / A.diagonal().min() < precorrector.BOUNDS[32, 0.5][1]


def test_training_goes_on_where_it_stopped(scripts, tmp_path, monkeypatch, capsys):
    precorrector = scripts.precorrector
    monkeypatch.setattr(precorrector, "SAVED_EVERY", 2)
    monkeypatch.setitem(precorrector.BOUNDS, (6, 0.1), (1, 1e6))
    systems = precorrector.Systems(6, 0.1, range(12))
    states = tmp_path / "whole.pt", tmp_path / "parts.pt"
    whole, _ = precorrector.trained(systems, 0, states[0], 4)
    precorrector.trained(systems, 0, states[1], 2)
    parts, _ = precorrector.trained(systems, 0, states[1], 4)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.equal(one, other)
    assert "step 4: loss" in capsys.readouterr().out


def test_a_case_is_written(scripts, tmp_path, monkeypatch):
    precorrector = scripts.precorrector
    for name, value in {"TRAIN": 10, "TEST": 3, "SAVED_EVERY": 3}.items():
        monkeypatch.setattr(precorrector, name, value)
    monkeypatch.setitem(precorrector.BOUNDS, (6, 0.1), (1, 1e6))
    monkeypatch.setitem(precorrector.PRINTED, (6, 0.1), {"PreCorrector": 10.0})
    target = tmp_path / "found.json"
    command = f"x --json {target} --side 6 --variance 0.1 --steps 3 --out {tmp_path}"
    monkeypatch.setattr(sys, "argv", command.split())
    precorrector.main()
    (case,) = json.loads(target.read_text())["cases"]
    # Three steps change little: the correction starts at zero.
    means = [case["measured"][name]["mean"] for name in ("IC(0)", "PreCorrector")]
    assert means[0] == pytest.approx(means[1], rel=0.2)
    assert case["parameters"] == 1170


def test_triangles_and_numbers_of_nodes(scripts):
    neural_if = scripts.neural_if
    A = neural_if.drawn(0, n=60, places=150)
    graph = neural_if.Graph.of(A)
    z = torch.randn(60)
    np.testing.assert_allclose(graph.matrix_times(z), A @ z.numpy(), rtol=1e-4, atol=1e-4)
    dense = A.toarray()
    neighbours = [np.flatnonzero(row) for row in dense]
    degree = np.array([len(one) for one in neighbours])
    off = np.abs(dense - np.diag(dense.diagonal()))
    for i, one in enumerate(neighbours):
        found = graph.nodes[i].numpy()
        deviation = degree[one].std(ddof=1) if len(one) > 1 else 0.0
        profile = [degree[i], degree[one].min(), degree[one].max(), degree[one].mean(), deviation]
        np.testing.assert_allclose(found[1:6], profile, rtol=1e-5)
        for number, size in zip(found[6:], (off[i].sum(), off[i].max()), strict=True):
            expected = dense[i, i] / (dense[i, i] + size) if size else 1.0
            assert number == pytest.approx(expected, rel=1e-5)


def test_a_graph_net_is_its_formula(scripts):
    neural_if = scripts.neural_if
    torch.manual_seed(0)
    graph = neural_if.Graph.of(neural_if.drawn(1, n=30, places=60))
    net = neural_if.GraphNet(1, mean=True)
    e, h = net(graph.nodes, graph.entries[:, None], graph.row, graph.column)
    first, activation, second = net.edge
    weight = torch.cat([net.of_ends.weight, first.weight], dim=1)
    ends = torch.cat([graph.nodes[graph.row], graph.nodes[graph.column]], dim=1)
    hidden = torch.cat([ends, graph.entries[:, None]], dim=1) @ weight.T + first.bias
    torch.testing.assert_close(e, second(activation(hidden)))
    means = torch.stack([e[graph.row == i, 0].mean() for i in range(30)])
    torch.testing.assert_close(h, net.node(torch.cat([graph.nodes, means[:, None]], dim=1)))


@pytest.mark.parametrize("name", ["NeuralIF", "SPAI4GPU"])
def test_networks_train_and_are_tested(scripts, tmp_path, monkeypatch, name):
    neural_if = scripts.neural_if
    script = {"NeuralIF": neural_if, "SPAI4GPU": scripts.spai4gpu}[name]
    sizes = {"TRAIN": 4, "VALIDATION": 1, "TEST": 2, "ROWS": 80}
    every = {"CHECKED_EVERY": 2} if script is neural_if else {"SAVED_EVERY": 2, "SMALL": 60}
    for key, value in (sizes | every).items():
        monkeypatch.setattr(script, key, value)
    drawn = neural_if.drawn
    for one in {neural_if, script}:
        monkeypatch.setattr(one, "drawn", lambda number, n=80, places=160: drawn(number, n, 160))
    # Matrices that small are not diagonally dominant enough.
    monkeypatch.setattr(script, "ic0", neural_if.jacobi)
    target = tmp_path / "found.json"
    command = f"x --json {target} --steps 4 --out {tmp_path}"
    monkeypatch.setattr(sys, "argv", command.split())
    script.main()
    (case,) = json.loads(target.read_text())["cases"]
    assert case["steps"] == 4
    assert set(case["measured"]) == {"IC(0)", "Jacobi", name}


def test_the_loss_of_spai4gpu_is_its_formula(scripts):
    spai4gpu = scripts.spai4gpu
    torch.manual_seed(0)
    network = spai4gpu.SPAI4GPU()
    assert sum(one.numel() for one in network.parameters()) == 28_033
    A = scripts.neural_if.drawn(3, n=40, places=80)
    graph = spai4gpu.Graph.of(A)
    values = network(graph).detach()
    G = sp.csr_array((values.double().numpy(), A.indices, A.indptr), A.shape).toarray()
    inverse = G @ G.T + spai4gpu.EPS * np.eye(40)
    M = spai4gpu.preconditioner(network, A)
    np.testing.assert_allclose(M @ np.eye(40), inverse, rtol=1e-6, atol=1e-9)
    w = torch.randn(40)
    rest = A @ inverse @ w.numpy() - w.numpy()
    expected = (rest @ rest) / float(w @ w)
    assert spai4gpu.loss_of(values, graph, w).item() == pytest.approx(expected, rel=1e-3)


def test_the_factor_has_a_positive_diagonal(scripts):
    neural_if = scripts.neural_if
    torch.manual_seed(0)
    network = neural_if.NeuralIF()
    graph = neural_if.Graph.of(neural_if.drawn(2, n=50, places=100))
    assert (network(graph)[graph.diagonal] > 0.0).all()
    assert sum(one.numel() for one in network.parameters()) == 1846
