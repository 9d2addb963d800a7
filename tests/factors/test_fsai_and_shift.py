"""FSAI by its definition and optimality; shifted IC(0)."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench import BreakdownError, ic0, invk
from precondbench.factors import fsai, shifted_ic0
from precondbench.matrices import formula_matrix

KERSHAW = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30))
def test_fsai_rows_solve_small_systems(random_spd, seed, n):
    A = random_spd(n, seed)
    G = fsai(A).toarray()
    dense = A.toarray()
    for i in range(n):
        J = [j for j in range(i + 1) if dense[i, j] != 0]
        y = np.linalg.solve(dense[np.ix_(J, J)], np.eye(len(J))[-1])
        np.testing.assert_allclose(G[i, J], y / np.sqrt(y[-1]), rtol=1e-9)
    np.testing.assert_allclose(np.diag(G @ dense @ G.T), 1.0, rtol=1e-10)


def test_inv_k_is_fsai_of_the_inverse(poisson_2d):
    """FSAI on the pattern of L^T turned round, of A^-1 turned round, is Inv-K turned round."""
    A = poisson_2d(6)
    inverse = np.linalg.inv(A.toarray())[::-1, ::-1]
    L = invk(A).toarray()
    pattern = (L.T != 0)[::-1, ::-1]
    np.testing.assert_allclose(fsai(inverse, pattern).toarray(), L.T[::-1, ::-1], atol=1e-10)


def test_fsai_of_a_full_pattern_is_the_inverse_factor(random_spd):
    A = random_spd(12, 1).toarray()
    G = fsai(A, np.tril(np.ones((12, 12)))).toarray()
    np.testing.assert_allclose(G, np.linalg.inv(np.linalg.cholesky(A)), atol=1e-12)


def test_fsai_says_where_a_matrix_is_indefinite():
    with pytest.raises(BreakdownError, match="row 1"):
        fsai(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_no_shift_where_none_is_needed():
    A = formula_matrix("HB/gr_30_30")
    L, alpha = shifted_ic0(A)
    assert alpha == 0.0
    assert np.array_equal(L.data, ic0(A).data)


def test_the_shift_is_the_smallest_power_of_two_that_works():
    L, alpha = shifted_ic0(KERSHAW)
    assert alpha == 0.25
    shifted = KERSHAW + alpha * np.diag(np.diag(KERSHAW))
    assert np.array_equal(L.toarray(), ic0(shifted).toarray())
    with pytest.raises(BreakdownError):
        ic0(KERSHAW + alpha / 2 * np.diag(np.diag(KERSHAW)))


def test_shifts_scale_with_the_matrix():
    D = np.diag([2.0, 0.25, 16.0, 1.0])
    L, alpha = shifted_ic0(D @ KERSHAW @ D)
    assert (alpha, L.toarray().tolist()) == (0.25, (D @ shifted_ic0(KERSHAW)[0]).tolist())


def test_a_matrix_that_no_shift_helps():
    far = sp.csr_array(np.array([[1.0, 2.0**30], [2.0**30, 1.0]]))
    with pytest.raises(BreakdownError, match="positive definite"):
        shifted_ic0(far)
