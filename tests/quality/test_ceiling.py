"""The ceiling of local rules on twins, compared with brute force and with local rules."""

import numpy as np
import pytest
from scipy.optimize import minimize

from precondbench import SyntheticTridiag
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.factors import khop_factor
from precondbench.matrices import LAWS, draw
from precondbench.quality import cosine, mean_ceiling, twin_ceiling
from precondbench.quality.ceiling import shared_cosine
from precondbench.quality.values import stored_values

TWINS = [law for laws in LAWS.values() for law in laws.values() if law.records == "twins"]
IDS = {"argvalues": TWINS, "ids": lambda law: f"{law.family}-{law.name}"}


def brute_force(near, far, other_near, other_far, starts=40, seed=0):
    """Maximise over every free variable: both near parts and the shared far part."""
    rng = np.random.default_rng(seed)
    m, k = near.size, far.size
    first, second = np.concatenate((near, far)), np.concatenate((other_near, other_far))

    def loss(z):
        a, b, x = z[:m], z[m : 2 * m], z[2 * m :]
        return -0.5 * (
            first @ np.concatenate((a, x)) / np.linalg.norm(first) / np.hypot(*norms(a, x))
            + second @ np.concatenate((b, x)) / np.linalg.norm(second) / np.hypot(*norms(b, x))
        )

    def norms(a, x):
        return np.linalg.norm(a), np.linalg.norm(x)

    best = 1.0
    for _ in range(starts):
        found = minimize(
            loss, rng.standard_normal(2 * m + k), method="BFGS", options={"gtol": 1e-9}
        )
        best = min(best, found.fun)
    return -best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("m", "k"), [(1, 2), (2, 3), (3, 2), (0, 3)])
def test_against_brute_force_on_any_vectors(seed, m, k):
    rng = np.random.default_rng(seed)
    near, other_near = rng.standard_normal((2, m))
    far = rng.standard_normal(k)
    other_far = far + rng.uniform(0.1, 2.0) * rng.standard_normal(k)
    if far @ other_far < 0:
        other_far = -other_far
    ours = shared_cosine(near, far, other_near, other_far)
    assert ours == pytest.approx(brute_force(near, far, other_near, other_far), abs=1e-8)


@pytest.mark.parametrize("columns", [1, 3, 5])
def test_against_brute_force_on_twins(columns):
    pair = draw(LAWS["cholesky"]["twin"], 8, 3)

    def parts(factor):
        d, s = factor.diagonal, factor.subdiagonal
        return (
            np.concatenate((d[:columns], s[:columns])),
            np.concatenate((d[columns:], s[columns:])),
        )

    exact = brute_force(*parts(pair.literal), *parts(pair.modified), starts=6)
    assert twin_ceiling(pair.literal, pair.modified, columns) == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("seed", range(20))
def test_no_angle_is_above(seed):
    """The bound of the theorem at every direction in the plane, also outside [0, theta]."""
    rng = np.random.default_rng(seed)
    theta = rng.uniform(0.0, np.pi / 2)
    near, other_near = 10.0 ** rng.uniform(-2, 2, (2, 1))
    alpha = np.linspace(-np.pi, np.pi, 20001)
    values = 0.5 * (
        np.sqrt((near**2 + np.cos(alpha) ** 2) / (near**2 + 1))
        + np.sqrt((other_near**2 + np.cos(alpha - theta) ** 2) / (other_near**2 + 1))
    )
    far, other_far = np.array([1.0, 0.0]), np.array([np.cos(theta), np.sin(theta)])
    ours = shared_cosine(near, far, other_near, other_far)
    assert values.max() <= ours + 1e-14
    assert values.max() == pytest.approx(ours, abs=1e-7)


@pytest.mark.parametrize("law", **IDS)
@pytest.mark.parametrize("n", [20, 50])
def test_monotone_and_one_at_the_end(law, n):
    for i in range(5):
        pair = draw(law, n, i)
        values = [twin_ceiling(pair.literal, pair.modified, k) for k in range(n + 1)]
        assert np.all(np.diff(values) >= -1e-13)
        assert values[-1] == 1.0
        assert values[0] < 1.0


@pytest.mark.parametrize("law", **IDS)
@pytest.mark.parametrize("hops", [0, 1, 3, 7])
def test_no_window_rule_is_above(law, hops):
    """A k-hop oracle sees A_11 in k + 1 columns."""
    for n in {20, law.rows}:
        for i in range(10):
            pair = draw(law, n, 5, i)
            mean = 0.5 * sum(
                cosine(stored_values(khop_factor(matrix, hops)), stored_values(factor))
                for matrix, factor in ((pair.original, pair.literal), (pair.matrix, pair.modified))
            )
            assert mean <= twin_ceiling(pair.literal, pair.modified, hops + 1) + 1e-12


@pytest.mark.parametrize(("family", "k"), [("cholesky", 7), ("lu", 4)])
def test_the_ceiling_is_attained(family, k):
    """The rule of the proof: targets near A_11, the best shared values beyond."""
    pair = draw(LAWS[family]["twin"], 20, 1)
    first, second = stored_values(pair.literal), stored_values(pair.modified)
    # By rows: the entries (i, j) with min(i, j) >= k are the far ones.
    stored = [(i, j) for i in range(20) for j in (i - 1, i, i + 1) if 0 <= j < 20]
    near = [min(i, j) < k for i, j in stored if family == "lu" or j <= i]
    far = ~np.array(near)
    f, g = first[far], second[far]
    best = 0.0
    for t in np.linspace(0, 1, 2001):
        x = (1 - t) * f / np.linalg.norm(f) + t * g / np.linalg.norm(g)
        x /= np.linalg.norm(x)
        mean = 0.0
        for target, part in ((first, f), (second, g)):
            guess = target.copy()
            guess[far] = x * (x @ part)
            mean += 0.5 * cosine(guess, target)
        best = max(best, mean)
    assert best == pytest.approx(twin_ceiling(pair.literal, pair.modified, k), abs=1e-7)


@pytest.mark.parametrize(
    ("family", "known"), [("cholesky", [0.994, 0.996, 1.0]), ("lu", [0.98, 0.99, 1.0])]
)
def test_known_ceilings(family, known):
    pair = draw(LAWS[family]["twin"], 20, 0)
    found = [twin_ceiling(pair.literal, pair.modified, k) for k in (0, 7, 20)]
    assert [round(value, 3) for value in found] == known


def test_twins_agree_but_for_one_entry():
    for law in TWINS:
        pair = draw(law, law.rows, 2)
        difference = pair.matrix.diagonal - pair.original.diagonal
        assert difference[0] == pytest.approx(1.0)
        assert not difference[1:].any()
        np.testing.assert_array_equal(pair.matrix.subdiagonal, pair.original.subdiagonal)


def test_far_rows_of_twins_differ_as_stated():
    changes = []
    for i in range(40):
        pair = draw(LAWS["cholesky"]["twin"], 20, 4, i)
        changes.append(np.median(np.abs(pair.modified.diagonal / pair.literal.diagonal - 1)[5:]))
    assert np.mean(changes) == pytest.approx(0.29, abs=0.03)


@pytest.mark.parametrize("law", **IDS)
def test_bad_arguments(law):
    pair = draw(law, 20, 0)
    with pytest.raises(MatrixError, match="columns lie between"):
        twin_ceiling(pair.literal, pair.modified, 21)


def test_mean_over_a_split():
    split = SyntheticTridiag(split="val", config="twin")
    facts = [split.facts(i)["ceiling_007"] for i in range(len(split))]
    assert mean_ceiling(split, 7) == pytest.approx(np.mean(facts), abs=1e-15)
    assert mean_ceiling(split[4:8], 7) == pytest.approx(np.mean(facts[4:8]), abs=1e-15)
    assert mean_ceiling(split, 20) == 1.0
    general = SyntheticTridiag(split="val", kind="lu", config="twin")
    assert mean_ceiling(general, 20) == 1.0
    assert mean_ceiling(general, 7) < 0.9975
    assert mean_ceiling(SyntheticTridiag.generate(n=12, count=4, twins=True), 12) == 1.0


def test_mean_needs_pairs_and_a_stored_ceiling():
    split = SyntheticTridiag(split="val", config="twin")
    for part in (split[1:5], split[:3], split[[0, 3]], split[[1, 0]], split[:0]):
        with pytest.raises(ConfigurationError, match="twins side by side"):
            mean_ceiling(part, 7)
    with pytest.raises(ConfigurationError, match="twins side by side"):
        mean_ceiling(SyntheticTridiag(split="val", config="uniform"), 7)
    with pytest.raises(ConfigurationError, match=r"no ceiling for 21 columns .* 19, 20"):
        mean_ceiling(split, 21)
