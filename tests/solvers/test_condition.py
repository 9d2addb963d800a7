"""Condition numbers from the coefficients of conjugate gradients."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import eigsh

from precondbench import ic0
from precondbench.factors import factor_values
from precondbench.matrices import check_general, check_spd_candidate, formula_matrix
from precondbench.solvers import gmres_values, pcg_operator, pcg_values
from precondbench.solvers.ritz import condition_number, extreme_ritz_values


def plain(A, b, **options):
    return pcg_values(check_spd_candidate(A), b, None, None, **options)


def one(alpha, beta):
    return extreme_ritz_values(np.array(alpha), np.array(beta), np.inf, 0.0)


@pytest.mark.parametrize("largest", [1.0, 1.5, 10.0, 1e4, 1e8, 1e12])
def test_diagonal_matrices(largest):
    A = np.diag(np.geomspace(1.0, largest, 6))
    b = np.ones((6, 4)) + np.arange(4) / 7
    found = plain(A, b, rtol=1e-14, maxiter=200).condition
    assert found == pytest.approx(largest, rel=1e-3)


@pytest.mark.parametrize("factor", [None, ic0])
def test_poisson_against_eigenvalues(factor, poisson_2d):
    A = check_spd_candidate(poisson_2d(20))
    b = np.random.default_rng(0).uniform(-1, 1, (400, 4))
    if factor is None:
        pattern, values, M = None, None, None
    else:
        L = factor(A)
        pattern, values = factor_values(L)
        M = (L @ L.T).toarray()
    found = pcg_values(A, b, pattern, values).condition
    eigenvalues = scipy.linalg.eigvalsh(A.toarray(), M)
    assert found == pytest.approx(eigenvalues[-1] / eigenvalues[0], rel=1e-3)
    # Ritz values lie inside the spectrum.
    assert found <= eigenvalues[-1] / eigenvalues[0] * (1 + 1e-10)


def test_a_large_poisson_matrix_against_arpack(poisson_2d):
    A = check_spd_candidate(poisson_2d(60))
    b = np.random.default_rng(1).uniform(-1, 1, (3600, 4))
    ends = [
        eigsh(A, 1, sigma=0.0, return_eigenvectors=False)[0],
        eigsh(A, 1, which="LA", return_eigenvectors=False)[0],
    ]
    assert plain(A, b).condition == pytest.approx(ends[1] / ends[0], rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32), steps=st.integers(1, 12), spread=st.sampled_from([0.1, 3.0, 12.0])
)
def test_ritz_values_to_many_digits(seed, steps, spread):
    """Against 60 digits, also of matrices whose smallest eigenvalue eigvalsh does not see."""
    chance = np.random.default_rng(seed)
    alpha = 10.0 ** chance.uniform(-spread, spread, steps)
    beta = 10.0 ** chance.uniform(-spread, spread, steps)
    with mpmath.workdps(120):
        D, B = mpmath.diag([1 / mpmath.mpf(a) for a in alpha]), mpmath.eye(steps)
        for k in range(steps - 1):
            B[k + 1, k] = mpmath.sqrt(mpmath.mpf(beta[k]))
        exact = mpmath.eigsy(B * D * B.T, eigvals_only=True)
        smallest, largest = float(exact[0]), float(exact[steps - 1])
    found = one(alpha, beta)
    assert found == (pytest.approx(smallest, rel=1e-11), pytest.approx(largest, rel=1e-11))


def test_one_step_has_one_ritz_value():
    smallest, largest = one([0.25], [7.0])
    assert smallest == pytest.approx(4.0, rel=1e-11)
    assert largest == pytest.approx(4.0, rel=1e-11)
    assert plain(np.eye(5), np.ones((5, 1))).condition == 1.0


def test_all_sides_count():
    """A side that sees a part of the spectrum only does not hide the rest."""
    A = np.diag([1.0, 2.0, 50.0, 100.0])
    b = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]]).T
    assert plain(A, b).condition == pytest.approx(100.0)
    assert plain(A, b[:, :1]).condition == pytest.approx(2.0)
    assert plain(A, b[:, 1:]).condition == pytest.approx(2.0)
    five = np.concatenate((b, b, np.zeros((4, 1))), axis=1)
    assert plain(A, five).condition == plain(A, b).condition


def test_more_steps_than_the_first_table_holds():
    A = check_spd_candidate(formula_matrix("HB/nos1"))
    b = np.random.default_rng(0).uniform(-1, 1, (237, 2))
    found = plain(A, b, maxiter=1500)
    assert max(found.iterations) > 1000
    assert found.condition == pytest.approx(np.linalg.cond(A.toarray()), rel=1e-2)


def test_no_step_no_condition():
    A = check_spd_candidate(np.eye(3))
    assert plain(A, np.zeros((3, 2))).condition is None
    assert plain(A, np.ones((3, 2)), maxiter=0).condition is None
    assert plain(np.array([[1.0, 2], [2, 1]]), np.array([[1.0], [-1]])).condition is None
    assert condition_number([]) is None


def test_solvers_without_a_condition():
    A = check_spd_candidate(np.diag([1.0, 2, 3]))
    b = np.ones((3, 2))
    assert gmres_values(check_general(A), b, None, None).condition is None
    assert pcg_operator(A, b, lambda r: r, flexible=True).condition is None
    assert pcg_operator(A, b, lambda r: r).condition == pytest.approx(3.0)


def test_scale_of_matrix_and_factor_does_not_matter(poisson_2d):
    A = check_spd_candidate(poisson_2d(9))
    b = np.random.default_rng(0).uniform(-1, 1, (81, 4))
    pattern, values = factor_values(ic0(A))
    first = pcg_values(A, b, pattern, values).condition
    for e in (-500, 500):
        assert pcg_values(A, b, pattern, np.ldexp(values, e)).condition == first
        assert pcg_values(A * 2.0**e, np.ldexp(b, e), pattern, values).condition == first
