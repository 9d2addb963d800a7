"""Numbers of the nodes of a mesh: stored beside the records and checked, not in their digest."""

import h5py
import numpy as np
import pytest

from precondbench.errors import DigestError, ShardError
from precondbench.shards import (
    Record,
    ShardHeader,
    geometry_digest,
    read_shard,
    record_digest,
    shard_in_memory,
    write_shard,
)

HEADER = ShardHeader("demo", "1", "default", "test", {}, "0.1.0")


def record(name="one", nodes=2, unknowns=2, **changes):
    n = nodes * unknowns
    geometry = {
        "coordinates": np.arange(2.0 * nodes).reshape(nodes, 2),
        "coefficients": np.ones((nodes, 1)),
    }
    parts = {"facts": {"unknowns": unknowns}, "geometry": geometry} | changes
    return Record(name, "demo", np.arange(n + 1), np.arange(n, dtype=np.int32), np.ones(n), **parts)


def test_a_geometry_comes_back(tmp_path):
    records = [record(), record("two", 3, 1), record("three", 1, 3)]
    write_shard(tmp_path / "s.h5", HEADER, records)
    for shard in (read_shard(tmp_path / "s.h5"), shard_in_memory(HEADER, records)):
        shard.verify()
        assert shard.node_offsets.tolist() == [0, 2, 5, 6]
        for i, given in enumerate(records):
            back = shard.record(i)
            assert back.unknowns == given.unknowns
            assert back.facts == given.facts
            assert back.facts["geometry_digest"] == geometry_digest(given.geometry)
            assert back.geometry.keys() == given.geometry.keys()
            for name, values in given.geometry.items():
                assert np.array_equal(back.geometry[name], values)


def test_the_record_digest_is_that_of_the_matrix_alone():
    assert record_digest(record()) == record_digest(record(geometry={}))
    other = {"coordinates": np.zeros((2, 2)), "coefficients": np.ones((2, 1))}
    assert record_digest(record()) == record_digest(record(geometry=other))


def test_the_digest_tells_names_shapes_and_values_apart():
    x = np.arange(4.0).reshape(2, 2)
    digests = [
        geometry_digest(geometry)
        for geometry in (
            {"a": x}, {"b": x}, {"a": x + 1}, {"a": x.reshape(4, 1)}, {"a": x, "b": x},
            {"a": x[:1], "b": x[1:]},
        )
    ]  # fmt: skip
    assert len(set(digests)) == len(digests)


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"facts": {"unknowns": 3}}, "4 rows do not belong to nodes with 3 unknowns"),
        ({"facts": {"unknowns": 0}}, "with 0 unknowns"),
        ({"geometry": {"x": np.zeros((4, 1))}}, "one row for each of the 2 nodes"),
        ({"geometry": {"x": np.zeros((2, 0))}}, "one row for each"),
        ({"geometry": {"x": np.zeros(2)}}, "one row for each"),
        ({"geometry": {"X": np.zeros((2, 1))}}, "cannot be the name"),
        ({"geometry": {"x": np.full((2, 1), np.nan)}}, "not finite"),
    ],
)
def test_records_with_a_wrong_geometry_are_refused(changes, fragment):
    with pytest.raises(ShardError, match=fragment):
        record(**changes)


def test_records_fit_together(tmp_path):
    wide = {"coordinates": np.zeros((2, 3)), "coefficients": np.ones((2, 1))}
    with pytest.raises(ShardError, match="more columns in some"):
        write_shard(tmp_path / "s.h5", HEADER, [record(), record("two", geometry=wide)])
    with pytest.raises(ShardError, match="different geometry"):
        write_shard(
            tmp_path / "s.h5",
            HEADER,
            [record(), record("two", geometry={}, facts=dict(record().facts))],
        )
    assert not list(tmp_path.iterdir())


def damaged(path, change):
    write_shard(path, HEADER, [record(), record("two", 3, 1)])
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_other_numbers_are_found(tmp_path):
    def change(file):
        values = file["geometry/coordinates"][...]
        values[5] += 1.0
        file["geometry/coordinates"][...] = values

    shard = read_shard(damaged(tmp_path / "s.h5", change))
    with pytest.raises(DigestError, match=r"geometry of record 1 \('two'\)"):
        shard.verify()


def cut(file):
    values = file["geometry/coordinates"][...]
    del file["geometry/coordinates"]
    file.create_dataset("geometry/coordinates", data=values[:-1])


def infinite(file):
    file["geometry/coordinates"][0] = np.inf


def without_digest(file):
    del file["index/geometry_digest"]


def other_unknowns(file):
    file["index/unknowns"][...] = [3, 1]


def linked(file):
    del file["geometry"]
    file["geometry"] = h5py.ExternalLink("other.h5", "/geometry")


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (cut, "9 values for 5 nodes"),
        (infinite, "not finite"),
        (without_digest, "geometry_digest is missing"),
        (other_unknowns, "does not divide"),
        (linked, "is a link"),
    ],
)
def test_damaged_files_are_refused(tmp_path, change, fragment):
    with pytest.raises(ShardError, match=fragment):
        read_shard(damaged(tmp_path / "s.h5", change))
