"""Inv-K, K and Cholesky know how many digits they have, and agree whether a matrix is definite."""

import importlib.util
import json
import warnings
from decimal import localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import BreakdownError, invk, k_condition
from precondbench.errors import AccuracyWarning
from precondbench.factors import invk_report, lower_pattern, selected_inverse
from precondbench.factors.cholesky import extended
from precondbench.factors.cholesky.extended import rounding_bound
from precondbench.factors.cholesky.twofold import add, divide, multiply, root
from precondbench.factors.inv_k.extended import entry_error
from precondbench.matrices import check_spd_candidate
from precondbench.quality import Pair, problem_of
from precondbench.solvers import exact_cholesky

CHECKOUT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location(
    "near_singular", CHECKOUT / "benchmarks" / "near_singular.py"
)
near_singular = importlib.util.module_from_spec(spec)
spec.loader.exec_module(near_singular)
RESULTS = CHECKOUT / "benchmarks" / "results" / "near_singular.json"


def resistors(ground, a=0.4, b=2.5):
    """Three resistors in a row, grounded by almost nothing; no fill-in: Inv-K is Cholesky."""
    return np.array([[a, -a, 0], [-a, a + b, -b], [0, -b, b + ground]])


def hilbert(n):
    return 1 / (np.arange(n)[:, None] + np.arange(n) + 1.0)


def singular_grid(seed, m=5):
    """Laplacian whose rounded row sums leave it definite or indefinite by chance."""
    g = np.random.default_rng(seed)
    A = near_singular.laplacian(m * m, near_singular.grid(m * m, g), np.zeros(2 * m * (m - 1)))
    weights = g.uniform(0.1, 1, 2 * m * (m - 1))
    return A + near_singular.laplacian(m * m, near_singular.grid(m * m, g), weights)


def outcome(call):
    """Result, or the column and text of the BreakdownError, and whether there was a warning."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            result = call()
        except BreakdownError as error:
            result = (error.column, str(error))
    return result, [one.category for one in seen]


# --- Arithmetic with two doubles ---


@pytest.mark.parametrize("seed", range(5))
def test_pairs_have_thirty_digits(seed):
    g = np.random.default_rng(seed)
    for _ in range(50):
        a, b = g.standard_normal(2) * 10.0 ** g.integers(-20, 20, 2)
        pairs = [(float(x), float(x * 1e-17 * g.uniform(-1, 1))) for x in (a, b)]
        exact = [Fraction(high) + Fraction(low) for high, low in pairs]
        for operation, wanted in (
            (add, exact[0] + exact[1]),
            (multiply, exact[0] * exact[1]),
            (divide, exact[0] / exact[1]),
        ):
            high, low = operation(*pairs[0], *pairs[1])
            error = Fraction(high) + Fraction(low) - wanted
            assert abs(error) <= abs(wanted) * Fraction(2) ** -100
            assert high == high + low
        high, low = root(abs(pairs[0][0]), np.copysign(pairs[0][1], 1.0))
        square = (Fraction(high) + Fraction(low)) ** 2
        wanted = abs(Fraction(pairs[0][0])) + abs(Fraction(pairs[0][1]))
        assert abs(square - wanted) <= wanted * Fraction(2) ** -99


def test_pairs_do_not_lose_what_cancels():
    assert add(1.0, 2.0**-60, -1.0, 0.0) == (2.0**-60, 0.0)
    assert add(1.0, 2.0**-60, -1.0, -(2.0**-70)) == (2.0**-60 - 2.0**-70, 0.0)


# --- Errors are measured where the residual rounds itself away ---


@pytest.mark.parametrize("ground", [1e-15, 3e-15, 1e-14, 1e-13])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
@pytest.mark.parametrize("power", [0, 500, -500])
def test_weakly_grounded_resistors(ground, order, power):
    A = np.ldexp(resistors(ground)[np.ix_(order, order)], power)
    report, seen = outcome(lambda: invk_report(A))
    with localcontext(prec=80):
        exact = near_singular.Reference(np.ldexp(A, -power)).invk(np.tril(A))
        error = max(
            float(abs((near_singular.exactly(report.factor.toarray()[s, i : i + 1])[:, 0]
                       / near_singular.Decimal(2) ** (power // 2) - column) / column).max())
            for i, (s, column) in enumerate(exact)
        )  # fmt: skip
    assert report.error == pytest.approx(error, rel=0.01, abs=1e-12)
    assert (AccuracyWarning in seen) == (error > 1e-4)


def test_the_residual_alone_would_be_silent():
    with pytest.warns(AccuracyWarning, match=r"relative error of about 3\.7e-01"):
        report = invk_report(resistors(1e-15))
    assert report.residual == 0.0
    assert report.error == pytest.approx(0.3675, rel=1e-3)
    assert report.method == "simplicial"


@pytest.mark.parametrize("n", [2, 5, 8, 10, 11, 12])
def test_hilbert_matrices(n):
    """K of I is known to all digits however ill-conditioned A is; Inv-K says what it has."""
    A = hilbert(n)
    with localcontext(prec=80):
        exact = float(near_singular.Reference(A).n_log_k(np.eye(n)))
    (k, _), seen = outcome(lambda: k_condition(A, np.eye(n)))
    assert k == pytest.approx(exact, rel=1e-10)
    assert not seen
    report, seen = outcome(lambda: invk_report(A))
    # Inv-K of a full pattern is the Cholesky factor.
    if report.error < 1e-4:
        assert not seen
        np.testing.assert_allclose((report.factor @ report.factor.T).toarray(), A, rtol=1e-3)
    else:
        assert seen == [AccuracyWarning]
    assert (report.error > 1e-4) == (n > 10)


@pytest.mark.parametrize("n", [14, 16, 20])
def test_hilbert_matrices_that_rounding_makes_indefinite(n):
    assert not near_singular.is_positive_definite(hilbert(n))
    for call in (lambda: invk(hilbert(n)), lambda: k_condition(hilbert(n), np.eye(n))):
        with pytest.raises(BreakdownError, match="not positive definite"):
            call()


def test_exact_rounding_is_no_false_alarm():
    """A tree with unit weights is eliminated without any rounding, though cond(A) is 1e13."""
    A = near_singular.laplacian(30, near_singular.path(30, None), np.ones(29))
    A[0, 0] += 2.0**-40
    report, seen = outcome(lambda: invk_report(A))
    assert not seen
    assert rounding_bound(check_spd_candidate(A), np.diag(np.linalg.inv(A))) > 1e-4
    assert report.error < 1e-6


def test_a_large_matrix_is_judged_by_the_bound(monkeypatch):
    """Where 32 digits are too much work, the bound decides, and K warns as Inv-K does."""
    monkeypatch.setattr(extended, "AFFORDABLE", 0.0)
    monkeypatch.setattr("precondbench.factors.inverse.extended.AFFORDABLE", 0.0)
    with pytest.warns(AccuracyWarning, match="Inv-K has few correct digits"):
        report = invk_report(resistors(1e-15))
    assert report.error > 0.1
    with pytest.warns(AccuracyWarning, match="K has few correct digits"):
        k_condition(resistors(1e-15), np.eye(3))
    for call in (invk, exact_cholesky, lambda A: k_condition(A, np.eye(2))):
        with pytest.raises(BreakdownError, match="in double precision"):
            call(np.array([[1.0, 2.0], [2.0, 1.0]]))


@pytest.mark.parametrize("seed", range(6))
def test_the_bound_exceeds_the_error(seed):
    """Of near-singular networks; by how much varies, and to first order in the error only."""
    g = np.random.default_rng(seed)
    A = near_singular.shifted(30, g)
    A += 1e-14 * np.eye(30)
    matrix = check_spd_candidate(A)
    Z = selected_inverse(matrix, lower_pattern(sp.tril(matrix)))
    report, _ = outcome(lambda: invk_report(A))
    assert min(report.error, 1.0) <= Z.error * (1.0 + 4.0 * min(report.error, 1.0))
    assert (Z.extended is not None) == (Z.error > 1e-6)


def test_the_bound_does_not_depend_on_scale():
    A = check_spd_candidate(resistors(1e-10))
    z = np.diag(np.linalg.inv(A.toarray()))
    d = np.array([1e-100, 1.0, 1e100])
    scaled = check_spd_candidate(A.toarray() * d[:, None] * d)
    assert rounding_bound(scaled, z / d**2) == pytest.approx(rounding_bound(A, z), rel=1e-12)
    assert rounding_bound(A, np.array([1.0, -1.0, 1.0])) == np.inf
    assert rounding_bound(A, np.array([1.0, np.nan, 1.0])) == np.inf


def test_error_of_an_entry():
    pattern = lower_pattern(np.tril(np.ones((2, 2))))
    exact = np.array([1.0, 1e-6, 2.0])
    assert entry_error(pattern, exact, exact) == 0.0
    # A small entry counts against 1e-3 of the largest in its column.
    assert entry_error(pattern, np.array([1.0, 2e-6, 2.0]), exact) == pytest.approx(1e-3)
    assert entry_error(pattern, np.array([1.0, 1e-6, 2.2]), exact) == pytest.approx(0.1)
    assert entry_error(pattern, np.array([1.0, np.nan, 2.0]), exact) == np.inf


# --- K does not depend on the scale of L ---


@pytest.mark.parametrize("scale", [1.0, 1e-170, 1e160, 1e-300, 1e300, 2.0**-1060, -1e-200])
def test_k_of_tiny_and_huge_factors(scale):
    A = sp.csr_array([[2.0, 1], [1, 2]])
    assert k_condition(A, scale * np.eye(2)).k == pytest.approx(1.1547005383792515, rel=1e-14)


@pytest.mark.parametrize("power", [-1000, -300, 300, 1000])
def test_k_of_scaled_systems(power):
    """K(S A S, S L) is K(A, L) for powers of two, whatever their size."""
    A, L = resistors(0.1), np.linalg.cholesky(resistors(0.3))
    s = np.ldexp(np.ones(3), [power // 2, 0, -power // 4])
    scaled = k_condition(A * s[:, None] * s, L * s[:, None])
    assert scaled == pytest.approx(k_condition(A, L), rel=1e-12)


def test_k_of_columns_of_very_different_size():
    A, L = np.eye(2), np.diag([1e-200, 1e200])
    # n log K = 2 log(1e400 / 2).
    assert k_condition(A, L).n_log_k == pytest.approx(2 * (400 * np.log(10) - np.log(2)))


def test_stored_zeros_say_nothing_about_the_scale_of_a_factor():
    L = sp.csr_array(np.tril(np.ones((2, 2))) * 1e-170)
    L.data[1] = 0.0
    A = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert k_condition(A, L).k == pytest.approx(1.1547005383792515, rel=1e-14)


@pytest.mark.parametrize("values", [[np.nan, 1, 1], [1, np.inf, 1], [0, 1, 1], [0, 0, 0]])
def test_values_without_a_k_have_none(values):
    A = sp.csr_array([[2.0, 1.0], [1.0, 2.0]])
    problem = problem_of(Pair("own", A, np.tril(A.toarray())))
    with np.errstate(all="raise"):
        assert problem.log_k(np.array(values, dtype=float)) is None


def test_k_of_a_problem_has_all_digits():
    """The scorer's figure is that of k_condition."""
    A = check_spd_candidate(resistors(1e-13))
    L = sp.csr_array(np.tril(A.toarray()))
    problem = problem_of(Pair("own", A, L))
    assert problem.log_k(L.data) == pytest.approx(k_condition(A, L).n_log_k, rel=1e-13)


# --- One answer on definiteness ---


@pytest.mark.parametrize("seed", range(12))
def test_invk_k_and_cholesky_agree_on_definiteness(seed):
    A = singular_grid(seed)
    definite = near_singular.is_positive_definite(A)
    answers = [
        outcome(call)
        for call in (
            lambda: invk(A).nnz,
            lambda: invk_report(A, method="supernodal").factor.nnz,
            lambda: invk(A, np.tril(np.ones(A.shape))).nnz,
            lambda: k_condition(A, np.eye(25)).k,
            lambda: k_condition(A, np.tril(np.ones((25, 25)))).k,
            lambda: exact_cholesky(A).entries,
        )
    ]
    if definite:
        assert not any(isinstance(result, tuple) for result, _ in answers)
    else:
        # The same error, to the letter.
        assert len({result for result, _ in answers}) == 1
        assert "not positive definite" in answers[0][0][1]


@pytest.mark.parametrize("n", [2, 3, 10, 40])
def test_exactly_singular_matrices(n):
    """Pivots that are zero, or rounding errors of 32 digits."""
    g = np.random.default_rng(n)
    for weights in (np.ones(n - 1), g.integers(1, 1000, n - 1).astype(float)):
        A = near_singular.laplacian(n, near_singular.tree(n, g), weights)
        for call in (invk, exact_cholesky, lambda A: k_condition(A, np.eye(len(A)))):
            with pytest.raises(BreakdownError, match="not positive definite"):
                call(A)


def test_definite_matrices_that_double_precision_finds_indefinite():
    """Inv-K exists for every positive definite matrix, and its digits are right."""
    found = 0
    for seed in range(40):
        A = near_singular.shifted(20, np.random.default_rng(seed))
        report, _ = outcome(lambda A=A: invk_report(A))
        if isinstance(report, tuple):
            assert not near_singular.is_positive_definite(A)
            continue
        found += report.method == "extended"
        if report.method == "extended":
            assert report.error < 1e-15
            assert np.isnan(report.residual)
            with localcontext(prec=80):
                exact = near_singular.Reference(A).invk(np.tril(A))
                for i, (s, column) in enumerate(exact):
                    np.testing.assert_allclose(
                        report.factor.toarray()[s, i], column.astype(float), rtol=1e-12
                    )
    assert found >= 1


def test_exact_cholesky_solves_nearly_singular_systems():
    A = resistors(1e-15)
    x = exact_cholesky(A) @ np.array([1.0, 0.0, 0.0])
    with localcontext(prec=80):
        exact = near_singular.Reference(A).B[:, 0].astype(float)
    np.testing.assert_allclose(x, exact, rtol=1e-14)


@pytest.mark.parametrize("power", [-900, 900])
def test_extreme_scales_of_nearly_singular_matrices(power):
    A = np.ldexp(resistors(1e-15), power)
    with pytest.warns(AccuracyWarning):
        invk(A)
    matrix = check_spd_candidate(A)
    Z = selected_inverse(matrix, lower_pattern(sp.tril(matrix)))
    with localcontext(prec=80):
        exact = np.diag(near_singular.Reference(resistors(1e-15)).B).astype(float)
    np.testing.assert_allclose(np.ldexp(Z.extended.diagonal[0], power)[Z.position], exact)


# --- 2,000 matrices ---


def test_a_few_of_the_matrices_of_the_benchmark():
    result = near_singular.summary(
        [(name, near_singular.compare(A)) for name, A in near_singular.matrices(28)]
    )
    assert_sound(result)


def assert_sound(result):
    assert result["wrong_or_different_answers_on_definiteness"] == 0
    for figure in result["figures"].values():
        assert figure["error_above_1e-3_without_warning"] == 0
        assert figure["warned_with_error_below_1e-9"] <= 0.01 * figure["count"]


def test_the_committed_results_hold_no_silent_error():
    result = json.loads(RESULTS.read_text())
    assert result["matrices"] == 2000
    assert_sound(result)


@pytest.mark.long
def test_500_nearly_singular_matrices():
    """The first of those that benchmarks/near_singular.py compares."""
    result = near_singular.summary(
        [(name, near_singular.compare(A)) for name, A in near_singular.matrices(500)]
    )
    assert_sound(result)
