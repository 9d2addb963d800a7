"""Local-patch Inv-K, compared with a dense computation from its definition."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench import BreakdownError, invk
from precondbench.errors import ConfigurationError, CostError
from precondbench.factors import khop_factor, local_invk
from precondbench.matrices import LAWS, draw, formula_matrix, lower_csr, tridiagonal_csr


def dense_local_invk(A, hops):
    """Column i from the inverse of A on the patch, with dense algebra."""
    A = sp.csr_array(A)
    n = A.shape[0]
    adjacent = A.toarray() != 0
    L = np.zeros((n, n))
    for i in range(n):
        s = [j for j in range(i, n) if adjacent[j, i]]
        patch = set(s)
        for _ in range(hops):
            patch |= {k for j in patch for k in np.flatnonzero(adjacent[j])}
        nodes = sorted(patch)
        where = [nodes.index(j) for j in s]
        B = np.linalg.inv(A[nodes][:, nodes].toarray())[np.ix_(where, where)]
        v = np.linalg.solve(B, np.eye(len(s))[0])
        L[s, i] = v / np.sqrt(v[0])
    return L


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 25), hops=st.integers(0, 4))
def test_equals_its_definition(random_spd, seed, n, hops):
    A = random_spd(n, seed)
    np.testing.assert_allclose(
        local_invk(A, hops).toarray(), dense_local_invk(A, hops), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_equals_its_definition_on_a_grid(poisson_2d, hops):
    A = poisson_2d(7)
    np.testing.assert_allclose(local_invk(A, hops).toarray(), dense_local_invk(A, hops), atol=1e-12)


def test_whole_patches_give_inv_k(poisson_2d):
    A = poisson_2d(6)
    np.testing.assert_allclose(local_invk(A, 12).toarray(), invk(A).toarray(), atol=1e-12)


def test_whole_patches_may_be_taken_from_inv_k(monkeypatch, poisson_2d):
    A = poisson_2d(12)
    direct = local_invk(A, 9)
    module = sys.modules["precondbench.factors.inv_k.local"]
    monkeypatch.setattr(module, "CHEAP", 0.0)
    np.testing.assert_allclose(local_invk(A, 9).toarray(), direct.toarray(), atol=1e-11)


@pytest.mark.parametrize("law", ["uniform", "growth", "sawtooth"])
@pytest.mark.parametrize("hops", [0, 1, 4, 9])
def test_on_tridiagonal_matrices_it_is_the_hop_oracle(law, hops):
    matrix = draw(LAWS["cholesky"][law], 30, 3).matrix
    np.testing.assert_allclose(
        local_invk(tridiagonal_csr(matrix), hops).toarray(),
        lower_csr(khop_factor(matrix, hops)).toarray(),
        rtol=1e-9,
    )


def test_more_hops_are_better_on_a_grid(poisson_2d):
    """Its K-condition number falls to that of Inv-K."""
    from precondbench import k_condition

    A = poisson_2d(16)
    falling = [k_condition(A, local_invk(A, hops)).n_log_k for hops in (0, 1, 2, 4, 8)]
    assert falling == sorted(falling, reverse=True)
    assert falling[-1] > k_condition(A, invk(A)).n_log_k


def test_threads_change_no_bit(poisson_2d):
    A = poisson_2d(15)
    one = local_invk(A, 3)
    assert np.array_equal(one.data, local_invk(A, 3, workers=3).data)


def test_powers_of_two_scale_to_the_bit(poisson_2d):
    A = poisson_2d(8)
    D = sp.diags_array(2.0 ** np.random.default_rng(0).integers(-9, 9, 64).astype(float))
    scaled = local_invk(sp.csr_array(D @ A @ D), 2)
    assert np.array_equal(scaled.toarray(), (D @ local_invk(A, 2)).toarray())


def test_real_matrix_with_large_patches():
    A = formula_matrix("JGD_Trefethen/Trefethen_200")
    np.testing.assert_allclose(
        local_invk(A, 1).toarray(), dense_local_invk(A, 1), rtol=1e-9, atol=1e-10
    )


def test_too_much_work_is_refused_before_it_starts(poisson_2d):
    with pytest.raises(CostError, match="use fewer hops"):
        local_invk(poisson_2d(10), 5, max_operations=100.0)


def test_patches_that_hold_everything_cost_no_more_than_is_allowed():
    """Neither by themselves nor by way of Inv-K of the whole matrix."""
    n = 300
    A = sp.csr_array(np.ones((n, n)) + n * np.eye(n))
    with pytest.raises(CostError, match=r"more than 1\.0e\+08 multiply-adds"):
        local_invk(A, 3, max_operations=1e6)
    assert abs(local_invk(A, 3, max_operations=1e10) - invk(A)).max() < 1e-12


def test_counting_ends_where_the_answer_is_known(poisson_2d):
    with pytest.raises(CostError, match=r"would take more than 1\.0e\+02 multiply-adds"):
        local_invk(poisson_2d(30), 5, max_operations=1.0)


def test_wrong_input_is_refused():
    with pytest.raises(ConfigurationError, match="hops is -1"):
        local_invk(np.eye(2), -1)
    with pytest.raises(BreakdownError, match="column"):
        local_invk(np.array([[1.0, 2.0, 0], [2.0, 1.0, 2.0], [0, 2.0, 1.0]]), 2)
