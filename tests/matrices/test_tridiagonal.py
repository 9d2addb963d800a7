"""The closed form of the perturbed factor, the random laws, and their reproducibility."""

import hashlib

import mpmath
import numpy as np
import pytest

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.factors import khop_factor
from precondbench.matrices import (
    LAWS,
    Diagonals,
    UniformStream,
    draw,
    from_factor,
    lower_csr,
    poisson_1d,
    semiseparable_factor,
    theorem_2_1_factor,
    tridiagonal_csr,
    tridiagonal_law,
    updated_factor,
)
from precondbench.matrices.tridiagonal.laws import REFACTORING_TOLERANCE


def exact_perturbed(factor: Diagonals, tau: float = 1.0):
    """Cholesky recurrence on L L^T + tau e_1 e_1^T in 80 digits, L taken as exact."""
    with mpmath.workdps(80):
        d = [mpmath.mpf(float(x)) for x in factor.diagonal]
        s = [mpmath.mpf(float(x)) for x in factor.subdiagonal]
        diagonal, sub = [], []
        for k in range(len(d)):
            a = d[k] ** 2 + (s[k - 1] ** 2 if k else mpmath.mpf(tau))
            if k:
                a -= sub[-1] ** 2
            diagonal.append(mpmath.sqrt(a))
            if k < len(s):
                sub.append(s[k] * d[k] / diagonal[-1])
        return diagonal, sub


def relative_error(values, exact):
    return max(float(abs(mpmath.mpf(float(x)) / y - 1)) for x, y in zip(values, exact, strict=True))


@pytest.mark.parametrize("n", [50, 200])
@pytest.mark.parametrize("name", LAWS["cholesky"])
def test_closed_form_equals_recurrence_in_extended_precision(name, n):
    for index in range(3):
        sample = draw(LAWS["cholesky"][name], n, 7, index)
        diagonal, sub = exact_perturbed(sample.literal)
        assert relative_error(sample.modified.diagonal, diagonal) < 1e-11
        assert relative_error(sample.modified.subdiagonal, sub) < 1e-11


def test_closed_form_on_theorem_2_1_where_refactoring_fails():
    factor = theorem_2_1_factor(15)
    with mpmath.workdps(80):
        # w = L^-1 e_1 by forward substitution: w_1 = 1, w_{k+1} = -(k + 1) w_k.
        first_column = np.cumprod(np.concatenate(([1.0], -np.arange(2.0, 16.0))))
    modified = updated_factor(factor, first_column**2)
    # 1/i is rounded in the factor, which its 80-digit recurrence sees as exact.
    assert relative_error(modified.diagonal, exact_perturbed(factor)[0]) < 1e-12
    assert modified.diagonal[-1] == pytest.approx(1.0, abs=0.01)  # the paper: d_i -> 1
    a = from_factor(factor)
    refactored = np.linalg.cholesky(tridiagonal_csr(a).toarray() + 1e-30 * np.eye(15))
    assert abs(refactored[-1, -1] / factor.diagonal[-1] - 1.0) > 1.0  # wrong by over 100 %


@pytest.mark.parametrize("tau", [1e-3, 1.0, 100.0])
def test_closed_form_for_any_change(tau):
    rng = np.random.default_rng(3)
    u, v = rng.uniform(0.5, 1.5, (2, 40))
    factor = semiseparable_factor(u, v)
    diagonal, _ = exact_perturbed(factor, tau)
    assert relative_error(updated_factor(factor, (u * v[0]) ** 2, tau).diagonal, diagonal) < 1e-12


def test_a_change_that_leaves_no_positive_definite_matrix_is_refused():
    with pytest.raises(
        MatrixError, match="no Cholesky factorisation: its leading minor of order 1"
    ):
        updated_factor(Diagonals(np.ones(2), np.ones(1)), np.ones(2), -1.0)


@pytest.mark.parametrize("c", [-8.0, 0.0, 6.0, 12.0])
def test_inverse_of_the_factor_is_semiseparable(c):
    stream = UniformStream(1, 2, 3)
    n = 30
    base = np.cumprod(np.concatenate(([1.0], np.full(n - 1, 1.0 + c / n))))
    u = stream.uniform(n, 0.5, 1.5) * base
    v = stream.uniform(n, 0.5, 1.5) / base
    inverse = np.linalg.solve(lower_csr(semiseparable_factor(u, v)).toarray(), np.eye(n))
    np.testing.assert_allclose(inverse, np.tril(np.outer(u, v)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("hops", [0, 1, 2, 5, 12])
@pytest.mark.parametrize("growth", [-8.0, 0.0, 6.0])
def test_khop_pivot_error_formula(hops, growth):
    """Relative pivot error u_k^2 / sum of u_j^2 over the window and one row more."""
    rng = np.random.default_rng(5)
    n = 40
    base = (1 + growth / n) ** np.arange(n)
    u, v = rng.uniform(0.5, 1.5, n) * base, rng.uniform(0.5, 1.5, n) / base
    factor = semiseparable_factor(u, v)
    oracle = khop_factor(from_factor(factor), hops)
    error = oracle.diagonal**2 / factor.diagonal**2 - 1.0
    for k in range(n):
        if k <= hops:
            assert abs(error[k]) < 1e-9
        else:
            expected = u[k] ** 2 / np.sum(u[k - hops - 1 : k] ** 2)
            assert error[k] == pytest.approx(expected, rel=1e-8)


def test_poisson_law_contains_equation_2():
    from precondbench.matrices.tridiagonal.bases import poisson_base

    class Ones:
        def uniform(self, size, low, high):
            return np.ones(size)

    base = poisson_base(Ones(), 6)
    np.testing.assert_array_equal(base.matrix.diagonal, poisson_1d(6).diagonal)
    np.testing.assert_array_equal(base.matrix.subdiagonal, poisson_1d(6).subdiagonal)
    L = lower_csr(base.factor).toarray()
    np.testing.assert_allclose(L @ L.T, tridiagonal_csr(poisson_1d(6)).toarray(), atol=1e-14)
    np.testing.assert_allclose(L @ np.sqrt(base.influence), np.eye(6)[0], atol=1e-14)


def test_draws_are_the_same_bits_for_ever():
    """Golden digest: if this changes, published data changes."""
    digest = hashlib.sha256()
    for law in LAWS["cholesky"].values():
        for n in (50, 200):
            sample = draw(law, n, 2026, law.stream)
            for part in (sample.matrix, sample.modified, sample.literal):
                digest.update(part.diagonal.astype("<f8").tobytes())
                digest.update(part.subdiagonal.astype("<f8").tobytes())
    assert digest.hexdigest() == GOLDEN


GOLDEN = "234d7f4d60ee38b5ad716d2022d99135ad838e752bd9467c89b777059fde102b"


def test_uniform_stream_is_exact_and_prefix_stable():
    raw = np.random.PCG64([11]).random_raw(5)
    values = UniformStream(11).uniform(5)
    assert [int(x * 2**53) for x in values] == [int(x) >> 11 for x in raw]
    np.testing.assert_array_equal(UniformStream(11).uniform(3), values[:3])


def test_near_normal_has_unit_variance():
    draws = UniformStream(1).near_normal(200_000)
    assert abs(draws.mean()) < 0.01
    assert abs(draws.var() - 1.0) < 0.02


def test_rejection_gives_up_with_a_reason():
    with pytest.raises(MatrixError, match="ill-conditioned"):
        draw(LAWS["cholesky"]["hard"], 200, 0, tolerance=1e-14)
    assert draw(LAWS["cholesky"]["hard"], 200, 0, tolerance=REFACTORING_TOLERANCE).attempts == 1


@pytest.mark.parametrize(
    ("u", "v"),
    [([1.0, -1.0], [1.0, 1.0]), ([1.0], [1.0, 1.0]), ([np.inf], [1.0]), ([], [])],
)
def test_bad_generators(u, v):
    with pytest.raises(MatrixError, match="generators"):
        semiseparable_factor(u, v)


def test_unknown_law_lists_the_known():
    with pytest.raises(ConfigurationError, match="paper-local"):
        tridiagonal_law("unifrom")
    with pytest.raises(MatrixError, match="n >= 2"):
        draw(LAWS["cholesky"]["uniform"], 1, 0)
