"""Level of fill by its definition, incomplete Cholesky on patterns, and ICT."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench import BreakdownError, ic0, invk, k_condition
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.factors import (
    ict,
    incomplete_cholesky,
    level_of_fill,
    lower_part,
    lower_pattern,
    power_pattern,
)
from precondbench.matrices import formula_matrix


def levels_by_elimination(A):
    """The textbook rule: lev(i, j) = min over pivots m of lev(i, m) + lev(m, j) + 1."""
    levels = np.where(A != 0, 0.0, np.inf)
    for m in range(len(A)):
        later = slice(m + 1, None)
        through = levels[later, m][:, None] + levels[m, later][None, :] + 1
        levels[later, later] = np.minimum(levels[later, later], through)
    return np.tril(levels)


def dense(pattern):
    return pattern.csr(np.ones(pattern.nnz)).toarray() != 0


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30), level=st.integers(0, 5))
def test_levels_are_those_of_elimination(random_spd, seed, n, level):
    A = random_spd(n, seed, density=0.08)
    expected = np.tril(levels_by_elimination(A.toarray()) <= level)
    assert np.array_equal(dense(level_of_fill(A, level)), expected)


def test_level_zero_is_the_matrix_and_enough_levels_the_factor(poisson_2d):
    A = poisson_2d(6)
    assert np.array_equal(dense(level_of_fill(A, 0)), sp.tril(A).toarray() != 0)
    filled = incomplete_cholesky(A, level_of_fill(A, 36))
    np.testing.assert_allclose(filled.toarray(), np.linalg.cholesky(A.toarray()), atol=1e-12)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 25), power=st.integers(1, 4))
def test_powers_count_paths(random_spd, seed, n, power):
    A = random_spd(n, seed, density=0.1)
    reached = np.linalg.matrix_power((A.toarray() != 0).astype(float), power) > 0
    assert np.array_equal(dense(power_pattern(A, power)), np.tril(reached))


@pytest.mark.parametrize("make", [lambda A: level_of_fill(A, 1), lambda A: power_pattern(A, 2)])
def test_product_equals_a_on_the_pattern(make):
    A = formula_matrix("HB/gr_30_30")
    pattern = make(A)
    L = incomplete_cholesky(A, pattern)
    residual = (L @ L.T - A).toarray()[dense(pattern)]
    assert abs(residual).max() < 1e-13


def test_on_the_pattern_of_a_it_is_ic0(poisson_2d):
    A = poisson_2d(9)
    assert np.array_equal(incomplete_cholesky(A, sp.tril(A)).data, ic0(A).data)


def test_larger_patterns_never_have_a_larger_k():
    """For Inv-K a theorem, and IC(k) is never better than Inv-K on its pattern."""
    A = formula_matrix("JGD_Trefethen/Trefethen_150")
    last = np.inf
    for level in (0, 1, 2):
        pattern = level_of_fill(A, level)
        best = k_condition(A, invk(A, pattern)).n_log_k
        assert best <= last + 1e-9
        assert best <= k_condition(A, incomplete_cholesky(A, pattern)).n_log_k + 1e-9
        last = best


def dense_ict(A, tolerance, most):
    n = len(A)
    L = np.zeros((n, n))
    for j in range(n):
        column = A[j:, j] - L[j:, :j] @ L[j, :j]
        norm = np.abs(A[:, j]).sum()
        below = column[1:]
        keep = [t for t in range(len(below)) if abs(below[t]) > tolerance * norm]
        keep = sorted(keep, key=lambda t: (-abs(below[t]), t))[:most]
        L[j, j] = np.sqrt(column[0])
        for t in keep:
            L[j + 1 + t, j] = below[t] / L[j, j]
    return L


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 25),
    tolerance=st.sampled_from([0.0, 1e-3, 0.02, 0.2]),
    most=st.sampled_from([None, 0, 1, 3]),
)
def test_ict_equals_its_definition(random_spd, seed, n, tolerance, most):
    # A diagonal of order one already, so that the scaling is the identity.
    A = random_spd(n, seed, shift=1.0)
    root = sp.diags_array(1 / np.sqrt(A.diagonal()))
    A = sp.csr_array(root @ A @ root)
    L = ict(A, tolerance, most).toarray()
    expected = dense_ict(A.toarray(), tolerance, n if most is None else most)
    assert np.array_equal(L != 0, expected != 0)
    np.testing.assert_allclose(L, expected, atol=1e-12)


def test_no_tolerance_is_the_exact_factor(poisson_2d):
    A = poisson_2d(8)
    np.testing.assert_allclose(ict(A, 0.0).toarray(), np.linalg.cholesky(A.toarray()), atol=1e-12)


def test_inv_k_on_the_pattern_of_ict_is_no_worse():
    A = formula_matrix("HB/gr_30_30")
    L = ict(A, 0.005)
    assert k_condition(A, invk(A, L)).n_log_k <= k_condition(A, L).n_log_k


def test_powers_of_two_change_no_bit():
    A = formula_matrix("HB/gr_30_30")
    D = sp.diags_array(2.0 ** np.random.default_rng(0).integers(-9, 9, 900).astype(float))
    scaled = ict(sp.csr_array(D @ A @ D), 0.01)
    assert np.array_equal(scaled.toarray(), (D @ ict(A, 0.01)).toarray())


def test_columns_grow_beyond_the_first_allocation():
    n = 60
    rng = np.random.default_rng(0)
    A = sp.csr_array(np.eye(n) * n + rng.random((n, n)) * (rng.random((n, n)) < 0.05))
    A = sp.csr_array(A + A.T)
    arrow = sp.lil_array(A)
    arrow[:, 0] = 1.0
    arrow[0, :] = 1.0
    arrow[0, 0] = n
    L = ict(sp.csr_array(arrow), 0.0)
    assert L.nnz == n * (n + 1) // 2
    np.testing.assert_allclose((L @ L.T).toarray(), arrow.toarray(), atol=1e-10)


def test_breakdowns_and_bad_settings():
    kershaw = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])
    with pytest.raises(BreakdownError, match="column 3"):
        incomplete_cholesky(kershaw, np.tril(kershaw))
    with pytest.raises(BreakdownError, match="lower drop_tolerance"):
        ict(np.array([[1.0, 2.0], [2.0, 1.0]]))
    for wrong in ((-0.1, None), (np.nan, None), (0.1, -1)):
        with pytest.raises(ConfigurationError):
            ict(np.eye(2), *wrong)
    for wrong in (lambda: level_of_fill(np.eye(2), -1), lambda: power_pattern(np.eye(2), 0)):
        with pytest.raises(ConfigurationError):
            wrong()


def test_one_row():
    assert level_of_fill([[2.0]], 3).nnz == 1
    assert lower_pattern(ict([[4.0]])).nnz == 1


FORMS = {
    "sorted": lambda A: A,
    "unsorted": lambda A: sp.csr_array((A.data, _descending(A), A.indptr), A.shape),
    "one triangle": lambda A: sp.csr_array(sp.tril(A, format="csr")),
    "duplicates": lambda A: sp.csr_array(
        (np.repeat(A.data, 2), np.repeat(A.indices, 2), 2 * A.indptr), A.shape
    ),
}


class TestLowerPart:
    """The pattern of tril(A), whatever A is."""

    @pytest.mark.parametrize("form", FORMS)
    def test_it_is_that_of_the_sorted_triangle(self, form):
        A = sp.csr_array(sp.random_array((9, 9), density=0.3, rng=1) + sp.eye_array(9))
        given = FORMS[form](A)
        found = lower_part(given)
        expected = lower_pattern(sp.tril(given, format="csr"))
        assert np.array_equal(found.indptr, expected.indptr)
        assert np.array_equal(found.indices, expected.indices)
        assert (found.indptr.dtype, found.indices.dtype) == (np.int64, np.int32)

    def test_a_missing_diagonal_entry_is_named(self):
        A = sp.csr_array(np.array([[1.0, 2.0, 0.0], [2.0, 0.0, 3.0], [0.0, 3.0, 1.0]]))
        with pytest.raises(MatrixError, match="lacks the diagonal entry of row 1"):
            lower_part(A)


def _descending(A):
    """Columns of the entries, those of each row from right to left."""
    return A.indices[np.lexsort((-A.indices, sp.coo_array(A).row))]
