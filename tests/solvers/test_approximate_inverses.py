"""Sparse approximate inverses and polynomials: known cases, properties, faults."""

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import BreakdownError, gmres, pcg
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import check_general
from precondbench.solvers import SparseInverse, chebyshev, spai


def dense(operator):
    return operator @ np.eye(operator.shape[0])


def jumping(random_spd, n=30):
    """A matrix whose diagonal spans many powers of two."""
    D = sp.diags_array(2.0 ** np.random.default_rng(0).integers(-20, 20, n).astype(float))
    A = random_spd(n, 3)
    return A, sp.csr_array(D @ A @ D), D.diagonal()


def test_a_sparse_inverse_is_the_product_and_has_a_transpose():
    M = np.array([[1.0, 2.0, 0.0], [0.0, 3.0, 4.0], [5.0, 0.0, 6.0]])
    operator = SparseInverse(sp.csc_array(M))
    np.testing.assert_array_equal(dense(operator), M)
    np.testing.assert_array_equal(dense(operator.T), M.T)
    assert operator.entries == 6
    with pytest.raises(MatrixError, match="M is not square"):
        SparseInverse(M[:2])
    with pytest.raises(MatrixError, match="M is not finite"):
        SparseInverse(np.full((2, 2), np.inf))


@pytest.mark.parametrize("symmetric", [True, False])
def test_spai_of_a_diagonal_matrix_is_its_inverse(symmetric):
    d = np.array([3.0, 1e-9, 7e8, 0.1])
    M = spai(np.diag(d), symmetric) if symmetric else spai(sp.diags_array(d), symmetric)
    np.testing.assert_allclose(dense(M), np.diag(1 / d), rtol=1e-15)


def test_spai_of_a_full_pattern_is_the_inverse(random_spd):
    A = random_spd(12, 1, density=1.0)
    np.testing.assert_allclose(dense(spai(A)), np.linalg.inv(A.toarray()), atol=1e-12)


def test_columns_of_spai_are_those_of_dense_least_squares():
    """Not symmetric: A as GMRES takes it, scaled so that powers of two are 1."""
    rng = np.random.default_rng(2)
    A = np.where(rng.random((14, 14)) < 0.3, rng.uniform(-0.4, 0.4, (14, 14)), 0.0)
    np.fill_diagonal(A, 0.75)
    M = dense(spai(check_general(sp.csr_array(A)), symmetric=False))
    for j in range(14):
        at = np.flatnonzero(A[:, j])
        best = np.linalg.lstsq(A[:, at], np.eye(14)[:, j], rcond=None)[0]
        np.testing.assert_allclose(M[at, j], best, atol=1e-12)
        assert not np.any(np.delete(M[:, j], at))


def test_spai_is_symmetric_and_helps(poisson_2d):
    A = poisson_2d(12)
    M, b = spai(A), np.random.default_rng(0).uniform(-1, 1, 144)
    assert abs(M.M - M.M.T).max() == 0
    assert np.linalg.eigvalsh(dense(M))[0] > 0
    assert pcg(A, b, M=M).iterations < 0.7 * pcg(A, b).iterations
    skew = sp.csr_array(A + 0.3 * sp.triu(A, 1))
    M = spai(skew, symmetric=False)
    assert gmres(skew, b, M=M).iterations < 0.8 * gmres(skew, b).iterations


def test_spai_does_not_depend_on_scaling_by_powers_of_two(random_spd):
    A, scaled, d = jumping(random_spd)
    one, other = spai(A).M.toarray(), spai(scaled).M.toarray()
    np.testing.assert_array_equal(other, one / d / d[:, None])


def test_spai_of_a_singular_matrix_is_a_breakdown():
    with pytest.raises(BreakdownError, match="SPAI broke down at column"):
        spai(np.array([[1.0, 1.0], [1.0, 1.0]]))


def test_spai_that_is_not_definite():
    """One entry of the diagonal is negative, or PCG finds out."""
    A = [
        [2, -1, -2, -1, 0],
        [-1, 2, 0, -2, 0],
        [-2, 0, 13, 4, 4],
        [-1, -2, 4, 5, 0],
        [0, 0, 4, 0, 4],
    ]
    with pytest.raises(BreakdownError, match=r"not positive definite: diagonal entry 3 .* -0\.34"):
        spai(A + 1e-4 * np.eye(5))
    A = [[5, -1, 0, 2, 1], [-1, 6, 2, -1, 3], [0, 2, 1, 0, 1], [2, -1, 0, 1, 0], [1, 3, 1, 0, 3]]
    A = A + 1e-3 * np.eye(5)
    assert np.linalg.eigvalsh(A)[0] > 0
    assert np.linalg.eigvalsh(dense(spai(A)))[0] < -90
    assert pcg(A, [1.0, 2.0, 3.0, 4.0, 5.0], M=spai(A)).status == "stagnated"


@pytest.mark.parametrize("degree", [0, 1, 2, 5, 9])
def test_chebyshev_is_the_polynomial(degree, random_spd):
    """1 - t p(t) is the Chebyshev polynomial on [low, high], for t an eigenvalue of D^-1 A."""
    A = random_spd(25, 4)
    M = chebyshev(A, degree)
    d = 1 / np.sqrt(A.diagonal())
    values, vectors = np.linalg.eigh(A.toarray() * d * d[:, None])
    assert values[-1] <= M.high
    T = np.polynomial.Chebyshev.basis(degree + 1)
    centre, half = (M.high + M.low) / 2, (M.high - M.low) / 2
    p = (1 - T((centre - values) / half) / T(centre / half)) / values
    want = (vectors * p) @ vectors.T * d * d[:, None]
    np.testing.assert_allclose(dense(M), want, atol=1e-12)
    assert np.all(p > 0)
    assert M.entries == degree * A.nnz + (degree + 1) * 25


def test_chebyshev_of_degree_zero_is_jacobi(random_spd):
    A, _, _ = jumping(random_spd)
    full = dense(chebyshev(A, 0))
    assert np.count_nonzero(full) == 30
    np.testing.assert_allclose(full.diagonal() * A.diagonal(), full[0, 0] * A[0, 0], rtol=1e-15)


def test_chebyshev_spans_the_spectrum_of_hard_matrices(poisson_2d):
    """The bound holds where Gershgorin's is far off, and on matrices that are nearly singular."""
    hilbert = 1 / (np.arange(8)[:, None] + np.arange(8) + 1.0)
    arrow = np.eye(50) * 50
    arrow[0] = arrow[:, 0] = 6.9
    arrow[0, 0] = 50
    for A in (hilbert, arrow, poisson_2d(9).toarray(), np.eye(4) * 1e-200, np.ones((1, 1))):
        M = chebyshev(A, 4)
        d = 1 / np.sqrt(A.diagonal())
        assert np.linalg.eigvalsh(A * d * d[:, None])[-1] <= M.high * (1 + 1e-12)
        assert np.linalg.eigvalsh(dense(M) / d / d[:, None])[0] > 0
    # Gershgorin's bound is 49 * 6.9 / 50 + 1 = 7.8.
    assert chebyshev(arrow).high < 2.5


def test_chebyshev_gains_with_its_degree(poisson_2d):
    A = poisson_2d(24)
    b = np.random.default_rng(1).uniform(-1, 1, 576)
    counts = [pcg(A, b, M=chebyshev(A, k)).iterations for k in range(6)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == pcg(A, b).iterations  # The diagonal is constant.
    assert counts[5] < 0.35 * counts[0]
    with pytest.raises(ConfigurationError, match="degree is -1"):
        chebyshev(A, -1)
