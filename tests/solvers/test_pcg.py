"""PCG: comparison with SciPy, statuses, and invariances of the protocol."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, cg, spsolve_triangular

from precondbench import ic0, invk, pcg
from precondbench.errors import MatrixError
from precondbench.matrices import check_spd_candidate, formula_matrix
from precondbench.quality import Pair, problem_of
from precondbench.solvers import Status


def scipy_iterations(A, b, L):
    count = 0

    def tick(_):
        nonlocal count
        count += 1

    lower = sp.csr_array(L)
    upper = sp.csr_array(lower.T)

    def apply(r):
        return spsolve_triangular(upper, spsolve_triangular(lower, r), lower=False)

    M = LinearOperator(A.shape, matvec=apply)
    _, info = cg(A, b, rtol=1e-8, atol=0.0, maxiter=10_000, M=M, callback=tick)
    assert info == 0
    return count


@pytest.mark.parametrize("factor", [ic0, invk])
def test_iterations_equal_scipy(poisson_2d, factor):
    A = poisson_2d(30)
    b = np.random.default_rng(0).standard_normal(900)
    L = factor(A)
    ours = pcg(A, b, L)
    assert ours.status == "converged"
    assert abs(ours.iterations - scipy_iterations(A, b, L)) <= max(1, 0.01 * ours.iterations)
    np.testing.assert_allclose(A @ ours.x, b, atol=1e-6)
    assert ours.residual == pytest.approx(
        np.linalg.norm(b - A @ ours.x) / np.linalg.norm(b), rel=1e-6
    )


def test_exact_factor_needs_one_step(random_spd):
    A = random_spd(30, 2).toarray()
    result = pcg(A, np.ones(30), np.linalg.cholesky(A))
    assert (result.iterations, result.status) == (1, Status.CONVERGED)


def test_scale_and_column_signs_of_the_factor_do_not_matter(poisson_2d):
    A = poisson_2d(12)
    b = np.arange(144.0)
    L = ic0(A)
    flipped = sp.csr_array(L @ sp.diags_array(np.where(np.arange(144) % 3, 4.0, -4.0)))
    assert pcg(A, b, flipped).iterations == pcg(A, b, L).iterations


def test_statuses(poisson_2d):
    A = poisson_2d(20)
    assert pcg(A, np.ones(400), maxiter=3).status == Status.ITERATION_LIMIT
    assert pcg(A, np.zeros(400)).iterations == 0
    singular = np.array([[1.0, 1.0], [1.0, 1.0]])
    assert pcg(singular, [1.0, -1.0]).status == Status.STAGNATED
    # Recurrence and true residual part at the limit of double precision.
    hard = formula_matrix("HB/nos2")
    drifted = pcg(hard, np.random.default_rng(1).standard_normal(957), rtol=1e-15, maxiter=100_000)
    assert drifted.status in (Status.STAGNATED, Status.ITERATION_LIMIT)


@pytest.mark.parametrize(
    ("b", "L", "message"),
    [
        ([1.0], None, "b has shape"),
        ([1.0, np.nan], None, "b is not finite"),
        ([1.0, 1.0], np.eye(3), "L has 3"),
        ([1.0, 1.0], np.array([[1.0, 0.0], [1.0, np.nan]]), "entries not finite"),
        ([1.0, 1.0], np.array([[1.0, 1.0], [0.0, 1.0]]), "above the diagonal"),
        ([1.0, 1.0], sp.csr_array(([1.0, 0.0], ([0, 1], [0, 1])), shape=(2, 2)), "singular"),
    ],
)
def test_bad_arguments(b, L, message):
    with pytest.raises(MatrixError, match=message):
        pcg(np.eye(2), b, L)


def test_protocol_does_not_depend_on_power_of_two_scaling():
    A = formula_matrix("HB/gr_30_30")
    L = ic0(A)
    D = sp.diags_array(np.ldexp(1.0, np.arange(900) % 7 - 3))
    scaled = check_spd_candidate(D @ A @ D)
    DL = sp.csr_array(D @ L)
    DL.sort_indices()
    plain = problem_of(Pair("A", A, L)).solve(L.data)
    assert plain == problem_of(Pair("A", scaled, DL)).solve(DL.data)
    assert plain.solved


def test_protocol_golden_counts():
    """Counts by the protocol; a change here changes every published score."""
    A = formula_matrix("HB/gr_30_30")
    problem = problem_of(Pair("A", A, ic0(A)))
    counts = [
        problem.solve(None).iterations,
        problem.solve(ic0(A).data).iterations,
        problem.solve(invk(A).data).iterations,
    ]
    assert counts == GOLDEN


GOLDEN = [68, 24, 18]


def test_invalid_factors_have_reasons():
    A = check_spd_candidate(np.array([[2.0, 1.0], [1.0, 2.0]]))
    problem = problem_of(Pair("A", A, ic0(A)))
    for values, reason in (
        ([1.0, np.nan, 1.0], "1 values are not finite"),
        ([1.0, 1.0, 0.0], "diagonal entry 1 is zero"),
        ([1.0, 1.0], "2 values for a pattern of 3"),
    ):
        outcome = problem.solve(np.array(values))
        assert (outcome.status, outcome.solved) == (Status.INVALID, False)
        assert reason in outcome.reason
