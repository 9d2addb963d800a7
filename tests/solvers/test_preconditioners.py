"""Operators: comparison with dense formulas, symmetry, definiteness, and the solver."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from precondbench import BreakdownError, Pair, evaluate, ic0, pcg
from precondbench.errors import ConfigurationError, MatrixError, PredictionError
from precondbench.factors import factor_values, fsai, minimum_degree, reverse_cuthill_mckee
from precondbench.matrices import poisson_1d, tridiagonal_csr
from precondbench.quality import problem_of
from precondbench.solvers import (
    FactoredInverse,
    FactoredPreconditioner,
    after_reordering,
    exact_cholesky,
    smoothed_aggregation,
)
from precondbench.solvers.preconditioners import VCycle


def dense(operator):
    return operator @ np.eye(operator.shape[0])


@pytest.fixture(params=["rcm", "minimum degree", "fsai", "exact", "multigrid"])
def operator(request, poisson_2d):
    A = poisson_2d(12)
    return A, {
        "rcm": lambda: after_reordering(A, reverse_cuthill_mckee, ic0),
        "minimum degree": lambda: after_reordering(A, minimum_degree, ic0),
        "fsai": lambda: FactoredInverse(fsai(A)),
        "exact": lambda: exact_cholesky(A),
        "multigrid": lambda: smoothed_aggregation(A),
    }[request.param]()


def test_symmetric_and_positive(operator):
    _, M = operator
    full = dense(M)
    np.testing.assert_allclose(full, full.T, atol=1e-14 * abs(full).max())
    assert np.linalg.eigvalsh(full)[0] > 0
    assert M.T is M


def test_better_than_nothing(operator):
    A, M = operator
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    assert pcg(A, b, M=M).iterations < 0.8 * pcg(A, b).iterations


def test_linear(operator):
    """An operator keeps no state from one application to the next."""
    _, M = operator
    x, y = np.random.default_rng(1).standard_normal((2, M.shape[0]))
    np.testing.assert_allclose(M @ (2 * x - y), 2 * (M @ x) - M @ y, atol=1e-10)
    assert np.array_equal(M @ x, M @ x)


def test_factored_is_permuted_factor(random_spd):
    A = random_spd(20, 4)
    M = after_reordering(A, reverse_cuthill_mckee, ic0)
    P = np.zeros((20, 20))
    P[M.position, np.arange(20)] = 1.0
    L = ic0(P @ A.toarray() @ P.T).toarray()
    np.testing.assert_allclose(dense(M), np.linalg.inv(P.T @ L @ L.T @ P), atol=1e-10)
    assert M.entries == 2 * np.count_nonzero(L)


def test_approximate_inverse_is_the_product(random_spd):
    G = fsai(random_spd(15, 2))
    np.testing.assert_allclose(dense(FactoredInverse(G)), (G.T @ G).toarray(), atol=1e-14)


def test_exact_inverse(random_spd):
    A = random_spd(40, 9)
    M = exact_cholesky(A)
    np.testing.assert_allclose(dense(M), np.linalg.inv(A.toarray()), rtol=1e-8, atol=1e-12)
    assert M.entries >= 2 * sp.tril(A).nnz


def test_orders_are_permutations_and_reduce_what_they_should(poisson_2d):
    shuffle = np.random.default_rng(3).permutation(144)
    A = sp.csr_array(poisson_2d(12)[shuffle][:, shuffle])
    for order in (reverse_cuthill_mckee, minimum_degree):
        assert sorted(order(A).tolist()) == list(range(144))
    position = reverse_cuthill_mckee(A)
    coo = sp.coo_array(A)
    bandwidth = np.abs(position[coo.row] - position[coo.col]).max()
    assert bandwidth <= 16 < np.abs(coo.row - coo.col).max()


def _levels(neighbours, root):
    """Rows by distance from the root, by sets."""
    levels, seen = [{root}], {root}
    while levels[-1]:
        levels.append({j for i in levels[-1] for j in neighbours[i]} - seen)
        seen |= levels[-1]
    return levels[:-1]


def _cuthill_mckee(neighbours):
    """As in the book of George and Liu (1981), chapter 4, component by component."""

    def by_degree(rows):
        return sorted(rows, key=lambda i: (len(neighbours[i]), i))

    order = []
    for first in range(len(neighbours)):
        if first in order:
            continue
        root, levels = first, _levels(neighbours, first)
        while True:
            candidate = by_degree(levels[-1])[0]
            further = _levels(neighbours, candidate)
            if len(further) <= len(levels):
                break
            root, levels = candidate, further
        component = [root]
        for i in component:
            component += by_degree(neighbours[i] - set(component))
        order += component
    return order


@pytest.mark.parametrize("edges", [0, 20, 60, 200])
def test_reverse_cuthill_mckee_by_sets(edges):
    """Also of many components, of rows that lack a diagonal, and of columns in any order."""
    for seed in range(20):
        rng = np.random.default_rng([seed, edges])
        rows, columns = rng.integers(0, 50, (2, edges))
        both = sp.coo_array((np.ones(edges), (rows, columns)), shape=(50, 50)).tocsr()
        graph = sp.csr_array(both + both.T)
        neighbours = [set(graph[[i]].indices.tolist()) - {i} for i in range(50)]
        position = reverse_cuthill_mckee(graph)
        assert np.argsort(position)[::-1].tolist() == _cuthill_mckee(neighbours)
        shuffled = graph.copy()
        for start, end in itertools.pairwise(graph.indptr):
            rng.shuffle(shuffled.indices[start:end])
        np.testing.assert_array_equal(reverse_cuthill_mckee(shuffled), position)


def test_multigrid_iterations_do_not_grow(poisson_2d):
    counts = [
        pcg(A, np.ones(A.shape[0]), M=smoothed_aggregation(A)).iterations
        for A in (poisson_2d(16), poisson_2d(64))
    ]
    assert counts[1] <= 1.5 * counts[0]
    assert counts[1] <= 20


def test_multigrid_is_the_two_grid_formula(poisson_2d):
    """Error propagation (I - U^-1 A)(I - P A_c^-1 P^T A)(I - L^-1 A) of one coarse level."""
    A = poisson_2d(5)
    M = smoothed_aggregation(A)
    assert len(M.levels) == 1
    full, P = A.toarray(), M.levels[0][1].toarray()
    eye = np.eye(25)
    coarse = eye - P @ np.linalg.solve(P.T @ full @ P, P.T @ full)
    before = eye - np.linalg.solve(np.tril(full), full)
    after = eye - np.linalg.solve(np.triu(full), full)
    np.testing.assert_allclose(eye - dense(M) @ full, after @ coarse @ before, atol=1e-12)


def test_multigrid_with_a_singular_coarse_grid_is_a_breakdown(poisson_2d):
    A = poisson_2d(3)
    P = sp.csr_array(np.eye(9)[:, :2] * [1.0, 0.0])
    with pytest.raises(BreakdownError, match="coarsest matrix"):
        VCycle([A, sp.csr_array((P.T @ A @ P).toarray())], [P])


def test_without_a_weight_prolongations_are_those_of_aggregates(poisson_2d):
    A = poisson_2d(25)
    plain, smoothed = smoothed_aggregation(A, weight=0.0), smoothed_aggregation(A)
    assert np.all(np.diff(plain.levels[0][1].indptr) == 1)
    assert np.max(np.diff(smoothed.levels[0][1].indptr)) > 1
    b = np.ones(625)
    assert pcg(A, b, M=smoothed).iterations < pcg(A, b, M=plain).iterations


@pytest.mark.parametrize(("strength", "threshold"), [("symmetric", 0.1), ("classical", 0.5)])
def test_weak_neighbours_are_not_aggregated(strength, threshold):
    line = sp.diags_array([-1.0, 2.0, -1.0], offsets=(-1, 0, 1), shape=(20, 20))
    A = sp.csr_array(sp.kron(line, sp.eye_array(20)) + 0.01 * sp.kron(sp.eye_array(20), line))
    cycle = smoothed_aggregation(A, strength=strength, threshold=threshold, weight=0.0)
    # Strong links step over 20 numbers.
    for members in cycle.levels[0][1].T.toarray():
        assert np.unique(np.flatnonzero(members) % 20).size == 1


def test_a_coarse_matrix_is_symmetric_up_to_rounding(poisson_2d):
    """As a product of three matrices with entries of different sizes; the lower triangle counts."""
    A = poisson_2d(5)
    cycle = smoothed_aggregation(A)
    P = cycle.levels[0][1]
    coarse = (P.T @ A @ P).toarray()
    uneven = np.tril(coarse) + (1.0 + 1e-6) * np.triu(coarse, 1)
    with pytest.raises(MatrixError, match="not symmetric"):
        exact_cholesky(uneven)
    np.testing.assert_array_equal(
        dense(VCycle([A, sp.csr_array(uneven)], [P])),
        dense(VCycle([A, sp.csr_array(np.tril(coarse) + np.tril(coarse, -1).T)], [P])),
    )


def test_multigrid_without_pyamg_says_how_to_get_it(monkeypatch, poisson_2d):
    monkeypatch.setitem(__import__("sys").modules, "pyamg", None)
    with pytest.raises(ConfigurationError, match=r"precondbench\[amg\]"):
        smoothed_aggregation(poisson_2d(5))


def test_breakdown_passes_through(random_spd):
    with pytest.raises(BreakdownError):
        exact_cholesky(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_operator_and_kernel_walk_the_same_steps(poisson_2d):
    """PCG with L as an operator gives the bits of PCG with L."""
    A = poisson_2d(20)
    L = ic0(A)
    pattern, values = factor_values(L)
    M = FactoredPreconditioner(pattern, values, np.arange(pattern.n))
    b = np.random.default_rng(5).standard_normal(pattern.n)
    by_factor, by_operator = pcg(A, b, L), pcg(A, b, M=M)
    assert np.array_equal(by_factor.x, by_operator.x)
    assert (by_factor.iterations, by_factor.residual) == (
        by_operator.iterations,
        by_operator.residual,
    )
    problem = problem_of(Pair("A", A, L))
    assert problem.solve(values) == problem.solve(M)


def test_scaled_systems_see_the_same_operator(poisson_2d):
    """Rows and columns scaled by powers of two: the same bits."""
    D = sp.diags_array(2.0 ** np.random.default_rng(2).integers(-20, 20, 100).astype(float))
    A = poisson_2d(10)
    scaled = sp.csr_array(D @ A @ D)
    one, other = (
        problem_of(Pair("A", matrix, ic0(matrix))).solve(FactoredInverse(fsai(matrix)))
        for matrix in (A, scaled)
    )
    assert one == other


class OneMatrix:
    def __init__(self, A):
        self.A = A

    def __len__(self):
        return 1

    def pair(self, index):
        return Pair("one", self.A, ic0(self.A))


def test_evaluate_takes_operators(poisson_2d):
    A = poisson_2d(10)
    row = evaluate(OneMatrix(A), exact_cholesky).rows[0]
    assert (row.status, row.cosine, row.n_log_k) == ("converged", None, None)
    assert row.iterations <= 2
    assert row.work > 1.5
    plain = evaluate(OneMatrix(A), aslinearoperator(sp.eye_array(100))).rows[0]
    assert plain.work is None
    assert plain.iterations == evaluate(OneMatrix(A), [sp.eye_array(100)]).rows[0].iterations


def test_bad_operators_are_failures_or_clear_errors(poisson_2d):
    A = poisson_2d(10)
    for bad, status in {np.nan: "stagnated", -1.0: "invalid"}.items():
        broken = LinearOperator((100, 100), matvec=lambda x, bad=bad: bad * x, dtype=float)
        assert evaluate(OneMatrix(A), broken).rows[0].status == status
    with pytest.raises(PredictionError, match="shape"):
        evaluate(OneMatrix(A), aslinearoperator(sp.eye_array(99)))
    with pytest.raises(MatrixError, match="one preconditioner"):
        pcg(A, np.ones(100), ic0(A), M=broken)
    with pytest.raises(MatrixError, match="M has"):
        pcg(A, np.ones(100), M=aslinearoperator(sp.eye_array(99)))


@pytest.mark.parametrize(
    "form",
    [sp.csc_array, sp.coo_array, sp.csr_matrix, sp.csc_matrix, sp.lil_array, sp.csr_array.toarray],
)
def test_factored_inverse_of_every_form(form):
    A = np.array([[4.0, 2, 0], [2, 5, 1], [0, 1, 3]])
    G, v = fsai(A), np.array([1.0, 2, 3])
    np.testing.assert_allclose(FactoredInverse(form(G)) @ v, G.T @ (G @ v), rtol=1e-15)
    np.testing.assert_array_equal(FactoredInverse(form(G)) @ v, FactoredInverse(G) @ v)
    assert FactoredInverse(form(G)).entries == 2 * G.nnz


@pytest.mark.parametrize(
    ("G", "message"),
    [
        (np.ones((2, 3)), "not square"),
        (np.eye(2) * 1j, "complex"),
        (np.diag([1.0, np.inf]), "not finite"),
        (np.ones(3), "1 dimension"),
    ],
)
def test_factored_inverse_of_what_is_none(G, message):
    with pytest.raises(MatrixError, match=message):
        FactoredInverse(G)


PAIR = np.array([[2.0, 1.0], [1.0, 2.0]])
STANDING_ALONE = {
    "identity": np.eye(20),
    "diagonal": np.diag(np.arange(1.0, 31.0)),
    "one row": np.eye(1),
    "just coarse enough": 3 * np.eye(10),
    "pairs": sp.block_diag([PAIR] * 20),
    "triples": sp.block_diag([np.ones((3, 3)) + 3 * np.eye(3)] * 30),
    "one pair among isolated ones": sp.block_diag([sp.eye_array(40) * 3, PAIR]),
    "a chain and isolated ones": sp.block_diag([tridiagonal_csr(poisson_1d(200)), np.eye(50)]),
}


@pytest.mark.parametrize("name", STANDING_ALONE)
def test_multigrid_with_unknowns_that_stand_alone(name):
    A = sp.csr_array(STANDING_ALONE[name])
    M, b = smoothed_aggregation(A), np.arange(A.shape[0]) + 1.0
    result = pcg(A, b, M=M, rtol=1e-10)
    assert result.status == "converged"
    assert result.iterations <= (1 if A.nnz == A.shape[0] else 15)
    # Symmetric and positive.
    dense = M @ np.eye(A.shape[0])
    np.testing.assert_allclose(dense, dense.T, atol=1e-12)
    assert np.linalg.eigvalsh(dense).min() > 0
