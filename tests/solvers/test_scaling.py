"""The size of A, b, L, U and M does not matter: powers of two change no bit of a solve."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from precondbench import gmres, ic0, ilu0, pcg
from precondbench.matrices import formula_matrix

A = sp.csr_array(formula_matrix("HB/gr_30_30")[:80, :80])
SKEW = sp.csr_array(A + 0.25 * sp.triu(A, 1))
B = np.random.default_rng(5).uniform(-1, 1, 80)
L = ic0(A)
LOWER, UPPER = ilu0(SKEW)
# Of the largest and the smallest numbers, and of those whose squares leave float64.
EXPONENTS = [-1000, -565, -540, -40, 3, 530, 600, 1000]
EXPONENT = pytest.mark.parametrize("e", EXPONENTS)
SMALL = np.array([[2.0, -1], [-1, 2]])


def times(matrix, e):
    return sp.csr_array((np.ldexp(matrix.data, e), matrix.indices, matrix.indptr), matrix.shape)


def operator(e):
    d = 1 / A.diagonal()
    return LinearOperator(A.shape, matvec=lambda r: np.ldexp(d * np.tanh(r), e), dtype=float)


def assert_same_steps(found, plain, e=0):
    """Equal but for the power of two in x, as far as that is in range."""
    assert (found.iterations, found.status, found.residual) == (
        plain.iterations,
        plain.status,
        plain.residual,
    )
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_array_equal(found.x, np.ldexp(plain.x, e))


@EXPONENT
def test_size_of_b(e):
    b = np.ldexp(B, e)
    assert_same_steps(pcg(A, b, L), pcg(A, B, L), e)
    assert_same_steps(pcg(A, b, M=operator(0)), pcg(A, B, M=operator(0)), e)
    assert_same_steps(gmres(SKEW, b, LOWER, UPPER), gmres(SKEW, B, LOWER, UPPER), e)


@EXPONENT
def test_size_of_A(e):
    assert_same_steps(pcg(times(A, e), B), pcg(A, B), -e)
    assert_same_steps(gmres(times(SKEW, e), B), gmres(SKEW, B), -e)


@EXPONENT
def test_size_of_the_factors(e):
    assert_same_steps(pcg(A, B, times(L, e)), pcg(A, B, L))
    assert_same_steps(gmres(SKEW, B, LOWER, times(UPPER, e)), gmres(SKEW, B, LOWER, UPPER))


@pytest.mark.parametrize("e", [-800, -540, 530, 800])
@pytest.mark.parametrize("flexible", [False, True])
def test_size_of_an_operator(e, flexible):
    for solve, matrix in ((pcg, A), (gmres, SKEW)):
        found = solve(matrix, B, M=operator(e), flexible=flexible)
        assert_same_steps(found, solve(matrix, B, M=operator(0), flexible=flexible))


@EXPONENT
def test_all_at_once(e):
    """A = 2^-e A, b = 2^e b, L = 2^(-e/2) L: x is 2^(2e) x, where double precision holds it."""
    found = pcg(times(A, -e), np.ldexp(B, e), times(L, -e // 2))
    if abs(2 * e) > 1022:
        assert (found.status, found.residual) == ("stagnated", np.inf)
    else:
        assert_same_steps(found, pcg(A, B, L), 2 * e)


@pytest.mark.parametrize("size", [1e-170, 1e-300, 5e-324, 1e300, 1.7e308])
@pytest.mark.parametrize("solve", [pcg, gmres])
def test_a_tiny_or_huge_right_hand_side(solve, size):
    found = solve(SMALL, [size, 0.0])
    assert found.status == "converged"
    assert found.residual < 1e-12
    # 5e-324 / 3 rounds to 0.
    np.testing.assert_allclose(found.x, [size * (2 / 3), size / 3], rtol=1e-14, atol=5e-324)


@pytest.mark.parametrize("size", [1e-170, 1e160, 1e-300, 1e300])
def test_a_tiny_or_huge_factor(size):
    cholesky = np.linalg.cholesky(SMALL)
    assert pcg(SMALL, [1.0, 2], size * cholesky).iterations == 1
    assert gmres(SMALL, [1.0, 2], size * cholesky, cholesky.T / size).iterations == 1
    assert gmres(SMALL, [1.0, 2], size * cholesky, cholesky.T).iterations == 1
    M = np.linalg.inv(SMALL) * size
    assert pcg(SMALL, [1.0, 2], M=M).iterations == gmres(SMALL, [1.0, 2], M=M).iterations == 1


def test_a_range_too_wide_for_the_squares_of_its_ends():
    wide = np.diag([1e-300, 1.0, 1e300])
    root = np.sqrt(wide)
    for found in (pcg(wide, [1e-100, 1, 1e100], root), gmres(wide, [1.0, 1, 1], root, root)):
        assert (found.iterations, found.status) == (1, "converged")


def test_a_solution_out_of_range_is_no_solution_and_no_warning():
    found = pcg(1e-200 * SMALL, [1e200, 0.0])
    assert found.status == "stagnated"
    assert np.all(np.isinf(found.x))


def test_parts_of_b_below_the_smallest_number_count_as_zero():
    found = pcg(np.eye(2), [1e300, 1e-300])
    assert (found.status, found.x[0]) == ("converged", 1e300)
    assert abs(found.x[1]) <= 1e-300
