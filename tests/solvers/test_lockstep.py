"""Several right-hand sides at once: each has the bits that it has alone."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator

from precondbench import Pair, ic0, ilu0, pcg
from precondbench.factors import factor_values, fsai, lu_pattern, minimum_degree
from precondbench.matrices import check_general, check_spd_candidate, formula_matrix
from precondbench.quality import problem_of
from precondbench.solvers import (
    LANES,
    FactoredInverse,
    SidesResult,
    Status,
    additive_schwarz,
    after_reordering,
    chebyshev,
    exact_cholesky,
    gmres_operator,
    gmres_values,
    pcg_operator,
    pcg_values,
    smoothed_aggregation,
    spai,
    subdomain_deflation,
)
from precondbench.solvers.minimal_residual import unit_factors


def reference_pcg(A, b, L, rtol=1e-8, maxiter=1000):
    """Hestenes and Stiefel in NumPy; L may be None."""
    solve = (lambda r: r) if L is None else (
        lambda r: np.linalg.solve(L.T, np.linalg.solve(L, r)))  # fmt: skip
    x, r = np.zeros(b.size), b.copy()
    z = solve(r)
    p, rho, steps = z.copy(), r @ z, 0
    while np.linalg.norm(r) > rtol * np.linalg.norm(b) and steps < maxiter:
        q = A @ p
        alpha = rho / (p @ q)
        x, r = x + alpha * p, r - alpha * q
        z = solve(r)
        following = r @ z
        p, rho, steps = z + following / rho * p, following, steps + 1
    return x, steps


def side(result, k):
    """Everything about one side, as bits."""
    assert isinstance(result, SidesResult)
    return (
        np.ascontiguousarray(result.x[:, k]).tobytes(),
        result.iterations[k],
        result.status[k],
        np.float64(result.residual[k]).tobytes(),
    )


def assert_each_as_if_alone(solve, b):
    together = solve(b)
    assert together.x.shape == b.shape
    assert len(together.iterations) == len(together.status) == b.shape[1]
    for k in range(b.shape[1]):
        assert side(together, k) == side(solve(np.ascontiguousarray(b[:, k : k + 1])), 0)
    return together


GRID = check_spd_candidate(formula_matrix("HB/gr_30_30")[:60, :60])
PATTERN, VALUES = factor_values(ic0(GRID))
SKEW = check_general(GRID + 0.4 * sp.triu(GRID, 1) - 0.3 * sp.tril(GRID, -1))
TOGETHER = unit_factors(*ilu0(SKEW), 60)
LU = lu_pattern(TOGETHER)
# One of these has a negative curvature, one is singular.
INDEFINITE = check_spd_candidate(
    np.array([[1.0, 2, 0, 0], [2, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
)

SOLVES = {
    "pcg": lambda **o: lambda b: pcg_values(GRID, b, PATTERN, VALUES, **o),
    "pcg without a factor": lambda **o: lambda b: pcg_values(GRID, b, None, None, **o),
    "pcg, a bad factor": lambda **o: lambda b: pcg_values(GRID, b, PATTERN, VALUES**3, **o),
    "gmres": lambda **o: lambda b: gmres_values(SKEW, b, LU, TOGETHER.data, **o),
    "gmres without factors": lambda **o: lambda b: gmres_values(SKEW, b, None, None, **o),
    "gmres, cycles of 3": lambda **o: (
        lambda b: gmres_values(SKEW, b, LU, TOGETHER.data, restart=3, **o)
    ),
    "pcg, an operator": lambda **o: lambda b: pcg_operator(GRID, b, np.tanh, **o),
    "gmres, an operator": lambda **o: lambda b: gmres_operator(SKEW, b, np.tanh, **o),
}


def sides_of_every_kind(seed, kinds):
    """Right-hand sides that end at different steps, and sizes far from 1."""
    chance = np.random.default_rng(seed)
    easy = GRID @ chance.standard_normal(60)
    columns = {
        "random": lambda: chance.uniform(-1, 1, 60),
        "zero": lambda: np.zeros(60),
        "unit": lambda: np.eye(60)[chance.integers(60)],
        "eigenvector": lambda: np.linalg.eigh(GRID.toarray())[1][:, chance.integers(60)],
        "tiny": lambda: chance.uniform(-1, 1, 60) * 1e-200,
        "huge": lambda: chance.uniform(-1, 1, 60) * 1e300,
        "easy": lambda: easy * chance.uniform(1, 2),
        "wide": lambda: np.ldexp(chance.uniform(-1, 1, 60), chance.integers(-300, 300, 60)),
    }
    return np.stack([columns[kind]() for kind in kinds], axis=1)


KINDS = ("random", "zero", "unit", "eigenvector", "tiny", "huge", "easy", "wide")


@pytest.mark.parametrize("name", SOLVES)
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=5),
    maxiter=st.sampled_from([0, 1, 7, 40, 10_000]),
    rtol=st.sampled_from([1e-8, 1e-2, 0.0]),
)
def test_a_side_has_the_bits_that_it_has_alone(name, seed, kinds, maxiter, rtol):
    if rtol == 0.0:
        maxiter = min(maxiter, 200)
    solve = SOLVES[name](rtol=rtol, maxiter=maxiter)
    assert_each_as_if_alone(solve, sides_of_every_kind(seed, kinds))


def test_sides_that_break_down_converge_and_reach_the_limit():
    """Each in one block, each alone: x of those that ended is kept."""
    b = np.array([[1.0, -1, 0, 0], [0, 0, 1, 1], [0, 0, 1, -1], [0, 0, 0, 0], [1, 2, 3, 3]]).T
    result = assert_each_as_if_alone(lambda b: pcg_values(INDEFINITE, b, None, None), b)
    assert result.status == ("stagnated", "converged", "stagnated", "converged", "stagnated")
    assert result.iterations[1:4] == (1, 0, 0)
    limited = assert_each_as_if_alone(
        lambda b: pcg_values(GRID, b, PATTERN, VALUES, maxiter=4),
        np.stack([np.zeros(60), np.ones(60), np.arange(60.0)], axis=1),
    )
    assert limited.status == ("converged", "iteration-limit", "iteration-limit")
    assert limited.iterations == (0, 4, 4)


def test_factors_that_overflow_spoil_no_other_side():
    values = VALUES.copy()
    values[PATTERN.diagonal[5]] = 5e-324
    b = np.stack([np.ones(60), np.zeros(60), np.eye(60)[59], np.eye(60)[0]], axis=1)
    result = assert_each_as_if_alone(lambda b: pcg_values(GRID, b, PATTERN, values), b)
    assert result.status[1] is Status.CONVERGED
    assert np.all(result.x[:, 1] == 0.0)


@pytest.mark.parametrize("factor", [ic0, None])
def test_pcg_is_that_of_the_textbook(factor, poisson_2d):
    A = poisson_2d(15)
    L = None if factor is None else factor(A)
    b = np.random.default_rng(3).standard_normal((225, 3))
    for k in range(3):
        x, steps = reference_pcg(A, b[:, k], None if L is None else L.toarray())
        found = pcg(A, b[:, k], L)
        assert abs(found.iterations - steps) <= 1
        np.testing.assert_allclose(found.x, x, rtol=1e-6, atol=1e-8)


def test_an_operator_takes_the_steps_of_its_factor():
    b = np.random.default_rng(0).uniform(-1, 1, (60, 3))
    M = after_reordering(GRID, lambda A: np.arange(60), ic0)
    first = pcg_values(GRID, b, PATTERN, VALUES)
    second = pcg_operator(GRID, b, M.matvec)
    assert first.iterations == second.iterations
    np.testing.assert_array_equal(first.x, second.x)
    assert first.condition == second.condition


@pytest.mark.parametrize("name", ["pcg", "gmres"])
def test_a_side_that_has_ended_does_not_slow_the_others(name):
    """It goes on with zeros: subnormal numbers and NaN cost a hundred cycles on some processors."""
    from precondbench.solvers import conjugate_gradients as cg
    from precondbench.solvers import minimal_residual as mr

    b = np.zeros((60, 4))
    b[:, 0] = np.random.default_rng(1).uniform(-1, 1, 60)
    b[:, 1] = GRID @ np.ones(60)
    b[0, 2] = 1.0
    zero = (0.0,) * 4
    if name == "pcg":
        matrix = (GRID.indptr, GRID.indices, GRID.data)
        vectors, numbers, codes, iterations = cg._start(zero, b)
        for k in (1, 2, 3):
            cg._end(vectors, codes, k, 0)
        for _ in range(20):
            cg._step(zero, matrix, vectors, numbers, codes, iterations, 0.0)
            numbers[cg.BETA] = numbers[cg.FOLLOWING]
            cg._turn(zero, vectors[1].copy(), vectors, numbers, codes)
            for vector in vectors[1:4]:
                assert np.all(vector[:, 1:] == 0.0)
            assert np.all(np.isfinite(numbers[cg.ALPHA]))
    else:
        matrix = (SKEW.indptr, SKEW.indices, SKEW.data)
        vectors, tables, numbers, counts = mr._start(zero, b, 30)
        counts[mr.CODE, 1:] = 2
        basis = np.full((31, 60, 4), np.nan)
        mr._begin_cycle(zero, basis, vectors, tables, numbers, counts)
        for j in range(20):
            mr._extend(
                zero, matrix, basis, j, basis[j].copy(), vectors, tables, numbers, counts, 0.0
            )
        assert np.all(basis[:21, :, 1:] == 0.0)
        assert np.all(vectors[2][:, 1:] == 0.0)


OPERATORS = {
    "reordered": lambda A: after_reordering(A, minimum_degree, ic0),
    "exact": exact_cholesky,
    "fsai": lambda A: FactoredInverse(fsai(A)),
    "amg": smoothed_aggregation,
    "sparse": spai,
    "polynomial": chebyshev,
    "deflation": subdomain_deflation,
    "patches": lambda A: additive_schwarz(A, size=40),
}


@pytest.mark.parametrize("flexible", [False, True])
@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_operators_in_lockstep(poisson_2d, name, flexible):
    """Sides of different size and difficulty, one of them zero, and more than there are lanes."""
    A = check_spd_candidate(poisson_2d(12), "A")
    b = np.random.default_rng(5).uniform(-1, 1, (144, 5)) * [1.0, 1e100, 0.0, 1e-100, 1.0]
    b[:, 1] = A @ np.ones(144)
    M = OPERATORS[name](A)
    together = pcg_operator(A, b, M.apply_sides, flexible=flexible, lanes=LANES)
    for k in range(5):
        alone = pcg_operator(A, b[:, k : k + 1].copy(), M.matvec, flexible=flexible)
        assert side(together, k) == side(alone, 0)
    one_by_one = pcg_operator(A, b, M.matvec, flexible=flexible)
    assert together.condition == one_by_one.condition
    assert (together.condition is None) == flexible


@pytest.mark.parametrize("name", sorted(OPERATORS))
def test_a_problem_takes_its_own_operators_in_lockstep(poisson_2d, name):
    A = poisson_2d(9) * np.outer(2.0 ** (np.arange(81) % 5), 2.0 ** (np.arange(81) % 5))
    problem = problem_of(Pair("A", sp.csr_array(A), None))
    M = OPERATORS[name](sp.csr_array(A))
    alone = LinearOperator(M.shape, matvec=M.matvec, dtype=float)
    assert problem.solve(M, "key") == problem.solve(alone, "key")
