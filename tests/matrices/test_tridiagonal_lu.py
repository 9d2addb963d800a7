"""LU pairs: semiseparable inverses, the closed form of the change, laws and their bits."""

import hashlib
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import (
    LAWS,
    Diagonals,
    UniformStream,
    draw,
    from_factor,
    growth_law,
    lower_csr,
    semiseparable_factor,
    tridiagonal_csr,
    tridiagonal_law,
    updated_factor,
    upper_csr,
)


def generators(n, c=0.0, seed=1):
    stream = UniformStream(seed, n)
    base = np.cumprod(np.concatenate(([1.0], np.full(n - 1, 1.0 + c / n))))
    u, v, p, q = (stream.uniform(n, 0.5, 1.5) for _ in range(4))
    return u * base, v / base, p / base, q * base


def exact_perturbed(factor, tau=1.0):
    """Elimination on L U + tau e_1 e_1^T in 80 digits, L and U taken as exact."""
    with mpmath.workdps(80):
        mul, piv, sup = (
            [mpmath.mpf(float(x)) for x in part]
            for part in (factor.subdiagonal, factor.diagonal, factor.superdiagonal)
        )
        multipliers, pivots = [], [piv[0] + mpmath.mpf(tau)]
        for k in range(len(mul)):
            multipliers.append(mul[k] * piv[k] / pivots[-1])
            pivots.append(piv[k + 1] + mul[k] * sup[k] - multipliers[-1] * sup[k])
        return multipliers, pivots


def relative_error(values, exact):
    return max(float(abs(mpmath.mpf(float(x)) / y - 1)) for x, y in zip(values, exact, strict=True))


@pytest.mark.parametrize("c", [-8.0, 0.0, 6.0])
def test_inverses_are_semiseparable(c):
    n = 25
    u, v, p, q = generators(n, c)
    factor = semiseparable_factor(u, v, p, q)
    L, U = lower_csr(factor).toarray(), upper_csr(factor).toarray()
    # Doolittle's form: L^-1 and U^-1 are scaled by the diagonal 1 / (u v) of the first factor.
    inverse_l = np.linalg.solve(L, np.eye(n)) * (u * v)[:, None]
    inverse_u = np.linalg.solve(U, np.eye(n)) / (u * v)[None, :]
    np.testing.assert_allclose(inverse_l, np.tril(np.outer(u, v)), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(inverse_u, np.triu(np.outer(p, q)), rtol=1e-10, atol=1e-12)
    tails = np.cumsum((q * u)[::-1])[::-1]
    i, j = np.indices((n, n))
    expected = np.outer(p, v) * tails[np.maximum(i, j)]
    inverse = np.linalg.solve(U, np.linalg.solve(L, np.eye(n)))
    np.testing.assert_allclose(inverse, expected, rtol=1e-9)


@pytest.mark.parametrize("name", LAWS["lu"])
@pytest.mark.parametrize("n", [20, 200])
def test_factors_multiply_to_the_matrix(name, n):
    sample = draw(LAWS["lu"][name], n, 3, 1)
    for matrix, factor in ((sample.original, sample.literal), (sample.matrix, sample.modified)):
        product = (lower_csr(factor) @ upper_csr(factor)).toarray()
        A = tridiagonal_csr(matrix).toarray()
        np.testing.assert_allclose(product, A, rtol=1e-10, atol=1e-12 * np.abs(A).max())
        assert np.linalg.norm(A - A.T) > 0.1 * np.linalg.norm(A + A.T)
    difference = sample.matrix.diagonal - sample.original.diagonal
    np.testing.assert_allclose(difference[0], 1.0, rtol=1e-12)
    assert not difference[1:].any()


@pytest.mark.parametrize("n", [50, 200])
@pytest.mark.parametrize("name", LAWS["lu"])
def test_closed_form_equals_elimination_in_extended_precision(name, n):
    for index in range(3):
        sample = draw(LAWS["lu"][name], n, 7, index)
        multipliers, pivots = exact_perturbed(sample.literal)
        assert relative_error(sample.modified.diagonal, pivots) < 1e-11
        assert relative_error(sample.modified.subdiagonal, multipliers) < 1e-11
        np.testing.assert_array_equal(sample.modified.superdiagonal, sample.matrix.superdiagonal)


@pytest.mark.parametrize("tau", [1e-3, 1.0, 100.0, -0.01])
def test_closed_form_for_any_change(tau):
    u, v, p, q = generators(40)
    factor = semiseparable_factor(u, v, p, q)
    changed = updated_factor(factor, p[0] * v[0] * (q * u), tau)
    assert relative_error(changed.diagonal, exact_perturbed(factor, tau)[1]) < 1e-11


def test_the_symmetric_case_is_the_symmetric_construction():
    u, v, _, _ = generators(30)
    lu, cholesky = semiseparable_factor(u, v, v, u), semiseparable_factor(u, v)
    A, S = from_factor(lu), from_factor(cholesky)
    np.testing.assert_allclose(A.diagonal, S.diagonal, rtol=1e-14)
    np.testing.assert_allclose(A.subdiagonal, S.subdiagonal, rtol=1e-14)
    np.testing.assert_allclose(A.superdiagonal, A.subdiagonal, rtol=1e-14)
    modified = updated_factor(lu, v[0] * v[0] * (u * u))
    expected = updated_factor(cholesky, (u * v[0]) ** 2)
    np.testing.assert_allclose(modified.diagonal, expected.diagonal**2, rtol=1e-13)


def test_moving_weight_between_u_and_q_changes_nothing():
    """A depends on u and q through their product only."""
    u, v, p, q = generators(12)
    t = UniformStream(9).uniform(12, 0.5, 2.0)
    first, second = (
        tridiagonal_csr(from_factor(semiseparable_factor(*parts))).toarray()
        for parts in ((u, v, p, q), (u * t, v, p, q / t))
    )
    np.testing.assert_allclose(first, second, rtol=1e-13)


def test_opposite_signs_cannot_be_made_symmetric():
    sample = draw(LAWS["lu"]["convection"], 50, 0)
    assert np.all(sample.matrix.subdiagonal * sample.matrix.superdiagonal < 0)
    assert np.all(sample.matrix.diagonal > 0)
    eigenvalues = np.linalg.eigvals(tridiagonal_csr(sample.matrix).toarray())
    assert np.abs(eigenvalues.imag).max() > 0.1
    positive = draw(LAWS["lu"]["growth"], 50, 0)
    assert np.all(positive.matrix.subdiagonal * positive.matrix.superdiagonal > 0)


def test_streams_of_all_laws_differ():
    laws = [
        law for family in LAWS for law in (*LAWS[family].values(), growth_law(1.0, family=family))
    ]
    streams = [law.stream for law in laws]
    assert len(streams) == len(set(streams))


def test_draws_are_the_same_bits_for_ever():
    """Golden digest: if this changes, published data changes."""
    digest = hashlib.sha256()
    for law in LAWS["lu"].values():
        for n in (50, 200):
            sample = draw(law, n, 2026, law.stream)
            for part in (sample.matrix, sample.modified, sample.literal):
                for values in (part.subdiagonal, part.diagonal, part.superdiagonal):
                    digest.update(values.astype("<f8").tobytes())
    assert digest.hexdigest() == GOLDEN


GOLDEN = "b869b85f6aae74ea74bb9eb403b4981230c62df929f1a270dd80ee15ae497207"


def test_faults_have_their_messages():
    with pytest.raises(MatrixError, match="generators"):
        semiseparable_factor([1.0, -1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0])
    with pytest.raises(MatrixError, match="one length"):
        semiseparable_factor([1.0], [1.0, 1.0], [1.0], [1.0])
    with pytest.raises(MatrixError, match="do not fit"):
        Diagonals(np.ones(2), np.ones(2), np.ones(1))
    with pytest.raises(MatrixError, match="do not fit"):
        Diagonals(np.ones(2), np.ones(1), np.ones(2))
    one = Diagonals(np.ones(2), np.array([1.0]), np.array([1.0]))
    with pytest.raises(MatrixError, match="influence has shape"):
        updated_factor(one, [1.0])
    with pytest.raises(MatrixError, match="leading minor of order 1"):
        updated_factor(one, [1.0, 1.0], -1.0)
    with pytest.raises(ConfigurationError, match="convection"):
        tridiagonal_law("unifrom", "lu")
    with pytest.raises(ConfigurationError, match="there are: cholesky, lu"):
        growth_law(1.0, family="qr")
    with pytest.raises(ConfigurationError, match="draws factors of the other one"):
        draw(replace(LAWS["lu"]["uniform"], family="cholesky"), 10, 0)
    with pytest.raises(MatrixError, match="has no U"):
        upper_csr(Diagonals(np.ones(2), np.ones(1)))
    with pytest.raises(MatrixError, match="n >= 2"):
        draw(LAWS["lu"]["uniform"], 1, 0)
    with pytest.raises(MatrixError, match="ill-conditioned"):
        draw(LAWS["lu"]["growth"], 200, 0, tolerance=1e-16)
