"""MIC(0) by its definition: what it preserves, when it exists, and how it converges."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench import BreakdownError, ic0, mic0, pcg
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.factors import (
    incomplete_cholesky,
    level_of_fill,
    minimum_degree,
    power_pattern,
    shifted_mic0,
)
from precondbench.factors.incomplete.mic import mic0_values
from precondbench.matrices import (
    UniformStream,
    formula_matrix,
    near_null_vectors,
    parametric_family,
    poisson_1d,
    tridiagonal_csr,
)

KERSHAW = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])


def by_elimination(A, pattern, relaxation, V):
    """The definition with dense matrices; one vector is moved to diagonals, several to entries."""
    S = np.array(A)
    n, k = V.shape
    kept = pattern | pattern.T
    S[~kept] = 0.0
    root = np.sqrt(S.diagonal())
    L = np.zeros((n, n))
    for j in range(n):
        L[j, j] = np.sqrt(S[j, j])
        C = j + 1 + np.flatnonzero(kept[j + 1 :, j])
        L[C, j] = S[C, j] / L[j, j]
        square = np.ix_(C, C)
        update = -np.outer(L[C, j], L[C, j])
        here = kept[square]
        S[square] += np.where(here, update, 0.0)
        wanted = relaxation * np.where(here, 0.0, update) @ V[C]
        if k == 1:
            S[C, C] += (wanted / V[C])[:, 0]
        elif wanted.any():
            S[square] += smallest(here, wanted / root[C, None], root[C, None] * V[C]) * np.outer(
                root[C], root[C]
            )
    return L


def smallest(kept, wanted, V):
    """Symmetric X on the kept positions with X V = wanted, of smallest Frobenius norm."""
    m = len(V)
    basis, sizes, _ = np.linalg.svd(V, full_matrices=False)
    basis = basis[:, sizes > 1e-9 * sizes[0]]
    # The action is on the span of V.
    wanted = wanted @ np.linalg.pinv(V, rcond=1e-9) @ basis
    pairs = [(a, b) for a in range(m) for b in range(a + 1) if kept[a, b]]
    units = []
    for a, b in pairs:
        X = np.zeros((m, m))
        X[a, b] = X[b, a] = 1.0 if a == b else 0.5**0.5
        units.append(X)
    system = np.stack([(X @ basis).ravel() for X in units], axis=1)
    y = np.linalg.lstsq(system, wanted.ravel(), rcond=1e-10)[0]
    return sum(t * X for t, X in zip(y, units, strict=True))


def m_matrix(n, seed, density=0.1, ground=1e-3):
    """Resistors between random nodes, all with a resistor to the ground: A 1 > 0."""
    rng = np.random.default_rng(seed)
    weights = np.tril(rng.uniform(0.1, 10, (n, n)) * (rng.random((n, n)) < density), -1)
    off = weights + weights.T
    return sp.csr_array(np.diag(off.sum(axis=1) + ground * rng.uniform(0.1, 1, n)) - off)


def elastic(n):
    """A clamped plane body whose stiffness varies by a factor of three, and its rigid motions.

    On a regular mesh couplings are zero, and a column may lack the entries to make up for it.
    """
    family = parametric_family("elasticity-2d")
    (system,) = family.draw(UniformStream(1), n, {"void": 0.3, "jitter": 0.2})
    return system.A, near_null_vectors("rigid", system.A.shape[0], system.coordinates)


def iterations(A, L):
    b = np.random.default_rng(0).uniform(-1, 1, A.shape[0])
    return pcg(A, b, L, rtol=1e-8).iterations


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 16),
    level=st.integers(0, 2),
    relaxation=st.sampled_from([0.3, 0.97, 1.0]),
    k=st.integers(1, 3),
)
def test_it_is_what_its_definition_says(random_spd, seed, n, level, relaxation, k):
    A = random_spd(n, seed, density=0.25, shift=3.0)
    V = np.random.default_rng(seed).uniform(0.5, 2.0, (n, min(k, n)))
    pattern = level_of_fill(A, level)
    try:
        L = mic0(A, relaxation, V, pattern)
    except BreakdownError:
        return
    mask = pattern.csr(np.ones(pattern.nnz)).toarray() != 0
    expected = by_elimination(A.toarray(), mask, relaxation, V)
    np.testing.assert_allclose(L.toarray(), expected, atol=1e-8 * abs(expected).max())


@pytest.mark.parametrize("name", ["HB/gr_30_30", "GHS_psdef/torsion1"])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_row_sums_are_preserved(name, level):
    A = formula_matrix(name)
    L = mic0(A, pattern=level_of_fill(A, level))
    ones = np.ones(A.shape[0])
    np.testing.assert_allclose(L @ (L.T @ ones), A @ ones, atol=1e-13 * abs(A).max())


@pytest.mark.parametrize("seed", range(5))
def test_a_given_vector_is_preserved(seed):
    """Also one of both signs, wherever the factor exists."""
    A = m_matrix(60, seed, ground=20.0)
    rng = np.random.default_rng(seed)
    v = rng.uniform(0.5, 2, 60) * rng.choice([-1, 1], 60)
    L, alpha = shifted_mic0(A, preserve=v)
    shifted = A + alpha * sp.diags_array(A.diagonal())
    np.testing.assert_allclose(L @ (L.T @ v), shifted @ v, atol=1e-11 * abs(A).max())


@pytest.mark.parametrize("relaxation", [0.5, 1.0])
def test_off_the_diagonal_it_agrees_with_the_matrix(relaxation):
    A = formula_matrix("HB/gr_30_30")
    L = mic0(A, relaxation)
    residual = sp.csr_array(L @ L.T - A).multiply(A != 0).tolil()
    residual.setdiag(0)
    assert abs(residual).max() < 1e-13


@pytest.mark.parametrize("V", [None, np.arange(1.0, 901.0), np.eye(900, 3) + 0.5])
@pytest.mark.parametrize("level", [0, 1])
def test_relaxation_zero_is_ic0_to_the_bit(V, level):
    A = formula_matrix("HB/gr_30_30")
    pattern = level_of_fill(A, level)
    expected = incomplete_cholesky(A, pattern)
    assert mic0(A, 0.0, V, pattern).data.tobytes() == expected.data.tobytes()


@pytest.mark.parametrize("V", [None, np.arange(1.0, 37.0), np.eye(36, 3) + 0.5])
def test_without_fill_in_it_is_the_exact_factor_to_the_bit(poisson_2d, V):
    line = tridiagonal_csr(poisson_1d(36))
    assert mic0(line, preserve=V).data.tobytes() == ic0(line).data.tobytes()
    A = poisson_2d(6)
    full = level_of_fill(A, 36)
    filled = mic0(A, preserve=V, pattern=full)
    assert filled.data.tobytes() == incomplete_cholesky(A, full).data.tobytes()
    np.testing.assert_allclose(filled.toarray(), np.linalg.cholesky(A.toarray()), atol=1e-12)


@settings(deadline=None, max_examples=100)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 60),
    relaxation=st.sampled_from([0.5, 0.97, 1.0]),
    level=st.integers(0, 1),
)
def test_pivots_of_an_m_matrix_stay_positive(seed, n, relaxation, level):
    A = m_matrix(n, seed)
    L = mic0(A, relaxation, pattern=level_of_fill(A, level))
    # What is moved only lowers the diagonal.
    assert np.all(L.diagonal() > 0)
    assert np.all(np.tril(L.toarray(), -1) <= 0)
    unmodified = incomplete_cholesky(A, level_of_fill(A, level))
    assert np.all(L.diagonal() <= unmodified.diagonal())


def test_a_row_without_a_later_neighbour_needs_a_relaxation_below_one():
    """The hub of a star comes first: what it drops takes all of the next pivot."""
    star = np.array([[1.0, -1, 0, 0], [-1, 3, -1, -1], [0, -1, 1, 0], [0, -1, 0, 2]])
    hub_first = star[np.ix_([1, 0, 2, 3], [1, 0, 2, 3])]
    assert np.linalg.eigvalsh(hub_first)[0] > 0
    with pytest.raises(BreakdownError) as caught:
        mic0(hub_first)
    assert caught.value.column == 1
    mic0(hub_first, relaxation=0.99)


def test_breakdown_names_the_column():
    with pytest.raises(
        BreakdownError, match=r"MIC\(0\) broke down.*column 3.*relaxation"
    ) as caught:
        mic0(KERSHAW, 0.1)
    assert caught.value.column == 3
    with pytest.raises(BreakdownError) as caught:
        mic0(np.array([[1.0, 1.0], [1.0, 1.0]]), preserve=np.eye(2))
    assert caught.value.column == 1


def test_the_smallest_shift():
    L, alpha = shifted_mic0(KERSHAW, 0.5)
    shifted = KERSHAW + alpha * np.diag(KERSHAW.diagonal())
    assert np.array_equal(L.toarray(), mic0(shifted, 0.5).toarray())
    assert np.array_equal(L.toarray(), mic0(KERSHAW, 0.5, shift=alpha).toarray())
    with pytest.raises(BreakdownError):
        mic0(KERSHAW, 0.5, shift=alpha / 2)
    A = formula_matrix("HB/gr_30_30")
    assert shifted_mic0(A)[1] == 0.0
    with pytest.raises(BreakdownError, match=r"MIC\(0\).*positive definite"):
        shifted_mic0(np.array([[1.0, 2.0**30], [2.0**30, 1.0]]))


@pytest.mark.parametrize("k", [1, 2])
def test_diagonal_scaling_changes_no_bit(k):
    A = formula_matrix("HB/gr_30_30")
    rng = np.random.default_rng(0)
    V = rng.uniform(0.95, 1.05, (900, k))
    expected, alpha = shifted_mic0(A, 0.9, V)
    powers = 2.0 ** rng.integers(-9, 9, 900)
    D = sp.diags_array(powers)
    scaled = shifted_mic0(sp.csr_array(D @ A @ D), 0.9, V / powers[:, None])
    assert scaled[1] == alpha
    assert np.array_equal(scaled[0].toarray(), (D @ expected).toarray())
    d = rng.uniform(0.1, 10, 900)
    D = sp.diags_array(d)
    scaled = mic0(sp.csr_array(D @ A @ D), 0.9, V / d[:, None], shift=alpha)
    np.testing.assert_allclose(scaled.toarray(), (D @ expected).toarray(), atol=1e-9)


def test_iterations_on_the_unit_square(poisson_2d):
    """The table of the plan: n = 16,384."""
    A = poisson_2d(128)
    found = [iterations(A, mic0(A, w)) for w in (0.0, 0.97, 0.99, 1.0)]
    np.testing.assert_allclose(found, [125, 57, 48, 52], atol=2)


def test_iterations_grow_with_the_root_of_those_of_ic0(poisson_2d):
    """From h to h / 4: O(1/h) without modification, O(h^-1/2) with it (Gustafsson 1978)."""
    coarse, fine = poisson_2d(32), poisson_2d(128)
    growth = [
        iterations(fine, make(fine)) / iterations(coarse, make(coarse)) for make in (ic0, mic0)
    ]
    assert growth[0] > 3.3
    assert growth[1] < 2.3


@pytest.mark.parametrize("count", [2, 3])
def test_motions_of_an_elastic_body_are_preserved(count):
    A, motions = elastic(400)
    V = motions[:, :count]
    L, alpha = shifted_mic0(A, preserve=V)
    shifted = A + alpha * sp.diags_array(A.diagonal())
    assert alpha == 0.0 if count == 2 else alpha < 0.1
    np.testing.assert_allclose(L @ (L.T @ V), shifted @ V, atol=1e-12)


def test_only_the_span_of_several_vectors_matters():
    A, motions = elastic(150)
    other = motions @ np.array([[1.0, 2, 5], [0, 1, -1], [3, 0, 1]])
    again = np.column_stack([other, motions[:, 0]])
    expected = mic0(A, 0.5, motions).data
    for V in (other, again):
        np.testing.assert_allclose(mic0(A, 0.5, V).data, expected, atol=1e-8)


def test_translations_pay_for_elasticity():
    A, motions = elastic(4000)
    none, ones, translations = (
        iterations(A, L) for L in (ic0(A), mic0(A, 0.97), mic0(A, 0.97, motions[:, :2]))
    )
    assert translations < 0.6 * none
    assert translations < 0.6 * ones


def test_one_vector_with_zeros():
    """Where v is zero no diagonal entry helps; other rows lose nothing."""
    A = formula_matrix("HB/gr_30_30")
    v = np.ones(900)
    v[400:403] = 0.0
    L = mic0(A, preserve=v)
    np.testing.assert_allclose((L @ (L.T @ v) - A @ v)[v != 0], 0.0, atol=1e-12)


def test_other_patterns_and_orders(poisson_2d):
    A = poisson_2d(12)
    ones = np.ones(144)
    order = np.argsort(minimum_degree(A))
    B = sp.csr_array(A[order][:, order])
    L = mic0(B, 1.0, shift=2.0**-20)
    np.testing.assert_allclose(L @ (L.T @ ones), B @ ones + 2.0**-20 * 4, atol=1e-12)
    wide = power_pattern(A, 2)
    assert iterations(A, mic0(A, pattern=wide)) < iterations(A, mic0(A))
    # Entries of A outside the pattern are lost, and nothing makes up for them.
    alone = mic0(A, pattern=sp.eye_array(144))
    np.testing.assert_array_equal(alone.toarray(), 2 * np.eye(144))


def test_what_cannot_be_used():
    for wrong in (-0.1, 1.1, np.nan, "1", True):
        with pytest.raises(ConfigurationError, match="relaxation is"):
            mic0(np.eye(3), wrong)
    with pytest.raises(ConfigurationError, match="shift is"):
        mic0(np.eye(3), shift=-1.0)
    for wrong in (
        np.ones(4),
        np.ones((3, 0)),
        np.ones((3, 4)),
        np.ones((1, 3)),
        np.ones((3, 1, 1)),
    ):
        with pytest.raises(MatrixError, match="preserve has shape"):
            mic0(np.eye(3), preserve=wrong)
    with pytest.raises(MatrixError, match="1 entries not finite"):
        mic0(np.eye(3), preserve=[1.0, np.nan, 1.0])


def test_values_for_the_kernel(poisson_2d):
    A = poisson_2d(5)
    pattern = level_of_fill(A, 0)
    values, column = mic0_values(pattern, sp.csr_array(sp.tril(A)).data, 0.9)
    assert column == -1
    assert np.array_equal(values, mic0(A, 0.9).data)


@pytest.mark.parametrize("given", ["matrix", "pattern", "shift"])
def test_long_columns(given):
    """Rows are looked up in columns with more entries than a walk would pay for."""
    A = m_matrix(120, seed=5, density=0.5)
    kept = sp.tril(A).toarray() != 0
    assert (kept.sum(axis=0) > 40).any()
    wanted = by_elimination(A.toarray(), kept, 0.9, np.ones((120, 1)))
    if given == "matrix":
        L = mic0(A, 0.9)
    elif given == "pattern":
        L = mic0(A, 0.9, pattern=sp.tril(A))
    else:
        L = mic0(A, 0.9, shift=1e-14)
    np.testing.assert_allclose(L.toarray(), wanted, rtol=1e-9, atol=1e-12)
