"""IC(0) by its definition and classical breakdowns; k-hop oracles by theirs."""

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import BreakdownError, ic0
from precondbench.errors import ConfigurationError
from precondbench.factors import khop_factor
from precondbench.matrices import Diagonals, formula_matrix, lower_csr, poisson_1d, tridiagonal_csr

KERSHAW = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])


@pytest.mark.parametrize(
    "name", ["HB/gr_30_30", "GHS_psdef/torsion1", "JGD_Trefethen/Trefethen_500"]
)
def test_product_equals_a_on_the_pattern(name):
    A = formula_matrix(name)
    L = ic0(A)
    np.testing.assert_array_equal(L.indices, sp.tril(A, format="csr").indices)
    residual = sp.csr_array((L @ L.T) - A).multiply(A != 0)
    assert abs(residual).max() <= 1e-13 * abs(A).max()


def test_equals_cholesky_without_fill():
    A = tridiagonal_csr(poisson_1d(30))
    np.testing.assert_allclose(ic0(A).toarray(), np.linalg.cholesky(A.toarray()), atol=1e-15)


def test_kershaw_breaks_down_though_positive_definite():
    assert np.linalg.eigvalsh(KERSHAW)[0] > 0
    with pytest.raises(BreakdownError, match="column 3") as caught:
        ic0(KERSHAW)
    assert caught.value.column == 3


def test_breakdown_in_the_middle_of_a_larger_matrix():
    A = np.eye(9) * 5
    A[2:6, 2:6] = KERSHAW
    with pytest.raises(BreakdownError) as caught:
        ic0(A)
    assert caught.value.column == 5


def test_zero_pivot_is_a_breakdown():
    with pytest.raises(BreakdownError) as caught:
        ic0(np.array([[1.0, 1.0], [1.0, 1.0]]))
    assert caught.value.column == 1


def test_breakdown_survives_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(BreakdownError("why", 7)))
    assert (error.column, str(error)) == (7, "why")


def test_power_of_two_scaling_to_the_bit():
    A = formula_matrix("HB/gr_30_30")
    powers = np.ldexp(1.0, np.arange(A.shape[0]) % 11 - 5)
    D = sp.diags_array(powers)
    np.testing.assert_array_equal(ic0(sp.csr_array(D @ A @ D)).toarray(), (D @ ic0(A)).toarray())


def test_khop_is_local_and_exact_at_the_end():
    rng = np.random.default_rng(0)
    a = Diagonals(rng.uniform(3, 4, 20), rng.uniform(-1, 1, 19))
    exact = np.linalg.cholesky(tridiagonal_csr(a).toarray())
    np.testing.assert_allclose(lower_csr(khop_factor(a, 19)).toarray(), exact, rtol=1e-13)
    changed = Diagonals(a.diagonal + 5 * np.eye(20)[4], a.subdiagonal)
    for hops in (0, 1, 3):
        before, after = khop_factor(a, hops), khop_factor(changed, hops)
        moved = np.flatnonzero(before.diagonal != after.diagonal)
        np.testing.assert_array_equal(moved, np.arange(4, 4 + hops + 1))


def test_khop_errors():
    with pytest.raises(ConfigurationError, match="hops is -1"):
        khop_factor(poisson_1d(3), -1)
    with pytest.raises(BreakdownError, match="window of row 1"):
        khop_factor(Diagonals(np.array([1.0, 1.0]), np.array([2.0])), 1)


@pytest.mark.parametrize("name", ["HB/nos1", "HB/nos2"])
def test_breakdown_on_a_real_matrix(name):
    with pytest.raises(BreakdownError):
        ic0(formula_matrix(name))
