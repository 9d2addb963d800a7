"""Files of predictions."""

import h5py
import numpy as np
import pytest

from precondbench import SyntheticTridiag
from precondbench.errors import PredictionError
from precondbench.leaderboard import score_file
from precondbench.shards import read_predictions, read_shard, write_predictions
from precondbench.shards.hdf5 import write_attributes
from prediction_files import as_hdf5


@pytest.fixture(scope="module")
def dataset():
    return SyntheticTridiag(split="val")


@pytest.fixture(scope="module")
def shard(dataset):
    return read_shard(dataset.shard_path)


@pytest.fixture(scope="module")
def exact(dataset):
    return {dataset.pair(i).name: dataset.pair(i).L.data for i in range(len(dataset))}


def test_round_trip_and_score(dataset, shard, exact, tmp_path):
    path = tmp_path / "p.safetensors"
    partial = dict(list(exact.items())[:150])
    single = {name: values.astype(np.float32) for name, values in exact.items()}
    write_predictions(path, "exact", shard, "modified", {0: exact, 7: partial})
    read = read_predictions(path)
    assert sorted(read.seeds) == [0, 7]
    by_name = read.by_name(0, shard)
    assert all(np.array_equal(by_name[name], exact[name]) for name in exact)
    _, scored = score_file(path)
    assert [one.seed for one in scored] == [0, 7]
    assert [one.summary["solved"] for one in scored] == [1.0, 0.75]
    old = read_predictions(as_hdf5(path))
    assert (old.where, old.label) == (read.where, read.label)
    assert all(np.array_equal(old.seeds[k], read.seeds[k], equal_nan=True) for k in (0, 7))
    write_predictions(path, "exact in single precision", shard, "modified", {0: single})
    assert score_file(path)[1][0].summary["iterations_mean"] < 5


def test_predictions_that_do_not_fit(shard, exact, tmp_path):
    path = tmp_path / "p.safetensors"
    with pytest.raises(PredictionError, match="which the split lacks"):
        write_predictions(path, "m", shard, "modified", {0: {"x": np.ones(1)}})
    name = shard.names[0]
    with pytest.raises(PredictionError, match="98 values"):
        write_predictions(path, "m", shard, "modified", {0: {name: np.ones(98)}})
    assert list(tmp_path.iterdir()) == []


def _attributes(file, **changes):
    attributes = {
        "format": "precondbench-predictions",
        "format_version": 1,
        "method": "m",
        "dataset": "synthetic-tridiag",
        "version": "1.0",
        "configuration": "uniform",
        "split": "val",
        "content_digest": "0" * 64,
        "label": "modified",
    }
    chosen = {key: value for key, value in {**attributes, **changes}.items() if value is not None}
    write_attributes(file, chosen)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: _attributes(f), "holds no predictions"),
        (lambda f: _attributes(f, format="x"), "not a file of predictions"),
        (lambda f: _attributes(f, format_version=2), "format version 2"),
        (lambda f: _attributes(f, split=None), "'split' is None"),
        (lambda f: (_attributes(f), f.create_group("seed_0")), "is not an HDF5 dataset"),
        (lambda f: (_attributes(f), f.create_dataset("other", data=[1.0])), "only seed_<number>"),
        (lambda f: (_attributes(f), f.create_dataset("seed_0", data=[1])), "is not float32"),
        (lambda f: (_attributes(f), f.create_dataset("seed_0", data=np.ones((2, 2)))), "shape"),
        (lambda f: (_attributes(f), f.__setitem__("seed_0", h5py.SoftLink("/x"))), "is a link"),
        (
            lambda f: (_attributes(f), f.__setitem__("seed_0", h5py.ExternalLink("y.h5", "/x"))),
            "is a link",
        ),
        (
            lambda f: (
                _attributes(f),
                f.create_dataset("seed_0", (10**8,), "f8", chunks=(10**6,)),
            ),
            "claims more data",
        ),
        (
            lambda f: (
                _attributes(f),
                f.create_dataset("seed_0", (10**12,), "f8", chunks=(10**6,)),
            ),
            "at most 134217728 are read",
        ),
        (
            lambda f: (
                _attributes(f),
                f.create_dataset("seed_0", data=["a"], dtype=h5py.string_dtype()),
            ),
            "has type",
        ),
        (lambda f: (_attributes(f), f.create_dataset("seed_0", data=[1.0])), "the data is"),
    ],
)
def test_hostile_files(make, message, tmp_path):
    path = tmp_path / "p.h5"
    with h5py.File(path, "w") as file:
        make(file)
    with pytest.raises(PredictionError, match=message):
        score_file(path)


def test_no_file_of_predictions(tmp_path):
    path = tmp_path / "p.safetensors"
    path.write_bytes(b"text")
    with pytest.raises(PredictionError, match=r"not a file of predictions: .* a header of"):
        read_predictions(path)
    path.write_bytes(bytes(20))
    with pytest.raises(PredictionError, match="cannot be read as a file of predictions"):
        read_predictions(path)
    with pytest.raises(PredictionError, match="there is no file"):
        read_predictions(tmp_path / "q.safetensors")


def test_equal_predictions_give_equal_bytes(shard, exact, tmp_path):
    for name in ("a", "b"):
        write_predictions(tmp_path / name, "exact", shard, "modified", {0: exact, 3: exact})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
