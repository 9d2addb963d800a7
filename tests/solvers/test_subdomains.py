"""Deflation, partitions and additive Schwarz: dense formulas, known counts, faults."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from precondbench import BreakdownError, ic0, pcg
from precondbench.errors import ConfigurationError, CostError, MatrixError
from precondbench.factors import fsai
from precondbench.matrices import near_null_vectors
from precondbench.solvers import (
    Deflation,
    FactoredInverse,
    SparseInverse,
    additive_schwarz,
    partition,
    subdomain_deflation,
)


def dense(operator):
    return operator @ np.eye(operator.shape[0])


def grid(m):
    return np.stack([np.arange(m * m) % m, np.arange(m * m) // m], axis=1).astype(float)


def test_deflation_is_the_balancing_formula(random_spd):
    A = random_spd(20, 2).toarray()
    W = np.random.default_rng(0).standard_normal((20, 3))
    Q = W @ np.linalg.solve(W.T @ A @ W, W.T)
    P = np.eye(20) - A @ Q
    G = fsai(A)
    for M, rest in (
        (None, np.diag(1 / A.diagonal())),
        (FactoredInverse(G), (G.T @ G).toarray()),
        (ic0(A), np.linalg.inv((ic0(A) @ ic0(A).T).toarray())),
    ):
        found = Deflation(A, W, M)
        full = dense(found)
        np.testing.assert_allclose(full, P.T @ rest @ P + Q, atol=1e-12)
        np.testing.assert_allclose(full, full.T, atol=1e-13)
        assert np.linalg.eigvalsh(full)[0] > 0
        np.testing.assert_allclose(full @ A @ W, W, atol=1e-11)
    assert found.entries == 2 * (60 + 60 + 6 * 2) + 2 * ic0(A).nnz


@pytest.mark.parametrize("form", [np.asarray, sp.csc_array, sp.coo_matrix])
def test_deflated_eigenvalues_cost_no_iterations(form):
    """Three distinct eigenvalues are left, and the one of the deflated space."""
    A = np.diag(np.concatenate((10.0 ** -np.arange(1.0, 7), np.repeat([2.0, 3.0, 5.0], 8))))
    identity = SparseInverse(np.eye(30))
    b = np.random.default_rng(1).uniform(-1, 1, 30)
    W = form(np.eye(30)[:, :6])
    assert pcg(A, b, M=identity).iterations > 6
    assert pcg(A, b, M=Deflation(A, W, identity)).iterations == 4
    # Without a part of b in the deflated space its eigenvalue is not seen.
    b[:6] = 0.0
    assert pcg(A, b, M=Deflation(A, W, identity)).iterations == 3


def test_a_whole_space_is_a_direct_solver(random_spd):
    A = random_spd(9, 5)
    W = np.random.default_rng(0).standard_normal((9, 9)) * 2.0 ** np.arange(0, 900, 100)
    np.testing.assert_allclose(dense(Deflation(A, W)) @ A, np.eye(9), atol=1e-9)


@pytest.mark.parametrize(
    ("W", "error", "message"),
    [
        (np.ones((3, 1)), MatrixError, r"W has shape \(3, 1\); A has 4 rows"),
        (np.ones((4, 5)), MatrixError, "k from 1 to 4"),
        (np.ones((4, 0)), MatrixError, "k from 1 to 4"),
        (np.ones((4, 1, 1)), MatrixError, "W has shape"),
        (np.full((4, 1), np.nan), MatrixError, "W is not finite"),
        (np.ones((4, 1)) * 1j, MatrixError, "W is complex"),
        (np.eye(4)[:, :2] * [1.0, 0.0], BreakdownError, "column 1 of W is zero"),
        (np.ones((4, 2)), BreakdownError, "column . of W depends linearly"),
        (np.ones((4, 2)) * [1.0, 1e-290], BreakdownError, "depends linearly"),
        (np.array([[1, 2, 3], [0.1, 0.7, 0.8], [3, 4, 7], [1, 0, 1]]), BreakdownError, "depends"),
    ],
)
def test_subspaces_that_are_none(W, error, message):
    with pytest.raises(error, match=message):
        Deflation(np.diag([1.0, 2.0, 3.0, 4.0]), W)


def test_what_deflation_takes_for_the_rest(poisson_2d):
    A = poisson_2d(4)
    W = np.ones(16)  # One vector is a column.
    with pytest.raises(MatrixError, match="M is a function"):
        Deflation(A, W, np.cbrt)
    with pytest.raises(MatrixError, match=r"M has \(3, 3\)"):
        Deflation(A, W, SparseInverse(np.eye(3)))
    silent = LinearOperator(A.shape, matvec=lambda r: r, dtype=float)
    assert Deflation(A, W, silent).entries is None


def test_parts_are_small_connected_and_balanced(poisson_2d):
    A = poisson_2d(12)
    for coordinates in (None, grid(12)):
        labels = partition(A, 20, coordinates)
        counts = np.bincount(labels)
        assert counts.max() <= 20
        assert counts.min() >= 10
        assert counts.sum() == 144
        for part in range(counts.size):
            rows = np.flatnonzero(labels == part)
            pieces, _ = sp.csgraph.connected_components(A[rows][:, rows])
            assert pieces <= 2
    np.testing.assert_array_equal(partition(A, 36, grid(12)), partition(A, 36, 8 * grid(12)))
    assert not partition(A, 144).any()


def test_unknowns_of_a_node_stay_together(poisson_2d):
    A = sp.csr_array(sp.kron(poisson_2d(6), [[2.0, 1.0], [1.0, 3.0]]))
    labels = partition(A, 10, unknowns=2)
    np.testing.assert_array_equal(labels[::2], labels[1::2])
    assert np.bincount(labels).max() <= 10
    with pytest.raises(ConfigurationError, match="unknowns is 5; A has 72 rows"):
        partition(A, 10, unknowns=5)
    with pytest.raises(ConfigurationError, match="size is 1"):
        partition(A, 1, unknowns=2)
    with pytest.raises(MatrixError, match="coordinates have shape"):
        partition(A, 10, np.ones((36, 2)), unknowns=2)


def test_subdomain_deflation_cuts_the_vectors(poisson_2d):
    A = poisson_2d(8)
    M = subdomain_deflation(A, size=16, coordinates=grid(8))
    assert M.W.shape == (64, 4)
    np.testing.assert_array_equal(M.W.toarray() != 0, np.eye(4)[partition(A, 16, grid(8))] != 0)
    vectors = np.stack([np.ones(64), np.arange(64.0), 2 * np.ones(64)], axis=1)
    several = subdomain_deflation(A, vectors, size=16)
    assert several.W.shape == (64, 8)  # The third depends on the first.
    np.testing.assert_allclose(several @ (A @ vectors), vectors, atol=1e-8)


def test_rigid_motions_of_single_nodes(poisson_2d):
    """Three motions of a node with two unknowns: one is left out on each part."""
    A = sp.csr_array(sp.kron(poisson_2d(4), np.eye(2)))
    rigid = near_null_vectors("rigid", 32, grid(4))
    M = subdomain_deflation(A, rigid, 2, size=2)
    assert M.W.shape == (32, 32)
    assert pcg(A, np.arange(32.0), M=M).iterations == 1
    with pytest.raises(MatrixError, match="near_null is zero"):
        subdomain_deflation(A, np.zeros((32, 1)), 2)
    with pytest.raises(MatrixError, match="near_null has shape"):
        subdomain_deflation(A, rigid[:-1], 2)


def test_deflation_removes_jumps():
    """Loose blocks of any stiffness: one small eigenvalue each, gone with its constant."""
    rng = np.random.default_rng(0)
    m, blocks = 20, 6
    T = sp.diags_array([-np.ones(m - 1), 2 * np.ones(m), -np.ones(m - 1)], offsets=[-1, 0, 1])
    neumann = T.toarray()
    neumann[0, 0] = neumann[-1, -1] = 1.0
    A = np.kron(np.diag(10.0 ** np.arange(blocks)), neumann) + 1e-3 * np.eye(m * blocks)
    b = rng.uniform(-1, 1, m * blocks)
    W = np.kron(np.eye(blocks), np.ones((m, 1)))
    jacobi = SparseInverse(np.diag(1 / A.diagonal()))
    plain, deflated = (pcg(A, b, M=M).iterations for M in (jacobi, Deflation(A, W)))
    assert deflated < 0.5 * plain
    jumps, none = (np.linalg.eigvals(dense(M) @ A).real for M in (jacobi, Deflation(A, W)))
    assert jumps.max() / jumps.min() > 1e7
    assert none.max() / none.min() < 400


def test_schwarz_is_the_sum_over_patches(poisson_2d):
    A = poisson_2d(8).toarray()
    labels = partition(A, 16)
    for overlap in (0, 1, 3):
        want = np.zeros((64, 64))
        for part in range(labels.max() + 1):
            inside = labels == part
            for _ in range(overlap):
                inside = (A != 0) @ inside > 0
            rows = np.flatnonzero(inside)
            want[np.ix_(rows, rows)] += np.linalg.inv(A[np.ix_(rows, rows)])
        M = additive_schwarz(A, size=16, overlap=overlap)
        full = dense(M)
        np.testing.assert_allclose(full, want, atol=1e-12)
        assert np.linalg.eigvalsh(full)[0] > 0


def test_one_patch_is_a_direct_solver(poisson_2d):
    A = poisson_2d(8)
    M = additive_schwarz(A, size=64)
    np.testing.assert_allclose(dense(M) @ A, np.eye(64), atol=1e-12)
    assert pcg(A, np.arange(64.0), M=M).iterations == 1


def test_a_coarse_space_makes_schwarz_scale(poisson_2d):
    counts = {}
    for m in (16, 32):
        A = poisson_2d(m)
        b = np.random.default_rng(0).uniform(-1, 1, m * m)
        ones = np.ones((m * m, 1))
        for name, near_null in (("one level", None), ("two levels", ones)):
            M = additive_schwarz(A, near_null, size=16, overlap=1, coordinates=grid(m))
            counts[name, m] = pcg(A, b, M=M).iterations
    assert counts["two levels", 32] < 1.2 * counts["two levels", 16]
    assert counts["one level", 32] > 1.4 * counts["one level", 16]
    with pytest.raises(ConfigurationError, match="overlap is -1"):
        additive_schwarz(A, overlap=-1)


def test_an_indefinite_patch_is_a_breakdown():
    A = np.array([[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    with pytest.raises(BreakdownError):
        additive_schwarz(A)


@pytest.mark.parametrize("A", [np.eye(1) * 3, np.diag(np.arange(1.0, 31.0)), np.eye(7) * 1e-200])
def test_rows_without_neighbours(A):
    b = np.arange(A.shape[0]) + 1.0
    for M in (subdomain_deflation(A, size=4), additive_schwarz(A, size=4)):
        found = pcg(A, b, M=M)
        assert found.status == "converged"
        np.testing.assert_allclose(A @ found.x, b, rtol=1e-7)


def test_patches_that_are_too_large_are_refused(poisson_2d):
    A = poisson_2d(40)
    with pytest.raises(CostError, match=r"the factors of \d+ patches, of up to \d+ rows, need"):
        additive_schwarz(A, size=200, max_operations=1e4)
    allowed = additive_schwarz(A, size=200, max_operations=1e9)
    assert allowed.entries == additive_schwarz(A, size=200).entries
