"""Files of other versions of the library, and modified entries of the leaderboard."""

import json
import shutil

import h5py
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from harness import Subject

from precondbench.errors import (
    LeaderboardError,
    ManifestError,
    PredictionError,
    ShardError,
    SubmissionError,
)
from precondbench.shards import (
    Record,
    ShardHeader,
    load_manifest,
    read_predictions,
    read_shard,
    shard_in_memory,
    write_predictions,
    write_shard,
)
from prediction_files import as_hdf5

VERSIONS = Subject(
    "Formats of other versions, entries of the leaderboard",
    "manifests, shards, predictions, submissions, entries of later formats; shards and entries "
    "modified by hand",
    "an error that names the file and the version or the field",
)
RECORD = Record("one", "demo", [0, 1], [0], [4.0], {"exact": [2.0]})
HEADER = ShardHeader("demo", "1", "default", "test", {}, "0.1.0")


def manifest(name, change, fragment):
    def run(bench):
        from precondbench.shards import manifest_text

        data = json.loads(manifest_text(load_manifest()))
        path = bench.file("data_manifest.json", json.dumps(change(data)))
        bench.refused(ManifestError, fragment, lambda: load_manifest(path))

    VERSIONS.add(f"manifest-{name}", run)


manifest("of-a-later-schema", lambda d: d | {"schema_version": 2}, "schema at schema_version")
manifest("of-no-schema", lambda d: {k: v for k, v in d.items() if k != "schema_version"},
         "schema_version: Field required")  # fmt: skip
manifest("with-a-later-field", lambda d: d | {"signatures": []}, "schema at signatures")
manifest("schema-text", lambda d: d | {"schema_version": "1"}, "schema at schema_version")
manifest("datasets-a-list", lambda d: d | {"datasets": []}, "schema at datasets")
manifest("a-list", lambda d: [d], "schema at top level")


def hostile_numbers(text):
    """Places of a number in a JSON file, with numbers that no reader should take."""
    for name, number, fragment in (
        ("10-to-the-400", "1" + "0" * 400, "more than 64 bits"),
        ("of-5000-digits", "9" * 5000, "more than 64 bits"),
        ("negative-of-5000-digits", "-" + "9" * 5000, "more than 64 bits"),
        ("2-to-the-64", str(2**64), "more than 64 bits"),
        ("1e400", "1e400", "overflows double precision"),
        ("minus-1e999999", "-1e999999", "overflows double precision"),
        ("nan", "NaN", "not a JSON number"),
        ("infinity", "-Infinity", "not a JSON number"),
        ("nested", "[" * 100_000, "nested too deeply"),
        ("nested-objects", '{"a":' * 100_000, "nested too deeply"),
    ):
        yield name, text.replace("@", number), fragment


for name, text, fragment in hostile_numbers('{"schema_version": 1, "sources": @}'):

    def run(bench, text=text, fragment=fragment):
        path = bench.file("data_manifest.json", text)
        bench.refused(ManifestError, fragment, lambda: load_manifest(path))

    VERSIONS.add(f"manifest-number-{name}", run)

for name, text, fragment in hostile_numbers('{"format": "precondbench-track", "matrices": @}'):

    def run(bench, text=text, fragment=fragment):
        from precondbench.leaderboard.entries import read_leaderboard

        bench.file("b/tracks/t.json", text)
        bench.refused(LeaderboardError, fragment, lambda: read_leaderboard("b"))

    VERSIONS.add(f"track-number-{name}", run)


def shard(name, change, fragment):
    def run(bench):
        path = bench.folder / "s.h5"
        write_shard(path, HEADER, [RECORD])
        with h5py.File(path, "r+") as file:
            change(file)
        bench.refused(ShardError, fragment, lambda: read_shard(path))

    VERSIONS.add(f"shard-{name}", run)


def attribute(key, value):
    return lambda file: file.attrs.__setitem__(key, value)


shard("of-a-later-format", attribute("format_version", 2), "reads up to 1; upgrade it")
shard("of-format-2-to-the-62", attribute("format_version", 2**62), "reads up to 1; upgrade it")
shard("of-a-fractional-format", attribute("format_version", 1.5), "format_version")
shard("of-predictions", attribute("format", np.bytes_("precondbench-predictions")), "not a shard")
shard("of-an-array-for-a-version", attribute("format_version", np.arange(3)), "format_version")
shard("with-a-time-for-values", lambda file: time_typed(file, "values", "a"), "damaged|type")


def time_typed(file, group, name):
    """HDF5 has a type of times that NumPy lacks."""
    del file[group][name]
    space = h5py.h5s.create_simple((1,))
    h5py.h5d.create(file[group].id, name.encode(), h5py.h5t.UNIX_D32LE, space)


def predictions(name, change, fragment):
    """A file in HDF5, the first format of predictions, that was changed."""

    def run(bench):
        path = bench.folder / "p.safetensors"
        write_predictions(path, "m", shard_in_memory(HEADER, [RECORD]), "exact",
                          {0: {"one": np.ones(1)}})  # fmt: skip
        path = as_hdf5(path)
        with h5py.File(path, "r+") as file:
            change(file)
        bench.refused(PredictionError, fragment, lambda: read_predictions(path))
        bench.command("score", path, code=2, fragment="precondbench: .*p.h5")

    VERSIONS.add(f"predictions-{name}", run)


def seed_of_times(file):
    del file["seed_0"]
    h5py.h5d.create(file.id, b"seed_0", h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((1,)))


def group_for_a_seed(file):
    del file["seed_0"]
    file.create_group("seed_0")


predictions("of-a-later-format", attribute("format_version", 2), "format version 2")
predictions(
    "of-a-shard", attribute("format", np.bytes_("precondbench-shard")), "not a file of pred"
)
predictions("with-a-seed-of-times", seed_of_times, "cannot be read|type")
predictions("with-text-that-is-none", attribute("method", np.bytes_(b"\xff\xfe")), "cannot be read")
predictions("with-an-array-for-a-version", attribute("format_version", np.arange(3)), "version")
predictions("with-a-version-of-text", attribute("format_version", np.bytes_("1")), "version")
predictions("with-a-group-for-a-seed", group_for_a_seed, "not an HDF5 dataset")


def tensors(name, change, fragment):
    """A file in safetensors, the second format, whose description was changed."""

    def run(bench):
        path = bench.folder / "p.safetensors"
        write_predictions(path, "m", shard_in_memory(HEADER, [RECORD]), "exact",
                          {0: {"one": np.ones(1)}})  # fmt: skip
        with safetensors.safe_open(path, framework="numpy") as file:
            description = json.loads(file.metadata()["precondbench"])
        values, metadata = change({"seed_0": np.ones(1)}, description)
        safetensors.numpy.save_file(values, path, metadata)
        bench.refused(PredictionError, fragment, lambda: read_predictions(path))
        bench.command("score", path, code=2, fragment="precondbench: .*p.safetensors")

    VERSIONS.add(f"predictions-{name}", run)


def described(**changes):
    return lambda values, description: (
        values, {"precondbench": json.dumps(description | changes)},
    )  # fmt: skip


tensors("tensors-of-a-later-format", described(format_version=3), "format version 3")
tensors("tensors-of-a-fractional-format", described(format_version=2.5), "format version 2.5")
tensors("tensors-with-a-version-of-text", described(format_version="2"), "version")
tensors("tensors-of-a-shard", described(format="precondbench-shard"), "not a file of pred")
tensors("tensors-with-a-list-for-a-method", described(method=["m"]), "'method' is")
tensors("tensors-without-a-description", lambda values, _: (values, None), "not a file of pred")
tensors("tensors-with-a-description-of-a-list", lambda values, _: (values, {"precondbench": "[]"}),
        "not a file of pred|cannot be read")  # fmt: skip
tensors("tensors-of-integers", lambda values, d: (
    {"seed_0": np.ones(1, dtype=int)}, {"precondbench": json.dumps(d)}), "not float32")  # fmt: skip
tensors("tensors-with-no-seed", lambda values, d: ({}, {"precondbench": json.dumps(d)}),
        "holds no predictions")  # fmt: skip


@VERSIONS.case
def predictions_of_data_that_no_manifest_knows(bench):
    path = bench.folder / "p.safetensors"
    write_predictions(path, "m", shard_in_memory(HEADER, [RECORD]), "exact",
                      {0: {"one": np.ones(1)}})  # fmt: skip
    bench.command("score", path, code=2, fragment="demo")


@VERSIONS.case
def submission_of_a_later_schema(bench):
    from precondbench.leaderboard.submissions.schema import read_submission

    bench.file("s/submission.json", '{"schema_version": 2}')
    bench.refused(SubmissionError, "follow its schema", lambda: read_submission("s"))


# -- entries of the leaderboard --


@pytest.fixture(scope="session")
def board(tmp_path_factory):
    """One track and one entry of the committed board."""
    from pathlib import Path

    folder = tmp_path_factory.mktemp("board")
    source = Path(__file__).parents[2] / "leaderboard"
    track = sorted((source / "tracks").glob("*.json"))[0]
    entry = sorted((source / "entries" / track.stem).glob("*.json"))[0]
    for path in (track, entry):
        target = folder / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return folder, track.relative_to(source), entry.relative_to(source)


def entry(name, which, change, fragment):
    def run(bench):
        from precondbench.leaderboard.entries import read_leaderboard

        folder, *paths = bench.fixture("board")
        shutil.copytree(folder, bench.folder / "b")
        path = bench.folder / "b" / paths[which]
        changed = change(json.loads(path.read_text("utf-8")))
        path.write_text(changed if isinstance(changed, str) else json.dumps(changed))
        bench.refused(LeaderboardError, fragment, lambda: read_leaderboard(bench.folder / "b"))
        bench.command("leaderboard", "render", "--folder", "b", "--out", "site", code=1)
        assert not (bench.folder / "site").exists()

    VERSIONS.add(f"{('track', 'entry')[which]}-{name}", run)


for which in (0, 1):
    entry("empty", which, lambda d: "", "is not JSON")
    entry("truncated", which, lambda d: json.dumps(d)[:-20], "is not JSON")
    entry("of-a-later-format", which, lambda d: d | {"format_version": 3}, "at format_version")
    entry("of-another-format", which, lambda d: d | {"format": "x"}, "schema at format")
    entry("unknown-field", which, lambda d: d | {"rank": 1}, "schema at rank")
    entry("key-twice", which, lambda d: '{"id": "x", "id": "y"}', "appears twice")
    entry("id-that-climbs", which, lambda d: d | {"id": "../../x"}, "schema at id")
    entry("under-another-name", which, lambda d: d | {"id": "other"}, "other")
    entry("of-other-data", which, lambda d: d | {"content_digest": "0" * 64}, "other data")
entry("of-a-day-that-is-none", 1, lambda d: d | {"submitted": "2026-19-39"}, "schema at submitted")
entry("of-a-day-in-february", 1, lambda d: d | {"submitted": "2026-02-30"}, "schema at submitted")
entry("of-no-track", 1, lambda d: d | {"track": "nowhere"}, "put it in its place|lacks")
entry("without-seeds", 1, lambda d: d | {"seeds": []}, "schema at seeds")
entry("with-infinite-seconds", 1, lambda d: json.dumps(d | {"seconds": {"training": 9.0}}).replace(
    "9.0", "Infinity"), "not a JSON number")  # fmt: skip
entry("without-matrices", 0, lambda d: d | {"matrices": []}, "schema at matrices")
entry("with-fewer-matrices", 0, lambda d: d | {"matrices": d["matrices"][:1]}, "has outcomes of")


@VERSIONS.parametrised()
def test_versions(bench, name):
    VERSIONS.run(bench, name)
