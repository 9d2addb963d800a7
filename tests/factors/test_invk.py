"""Inv-K, compared with extended precision and with its theory."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench import invk, k_condition
from precondbench.errors import BreakdownError, MatrixError
from precondbench.factors import (
    column_quadratic_forms,
    ic0,
    lower_pattern,
    selected_inverse,
    trace_form,
)
from precondbench.matrices import check_spd_candidate, formula_matrix
from precondbench.matrices.suitesparse.formulas import clamped_beam


def reference_invk(A, pattern=None) -> np.ndarray:
    """Column i: first column of the Schur complement of A onto s_i over the root of its corner.

    The Schur complement onto s is ((A^-1)[s, s])^-1; all in 100 digits, from the definition.
    """
    dense = A.toarray()
    n = dense.shape[0]
    stored = (dense if pattern is None else pattern.toarray()) != 0
    L = np.zeros((n, n))
    with mpmath.workdps(100):
        inverse = mpmath.matrix(dense.tolist()) ** -1
        for i in range(n):
            s = [int(j) for j in np.flatnonzero(stored[:, i]) if j >= i]
            block = mpmath.matrix(len(s), len(s))
            for a, j in enumerate(s):
                for b, k in enumerate(s):
                    block[a, b] = inverse[j, k]
            schur = block**-1
            for a, j in enumerate(s):
                L[j, i] = float(schur[a, 0] / mpmath.sqrt(schur[0, 0]))
    return L


def columnwise_error(L, reference) -> float:
    difference = np.linalg.norm(L.toarray() - reference, axis=0)
    return float(np.max(difference / np.linalg.norm(reference, axis=0)))


@pytest.mark.parametrize("seed", range(4))
def test_well_conditioned_against_100_digits(random_spd, seed):
    A = random_spd(25, seed, density=0.2)
    assert np.linalg.cond(A.toarray()) < 1e5
    assert columnwise_error(invk(A), reference_invk(A)) <= 1e-12


def test_poisson_against_100_digits(poisson_2d):
    A = poisson_2d(6)
    assert columnwise_error(invk(A), reference_invk(A)) <= 1e-13


def test_condition_1e12_against_100_digits(poisson_2d):
    """The square of a biharmonic operator; condition number beyond 1e12."""
    one = np.ones(50)
    T = sp.csr_array(sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1]))
    A = sp.csr_array(T @ T @ T @ T)
    eigenvalues = (2 - 2 * np.cos(np.pi * np.array([1, 50]) / 51)) ** 4
    assert eigenvalues[1] / eigenvalues[0] > 1e12
    # A banded matrix without fill would give Cholesky; drop half the pattern to need more.
    pattern = sp.tril(T @ T, format="csr")
    assert columnwise_error(invk(A), reference_invk(A)) <= 1e-5
    assert columnwise_error(invk(A, pattern), reference_invk(A, pattern)) <= 1e-5


def test_beam_with_rows_of_unlike_size_against_100_digits():
    A = clamped_beam(14)
    assert columnwise_error(invk(A), reference_invk(A)) <= 1e-10


def test_algorithm_1_of_the_paper_literally(poisson_2d):
    A = poisson_2d(9)
    B = np.linalg.inv(A.toarray())
    expected = np.zeros_like(B)
    for i in range(A.shape[0]):
        s = np.flatnonzero(A.toarray()[:, i])
        s = s[s >= i]
        v = np.linalg.solve(B[np.ix_(s, s)], np.eye(len(s))[0])
        expected[s, i] = v / np.sqrt(v[0])
    np.testing.assert_allclose(invk(A).toarray(), expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["HB/nos1", "HB/gr_30_30", "JGD_Trefethen/Trefethen_300"])
def test_unit_diagonal_of_the_preconditioned_inverse(name):
    A = formula_matrix(name)
    L = invk(A)
    Z = selected_inverse(A, lower_pattern(sp.tril(A)))
    forms = column_quadratic_forms(Z, lower_pattern(L), L.data)
    assert np.max(np.abs(forms - 1.0)) < (1e-7 if name == "HB/nos1" else 1e-12)
    pairs = trace_form(Z, lower_pattern(L))
    trace = np.sum(pairs.weight * L.data[pairs.first] * L.data[pairs.second])
    np.testing.assert_allclose(trace, np.sum(forms), rtol=1e-12)
    dense = L.toarray()
    np.testing.assert_allclose(
        np.diag(dense.T @ np.linalg.solve(A.toarray(), dense)), 1.0, atol=1e-6
    )


def test_selected_inverse_equals_the_inverse_where_it_is_stored(random_spd):
    A = random_spd(60, 11)
    Z = selected_inverse(A, lower_pattern(sp.tril(A)))
    inverse = np.linalg.inv(A.toarray())
    order = np.argsort(Z.position)
    permuted = inverse[np.ix_(order, order)]
    for j in range(60):
        rows = Z.rows[Z.colptr[j] : Z.colptr[j + 1]]
        np.testing.assert_allclose(Z.values[Z.colptr[j] : Z.colptr[j + 1]], permuted[rows, j])
    np.testing.assert_allclose(Z.diagonal, np.diag(permuted))
    assert Z.log_determinant == pytest.approx(np.linalg.slogdet(A.toarray())[1], rel=1e-12)


def test_selected_inverse_covers_every_clique(random_spd):
    """Every pair of rows that share a column of T is stored, whatever the order."""
    A = random_spd(80, 3)
    T = lower_pattern(sp.tril(A))
    Z = selected_inverse(A, T)
    stored = {(int(i), j) for j in range(80) for i in Z.rows[Z.colptr[j] : Z.colptr[j + 1]]}
    colptr, rows, _ = T.columns()
    for i in range(80):
        s = Z.position[rows[colptr[i] : colptr[i + 1]]]
        for a in s:
            for b in s:
                assert a <= b or (int(a), int(b)) in stored


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 40), exponent=st.integers(0, 60))
def test_power_of_two_scaling_equivariance_to_the_bit(seed, n, exponent):
    rng = np.random.default_rng(seed)
    off = np.tril(rng.standard_normal((n, n)) * (rng.random((n, n)) < 0.3), -1)
    off = off + off.T
    A = sp.csr_array(off + np.diag(np.abs(off).sum(axis=1) + 0.1))
    powers = np.ldexp(1.0, rng.integers(-exponent, exponent + 1, n))
    D = sp.diags_array(powers)
    scaled = invk(sp.csr_array(D @ A @ D))
    np.testing.assert_array_equal(scaled.toarray(), (D @ invk(A)).toarray())


@pytest.mark.parametrize("kind", ["tridiagonal", "arrow", "dense", "diagonal", "one"])
def test_no_fill_in_gives_cholesky(kind):
    rng = np.random.default_rng(1)
    A = {
        "tridiagonal": 3 * np.eye(20) + np.eye(20, k=1) + np.eye(20, k=-1),
        "arrow": np.diag(np.arange(30.0, 50.0)),
        "dense": np.cov(rng.standard_normal((12, 40))),
        "diagonal": np.diag(np.arange(1.0, 6.0)),
        "one": np.array([[7.0]]),
    }[kind]
    if kind == "arrow":
        A[-1, :-1] = A[:-1, -1] = 1.0
    np.testing.assert_allclose(invk(A).toarray(), np.linalg.cholesky(A), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("seed", range(8))
def test_k_is_at_most_that_of_ic0(random_spd, seed):
    A = random_spd(40, seed, shift=0.01)
    assert k_condition(A, invk(A)).n_log_k <= k_condition(A, ic0(A)).n_log_k + 1e-10


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), size=st.floats(1e-3, 0.5))
def test_k_is_minimal_on_the_pattern(seed, size):
    """No other values on the pattern have a smaller K, and a larger pattern never has a larger."""
    rng = np.random.default_rng(seed)
    off = np.tril(rng.standard_normal((15, 15)) * (rng.random((15, 15)) < 0.3), -1)
    off = off + off.T
    A = sp.csr_array(off + np.diag(np.abs(off).sum(axis=1) + 0.1))
    best = invk(A)
    other = best.copy()
    other.data = best.data * (1 + size * rng.standard_normal(best.nnz))
    least = k_condition(A, best).n_log_k
    assert least <= k_condition(A, other).n_log_k + 1e-11
    wider = sp.tril(A + A @ A, format="csr")
    assert k_condition(A, invk(A, wider)).n_log_k <= least + 1e-11
    assert k_condition(A, invk(A, np.tril(np.ones((15, 15))))).n_log_k < 1e-10


def test_workers_change_no_bit(poisson_2d):
    A = poisson_2d(40)
    np.testing.assert_array_equal(invk(A).data, invk(A, workers=3).data)


def test_stored_zeros_count_in_a_pattern():
    A = np.array([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [1.0, 1.0, 2.0]])
    full = sp.csr_array(np.tril(np.ones((3, 3))))
    full.data[:] = 0.0
    assert invk(A, full).nnz == 6
    np.testing.assert_allclose(invk(A, full).toarray(), np.linalg.cholesky(A), atol=1e-14)


def test_not_positive_definite_names_the_column():
    A = np.array([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(BreakdownError, match="not positive definite") as caught:
        invk(A)
    assert caught.value.column in (0, 1)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (np.ones((2, 2)), "above the diagonal"),
        (np.array([[1.0, 0.0], [1.0, 0.0]]), "lacks the diagonal entry of row 1"),
        (np.array([[0.0, 0.0], [1.0, 1.0]]), "lacks the diagonal entry of row 0"),
        (np.eye(3), "3 rows"),
        (np.ones((2, 3)), "square"),
    ],
)
def test_bad_patterns(pattern, message):
    with pytest.raises(MatrixError, match=message):
        invk(np.array([[2.0, 1.0], [1.0, 2.0]]), pattern)


def test_argument_is_checked():
    with pytest.raises(MatrixError, match="A is not symmetric"):
        invk(np.array([[1.0, 0.5], [0.0, 1.0]]))


def test_symmetric_mirror_of_a_pattern(random_spd):
    A = check_spd_candidate(random_spd(30, 5))
    lower = sp.csr_array(sp.tril(A, format="csr"))
    pattern = lower_pattern(lower)
    np.testing.assert_array_equal(pattern.symmetric_csr(lower.data).toarray(), A.toarray())
    _, _, position, mask = pattern.symmetric()
    np.testing.assert_array_equal(position[mask], np.arange(pattern.nnz))
