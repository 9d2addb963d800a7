"""The ceiling of local rules on twins with LU factors."""

from itertools import pairwise

import numpy as np
import pytest

from precondbench import SyntheticTridiag
from precondbench.errors import MatrixError
from precondbench.factors import khop_factor
from precondbench.matrices import LAWS, draw
from precondbench.quality import cosine, mean_ceiling, twin_ceiling
from precondbench.quality.values import stored_values


@pytest.mark.parametrize("name", ["growth", "twin"])
@pytest.mark.parametrize("hops", [0, 3, 7])
def test_windows_stay_below(name, hops):
    for i in range(5):
        pair = draw(LAWS["lu"][name], LAWS["lu"][name].rows, 3, i)
        mean = 0.5 * sum(
            cosine(stored_values(khop_factor(matrix, hops)), stored_values(factor))
            for matrix, factor in ((pair.original, pair.literal), (pair.matrix, pair.modified))
        )
        assert mean <= twin_ceiling(pair.literal, pair.modified, hops + 1) + 1e-12


def test_numerical_maximisation_attains_it():
    pair = draw(LAWS["lu"]["twin"], 20, 5)
    k = 4
    first, second = stored_values(pair.literal), stored_values(pair.modified)
    # By rows: the entries (i, j) with min(i, j) >= k are the far ones.
    rows = np.repeat(np.arange(20), [2, *[3] * 18, 2])
    columns = np.concatenate([[0, 1], *[[i - 1, i, i + 1] for i in range(1, 19)], [18, 19]])
    far = np.minimum(rows, columns) >= k
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


def test_it_rises_with_the_columns_and_is_a_fact():
    pair = draw(LAWS["lu"]["growth"], 50, 5)
    ceilings = [twin_ceiling(pair.literal, pair.modified, k) for k in range(51)]
    assert all(a <= b + 1e-12 for a, b in pairwise(ceilings))
    assert ceilings[-1] == 1.0
    data = SyntheticTridiag(split="val", kind="lu", config="twin")
    assert mean_ceiling(data, 20) == 1.0
    assert mean_ceiling(data, 7) < 0.9975
    with pytest.raises(MatrixError, match="columns lie between"):
        twin_ceiling(pair.literal, pair.modified, 51)
