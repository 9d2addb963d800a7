"""Shards: what is written is read, bytes repeat, and no damaged file passes.

Longer than other files: what is written, read and refused is made from the same shard.
"""

import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench.errors import ConfigurationError, DigestError, ShardError
from precondbench.shards import (
    FORMAT_VERSION,
    Record,
    ShardHeader,
    read_shard,
    record_digest,
    split_digest,
    write_shard,
)

HEADER = ShardHeader("demo", "1", "default", "test", {"seed": 1, "law": ["ü", None]}, "0.1.0")


def make(i, *, missing=False):
    n = i + 2
    a = np.arange(2.0 * n - 1) + i
    return Record(
        name=f"m{i}",
        group="gé" if i else "",
        indptr=np.r_[0, 1 + 2 * np.arange(n)],
        indices=np.r_[0, np.array([[k - 1, k] for k in range(1, n)]).ravel()],
        a=a,
        labels={"modified": -a, "ic0": None if missing else a / 3},
        facts={"winner": "ic0" * i, "iterations": 10 * i - 10, "n_log_k": i / 7},
    )


RECORDS = [make(0), make(1, missing=True), make(2)]


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "test.h5"
    write_shard(path, HEADER, RECORDS)
    return path


@pytest.fixture
def edited(path):
    """The file, changed by a function of the open HDF5 file."""

    def edit(change):
        with h5py.File(path, "r+") as file:
            change(file)
        return path

    return edit


def replaced(key, values, **options):
    def change(file):
        if key in file:
            del file[key]
        file.create_dataset(key, data=values, **options)

    return change


def with_entry(key, position, value):
    def change(file):
        file[key][position] = value

    return change


def assert_same(got, expected):
    assert (got.name, got.group, got.facts) == (expected.name, expected.group, expected.facts)
    assert [type(f) for f in got.facts.values()] == [
        type(expected.facts[name]) for name in got.facts
    ]
    assert record_digest(got) == record_digest(expected)


def test_what_is_written_is_read(path):
    shard = read_shard(path)
    assert len(shard) == 3
    assert shard.header == HEADER
    assert shard.names == ["m0", "m1", "m2"]
    assert shard.groups == ["", "gé", "gé"]
    assert shard.n.tolist() == [2, 3, 4]
    assert shard.row_offsets.tolist() == [0, 2, 5, 9]
    assert shard.nnz_offsets.tolist() == [0, 3, 8, 15]
    assert shard.facts["winner"] == ["", "ic0", "ic0ic0"]
    assert shard.facts["iterations"].tolist() == [-10, 0, 10]
    assert shard.has_label["ic0"].tolist() == [True, False, True]
    assert np.isnan(shard.labels["ic0"]).tolist() == [False] * 3 + [True] * 5 + [False] * 7
    for i, record in enumerate(RECORDS):
        assert_same(shard.record(i), record)
    assert_same(shard.record(-1), RECORDS[2])
    shard.verify()


def test_the_content_digest_is_that_of_the_records(tmp_path):
    digest = write_shard(tmp_path / "a.h5", HEADER, iter(RECORDS))
    assert digest == split_digest(map(record_digest, RECORDS))
    shard = read_shard(str(tmp_path / "a.h5"))
    assert shard.content_digest == digest
    assert shard.record_digests == [record_digest(record) for record in RECORDS]


def test_records_share_the_memory_of_the_shard(path):
    shard = read_shard(path)
    assert np.shares_memory(shard.record(1).a, shard.a)
    assert np.shares_memory(shard.record(1).indptr, shard.pointers)


def test_bytes_repeat(path):
    first = path.read_bytes()
    time.sleep(1.1)  # HDF5 keeps times in seconds
    write_shard(path, HEADER, RECORDS)
    assert path.read_bytes() == first


def test_layout_is_the_documented_one(path):
    with h5py.File(path) as file:
        assert file.attrs["format"] == b"precondbench-shard"
        assert file.attrs["format_version"] == 1
        assert json.loads(file.attrs["recipe"]) == HEADER.recipe
        assert set(file) == {"index", "pattern", "values"}
        assert set(file["pattern"]) == {"pointers_to_1", "indices_1"}
        assert set(file["values"]) == {"a", "l_ic0", "l_modified"}
        columns = []
        file.visititems(lambda _, node: columns.append(node) if hasattr(node, "dtype") else None)
        for column in columns:
            assert column.fletcher32
            assert (column.compression, column.shuffle) in {("gzip", True), (None, False)}
        name = file["index/name"].id.get_type()
        assert (name.get_cset(), name.get_strpad()) == (h5py.h5t.CSET_UTF8, h5py.h5t.STR_NULLPAD)


def test_values_are_kept_to_the_bit(tmp_path):
    a = np.array([5e-324, -0.0, 1.7976931348623157e308])
    record = Record("m", "", [0, 1, 3], [0, 0, 1], a, {"l": a[::-1]})
    write_shard(tmp_path / "a.h5", HEADER, [record])
    got = read_shard(tmp_path / "a.h5").record(0)
    assert got.a.tobytes() == a.tobytes()
    assert got.labels["l"].tobytes() == a[::-1].tobytes()


def test_a_shard_may_have_neither_labels_nor_facts_and_a_long_recipe(tmp_path):
    header = dataclasses.replace(HEADER, recipe={"names": ["x" * 100] * 500})
    write_shard(tmp_path / "a.h5", header, [Record("m", "", [0, 1], [0], [1.0])])
    shard = read_shard(tmp_path / "a.h5")
    assert (shard.labels, shard.facts, shard.header) == ({}, {}, header)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(names, min_size=1, max_size=5, unique=True), st.data())
@settings(max_examples=25, deadline=None)
def test_round_trip(names, data):
    records = []
    finite = st.floats(allow_nan=False, allow_infinity=False)
    for name in names:
        n = data.draw(st.integers(1, 4))
        rows = [sorted(data.draw(st.sets(st.integers(0, i))) | {i} if i else {0}) for i in range(n)]
        nnz = sum(map(len, rows))
        values = st.lists(finite, min_size=nnz, max_size=nnz)
        records.append(
            Record(
                name=name,
                group=data.draw(st.just("") | st.just("群")),
                indptr=np.r_[0, np.cumsum([len(row) for row in rows])],
                indices=[j for row in rows for j in row],
                a=data.draw(values),
                labels={"x": data.draw(st.none() | values), "y": data.draw(values)},
                facts={
                    "i": data.draw(st.integers(-(2**63), 2**63 - 1)),
                    "f": data.draw(st.floats(allow_nan=False)),
                    "s": data.draw(st.just("") | st.just("é\n")),
                },
            )
        )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.h5")
        write_shard(file, HEADER, records)
        shard = read_shard(file)
    shard.verify()
    for i, record in enumerate(records):
        assert_same(shard.record(i), record)
        assert shard.index_of(record.name) == i


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "no records"),
        ([make(0), make(0)], "two records are called 'm0'"),
        ([make(0), Record("x", "", [0, 1], [0], [1.0])], "different labels: .'ic0', 'modified'."),
        (
            [make(0), dataclasses.replace(make(1), facts={"winner": "", "iterations": 1})],
            "records 'm0' and 'm1' have different facts: .'n_log_k'.",
        ),
        ([dataclasses.replace(make(0), facts={"nnz": 1})], "cannot be called 'nnz'"),
        ([dataclasses.replace(make(0), facts={"has_l_ic0": 1})], "cannot be called 'has_l_ic0'"),
        (
            [dataclasses.replace(make(i), facts={"f": f}) for i, f in enumerate(["x", 1])],
            "fact 'f' is text in some",
        ),
    ],
)
def test_records_that_do_not_fit_together_are_not_written(tmp_path, records, message):
    with pytest.raises(ShardError, match=message):
        write_shard(tmp_path / "a.h5", HEADER, records)
    assert list(tmp_path.iterdir()) == []


def test_nothing_half_written_stays_and_the_old_file_does(path, monkeypatch):
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(h5py.Group, "create_dataset", fail)
    with pytest.raises(OSError, match="disk full"):
        write_shard(path, HEADER, RECORDS[:1])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"dataset": ""}, "dataset is empty"),
        ({"creator": None}, "creator is None"),
        ({"reproducible": "maybe"}, "use 'bitwise' or 'tolerance'"),
        ({"recipe": {"x": np.float64}}, "recipe is not JSON"),
        ({"recipe": {"x": float("nan")}}, "recipe is not JSON"),
        ({"recipe": [1]}, "must be a mapping"),
        ({"recipe": {"x": "ü" * 30000}}, "more than 60000 bytes"),
        ({"split": "\ud800"}, "not valid Unicode"),
    ],
)
def test_headers_are_checked(changes, message):
    with pytest.raises(ShardError, match=message):
        dataclasses.replace(HEADER, **changes)


def test_a_recipe_is_kept_as_json_would_keep_it():
    assert dataclasses.replace(HEADER, recipe={"x": (1, 2)}).recipe == {"x": [1, 2]}


def test_unknown_records_are_suggested(path):
    with pytest.raises(ConfigurationError, match=r"no record 'm' among its 3; did you mean 'm"):
        read_shard(path).index_of("m")
    with pytest.raises(IndexError, match="record 3 of"):
        read_shard(path).record(3)


def test_verify_names_the_first_record_that_differs(edited):
    file = edited(with_entry("values/l_modified", 4, 1.5))
    with pytest.raises(DigestError, match=r"test.h5: record 1 \('m1'\) has digest"):
        read_shard(file).verify()


def test_verify_sees_records_that_were_moved_or_removed(path):
    shard = read_shard(path)
    with pytest.raises(DigestError, match="missing, added or moved"):
        dataclasses.replace(shard, content_digest="0" * 64).verify()


def test_a_missing_file(tmp_path):
    with pytest.raises(ShardError, match=r"absent.h5: there is no such file; fetch or build it"):
        read_shard(tmp_path / "absent.h5")


@pytest.mark.parametrize("content", [b"", b"<html>404 not found</html>" * 100])
def test_not_an_hdf5_file(tmp_path, content):
    (tmp_path / "page.h5").write_bytes(content)
    with pytest.raises(ShardError, match=r"page.h5: not an HDF5 file; delete it"):
        read_shard(tmp_path / "page.h5")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ShardError, match=r"test.h5: truncated or damaged .* delete it"):
        read_shard(path)


def test_damaged_data_does_not_pass_its_checksum(path):
    with h5py.File(path) as file:
        chunk = file["values/a"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + chunk.size // 2] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(ShardError, match="/values/a is damaged in records 'm0' to 'm2'"):
        read_shard(path)


def attribute(key, value):
    def change(file):
        file.attrs[key] = np.bytes_(value) if isinstance(value, str) else value

    return change


def remove(key):
    def change(file):
        del file[key]

    return change


def external(file):
    del file["values/a"]
    file["values/a"] = h5py.ExternalLink("other.h5", "/values/a")


def soft(file):
    file.move("pattern", "elsewhere")
    file["pattern"] = h5py.SoftLink("/elsewhere")


def virtual(file):
    layout = h5py.VirtualLayout(shape=(15,), dtype="<f8")
    layout[:] = h5py.VirtualSource("other.h5", "a", shape=(15,))
    del file["values/a"]
    file.create_virtual_dataset("values/a", layout)


def raw_external(file):
    del file["values/a"]
    file.create_dataset("values/a", shape=(15,), dtype="<f8", external=[("/etc/passwd", 0, 120)])


def bomb(file):
    del file["values/a"]
    file.create_dataset("values/a", shape=(10**12,), dtype="<f8", chunks=(1000,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.attrs.update(split="x"), "'split' has type object; use fixed-width text"),
        (attribute("format", "other"), "an HDF5 file, but not a shard: .* is 'other'"),
        (lambda f: f.attrs.__delitem__("format"), "not a shard: its attribute 'format' is None"),
        (attribute("format", 3), "attribute 'format' is"),
        (attribute("format_version", FORMAT_VERSION + 1), "version 2, .* reads up to 1; upgrade"),
        (attribute("format_version", 0), "it counts from 1"),
        (attribute("format_version", "1"), "it counts from 1"),
        (attribute("recipe", "{"), "truncated or damaged"),
        (attribute("recipe", "[]"), "recipe is"),
        (attribute("split", 1), "'split' is"),
        (attribute("content_digest", "abc"), "'content_digest' is 'abc'"),
        (external, "/values/a is a link .ExternalLink."),
        (soft, "/pattern is a link .SoftLink."),
        (virtual, "/values/a keeps its data in other files"),
        (raw_external, "/values/a keeps its data in other files"),
        (bomb, "/values/a claims more data than is stored"),
        (
            replaced("values/a", np.ones(15), compression="lzf"),
            r"/values/a uses HDF5 filters \[32000\]",
        ),
        (remove("pattern"), "/pattern is missing"),
        (remove("values/a"), "/values/a is missing"),
        (remove("index/n"), "/index/n is missing"),
        (remove("index/has_l_ic0"), "/index/has_l_ic0 is missing"),
        (remove("values/l_ic0"), "/index/has_l_ic0 holds uint8; facts are"),
        (replaced("values/a", np.ones(14)), "/values/a has 14 entries where the index asks for 15"),
        (replaced("values/a", np.ones((15, 1))), r"has shape \(15, 1\)"),
        (replaced("values/a", np.ones(15, np.float32)), "/values/a holds float32"),
        (replaced("values/a", np.ones(15, np.int64)), "/values/a holds int64, not float64"),
        (replaced("values/a", np.ones(15, ">f8")), "/values/a has type >f8"),
        (replaced("values/b", np.ones(15)), "/values/b is not part of the format"),
        (replaced("index/name", ["m0", "m1", "m2"]), "/index/name has type object"),
        (replaced("index/name", np.array([b"m0", b"m0", b"m2"])), "they must differ"),
        (replaced("index/name", np.array([b"m0", b"", b"m2"])), "none be empty"),
        (replaced("index/name", np.array([b"m0", b"\xff", b"m2"])), "truncated or damaged"),
        (replaced("index/winner", np.array([b"x"])), "/index/winner has 1 entries"),
        (replaced("index/Winner", np.ones(3)), "fact 'Winner' cannot"),
        (with_entry("index/digest", 1, b"0"), "/index/digest of record 'm1' is '0'"),
        (with_entry("index/n", 1, 4), "/index/row_offset is not the running sum"),
        (with_entry("index/n", 1, -4), "values that are not sizes"),
        (with_entry("index/nnz", slice(None), 2**62), "values that are not sizes"),
        (with_entry("index/nnz_offset", 2, 7), "/index/nnz_offset is not the running sum"),
        (with_entry("pattern/pointers_to_1", 3, 1), "record 'm1': its pointers do not run"),
        (with_entry("pattern/pointers_to_1", 5, 99), "record 'm1': row 2 has no entries"),
        (with_entry("pattern/indices_1", 14, 4), "record 'm2': row 3 reaches column 4"),
        (with_entry("values/a", 2, np.nan), "record 'm0': /values/a is nan"),
        (with_entry("values/l_ic0", 9, np.inf), "record 'm2': /values/l_ic0 is inf"),
        (with_entry("values/l_ic0", 4, 0.0), "record 'm1': /values/l_ic0 is 0.0"),
    ],
)
def test_each_fault_is_one_error_that_names_the_file(edited, change, message):
    file = edited(change)
    with pytest.raises(ShardError, match=f"test.h5: .*{message}"):
        read_shard(file)


def test_reading_loads_no_heavy_package():
    heavy = "{'torch', 'pooch', 'pydantic', 'requests', 'filelock', 'platformdirs', 'numba'}"
    code = f"import sys, precondbench.shards; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
