"""Exported files equal the shard, to the bit."""

import numpy as np
import pytest
from scipy import sparse
from scipy.io import mmread

from precondbench.errors import ConfigurationError
from precondbench.factors import LowerPattern
from precondbench.matrices import read_matrix, write_matrix
from precondbench.recipes import BuildContext, export_split, obtain_shard, select_plans
from precondbench.recipes.publishing.export import FORMATS, write_binsparse
from precondbench.shards import read_shard


def read(path):
    if path.name.endswith(".mtx"):
        return sparse.csr_array(mmread(path))
    if path.name.endswith(".npz"):
        return sparse.load_npz(path)
    binsparse = pytest.importorskip("binsparse")
    from binsparse.conversions import to_scipy

    return to_scipy(binsparse.load_binsparse(path))


def assert_same(found, expected):
    assert found.shape == expected.shape
    found.sort_indices()
    np.testing.assert_array_equal(found.indptr, expected.indptr)
    np.testing.assert_array_equal(found.indices, expected.indices)
    assert found.data.dtype == np.float64
    assert found.data.tobytes() == expected.data.tobytes()


@pytest.fixture(params=list(FORMATS))
def to(request):
    if request.param == "binsparse":
        pytest.importorskip("binsparse")
    return request.param


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (("suitesparse-invk", "sample", "tril", "val"), ["invk"]),
        (("synthetic-tridiag", "1.0", "hard", "val"), ["literal", "modified"]),
    ],
)
def test_round_trip(tmp_path, to, names, labels):
    (plan,) = select_plans(*names)
    seen = []
    export = export_split(plan, tmp_path, to, progress=lambda *done: seen.append(done))
    shard = read_shard(obtain_shard(*names))
    assert export.folder == tmp_path.joinpath(*names)
    assert len(export.files) == len(shard) * (1 + len(labels))
    assert seen[-1] == (len(shard), len(shard), shard.names[-1])
    for i in range(0, len(shard), max(1, len(shard) // 5)):
        record = shard.record(i)
        pattern = LowerPattern(record.indptr, record.indices)
        stem = str(export.folder / record.name)
        files = {str(file) for file in export.files}
        for middle, expected in (
            ("A", pattern.symmetric_csr(record.a)),
            *((f"L_{label}", pattern.csr(record.labels[label])) for label in labels),
        ):
            path = f"{stem}.{middle}{FORMATS[to]}"
            assert path in files
            assert_same(read(type(tmp_path)(path)), expected)


def test_labels_and_missing_factors(tmp_path):
    (plan,) = select_plans("suitesparse-invk", "sample", "tril", "val")
    export = export_split(plan, tmp_path, "npz", labels=["ic0"])
    assert [file.name for file in export.files] == ["nos1.A.npz", "nos2.A.npz"]
    assert export.missing == ("HB/nos1: ic0", "HB/nos2: ic0")
    assert read_matrix(export.files[0]).shape == (237, 237)


@pytest.mark.parametrize("to", list(FORMATS))
def test_numbers_that_are_easily_lost(tmp_path, to):
    """Signed and stored zeros, subnormal numbers, neighbours of one, the largest."""
    values = [1.0, -0.0, np.nextafter(1, 2), 5e-324, 1.7976931348623157e308, 0.1]
    matrix = sparse.csr_array(
        (np.array(values), np.array([0, 0, 1, 0, 1, 2]), np.array([0, 1, 3, 6])), shape=(3, 3)
    )
    path = tmp_path / f"m{FORMATS[to]}"
    if to == "binsparse":
        pytest.importorskip("binsparse")
        write_binsparse(path, matrix)
    else:
        write_matrix(path, matrix)
    assert_same(read(path), matrix)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_binsparse_follows_the_specification(tmp_path):
    """Read without the package: descriptor and arrays of specification 0.1."""
    pytest.importorskip("binsparse")
    import json

    import h5py

    matrix = sparse.csr_array(np.array([[4.0, 0.0], [1.0, 3.0]]))
    write_binsparse(tmp_path / "m.bsp.h5", matrix)
    with h5py.File(tmp_path / "m.bsp.h5", "r") as file:
        head = json.loads(file.attrs["binsparse"])["binsparse"]
        arrays = {name: file[name][:] for name in file}
    assert head["version"].split(".")[:2] == ["0", "1"]
    assert (head["format"], head["shape"]) == ("CSR", [2, 2])
    assert head["number_of_stored_values"] == 3
    assert set(arrays) == set(head["data_types"]) == {"pointers_to_1", "indices_1", "values"}
    for name, kind in head["data_types"].items():
        assert arrays[name].dtype == kind
    assert arrays["pointers_to_1"].tolist() == [0, 1, 3]
    assert arrays["indices_1"].tolist() == [0, 0, 1]
    assert arrays["values"].tolist() == [4.0, 1.0, 3.0]


def test_errors(tmp_path, monkeypatch):
    (plan,) = select_plans("suitesparse-invk", "sample", "tril", "val")
    with pytest.raises(ConfigurationError, match="no format 'xlsx'; there are: mtx, npz, bin"):
        export_split(plan, tmp_path, "xlsx")
    with pytest.raises(ConfigurationError, match="no factor 'lu'; there are: ic0, invk"):
        export_split(plan, tmp_path, "mtx", labels=["lu"])
    monkeypatch.setitem(__import__("sys").modules, "binsparse", None)
    with pytest.raises(ConfigurationError, match=r"precondbench\[export\]"):
        export_split(plan, tmp_path, "binsparse", context=BuildContext())
    assert list(tmp_path.iterdir()) == []
