"""The four right-hand sides of a matrix: bound to what is judged, and of no use to a forger."""

from __future__ import annotations

import hashlib
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from precondbench import Pair, SyntheticTridiag, evaluate, ic0, invk
from precondbench.matrices import formula_matrix, matrix_digest
from precondbench.quality import MAXITER, SIDES, problem_of, values_digest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from fit_right_hand_side import attack, fitted

GRID = formula_matrix("HB/gr_30_30")


class One:
    """A dataset of one grid with the label Inv-K."""

    def __len__(self):
        return 1

    def pair(self, index):
        """The grid."""
        return Pair("grid", GRID, invk(GRID))


@pytest.fixture(scope="module")
def problem():
    return problem_of(One().pair(0))


def test_sides_by_hand(problem):
    """The first is bound to the matrix, the others to matrix, key and number."""
    digest = matrix_digest(problem.matrix)
    names = [bytes.fromhex(digest)]
    names += [hashlib.sha256(f"{digest}:a key:{k}".encode()).digest() for k in (1, 2, 3)]
    for name, side in zip(names, problem.sides("a key").T, strict=True):
        seed = int.from_bytes(name[:16], "little")
        raw = np.random.PCG64([seed]).random_raw(side.size) >> np.uint64(11)
        assert np.array_equal(side, -1 + 2 * (raw * 2.0**-53))


def test_only_the_first_side_is_public(problem):
    one, other = problem.sides("one"), problem.sides("other")
    assert np.array_equal(one[:, 0], other[:, 0])
    assert not np.any(np.all(one[:, 1:] == other[:, 1:], axis=0))


def test_a_scaled_copy_has_the_same_counts():
    scale = 2.0 ** np.arange(-450, 450)
    scaled = GRID.multiply(scale[:, None]).multiply(scale[None, :]).tocsr()
    factor = invk(GRID)
    rows = [
        problem_of(Pair("A", A, L)).score(L, "key", log_k=False)
        for A, L in ((GRID, factor), (scaled, factor.multiply(scale[:, None]).tocsr()))
    ]
    assert rows[0].sides == rows[1].sides
    assert rows[0].residual == rows[1].residual


def test_the_worst_side_counts(problem):
    row = problem.score(ic0(GRID), "key")
    assert len(row.sides) == SIDES
    assert row.iterations == max(row.sides)
    single = [problem.solve(ic0(GRID).data, key).sides[0] for key in ("key", "other")]
    assert single == [row.sides[0]] * 2


def test_one_failed_side_is_a_failure(problem):
    counts = problem.solve(None).sides
    limit = min(counts) if min(counts) < max(counts) else min(counts) - 1
    outcome = problem.solve(None, maxiter=limit)
    assert not outcome.solved
    assert outcome.status == "iteration-limit"
    assert outcome.penalised_iterations == MAXITER
    assert outcome.sides == tuple(c if c <= limit else MAXITER for c in counts)


def test_values_in_memory_are_bound_to_their_digest():
    """As in a file: float32 and float64 alike, and whatever form they are given in."""
    label = One().pair(0).L
    values = label.data.astype(np.float32)
    given = [[values], {"grid": values.astype(np.float64)}, [type(label)(label.astype("f4"))]]
    keys = {evaluate(One(), one).key for one in given}
    assert keys == {values_digest(values)}
    assert evaluate(One(), [None]).key == values_digest(np.full(label.nnz, np.nan))
    assert evaluate(One(), invk).key == "reference"
    assert evaluate(One(), [values], key="mine").key == "mine"


def test_a_change_anywhere_changes_every_matrix():
    """The digest is that of all values, so variants cannot be searched matrix by matrix."""
    data = SyntheticTridiag(split="test", config="uniform")[:6]
    values = [ic0(data.pair(i).A).data * 1.5 for i in range(6)]
    values = [v * np.linspace(1, 2, v.size) for v in values]
    before = evaluate(data, values)
    values[5] = values[5].copy()
    values[5][0] = np.nextafter(values[5][0], 9)
    after = evaluate(data, values)
    assert [row.sides[0] for row in before.rows] == [row.sides[0] for row in after.rows]
    assert before.key != after.key
    assert before.sides[:5] != after.sides[:5]


def test_a_fit_to_the_public_side_is_worse_than_the_label(problem):
    """Under protocol 1 it would have won."""
    label = invk(GRID).data
    honest = problem.solve(label)
    attempts = islice(fitted(problem, label, problem.sides()[:, 0]), 2)
    fits = [problem.solve(values, maxiter=200) for values in attempts]
    assert min(fit.sides[0] for fit in fits) < 0.6 * honest.sides[0]
    assert min(fit.penalised_iterations for fit in fits) >= honest.iterations


def test_the_attack_gains_nothing():
    """All of benchmarks/fit_right_hand_side.py on one matrix and eight variants."""
    result = attack(One(), variants=8, seconds=2.0)
    assert result["best_forgery"] <= result["label"] + 0.01
