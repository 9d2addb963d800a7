"""PyG datasets: exact content, and common uses."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch_geometric.data import InMemoryDataset
from torch_geometric.loader import DataLoader
from torch_geometric.transforms import Constant
from torch_geometric.utils import is_undirected

from precondbench import ParametricInvK, SuiteSparseInvK, SyntheticTridiag, evaluate, ic0, invk
from precondbench.datasets import clear_processed, open_dataset
from precondbench.errors import ConfigurationError
from precondbench.shards import read_shard


@pytest.fixture(scope="module")
def uniform():
    return SyntheticTridiag(split="val")


@pytest.fixture(scope="module")
def real():
    return SuiteSparseInvK(split="val", version="sample")


def test_shapes_and_types(uniform):
    assert isinstance(uniform, InMemoryDataset)
    assert len(uniform) == 200
    item = uniform[7]
    assert item.x.dtype == item.edge_attr.dtype == torch.float32
    assert item.y.dtype == torch.float64
    assert item.edge_index.shape == (2, 148)
    assert item.name == "uniform-val-00007"
    item.validate(raise_on_error=True)
    assert item.has_self_loops()
    assert is_undirected(item.edge_index)


@pytest.mark.parametrize("index", [0, 3, 199, -1])
def test_graph_is_the_pair(uniform, index):
    item, pair = uniform[index], uniform.pair(index)
    name, A, L = pair
    assert (item.name, A.dtype, L.dtype) == (name, np.float64, np.float64)
    source, target = item.edge_index.numpy()
    rebuilt = sp.csr_array((item.edge_attr[:, 0].double().numpy(), (target, source)), A.shape)
    np.testing.assert_allclose(rebuilt.toarray(), A.toarray(), rtol=1e-6)
    np.testing.assert_array_equal(item.edge_attr[:, 1].numpy(), np.sign(target - source))
    np.testing.assert_array_equal(item.x[:, 0].numpy(), A.diagonal().astype(np.float32))
    np.testing.assert_array_equal(item.y.numpy(), L.data)
    lower = item.edge_index[:, item.lower_mask].numpy()
    np.testing.assert_array_equal(lower[1], np.repeat(np.arange(50), np.diff(L.indptr)))
    np.testing.assert_array_equal(lower[0], L.indices)
    np.testing.assert_allclose((L @ L.T).toarray(), A.toarray(), atol=1e-13)


def test_literal_target_is_the_factor_of_the_unchanged_matrix():
    literal = SyntheticTridiag(split="val", target="literal").pair(0)
    modified = SyntheticTridiag(split="val").pair(0)
    np.testing.assert_array_equal(literal.A.toarray(), modified.A.toarray())
    difference = modified.A.toarray() - (literal.L @ literal.L.T).toarray()
    expected = np.zeros_like(difference)
    expected[0, 0] = 1.0
    np.testing.assert_allclose(difference, expected, atol=1e-13)


def test_splits_differ_and_have_their_sizes():
    sizes = {
        split: (len(SyntheticTridiag(split=split)), SyntheticTridiag(split=split)[0].num_nodes)
        for split in ("train", "val", "test", "test_large")
    }
    assert sizes == {
        "train": (1000, 50),
        "val": (200, 50),
        "test": (200, 50),
        "test_large": (200, 200),
    }
    first = {SyntheticTridiag(split=s).pair(0).A.data.tobytes() for s in ("train", "val", "test")}
    assert len(first) == 3


def test_subsets_keep_their_pairs(uniform):
    subset = uniform[10:20]
    assert len(subset) == 10
    assert subset.pair(3).name == subset[3].name == "uniform-val-00013"
    assert subset.names[0] == "uniform-val-00010"
    shuffled = uniform.shuffle()
    assert shuffled.pair(5).name == shuffled[5].name
    with pytest.raises(IndexError, match="10 pairs"):
        subset.pair(10)


def test_batches_keep_the_order_of_predictions(uniform):
    batch = next(iter(DataLoader(uniform, batch_size=8)))
    assert int(batch.lower_mask.sum()) == batch.y.numel() == 8 * 99
    ends = np.cumsum([99] * 8)[:-1]
    for i, y in enumerate(np.split(batch.y.numpy(), ends)):
        np.testing.assert_array_equal(y, uniform.pair(i).L.data)


def test_real_matrices_are_scaled_exactly(real):
    raw = SuiteSparseInvK(split="val", scaled=False, version="sample")
    for i in range(len(real)):
        scaled, plain = real.pair(i), raw.pair(i)
        diagonal = scaled.A.diagonal()
        assert np.all((diagonal >= 0.5) & (diagonal < 2.0))
        s = np.sqrt(diagonal / plain.A.diagonal())
        assert np.all(np.frexp(s)[0] == 0.5)
        D = sp.diags_array(s)
        np.testing.assert_array_equal((D @ plain.A @ D).toarray(), scaled.A.toarray())
        np.testing.assert_array_equal((D @ plain.L).toarray(), scaled.L.toarray())
        np.testing.assert_array_equal(plain.L.toarray(), invk(plain.A).toarray())


def test_labels_of_real_matrices():
    assert len(SuiteSparseInvK(split="val", label="invk", version="sample")) == 2
    with pytest.raises(ConfigurationError, match="no matrix of suitesparse-invk sample"):
        # IC(0) breaks down on both beams.
        SuiteSparseInvK(split="val", label="ic0", version="sample")
    test = SuiteSparseInvK(split="test", label="ic0", scaled=False, version="sample")
    np.testing.assert_array_equal(test.pair(0).L.data, ic0(test.pair(0).A).data)
    assert test.facts(0)["iterations_invk"] == 17


def test_evaluate_on_datasets(uniform, real):
    exact = evaluate(uniform, [uniform.pair(i).L for i in range(200)], log_k=False)
    assert exact.summary["iterations_mean"] < 2.5
    assert exact.summary["effective_hops"] > 30
    scaled = evaluate(real, invk)
    raw = evaluate(SuiteSparseInvK(split="val", scaled=False, version="sample"), invk)
    assert [row.iterations for row in scaled.rows] == [row.iterations for row in raw.rows]
    assert scaled.summary["ratio_to_target"] == 1.0


def test_transforms(tmp_path):
    def halve(item):
        item.x = item.x / 2
        return item

    plain = SyntheticTridiag(tmp_path, "val")
    now = SyntheticTridiag(tmp_path, "val", transform=halve)
    before = SyntheticTridiag(tmp_path, "val", pre_transform=halve)
    np.testing.assert_array_equal(now[3].x, plain[3].x / 2)
    np.testing.assert_array_equal(before[3].x, plain[3].x / 2)
    few = SyntheticTridiag(tmp_path, "val", pre_filter=lambda item: item.name.endswith("9"))
    assert len(few) == 20
    assert few[1].name == few.pair(1).name == "uniform-val-00019"
    with pytest.raises(ConfigurationError, match="leaves nothing"):
        SyntheticTridiag(tmp_path, "val", pre_filter=lambda item: False)


def test_a_transform_that_cannot_be_named_is_not_cached(tmp_path):
    class Opaque:
        factor = 2.0

        def __call__(self, item):
            item.x = item.x * self.factor
            return item

    plain = SyntheticTridiag(tmp_path, "val")
    files = sorted(tmp_path.rglob("*.pt"))
    for Opaque.factor in (2.0, 3.0):
        doubled = SyntheticTridiag(tmp_path, "val", pre_transform=Opaque())
        np.testing.assert_array_equal(doubled[0].x, plain[0].x * Opaque.factor)
    assert sorted(tmp_path.rglob("*.pt")) == files


def test_processed_files_are_keyed_and_disposable(tmp_path):
    dataset = SyntheticTridiag(tmp_path, "val", pre_transform=Constant())
    path = Path(dataset.processed_paths[0])
    assert torch.__version__ in path.name
    first = dataset[0].y
    clear_processed(tmp_path)
    assert not path.exists()
    again = SyntheticTridiag(tmp_path, "val", pre_transform=Constant())
    assert path.exists()
    np.testing.assert_array_equal(again[0].y, first)
    before = path.stat().st_mtime_ns
    SyntheticTridiag(tmp_path, "val", pre_transform=Constant())
    assert path.stat().st_mtime_ns == before
    SyntheticTridiag(tmp_path, "val", pre_transform=Constant(), force_reload=True)
    assert path.stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, "did you mean 'val'"),
        ({"config": "unifrom"}, "did you mean 'uniform'"),
        ({"target": "x"}, "there are: modified, literal"),
        ({"version": "7"}, "no version '7'"),
    ],
)
def test_unknown_names(arguments, message, tmp_path):
    with pytest.raises(ConfigurationError, match=message):
        SyntheticTridiag(tmp_path, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_unknown_label_and_dataset():
    with pytest.raises(ConfigurationError, match="no label 'x'"):
        SuiteSparseInvK(label="x")
    with pytest.raises(ConfigurationError, match="no dataset 'x'"):
        open_dataset("x", "val")


@pytest.mark.parametrize(
    ("cls", "root", "kind"),
    [
        (SyntheticTridiag, "test", "split"),
        (SyntheticTridiag, "uniform", "configuration"),
        (SyntheticTridiag, "literal", "label"),
        (SuiteSparseInvK, "val", "split"),
        (SuiteSparseInvK, "tril", "configuration"),
        (SuiteSparseInvK, "sample", "version"),
        (partial(ParametricInvK, "graph", "test", "invk"), "test_mesh", "split"),
    ],
)
def test_a_name_is_not_taken_for_the_cache_folder(cls, root, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=f"is '{root}', which is a {kind} of .*'./{root}'"):
        cls(root)
    assert not any(tmp_path.iterdir())


def test_targets_in_another_dtype(uniform):
    given = {"split": uniform.split, "config": uniform.configuration, "y_dtype": torch.float32}
    other = SyntheticTridiag(**given)
    assert (other[0].y.dtype, other[0].x.dtype) == (torch.float32, torch.float32)
    assert torch.equal(other[3].y, uniform[3].y.float())
    np.testing.assert_array_equal(other.pair(3).L.data, uniform.pair(3).L.data)
    real = SuiteSparseInvK(split="val", version="sample", y_dtype=torch.float32)
    drawn = ParametricInvK(
        shard=ParametricInvK.generate("diffusion-2d", n=64, count=1).shard, y_dtype=torch.float32
    )
    assert real[0].y.dtype == drawn[0].y.dtype == torch.float32


def classes_of_targets(data):
    data.given = str(data.y.dtype)
    data.y = (data.y > 0.0).long()
    return data


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_transform_gets_targets_in_that_dtype_and_may_make_others(dtype, tmp_path):
    for _ in range(2):  # Converted, and read again.
        found = SyntheticTridiag(
            tmp_path, split="val", y_dtype=dtype, pre_transform=classes_of_targets
        )
        assert (found[0].given, found[0].y.dtype) == (str(dtype), torch.int64)


@pytest.mark.parametrize("dtype", ["float32", np.float32, torch.int64, None])
def test_what_is_no_dtype_of_targets(dtype):
    with pytest.raises(ConfigurationError, match="give a floating-point dtype of torch"):
        SyntheticTridiag(split="val", y_dtype=dtype)


def test_a_folder_may_have_such_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one, other = (SyntheticTridiag(root, split="val") for root in ("./test", Path("test")))
    assert one.names == other.names
    assert (tmp_path / "test").is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": 3}, "no split 3; there are: train, .*; give one of these texts"),
        ({"version": 1.0}, "no version 1.0; there are: 1.0; give one of these texts"),
        ({"split": "valid"}, "did you mean 'val'"),
        ({"root": 5}, "root, the cache folder, is 5; give a path"),
    ],
)
def test_arguments_of_other_types(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        SyntheticTridiag(**arguments)


def test_pairs_have_numbers_and_names(uniform):
    assert uniform.pair("uniform-val-00003").A.data.tobytes() == uniform.pair(3).A.data.tobytes()
    part = uniform[[5, 3]]
    assert part.pair(part.names[1]).name == part.pair(np.int64(-1)).name == "uniform-val-00003"
    with pytest.raises(ConfigurationError, match="called 'uniform-val-00000'; did you mean"):
        part.pair("uniform-val-00000")
    with pytest.raises(ConfigurationError, match=r"index is 1\.5; give an integer, or the name"):
        uniform.pair(1.5)
    with pytest.raises(IndexError, match="200 pairs"):
        uniform.pair(200)


def test_representations(uniform):
    assert repr(uniform) == "SyntheticTridiag(200 pairs, synthetic-tridiag 1.0, uniform, val)"
    assert repr(uniform.pair(0)) == "Pair('uniform-val-00000', n=50, nnz(A)=148, nnz(L)=99)"


def test_what_pyg_asks_a_dataset(uniform):
    assert uniform.num_classes == 0
    assert (uniform.num_node_features, uniform.num_edge_features) == (1, 2)
    assert f"(#graphs={len(uniform)})" in str(uniform.get_summary())


def test_tables_for_notebooks(uniform):
    assert "<td>200</td>" in uniform._repr_html_()
    assert "uniform-val-00000" in uniform.pair(0)._repr_html_()


def test_tensors_equal_the_shard(uniform):
    shard = read_shard(uniform.shard_path)
    np.testing.assert_array_equal(uniform.y.numpy(), shard.labels["modified"])


def test_import_is_cheap_and_offline():
    """Under 0.3 s, without torch, numba, requests or a socket; torch comes with a dataset."""
    code = """
import socket, sys, time
def refuse(*a, **k): raise AssertionError("network touched")
socket.socket.connect = refuse
start = time.perf_counter()
import precondbench
seconds = time.perf_counter() - start
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"torch", "numba", "h5py", "requests", "pooch", "ssgetpy", "scipy"}, loaded
assert seconds < 0.3, seconds
precondbench.invk, precondbench.evaluate, precondbench.pcg
assert "torch" not in sys.modules
precondbench.SyntheticTridiag
assert "torch" in sys.modules
assert "ssgetpy" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_public_names():
    import precondbench

    for name in precondbench.__all__:
        assert getattr(precondbench, name) is not None
    assert set(precondbench.__all__) <= set(dir(precondbench))
    with pytest.raises(AttributeError, match="attribute nothing"):
        _ = precondbench.nothing
