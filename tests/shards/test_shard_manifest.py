"""The manifest: reading, checks, reproducible writing."""

import copy
import json
import re

import pytest

from precondbench.errors import ConfigurationError, ManifestError
from precondbench.shards import Manifest, load_manifest, save_manifest
from precondbench.shards.store import manifest as module
from precondbench.shards.store.manifest import manifest_json_schema

SHARD = {"path": "tridiag/1/default/test-00.h5", "bytes": 10, "sha256": "a" * 64}
DATA = {
    "schema_version": 1,
    "mirrors": ["https://example.org/data"],
    "datasets": {
        "tridiag": {
            "1": {
                "reproducible": "bitwise",
                "licence": "CC0-1.0",
                "description": "Größe",
                "configurations": {
                    "default": {
                        "recipe": {"seed": 1, "law": {"c": 6.0, "x": None}},
                        "splits": {
                            "test": {
                                "records": 200,
                                "content_digest": "b" * 64,
                                "facts_digest": "d" * 64,
                                "shards": [SHARD],
                            },
                            "train": {
                                "records": 1000,
                                "content_digest": "c" * 64,
                                "facts_digest": None,
                                "shards": [],
                            },
                        },
                    }
                },
            }
        }
    },
    "sources": [{"name": "nos1", "group": "HB", "licence": "CC-BY 4.0", "url": "https://x.org/n"}],
}


@pytest.fixture
def stored(tmp_path):
    """A manifest file after a change of its data."""

    def store(change=lambda data: None):
        data = copy.deepcopy(DATA)
        change(data)
        path = tmp_path / "data_manifest.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return path

    return store


def version(data):
    return data["datasets"]["tridiag"]["1"]


def splits(data):
    return version(data)["configurations"]["default"]["splits"]


def test_a_split_is_found(stored):
    split = load_manifest(stored()).split("tridiag", "1", "default", "test")
    assert (split.records, split.content_digest) == (200, "b" * 64)
    assert [shard.path for shard in split.shards] == [SHARD["path"]]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("tridiga", "1", "default", "test"), "no dataset 'tridiga'; there are tridiag; did you"),
        (("tridiag", "2", "default", "test"), "no version '2' of tridiag; there are 1"),
        (("tridiag", "1", "hard", "test"), "no configuration 'hard' of tridiag 1; there are defau"),
        (
            ("tridiag", "1", "default", "tets"),
            "no split 'tets' of tridiag 1 default; there are test, train; did you mean 'test'",
        ),
    ],
)
def test_what_does_not_exist_is_named_beside_what_does(stored, names, message):
    with pytest.raises(ConfigurationError, match=message):
        load_manifest(stored()).split(*names)


def test_writing_and_reading_change_nothing_and_bytes_are_stable(stored, tmp_path):
    manifest = load_manifest(stored())
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    save_manifest(manifest, first)
    assert load_manifest(first) == manifest
    shuffled = dict(reversed(DATA.items()))
    save_manifest(Manifest.model_validate(shuffled), second)
    assert first.read_bytes() == second.read_bytes()
    text = first.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert "Größe" in text
    assert json.loads(text)["datasets"] == DATA["datasets"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "data_manifest.json",
        "first.json",
        "second.json",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.pop("schema_version"), "schema at schema_version: Field required"),
        (lambda d: d.update(schema_version=2), "schema at schema_version"),
        (lambda d: d.update(extra=1), "schema at extra: Extra inputs"),
        (lambda d: d.update(mirrors=[""]), r"schema at mirrors\.0"),
        (lambda d: version(d).update(reproducible="no"), r"at datasets\.tridiag\.1\.reproducible"),
        (lambda d: version(d).pop("licence"), r"at datasets\.tridiag\.1\.licence: Field required"),
        (lambda d: splits(d)["test"].update(records="200"), r"splits\.test\.records"),
        (lambda d: splits(d)["test"].update(records=True), r"splits\.test\.records"),
        (lambda d: splits(d)["test"].update(records=0), r"splits\.test\.records"),
        (lambda d: splits(d)["test"].update(content_digest="B" * 64), r"test\.content_digest"),
        (lambda d: splits(d).update({"a/b": splits(d)["test"]}), r"splits\.a/b"),
        (lambda d: splits(d)["test"]["shards"][0].update(sha256="a"), r"shards\.0\.sha256"),
        (
            lambda d: splits(d)["train"]["shards"].append(SHARD | {"sha256": "d" * 64}),
            "path 'tridiag/1/default/test-00.h5' stands for two files",
        ),
        (lambda d: d["sources"][0].pop("licence"), r"sources\.0\.licence"),
    ],
)
def test_faults_are_named_with_their_place(stored, change, message):
    path = stored(change)
    with pytest.raises(ManifestError, match=f"{re.escape(str(path))}.*{message}"):
        load_manifest(path)


@pytest.mark.parametrize(
    "path",
    [
        "../x.h5",
        "/x.h5",
        "a/../x.h5",
        "a//x.h5",
        "a/",
        "C:/x.h5",
        "a\\x.h5",
        ".x",
        "",
        "a b",
        "a\n",
    ],
)
def test_paths_cannot_leave_the_cache(stored, path):
    with pytest.raises(ManifestError, match=r"shards\.0\.path"):
        load_manifest(stored(lambda d: splits(d)["test"]["shards"][0].update(path=path)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is not JSON: .* at line 1, column"),
        (b"", "is not JSON"),
        (b"[]", "schema at top level"),
        (b'{"schema_version": 1, "schema_version": 1}', "'schema_version' appears twice"),
        (b'{"schema_version": NaN}', "NaN is not a JSON number"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_files_that_are_no_manifest(tmp_path, content, message):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(ManifestError, match=f"m.json.*{message}"):
        load_manifest(tmp_path / "m.json")


def test_a_missing_file(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        load_manifest(tmp_path / "absent.json")


def test_the_default_is_the_one_in_the_package_then_that_of_the_checkout(tmp_path, monkeypatch):
    source = tmp_path / "src" / "precondbench" / "shards" / "store" / "manifest.py"
    source.parent.mkdir(parents=True)
    monkeypatch.setattr(module, "__file__", str(source))
    with pytest.raises(ManifestError, match="cannot be read"):
        load_manifest()
    checkout = Manifest(schema_version=1, mirrors=["https://checkout.example"])
    save_manifest(checkout, tmp_path / "data_manifest.json")
    assert load_manifest() == checkout
    packaged = Manifest(schema_version=1, mirrors=["https://package.example"])
    save_manifest(packaged, source.parents[2] / "data_manifest.json")
    assert load_manifest() == packaged


def test_the_schema_is_json_and_closed():
    schema = json.loads(json.dumps(manifest_json_schema()))
    assert schema["$schema"].startswith("https://json-schema.org/")
    definitions = [schema, *schema["$defs"].values()]
    objects = [d for d in definitions if d.get("type") == "object"]
    assert len(objects) == 6
    assert not any(d["additionalProperties"] for d in objects)
