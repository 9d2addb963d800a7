"""The real benchmark on larger patterns: same matrices, more entries, better factors."""

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import SuiteSparseInvK, evaluate, invk
from precondbench.datasets import open_dataset
from precondbench.errors import ConfigurationError
from precondbench.factors import PATTERNS, incomplete_cholesky, level_of_fill, pattern_of

SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def by_pattern():
    return {
        pattern: SuiteSparseInvK(split="test", version="sample", pattern=pattern)
        for pattern in PATTERNS
    }


def test_the_same_matrices_in_the_same_order(by_pattern):
    tril = by_pattern["tril"]
    for other in by_pattern.values():
        assert other.names == tril.names
        for i in range(len(tril)):
            A, B = tril.pair(i).A, other.pair(i).A
            assert A.nnz == B.nnz
            assert (A != B).nnz == 0


@pytest.mark.parametrize("level", [1, 2])
def test_labels_are_on_the_pattern_of_the_level(by_pattern, level):
    data = by_pattern[f"level-{level}"]
    ic = SuiteSparseInvK(split="test", version="sample", pattern=f"level-{level}", label="ic0")
    for i in range(len(data)):
        _, A, L = data.pair(i)
        pattern = level_of_fill(A, level)
        assert np.array_equal(L.indices, pattern.indices)
        if data.facts(i)["winner"] == "inv-k":
            fixed_order = invk(A, pattern, method="simplicial")
            assert np.array_equal(L.data, fixed_order.data)
        assert np.array_equal(ic.pair(i).L.data, incomplete_cholesky(A, pattern).data)


def test_more_entries_never_cost_k_and_help_the_solver(by_pattern):
    for i in range(2):
        facts = [by_pattern[pattern].facts(i) for pattern in PATTERNS]
        k = [row["n_log_k_invk"] for row in facts]
        assert k == sorted(k, reverse=True)
        iterations = [row["iterations_invk"] for row in facts]
        assert iterations == sorted(iterations, reverse=True)


def test_graphs_have_the_edges_of_the_pattern(by_pattern):
    data, tril = by_pattern["level-1"][0], by_pattern["tril"][0]
    n, nnz = data.x.shape[0], data.y.shape[0]
    assert nnz > tril.y.shape[0]
    assert data.edge_index.shape[1] == 2 * nnz - n
    assert int((data.edge_attr[:, 0] != 0).sum()) == tril.edge_index.shape[1]


def test_scores_solve_the_same_system(by_pattern):
    """A prediction on tril(A) is one on the larger pattern, and takes as many iterations."""
    small, large = by_pattern["tril"], by_pattern["level-1"]
    factors = [small.pair(i).L for i in range(len(small))]
    one, other = evaluate(small, factors), evaluate(large, factors)
    for row, wide in zip(one.rows, other.rows, strict=True):
        # The first right-hand side is that of the matrix; the others follow the values.
        assert row.sides[0] == wide.sides[0]
        assert row.n_log_k == pytest.approx(wide.n_log_k)
        assert (row.work, wide.work) == (1.0, 1.0)
        assert wide.cosine < 1.0
    best = evaluate(large, [large.pair(i).L for i in range(len(large))])
    assert all(row.work > 1 and row.cosine == 1.0 for row in best.rows)


def test_models_train_on_them(by_pattern):
    from precondbench.baselines import TrainingConfiguration, predict, train

    data = by_pattern["level-1"][:1]
    configuration = TrainingConfiguration(model="MLP", rounds=1, epochs=1, device="cpu")
    result = train(data, data, configuration)
    assert evaluate(data, predict(result.model, data)).rows[0].nnz == data[0].y.shape[0]


def test_names(by_pattern):
    assert repr(by_pattern["level-2"]).endswith("sample, level-2, test)")
    data = open_dataset("suitesparse-invk", "val", version="sample", configuration="level-1")
    assert data.configuration == "level-1"
    with pytest.raises(ConfigurationError, match="level-9"):
        SuiteSparseInvK(version="sample", pattern="level-9")
    with pytest.raises(ConfigurationError, match="no pattern"):
        pattern_of(sp.eye_array(2).tocsr(), "level-9")
