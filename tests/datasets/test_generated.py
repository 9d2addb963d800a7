"""Twins, and generated datasets."""

import numpy as np
import pytest
from torch_geometric.loader import DataLoader

from precondbench import SyntheticTridiag, evaluate, ic0
from precondbench.errors import (
    ConfigurationError,
    DigestError,
    MatrixError,
    PredictionError,
    ShardError,
)
from precondbench.leaderboard import score_file
from precondbench.matrices import Diagonals
from precondbench.quality import twin_ceiling
from precondbench.shards import write_predictions


def diagonals(L):
    return Diagonals(L.diagonal(), L.diagonal(-1))


@pytest.mark.parametrize("config", ["growth", "hard", "twin"])
def test_twins_lie_side_by_side(config):
    dataset = SyntheticTridiag(split="val", config=config)
    for i in (0, 10, 198):
        a, b = dataset.pair(i), dataset.pair(i + 1)
        difference = (b.A - a.A).toarray()
        assert difference[0, 0] == pytest.approx(1.0)
        difference[0, 0] = 0.0
        assert not difference.any()
        for pair in (a, b):
            gap = abs(pair.L @ pair.L.T - pair.A).max()
            assert gap < 1e-12 * abs(pair.A).max()
        facts = dataset.facts(i)
        assert (facts["perturbed"], dataset.facts(i + 1)["perturbed"]) == (0, 1)
        ceiling = twin_ceiling(diagonals(a.L), diagonals(b.L), 4)
        assert facts["ceiling_004"] == dataset.facts(i + 1)["ceiling_004"] == ceiling
    literal = SyntheticTridiag(split="val", config=config, target="literal")
    np.testing.assert_array_equal(literal.pair(11).L.data, dataset.pair(10).L.data)


def test_twin_has_a_ceiling_for_every_row():
    facts = SyntheticTridiag(split="val", config="twin").facts(0)
    values = [facts[f"ceiling_{k:03d}"] for k in range(1, 21)]
    assert values == sorted(values)
    assert values[-1] == 1.0


def test_generate_depends_on_its_arguments_only():
    first = SyntheticTridiag.generate(n=17, c=2.0, seed=3, count=6)
    again = SyntheticTridiag.generate(n=17, c=2.0, seed=3, count=9)
    assert first.names == again.names[:6]
    assert first.shard.record_digests == again.shard.record_digests[:6]
    other = SyntheticTridiag.generate(n=17, c=2.0, seed=4, count=6)
    assert set(other.shard.record_digests).isdisjoint(first.shard.record_digests)
    assert len(next(iter(DataLoader(first, batch_size=6)))) == 6
    assert evaluate(first, ic0).summary["iterations_mean"] < 2


@pytest.mark.parametrize("law", ["sawtooth", "twin", "poisson"])
def test_generate_from_a_named_law(law):
    dataset = SyntheticTridiag.generate(n=12, law=law, count=4)
    assert dataset[0].num_nodes == 12
    assert evaluate(dataset, [dataset.pair(i).L for i in range(4)]).summary["solved"] == 1.0


def test_generate_twins():
    dataset = SyntheticTridiag.generate(n=12, c=4.0, count=4, twins=True)
    assert [dataset.facts(i)["perturbed"] for i in range(4)] == [0, 1, 0, 1]


def test_save_and_read_back(tmp_path):
    dataset = SyntheticTridiag.generate(n=15, count=5)
    digest = dataset.save(tmp_path / "mine.h5")
    back = SyntheticTridiag.from_shard(tmp_path / "mine.h5")
    assert back.shard.content_digest == digest == dataset.shard.content_digest
    for key in ("x", "edge_index", "edge_attr", "y"):
        np.testing.assert_array_equal(back[3][key], dataset[3][key])
    literal = SyntheticTridiag.from_shard(tmp_path / "mine.h5", target="literal")
    assert literal[0].y[0] != back[0].y[0]
    assert len(back[1:3]) == 2


def test_predictions_for_generated_data_are_refused_by_name(tmp_path):
    dataset = SyntheticTridiag.generate(n=15, count=2)
    values = {name: dataset.pair(i).L.data for i, name in enumerate(dataset.names)}
    path = tmp_path / "mine.h5"
    write_predictions(path, "exact", dataset.shard, dataset.label, {0: values})
    with pytest.raises(PredictionError, match=r"generated data.*from_shard"):
        score_file(path)


def test_a_damaged_file_is_refused(tmp_path):
    import h5py

    SyntheticTridiag.generate(n=15, count=5).save(tmp_path / "mine.h5")
    with h5py.File(tmp_path / "mine.h5", "r+") as file:
        values = file["values/a"][:]
        values[100] = np.nextafter(values[100], 9)
        file["values/a"][:] = values
    with pytest.raises(DigestError, match="growth-6-seed0-00003"):
        SyntheticTridiag.from_shard(tmp_path / "mine.h5")
    with pytest.raises(ShardError, match="no such file"):
        SyntheticTridiag.from_shard(tmp_path / "none.h5")


def test_a_real_shard_is_not_synthetic(tmp_path):
    from precondbench import SuiteSparseInvK

    SuiteSparseInvK(split="val", version="sample").save(tmp_path / "real.h5")
    with pytest.raises(ShardError, match="no label 'modified'; there are: ic0, invk"):
        SyntheticTridiag.from_shard(tmp_path / "real.h5")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"count": 0}, ConfigurationError, "count is 0"),
        ({"seed": -1}, ConfigurationError, "seed -1"),
        ({"law": "x"}, ConfigurationError, "there are local"),
        ({"target": "x"}, ConfigurationError, "there are: modified"),
        ({"n": 1}, MatrixError, "n >= 2"),
        ({"n": 5, "c": -5.0}, MatrixError, "needs n > 5"),
        ({"n": 400, "c": 40.0}, MatrixError, "ill-conditioned"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        SyntheticTridiag.generate(**{"count": 2, **arguments})
