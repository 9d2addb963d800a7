"""ILU(0), splittings and k-hop oracles of general matrices."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import BreakdownError, ic0, ilu0
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.factors import gauss_seidel_lu, jacobi_lu, khop_factor, lu_pattern
from precondbench.matrices import (
    LAWS,
    Diagonals,
    draw,
    formula_matrix,
    from_factor,
    growth_law,
    lower_csr,
    semiseparable_factor,
    tridiagonal_csr,
    upper_csr,
)


@pytest.fixture
def random_general():
    def make(n, seed, density=0.15):
        rng = np.random.default_rng(seed)
        dense = rng.standard_normal((n, n)) * (rng.random((n, n)) < density)
        np.fill_diagonal(dense, 0.0)
        return sp.csr_array(dense + np.diag(np.abs(dense).sum(axis=1) + 0.1))

    return make


@pytest.mark.parametrize("seed", range(5))
def test_product_equals_a_on_its_pattern(random_general, seed):
    A = random_general(40, seed)
    L, U = ilu0(A)
    pattern = A.toarray() != 0
    assert not (L.toarray()[~pattern]).any()
    assert not (U.toarray()[~pattern]).any()
    np.testing.assert_allclose((L @ U).toarray()[pattern], A.toarray()[pattern], rtol=1e-12)
    np.testing.assert_array_equal(L.diagonal(), np.ones(40))
    assert sp.triu(L, k=1).nnz == sp.tril(U, k=-1).nnz == 0


def test_dense_pattern_gives_the_exact_factors():
    rng = np.random.default_rng(2)
    A = rng.standard_normal((12, 12)) + 12 * np.eye(12)
    L, U = ilu0(A)
    np.testing.assert_allclose((L @ U).toarray(), A, rtol=1e-12)


@pytest.mark.parametrize("name", LAWS["lu"])
def test_ilu0_is_exact_on_tridiagonal_matrices(name):
    sample = draw(LAWS["lu"][name], 50, 5)
    L, U = ilu0(tridiagonal_csr(sample.matrix))
    np.testing.assert_allclose(L.toarray(), lower_csr(sample.modified).toarray(), rtol=1e-6)
    np.testing.assert_allclose(U.toarray(), upper_csr(sample.modified).toarray(), rtol=1e-6)


@pytest.mark.parametrize("name", ["JGD_Trefethen/Trefethen_20", "HB/gr_30_30"])
def test_symmetric_matrices_give_ic0(name):
    A = formula_matrix(name)
    (L, U), C = ilu0(A), ic0(A)
    d = U.diagonal()
    np.testing.assert_allclose((L * np.sqrt(d)[None, :]).toarray(), C.toarray(), rtol=1e-11)
    np.testing.assert_allclose((L * d[None, :]).toarray().T, U.toarray(), rtol=1e-11)


def test_powers_of_two_map_factors_to_the_bit(random_general):
    A = random_general(30, 8)
    rng = np.random.default_rng(1)
    r, c = (2.0 ** rng.integers(-20, 20, 30) for _ in range(2))
    L, U = ilu0(A)
    SL, SU = ilu0(sp.diags_array(r) @ A @ sp.diags_array(c))
    np.testing.assert_array_equal(SL.toarray(), r[:, None] * L.toarray() / r[None, :])
    np.testing.assert_array_equal(SU.toarray(), r[:, None] * U.toarray() * c[None, :])


@pytest.mark.parametrize(
    ("A", "row"),
    [
        ([[0.0, 1.0], [1.0, 0.0]], 0),
        ([[1.0, 2.0], [2.0, 4.0]], 1),
        ([[1e-300, 1e10, 0.0], [1e10, 1.0, 1.0], [0.0, 1.0, 1.0]], 1),
    ],
)
def test_breakdown_names_the_row(A, row):
    with pytest.raises(BreakdownError, match=f"row {row}") as caught:
        ilu0(A)
    assert caught.value.column == row
    assert pickle.loads(pickle.dumps(caught.value)).column == row


def test_a_zero_diagonal_is_no_obstacle_once_filled():
    """[[1, 1], [1, 0]]: the second pivot is -1."""
    assert ilu0([[1.0, 1.0], [1.0, 0.0]])[1].toarray()[1, 1] == -1.0
    with pytest.raises(BreakdownError, match="diagonal entry 1"):
        gauss_seidel_lu([[1.0, 1.0], [1.0, 0.0]])
    with pytest.raises(MatrixError, match="no diagonal entry"):
        ilu0(sp.csr_array([[1.0, 1.0], [1.0, 0.0]]))


def test_splittings(random_general):
    A = random_general(20, 3)
    L, U = jacobi_lu(A)
    np.testing.assert_array_equal((L @ U).toarray(), np.diag(A.diagonal()))
    L, U = gauss_seidel_lu(A)
    np.testing.assert_allclose((L @ U).toarray(), np.tril(A.toarray()), rtol=1e-15)


def test_a_pattern_splits_values(random_general):
    A = random_general(15, 4)
    pattern = lu_pattern(A)
    values = np.arange(1.0, pattern.nnz + 1)
    L, U = pattern.factors(values)
    together = pattern.csr(values).toarray()
    np.testing.assert_array_equal(U.toarray(), np.triu(together))
    np.testing.assert_array_equal(L.toarray(), np.tril(together, -1) + np.eye(15))


@pytest.mark.parametrize("hops", [0, 1, 2, 5, 12])
@pytest.mark.parametrize("growth", [-8.0, 0.0, 6.0])
def test_khop_pivot_error_formula(hops, growth):
    """Relative pivot error g_k / sum of g_j over the window and one row more, g = q u."""
    rng = np.random.default_rng(5)
    n = 40
    base = (1 + growth / n) ** np.arange(n)
    u, q = rng.uniform(0.5, 1.5, (2, n)) * base
    v, p = rng.uniform(0.5, 1.5, (2, n)) / base
    factor = semiseparable_factor(u, v, p, q)
    error = khop_factor(from_factor(factor), hops).diagonal / factor.diagonal - 1.0
    g = q * u
    for k in range(n):
        if k <= hops:
            assert abs(error[k]) < 1e-9
        else:
            assert error[k] == pytest.approx(g[k] / np.sum(g[k - hops - 1 : k]), rel=1e-8)


@pytest.mark.parametrize("name", LAWS["lu"])
def test_the_whole_window_is_ilu0_to_the_bit(name):
    sample = draw(LAWS["lu"][name], 30, 6)
    oracle = khop_factor(sample.matrix, 29)
    L, U = ilu0(tridiagonal_csr(sample.matrix))
    np.testing.assert_array_equal(lower_csr(oracle).toarray(), L.toarray())
    np.testing.assert_array_equal(upper_csr(oracle).toarray(), U.toarray())


def test_twins_agree_far_away_and_their_factors_do_not():
    sample = draw(growth_law(6.0, family="lu"), 50, 1)
    np.testing.assert_array_equal(sample.original.diagonal[1:], sample.matrix.diagonal[1:])
    far = sample.modified.diagonal[10:] / sample.literal.diagonal[10:] - 1.0
    assert np.median(far) > 0.1
    for hops in (0, 3):
        first, second = khop_factor(sample.original, hops), khop_factor(sample.matrix, hops)
        np.testing.assert_array_equal(first.diagonal[hops + 1 :], second.diagonal[hops + 1 :])


def test_khop_faults():
    zero = Diagonals(np.array([1.0, 0.0]), np.ones(1), np.ones(1))
    with pytest.raises(ConfigurationError, match="hops is -1"):
        khop_factor(zero, -1)
    with pytest.raises(BreakdownError, match="row 1"):
        khop_factor(zero, 0)
