"""Cosine, K-condition number, locality and effective hops by known answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from precondbench import ic0, invk, k_condition
from precondbench.errors import MatrixError, PredictionError
from precondbench.factors import khop_factor
from precondbench.matrices import (
    LAWS,
    draw,
    lower_csr,
    poisson_1d,
    theorem_2_1_factor,
    tridiagonal_csr,
)
from precondbench.quality import (
    HopLadder,
    Pair,
    cosine,
    locality_profile,
    one_minus_cosine,
    problem_of,
)

vectors = hnp.arrays(np.float64, 6, elements=st.floats(-1e3, 1e3).filter(lambda x: abs(x) > 1e-3))


@given(vectors, vectors, st.floats(1e-100, 1e100))
def test_cosine_is_bounded_symmetric_and_scale_free(x, y, scale):
    value = cosine(x, y)
    assert -1 - 1e-12 <= value <= 1
    assert value == pytest.approx(cosine(y, x), abs=1e-12)
    assert value == pytest.approx(cosine(scale * x, y), abs=1e-12)
    reference = x @ y / np.linalg.norm(x) / np.linalg.norm(y)
    assert value == pytest.approx(reference, abs=1e-12)


def test_small_angles_do_not_cancel():
    x = np.ones(100)
    y = x + 1e-10 * np.cos(np.arange(100.0))
    angle = np.linalg.norm(y / np.linalg.norm(y) - x / np.linalg.norm(x))
    assert one_minus_cosine(y, x) == pytest.approx(angle**2 / 2, rel=1e-3)
    assert one_minus_cosine(y, x) > 0


@pytest.mark.parametrize("bad", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0], []])
def test_cosine_of_nothing(bad):
    with pytest.raises(PredictionError, match="finite and not all zero"):
        cosine(bad, [1.0, 1.0])
    with pytest.raises(PredictionError, match="differ in length"):
        cosine([1.0, 1.0, 1.0], [1.0, 1.0])


@pytest.mark.parametrize("factor", [ic0, invk])
def test_k_by_its_definition(random_spd, factor):
    A = random_spd(30, 4)
    L = factor(A)
    dense = L.toarray()
    eigenvalues = np.linalg.eigvalsh(dense.T @ np.linalg.solve(A.toarray(), dense))
    n_log_k = 30 * np.log(eigenvalues.mean()) - np.log(eigenvalues).sum()
    result = k_condition(A, L)
    assert result.n_log_k == pytest.approx(n_log_k, rel=1e-9, abs=1e-11)
    assert result.k == pytest.approx(np.exp(n_log_k / 30))
    L.data *= 17.0
    assert k_condition(A, L).n_log_k == pytest.approx(n_log_k, rel=1e-9, abs=1e-11)


def test_free_test_of_invk(random_spd):
    """n log K(Inv-K) = log det A - 2 sum log L_ii."""
    A = random_spd(40, 9)
    L = invk(A)
    expected = np.linalg.slogdet(A.toarray())[1] - 2 * np.log(L.diagonal()).sum()
    assert k_condition(A, L).n_log_k == pytest.approx(expected, abs=1e-10)


def test_k_of_mismatched_sizes():
    with pytest.raises(MatrixError, match="A has 2 rows, L has 3"):
        k_condition(np.eye(2), np.eye(3))


def test_poisson_influence_decays_like_one_over_distance():
    """Figure 1, left: L'_kk / L_kk - 1 for the 1D Laplacian falls like 1 / k^2 at most."""
    A = tridiagonal_csr(poisson_1d(100))
    change = locality_profile(A, invk)
    k = np.arange(10, 60)
    slope = np.polyfit(np.log(k), np.log(change[k]), 1)[0]
    assert -2.5 < slope < -1.5


def test_theorem_2_1_changes_everything():
    """Figure 1, right: every diagonal entry changes by order one or more."""
    from precondbench.matrices import updated_factor

    factor = theorem_2_1_factor(30)
    first_column = np.cumprod(np.concatenate(([1.0], -np.arange(2.0, 31.0))))
    after = updated_factor(factor, first_column**2)
    change = np.abs(after.diagonal / factor.diagonal - 1)
    assert np.all(change > 0.4)
    assert change[-1] > 20


def test_profile_follows_graph_distance(poisson_2d):
    A = poisson_2d(7)
    change = locality_profile(A, ic0, row=24)
    assert change.shape == (7,)
    assert change[0] == pytest.approx(np.sqrt(2) - 1, rel=0.5)
    with pytest.raises(MatrixError, match="row is 49"):
        locality_profile(A, ic0, row=49)
    with pytest.raises(MatrixError, match="must be positive"):
        locality_profile(A, ic0, relative_change=0.0)


def test_ladder_recovers_the_hops_of_an_oracle():
    samples = [draw(LAWS["cholesky"]["uniform"], 50, 1, i) for i in range(20)]
    ladder = HopLadder(
        problem_of(Pair("", tridiagonal_csr(sample.matrix), lower_csr(sample.modified)))
        for sample in samples
    )
    counts = [ladder.mean_iterations(k) for k in range(0, 50, 7)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1.0
    for k in (0, 2, 5):
        assert ladder.effective_hops(ladder.mean_iterations(k)) == pytest.approx(k)
    # Rungs of equal height: the shortest window that is as good.
    flat = ladder.effective_hops(ladder.mean_iterations(40))
    assert flat <= 40
    assert ladder.mean_iterations(int(flat)) == ladder.mean_iterations(40)
    middle = 0.5 * (ladder.mean_iterations(3) + ladder.mean_iterations(4))
    assert ladder.effective_hops(middle) == pytest.approx(3.5)
    assert ladder.effective_hops(10_000) == 0.0


def test_ladder_refuses_other_patterns(poisson_2d):
    A = poisson_2d(3)
    with pytest.raises(MatrixError, match="tridiagonal matrices only"):
        HopLadder([problem_of(Pair("", A, ic0(A)))]).mean_iterations(1)
    with pytest.raises(MatrixError, match="at least one"):
        HopLadder([])


def test_zero_hop_rule():
    a = draw(LAWS["cholesky"]["uniform"], 50, 3).matrix
    L = lower_csr(khop_factor(a, 0))
    np.testing.assert_allclose(L.diagonal(), np.sqrt(a.diagonal))
    np.testing.assert_allclose(L.diagonal(-1), a.subdiagonal / np.sqrt(a.diagonal[:-1]))


def test_locality_tells_the_laws_apart():
    """A change of A_11 hardly reaches the last row of ``local``, and does that of ``growth``."""
    last = {}
    for name in ("local", "growth"):
        sample = draw(LAWS["cholesky"][name], 50, 0)
        last[name] = abs(sample.modified.diagonal[-1] / sample.literal.diagonal[-1] - 1)
    assert last["local"] < 1e-4 < last["growth"]
