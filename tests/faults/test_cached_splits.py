"""Splits in the cache: flipped bits, other formats, places of other versions."""

import json
import os
import random
import shutil

import h5py
import numpy as np
import pytest
from harness import Subject
from typer.testing import CliRunner

from precondbench.cli import app
from precondbench.cli.doctor import examine
from precondbench.errors import DigestError, ShardError
from precondbench.recipes import open_split
from precondbench.shards import find_shard, load_manifest, published_path, read_shard, shard_path

CACHED = Subject(
    "Splits in the cache",
    "one bit of any value, index, label, name or fact; bits of the file at random; files of "
    "newer formats, and where version 0.1.0 put them",
    "one error that names file, record and remedy; list says it, build repairs it",
)
SAMPLE = ("suitesparse-invk", "sample", "tril", "val")
DRAWN = ("synthetic-tridiag", "1.0", "uniform", "val")


def options(names):
    dataset, version, configuration, split = names
    return (dataset, "--version", version, "--config", configuration, "--split", split)


def digest_of(names):
    return load_manifest().split(*names).content_digest


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The two splits, built once; cases work on copies."""
    from precondbench.recipes import obtain_shard

    root = tmp_path_factory.mktemp("built")
    return {names: obtain_shard(*names, root) for names in (SAMPLE, DRAWN)}


def copied(bench, names=SAMPLE):
    """Put a good file into the cache of the case; return its path."""
    bench.monkeypatch.setenv("PRECONDBENCH_CACHE", str(bench.folder / "cache"))
    target = shard_path(bench.folder / "cache", *names, digest_of(names))
    target.parent.mkdir(parents=True)
    shutil.copyfile(bench.fixture("built")[names], target)
    return target


def state(bench, names=SAMPLE):
    rows = json.loads(bench.command("list", names[0], "--json"))
    keys = ("dataset", "version", "configuration", "split")
    return next(row["state"] for row in rows if tuple(row[key] for key in keys) == names)


def repaired(bench, names=SAMPLE):
    """Build replaces what is bad by a good file."""
    bench.command("build", *options(names))
    assert state(bench, names) == "cached"
    return open_split(*names)


# -- one change at a time --


def edit(key, entry, change):
    def apply(path):
        with h5py.File(path, "r+") as file:
            column = file[key][...]
            column[entry] = change(column[entry])
            file[key][...] = column

    return apply


def flip(value):
    """Flip the last bit of a number."""
    bits = np.array([value]).view(f"u{np.array(value).itemsize}")
    return (bits ^ 1).view(np.array(value).dtype)[0]


def changed(name, apply, fragment):
    def run(bench):
        path = copied(bench)
        assert state(bench) == "cached"
        before = path.stat()
        apply(path)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        with pytest.raises(ShardError, match=fragment) as caught:
            open_split(*SAMPLE)
        said = str(caught.value)
        assert said.count(str(path)) == 1
        assert said.endswith(
            "'precondbench build suitesparse-invk --version sample --config tril --split val' "
            "replaces it"
        )
        assert state(bench) == "damaged"
        repaired(bench)

    CACHED.add(f"changed-{name}", run)


changed("last-bit-of-a-value", edit("values/a", 3, flip), r"record 0 \('HB/nos1'\) has digest")
changed(
    "last-bit-of-a-label", edit("values/l_invk", -1, flip), r"record 1 \('HB/nos2'\) has digest"
)
changed("a-column-index", edit("pattern/indices_1", 5, lambda i: i - 1), "HB/nos1")
changed("a-pointer", edit("pattern/pointers_to_1", 2, lambda i: i + 1), "HB/nos1")
changed("a-name", edit("index/name", 1, lambda _: b"HB/nos3"), r"record 1 \('HB/nos3'\) has digest")
changed("a-digest", edit("index/digest", 0, lambda d: d.replace(b"a", b"b")), "record 0")
changed("iterations", edit("index/iterations_invk", 0, flip), "what it says about them")
changed("the-winner", edit("index/winner", 0, lambda _: b"tie"), "what it says about them")
changed("a-missing-label", edit("index/has_l_ic0", 0, flip), "record 'HB/nos1': /values/l_ic0")


def moved_split(path):
    with h5py.File(path, "r+") as file:
        file.attrs["split"] = np.bytes_(b"test")


def other_matrix(path):
    """A consistent file, with digests of its own."""
    from precondbench.shards import write_shard

    shard = read_shard(path)
    write_shard(path, shard.header, [shard.record(0)])


def stored_byte(path):
    with h5py.File(path) as file:
        chunk = file["values/l_invk"].id.get_chunk_info(0)
    data = bytearray(path.read_bytes())
    data[chunk.byte_offset + chunk.size // 3] ^= 4
    path.write_bytes(data)


def one_column_of_zeros(path):
    with h5py.File(path, "r+") as file:
        del file["values/a"]
        file["values"].create_dataset("a", (1 << 34,), "<f8", chunks=(65536,), compression=4)


changed("the-name-of-the-split", moved_split, "says that it is .*/test, not .*/val")
changed("all-digests-together", other_matrix, "has content digest .* and 1 records")
changed("a-stored-byte", stored_byte, "/values/l_invk is damaged in records 'HB/nos1' to 'HB/nos2'")
changed("a-column-of-128-gb", one_column_of_zeros, "arrays take .* more than the|claims more data")
changed("nothing-left", lambda path: path.write_bytes(b""), "not an HDF5 file")
changed("half-left", lambda path: path.write_bytes(path.read_bytes()[:9000]), "truncated|damaged")


@CACHED.case
def bits_of_the_file_at_random(bench):
    """Opening gives the manifest's records or one error; list agrees with it."""
    path = copied(bench)
    good, whole, rng = path.read_bytes(), read_shard(path), random.Random(1)
    refused = 0
    for _ in range(60):
        data = bytearray(good)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        try:
            shard = open_split(*SAMPLE)
        except ShardError:
            refused += 1
            continue
        for fact, column in whole.facts.items():
            np.testing.assert_array_equal(shard.facts[fact], column)
    assert refused > 10


@CACHED.case
def scoring_refuses_what_training_refuses(bench):
    """Every way of opening a split goes through the same check."""
    from precondbench.datasets import DataSelection
    from precondbench.leaderboard.tracks import open_track, track_named

    path = copied(bench)
    edit("values/l_invk", 7, flip)(path)
    selection = DataSelection(dataset=SAMPLE[0], version="sample", configuration="tril")
    for way in (lambda: selection.open("val"), lambda: selection.open_small("val")):
        with pytest.raises(DigestError, match=r"record 0 .*replaces it"):
            way()
    target = shard_path(bench.folder / "cache", *DRAWN[:3], "test", digest_of((*DRAWN[:3], "test")))
    bench.command("build", *options((*DRAWN[:3], "test")))
    edit("values/l_modified", 7, flip)(target)
    with pytest.raises(DigestError, match=r"record 0 .*--split test' replaces it"):
        open_track(track_named("synthetic-tridiag-1.0-uniform-test"))


# -- other formats and places --


@CACHED.case
def file_of_a_newer_format_in_our_place(bench):
    path = copied(bench)
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 2
    assert state(bench) == "newer"
    with pytest.raises(ShardError, match=r"format version 2, .* reads up to 1"):
        open_split(*SAMPLE)
    repaired(bench)


@CACHED.case
def file_of_a_newer_format_in_its_place(bench):
    """Another version of the library shares the cache; its file stays."""
    path = copied(bench)
    later = path.with_name(path.name.replace("-f1.h5", "-f2.h5"))
    path.rename(later)
    assert state(bench) == "newer"
    before = later.read_bytes()
    bench.command("build", *options(SAMPLE))
    assert state(bench) == "cached"
    assert later.read_bytes() == before


@CACHED.case
def file_where_version_0_1_0_put_it(bench):
    path = copied(bench)
    older = bench.folder / "cache" / published_path(*SAMPLE, digest_of(SAMPLE))
    path.rename(older)
    assert state(bench) == "cached"
    assert open_split(*SAMPLE).path == older
    bench.command("build", *options(SAMPLE))
    assert not path.exists()
    edit("values/a", 0, flip)(older)
    assert state(bench) == "damaged"
    repaired(bench)
    assert path.exists()
    assert older.exists()


@CACHED.case
def a_file_that_is_as_it_was_found_good(bench):
    path = copied(bench)
    os.utime(path, (1e9, 1e9))
    assert state(bench) == "cached"
    with bench.monkeypatch.context() as patch:
        name = "precondbench.recipes.building.cached.file_sha256"
        patch.setattr(name, lambda _: pytest.fail("it is read again"))
        assert state(bench) == "cached"
    os.utime(path, (2e9, 2e9))
    assert state(bench) == "cached"
    edit("values/a", 0, flip)(path)
    assert state(bench) == "damaged"
    assert state(bench) == "damaged"


@CACHED.case
def a_later_library_finds_files_of_this_format(bench):
    path = copied(bench)
    for module in ("store.cache", "file"):
        bench.monkeypatch.setattr(f"precondbench.shards.{module}.FORMAT_VERSION", 2)
    bench.monkeypatch.setattr("precondbench.recipes.building.cached.FORMAT_VERSION", 2)
    found, newer = find_shard(bench.folder / "cache", *SAMPLE, digest_of(SAMPLE))
    assert (found, newer) == (path, False)
    assert shard_path(bench.folder / "cache", *SAMPLE, digest_of(SAMPLE)) != path
    assert state(bench) == "older"


@CACHED.case
def every_command_names_a_damaged_split(bench):
    path = copied(bench)
    edit("values/a", 0, flip)(path)
    (found,) = [
        f for f in examine(bench.folder / "cache", check=False) if f.name == "cached splits"
    ]
    assert "record 0 ('HB/nos1')" in found.problem
    verified = CliRunner().invoke(app, ["verify", SAMPLE[0], "--json"])
    assert verified.exit_code == 1
    assert "record 0 ('HB/nos1')" in json.loads(verified.stdout)[0]["fault"]
    bench.command("info", *options(SAMPLE), code=1, fragment="record 0 .*replaces it")
    said = bench.process("build", *options(SAMPLE), code=0)
    assert said.count("replacing a bad file") == 1
    bench.command("info", *options(SAMPLE))


@CACHED.parametrised()
def test_cached_splits(bench, name):
    CACHED.run(bench, name)
