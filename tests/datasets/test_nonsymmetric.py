"""The non-symmetric dataset: content, scores and refusals."""

import copy

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import LinearOperator
from torch_geometric.loader import DataLoader

from precondbench import Pair, SyntheticTridiag, evaluate, ic0, ilu0
from precondbench.baselines import TrainingConfiguration, predict, train
from precondbench.datasets import DataSelection, FactorDataset, open_dataset
from precondbench.errors import ConfigurationError, MatrixError, PredictionError, ShardError
from precondbench.factors import gauss_seidel_lu, jacobi_lu
from precondbench.matrices import LAWS, Law
from precondbench.matrices.tridiagonal.bases import growth_base
from precondbench.quality import HopLadder, evaluate_many, problem_of
from precondbench.recipes import export_split, split_plan, write_release
from precondbench.shards import (
    Record,
    read_predictions,
    record_digest,
    shard_in_memory,
    write_predictions,
)


@pytest.fixture(scope="module")
def data():
    return SyntheticTridiag(split="val", kind="lu")


def test_shapes_and_types(data):
    assert (len(data), data.kind, data.dataset_name) == (200, "lu", "synthetic-tridiag-lu")
    assert SyntheticTridiag(split="val").kind == "spd"
    item = data[3]
    assert item.edge_attr.shape == (148, 2)
    assert item.y.shape == (148,)
    assert item.y.dtype == torch.float64
    assert bool(item.lower_mask.all())
    item.validate(raise_on_error=True)
    large = SyntheticTridiag(split="test_large", kind="lu", config="twin")
    assert (len(large), large[0].num_nodes) == (200, 50)


@pytest.mark.parametrize("config", LAWS["lu"])
@pytest.mark.parametrize("index", [0, 17, -1])
def test_graph_is_the_pair(config, index):
    data = SyntheticTridiag(split="val", kind="lu", config=config)
    item, pair = data[index], data.pair(index)
    assert not pair.symmetric
    assert pair.factors == (pair.L, pair.U)
    name, A, L, U = pair
    n = A.shape[0]
    assert (item.name, A.dtype, L.dtype, U.dtype) == (name, *[np.float64] * 3)
    np.testing.assert_allclose((L @ U).toarray(), A.toarray(), rtol=1e-9, atol=1e-13)
    assert np.abs((A - A.T).toarray()).max() > 0.1
    np.testing.assert_array_equal(L.diagonal(), np.ones(n))
    source, target = item.edge_index.numpy()
    rebuilt = sp.csr_array((item.edge_attr[:, 0].double().numpy(), (target, source)), A.shape)
    np.testing.assert_allclose(rebuilt.toarray(), A.toarray(), rtol=1e-6)
    np.testing.assert_array_equal(item.edge_attr[:, 1].numpy(), np.sign(target - source))
    np.testing.assert_array_equal(item.x[:, 0].numpy(), A.diagonal().astype(np.float32))
    # y is L and U stored together in the order of A, as ILU(0) leaves them.
    np.testing.assert_array_equal(A.indices, source)
    together = sp.csr_array((item.y.numpy(), A.indices, A.indptr), A.shape).toarray()
    np.testing.assert_array_equal(np.triu(together), U.toarray())
    np.testing.assert_array_equal(np.tril(together, -1) + np.eye(n), L.toarray())
    exact_l, exact_u = ilu0(A)
    np.testing.assert_allclose(exact_u.toarray(), U.toarray(), rtol=1e-5)
    np.testing.assert_allclose(exact_l.toarray(), L.toarray(), rtol=1e-5)


def test_literal_target_belongs_to_the_unchanged_matrix():
    literal = SyntheticTridiag(split="val", kind="lu", target="literal").pair(0)
    difference = (literal.A - literal.L @ literal.U).toarray()
    expected = np.zeros_like(difference)
    expected[0, 0] = 1.0
    np.testing.assert_allclose(difference, expected, atol=1e-12)


@pytest.mark.parametrize("config", ["growth", "twin"])
def test_twins_stand_side_by_side(config):
    data = SyntheticTridiag(split="test", kind="lu", config=config)
    first, second = data.pair(6), data.pair(7)
    difference = (second.A - first.A).toarray()
    assert difference[0, 0] == pytest.approx(1.0)
    difference[0, 0] = 0.0
    assert not difference.any()
    facts = data.facts(6)
    assert (facts["attempts"], facts["perturbed"]) == (1, 0)
    assert facts["ceiling_001"] == data.facts(7)["ceiling_001"]
    far = second.U.diagonal()[10:] / first.U.diagonal()[10:] - 1.0
    assert np.median(far) > 0.1


def test_names_open_the_data():
    data = open_dataset("synthetic-tridiag-lu", "val", configuration="convection")
    assert repr(data) == ("SyntheticTridiag(200 pairs, synthetic-tridiag-lu 1.0, convection, val)")
    resolved = DataSelection(dataset="synthetic-tridiag-lu").resolved()
    assert (resolved.configuration, resolved.label, resolved.version) == (
        "uniform", "modified", "1.0"
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="no kind 'ldl'; there are: spd, lu"):
        SyntheticTridiag(kind="ldl")
    with pytest.raises(ConfigurationError, match="no configuration 'hard'"):
        SyntheticTridiag(kind="lu", config="hard")


def test_predictions_of_every_form(data):
    few = data[:6]
    pairs = [few.pair(i) for i in range(6)]
    forms = {
        "exact": ilu0,
        "vectors": [item.y for item in few],
        "pairs": {pair.name: (pair.L, pair.U) for pair in pairs},
        "dense": [(pair.L.toarray(), pair.U.toarray()) for pair in pairs],
        "another diagonal": [(2.0 * pair.L, 0.5 * pair.U) for pair in pairs],
    }
    for name, result in evaluate_many(few, forms).items():
        assert result.summary["iterations_mean"] == 1.0, name
        assert result.summary["solved"] == result.summary["cosine_mean"] == 1.0
        assert result.summary["n_log_k_median"] is None
        assert result.summary["effective_hops"] > 20
        assert result.rows[0].nnz == 148
        assert result.rows[0].work == 1.0
    inverses = [
        LinearOperator(A.shape, matvec=np.linalg.inv(A.toarray()).__matmul__, dtype=np.float64)
        for _, A, _, _ in pairs
    ]
    result = evaluate(few, inverses)
    assert result.summary["iterations_mean"] == 1.0
    assert result.rows[0].cosine is None


def test_hops_and_splittings(data):
    few = data[:8]
    problems = [problem_of(few.pair(i)) for i in range(8)]
    ladder = HopLadder(problems)
    oracle = evaluate(few, [list(problem.window(3)) for problem in problems], ladder=ladder)
    assert oracle.summary["effective_hops"] == 3.0
    counts = [ladder.mean_iterations(k) for k in (0, 1, 2, 4, 8, 16, 49)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 1.0
    for method in (jacobi_lu, gauss_seidel_lu):
        result = evaluate(few, method, ladder=ladder)
        assert result.summary["solved"] == 1.0
        assert result.summary["effective_hops"] == 0.0


def test_failures_are_rows(data):
    pair = data.pair(0)
    good = data[0].y.numpy()
    bad = {
        "nan": (good * np.nan, "148 values are not finite"),
        "zero pivot": (np.where(np.arange(148) == 0, 0.0, good), "diagonal entry 0 of U is zero"),
        "none": (None, "no prediction"),
        "zero in L": ((pair.L - sp.eye_array(50), pair.U), "diagonal entry 0 of L is zero"),
        "nan in L": ((pair.L * np.nan, pair.U), "values are not finite"),
        "outside": ((pair.L @ pair.L, pair.U), "entry (2, 0) of L lies outside"),
        "exchanged": ((pair.U, pair.L), "L reaches across the diagonal"),
    }
    for name, (given, reason) in bad.items():
        row = evaluate(data[:1], [given]).rows[0]
        assert (row.status, row.iterations, row.residual) == ("invalid", 0, None), name
        assert reason in row.reason
        assert row.penalised_iterations == 10_000
    breakdown = evaluate(data[:1], lambda A: ilu0(np.zeros((2, 2)))).rows[0]
    assert "row 0" in breakdown.reason


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e-300, 1.0, 1e300, 5e-324, 1.7e308])
def test_wild_values_are_outcomes(data, size):
    rng = np.random.default_rng(0)
    for values in (np.full(148, size), np.clip(rng.standard_normal(148), -1, 1) * size):
        values[values == 0.0] = size
        row = evaluate(data[:1], [values]).rows[0]
        assert row.status in ("converged", "stagnated", "iteration-limit")
        assert row.status != "converged" or row.residual <= 1e-6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.ones(99), "give 148 values"),
        (np.ones((50, 50)), "give 148 values"),
        ((np.eye(50),), "a tuple of 1"),
        ((np.eye(50), np.eye(49)), r"U has shape \(49, 49\)"),
        ((np.ones(148), np.ones(148)), r"L has shape \(148,\)"),
        (np.ones(148, dtype=complex), "real numbers"),
        (LinearOperator((2, 2), matvec=lambda x: x, dtype=np.float64), "operator has shape"),
    ],
)
def test_what_does_not_fit_is_an_error(data, given, message):
    with pytest.raises(PredictionError, match=message):
        evaluate(data[:1], [given])


def test_symmetric_methods_are_told_so(data):
    with pytest.raises(MatrixError, match="not symmetric"):
        evaluate(data[:1], ic0)


def test_real_matrices_can_be_pairs():
    from precondbench.matrices import formula_matrix

    A = formula_matrix("HB/gr_30_30")

    class One:
        def __len__(self):
            return 1

        def pair(self, index):
            return Pair("grid", A, *ilu0(A))

    result = evaluate(One(), ilu0)
    assert result.rows[0].status == "converged"
    assert result.rows[0].iterations == result.rows[0].target_iterations
    assert "effective_hops" not in result.summary

    class Mixed(One):
        def __len__(self):
            return 2

        def pair(self, index):
            return One.pair(self, 0) if index == 0 else Pair("spd", A, ic0(A))

    summary = evaluate(Mixed(), [ilu0(A), ic0(A)]).summary
    assert summary["solved"] == 1.0


def test_own_data_is_generated_saved_and_read(tmp_path):
    mine = SyntheticTridiag.generate(n=12, c=2.0, count=4, kind="lu", twins=True)
    assert mine.names[0] == "growth-2-seed0-00000"
    mine.save(tmp_path / "mine.h5")
    again = SyntheticTridiag.from_shard(tmp_path / "mine.h5")
    assert again.kind == "lu"
    for i in range(4):
        for ours, theirs in zip(list(mine.pair(i))[1:], list(again.pair(i))[1:], strict=True):
            np.testing.assert_array_equal(ours.toarray(), theirs.toarray())
    law = Law("mine", 99, "my own", growth_base(-1.0, "lu"), family="lu")
    assert SyntheticTridiag.generate(n=8, count=2, law=law)[0].num_nodes == 8
    assert SyntheticTridiag.generate(n=8, count=2, law="convection", kind="lu").kind == "lu"


def test_digests_cover_the_upper_triangle(data):
    record = data.shard.record(0)
    for label in ("a_upper", "modified", "modified_upper", "literal_upper"):
        labels = {name: values.copy() for name, values in record.labels.items()}
        labels[label][3] = np.nextafter(labels[label][3], 9.0)
        parts = (record.name, record.group, record.indptr, record.indices, record.a)
        assert record_digest(Record(*parts, labels)) != record_digest(record)


def test_incomplete_shards_are_refused(data):
    shard = data.shard
    for drop, change, message in (
        ("modified_upper", None, "but no 'modified_upper'"),
        (None, 2.0, "diagonals of a and a_upper differ"),
    ):
        record = shard.record(0)
        labels = {k: v.copy() for k, v in record.labels.items() if k != drop}
        if change:
            labels["a_upper"][0] *= change
        broken = Record(record.name, "", record.indptr, record.indices, record.a, labels)
        with pytest.raises(ShardError, match=message):
            shard_in_memory(shard.header, [broken])
    symmetric = SyntheticTridiag(split="val").shard
    np.testing.assert_array_equal(symmetric.prediction_offsets, symmetric.nnz_offsets)


def test_batches_and_subsets(data):
    batch = next(iter(DataLoader(data, batch_size=4)))
    assert batch.y.numel() == int(batch.lower_mask.sum()) == 4 * 148
    subset = data[50:60]
    np.testing.assert_array_equal(subset[2].y, data[52].y)
    assert subset.pair(2).name == data[52].name


def test_a_baseline_trains_on_it_unchanged(data, tmp_path):
    """One epoch: predictions have the length of the pattern and can be scored and stored."""
    configuration = TrainingConfiguration(model="MLP", rounds=1, epochs=1, batch_size=16)
    before = copy.deepcopy(data[0].y)
    result = train(data[:64], data[64:96], configuration, out_dir=tmp_path / "run")
    few = data[100:104]
    predictions = predict(result.model, few)
    assert all(values.shape == (148,) for values in predictions.values())
    scored = evaluate(few, predictions)
    assert scored.summary["matrices"] == 4
    assert all(row.cosine is not None for row in scored.rows)
    assert torch.equal(before, data[0].y)
    path = tmp_path / "predictions.safetensors"
    write_predictions(path, "mlp", data.shard, "modified", {0: predictions})
    back = read_predictions(path).by_name(0, data.shard)
    np.testing.assert_array_equal(back[few.names[1]], predictions[few.names[1]])
    assert back[data.names[0]] is None


def test_a_release_says_where_the_upper_triangles_are(tmp_path):
    plan = split_plan("synthetic-tridiag-lu", "1.0", "twin", "val")
    folder = write_release(tmp_path / "release", [plan]).folder
    assert "l_a_upper" in (folder / "croissant.json").read_text()
    card = (folder / "DATASET_CARD.md").read_text()
    assert "Non-symmetric tridiagonal matrices" in card
    assert "literal, modified" in card
    (shard,) = folder.rglob("*.h5")
    assert SyntheticTridiag.from_shard(shard).kind == "lu"


def test_export_writes_both_factors(tmp_path):
    plan = split_plan("synthetic-tridiag-lu", "1.0", "twin", "val")
    export = export_split(plan, tmp_path, "npz", labels=["modified"])
    assert len(export.files) == 600
    A, L, U = (sp.load_npz(path) for path in export.files[:3])
    np.testing.assert_allclose((L @ U).toarray(), A.toarray(), rtol=1e-9, atol=1e-13)
    with pytest.raises(ConfigurationError, match="there are: literal, modified"):
        export_split(plan, tmp_path, "npz", labels=["a_upper"])


class Symmetric(FactorDataset):
    """A class that knows of L only."""

    label = "modified"

    def _targets(self, shard):
        return shard.labels["modified"]


def test_a_symmetric_reader_refuses_the_shard(data):
    def serve(shard):
        return Symmetric("mine", "1", "c", "s", scaled=False, shard=shard)

    with pytest.raises(ShardError, match=r"holds non-symmetric matrices .*SyntheticTridiag"):
        serve(data.shard)
    assert len(serve(SyntheticTridiag.generate(n=10, count=3).shard)) == 3
