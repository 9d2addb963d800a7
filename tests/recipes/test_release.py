"""Content of a release, and that published files never change."""

import csv
import importlib.util
import json
import re
import shutil
import subprocess
import warnings
from dataclasses import replace

import h5py
import numpy as np
import pytest

from precondbench.errors import ConfigurationError, ManifestError
from precondbench.recipes import obtain_shard, select_plans, write_release
from precondbench.recipes.publishing.metadata import croissant_faults
from precondbench.shards import (
    Manifest,
    file_sha256,
    load_manifest,
    published_path,
    read_shard,
    save_manifest,
    write_shard,
)

CARDS = {
    "CITATION.bib",
    "DATASET_CARD.md",
    "README.md",
    "SHA256SUMS",
    "croissant.json",
    "data_manifest.json",
}
# Names, licences and citations; the namespaces of JSON-LD are names, too.
ALLOWED = re.compile(
    r"https?://(spdx\.org/licenses/[A-Za-z0-9.-]+|sparse\.tamu\.edu(/[\w./-]*)?|"
    r"arxiv\.org/abs/2502\.01397|schema\.org/|mlcommons\.org/croissant/(RAI/|1\.0)?|"
    r"purl\.org/dc/terms/)"
)


def small_plans():
    return [
        *select_plans("suitesparse-invk", "sample", "tril", "val"),
        *select_plans("synthetic-tridiag", None, "uniform", "val"),
    ]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return write_release(tmp_path_factory.mktemp("release") / "data", small_plans())


@pytest.fixture
def copy(release, tmp_path):
    return shutil.copytree(release.folder, tmp_path / "copy")


def all_files(folder):
    return {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}


def test_files(release):
    found = all_files(release.folder)
    assert set(release.files) == set(found)
    assert set(found) > CARDS
    for split in release.splits:
        plan = split.plan
        names = (plan.dataset, plan.version, plan.configuration, plan.split)
        path = release.folder / published_path(*names, split.content_digest)
        assert path == found[split.shard.path]
        assert (path.stat().st_size, file_sha256(path)) == (split.shard.bytes, split.shard.sha256)
        shard = read_shard(path)
        shard.verify()
        assert len(shard) == plan.count
    assert release.croissant_checked == (importlib.util.find_spec("mlcroissant") is not None)


def test_checksums(release, copy):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    command = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    out = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=True).stdout
    assert out.count(": OK") == len(release.files) - 1
    assert {line.split("  ")[1] for line in (copy / "SHA256SUMS").read_text().splitlines()} == (
        set(release.files) - {"SHA256SUMS"}
    )
    (copy / "README.md").write_text("other")
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "README.md: FAILED" in done.stdout


def test_manifest_can_replace_the_librarys(release):
    base = load_manifest()
    published = load_manifest(release.folder / "data_manifest.json")
    assert published.mirrors == base.mirrors == []
    for split in release.splits:
        plan = split.plan
        names = (plan.dataset, plan.version, plan.configuration, plan.split)
        assert published.split(*names).shards == [split.shard]
        assert published.split(*names).content_digest == base.split(*names).content_digest
    # Nothing else differs.
    data = published.model_dump()
    for versions in data["datasets"].values():
        for version in versions.values():
            for configuration in version["configurations"].values():
                for entry in configuration["splits"].values():
                    entry["shards"] = []
    assert Manifest.model_validate(data) == base


def test_croissant(release):
    mlcroissant = pytest.importorskip("mlcroissant")
    data = json.loads((release.folder / "croissant.json").read_text())
    assert croissant_faults(data) == []
    files = {file["@id"]: file for file in data["distribution"]}
    for split in release.splits:
        assert files[split.shard.path]["sha256"] == split.shard.sha256
        assert files[split.shard.path]["contentUrl"] == split.shard.path
    assert "url" not in data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        dataset = mlcroissant.Dataset(jsonld=str(release.folder / "croissant.json"))
        splits = list(dataset.records("splits"))
        table = "records/suitesparse-invk/sample/tril/val"
        records = list(dataset.records(table))
    assert {row["splits/path"] for row in splits} == {s.shard.path for s in release.splits}
    assert [row[f"{table}/name"] for row in records] == [b"HB/nos1", b"HB/nos2"]
    assert records[0][f"{table}/iterations_invk"] == 24
    assert records[0][f"{table}/has_l_ic0"] is False


def test_croissant_faults_are_found(release):
    pytest.importorskip("mlcroissant")
    data = json.loads((release.folder / "croissant.json").read_text())
    del data["distribution"][1]["contentUrl"]
    faults = croissant_faults(data)
    assert faults
    assert "contentUrl" in " ".join(faults)


def test_record_index(release):
    for split in release.splits:
        shard = read_shard(release.folder / split.shard.path)
        with (release.folder / split.index.path).open(newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert [row["name"] for row in rows] == shard.names
        assert [row["digest"] for row in rows] == shard.record_digests
        for i, row in enumerate(rows):
            record = shard.record(i)
            assert int(row["nnz"]) == record.nnz
            for label, values in record.labels.items():
                assert row[f"has_l_{label}"] == ("false" if values is None else "true")
            for fact, value in record.facts.items():
                read = type(value)(row[fact]) if row[fact] else float("nan")
                assert read == value or (read != read and value != value), fact


def test_cards(release):
    card = (release.folder / "DATASET_CARD.md").read_text()
    readme = (release.folder / "README.md").read_text()
    assert "[HB/nos1](https://sparse.tamu.edu/HB/nos1) | 217 |" in card
    assert "H. Simon" in card
    assert "Stored zeros" in card
    assert "CC-BY-4.0" in card
    assert "not the dataset of the paper" in card
    front = readme.split("---\n")[1].splitlines()
    assert "license: cc-by-4.0" in front
    assert "- n<1K" in front
    named = re.findall(r'path: "([^"]+)"', readme)
    assert named
    assert all((release.folder / path).is_file() for path in named)
    for target in re.findall(r"\]\(([^)]+)\)", readme):
        assert (release.folder / target).is_file()
    for text in (card, readme):
        assert "{{" not in text
        assert not re.search(r"\bNone\b|undefined", text)


@pytest.mark.parametrize("base_url", [None, "https://data.example/precondbench/v1"])
def test_no_address_but_the_given_one(tmp_path, base_url):
    folder = write_release(tmp_path / "r", small_plans(), base_url=base_url).folder
    for name, path in all_files(folder).items():
        if path.suffix == ".h5":
            continue
        for address in re.findall(r"https?://[^\s\"'<>)}\\]+", path.read_text()):
            given = base_url is not None and address.startswith(base_url)
            assert given or ALLOWED.match(address), f"{name}: {address}"


def test_base_url_and_date(tmp_path):
    url = "https://data.example/precondbench/v1"
    release = write_release(tmp_path / "r", small_plans(), base_url=url + "/", date="2026-02-03")
    published = load_manifest(release.folder / "data_manifest.json")
    assert published.mirrors == [url]
    data = json.loads((release.folder / "croissant.json").read_text())
    assert data["url"] == url
    assert data["datePublished"] == "2026-02-03"
    assert all(file["contentUrl"] == f"{url}/{file['@id']}" for file in data["distribution"])
    assert f"url = {{{url}}}" in (release.folder / "CITATION.bib").read_text()
    assert f"PRECONDBENCH_MIRROR={url}\n" in (release.folder / "README.md").read_text()


def test_a_doi_and_a_host_without_folders(tmp_path):
    release = write_release(
        tmp_path / "r", small_plans(), base_url="doi:10.5281/zenodo.1", flat=True
    )
    assert all("/" not in name for name in release.files)
    assert {path.name for path in release.folder.iterdir()} == set(release.files)
    published = load_manifest(release.folder / "data_manifest.json")
    assert published.mirrors == ["doi:10.5281/zenodo.1"]
    assert "doi = {10.5281/zenodo.1}" in (release.folder / "CITATION.bib").read_text()
    # Croissant needs addresses or relative paths.
    data = json.loads((release.folder / "croissant.json").read_text())
    assert all(file["contentUrl"] == file["@id"] for file in data["distribution"])


def test_again_changes_nothing(copy):
    before = {name: (p.stat().st_mtime_ns, p.stat().st_ino) for name, p in all_files(copy).items()}
    write_release(copy, small_plans())
    after = {name: (p.stat().st_mtime_ns, p.stat().st_ino) for name, p in all_files(copy).items()}
    assert after == before


@pytest.mark.parametrize("lost", ["SHA256SUMS", "data_manifest.json", "README.md", ".h5", ".csv"])
def test_an_interrupted_release_is_completed(release, copy, lost):
    gone = [path for name, path in all_files(copy).items() if name.endswith(lost)]
    for path in gone:
        path.unlink()
    write_release(copy, small_plans())
    for name, path in all_files(copy).items():
        assert path.read_bytes() == (release.folder / name).read_bytes()
    assert set(all_files(copy)) == set(release.files)


def test_the_manifest_comes_last(tmp_path, monkeypatch):
    """An interrupted release is no mirror: nothing announces files that are not there."""
    from precondbench.recipes.publishing import release as module

    written = []
    real = module.replacing
    monkeypatch.setattr(module, "replacing", lambda path: written.append(path.name) or real(path))
    write_release(tmp_path / "r", small_plans())
    assert written[-2:] == ["data_manifest.json", "SHA256SUMS"]


@pytest.mark.parametrize("name", sorted(CARDS))
def test_other_content_is_never_overwritten(copy, name):
    (copy / name).write_text("mine")
    before = {name: path.read_bytes() for name, path in all_files(copy).items()}
    with pytest.raises(ConfigurationError, match=f"{name} with other content.*new folder"):
        write_release(copy, small_plans())
    assert {name: path.read_bytes() for name, path in all_files(copy).items()} == before


def test_a_larger_release_needs_a_new_folder(copy):
    with pytest.raises(ConfigurationError, match=r"README\.md.*with other content"):
        write_release(copy, select_plans("suitesparse-invk", "sample", "tril"))
    assert not list(copy.rglob("train-*"))


def test_a_damaged_published_shard_is_not_replaced(copy, release):
    path = copy / release.splits[0].shard.path
    damaged = path.read_bytes()[:-1000]
    path.write_bytes(damaged)
    with pytest.raises(ConfigurationError, match=r"is there with other content.*new folder"):
        write_release(copy, small_plans())
    assert path.read_bytes() == damaged


def test_published_bytes_stay_where_a_build_has_others(tmp_path):
    """Another HDF5 version writes other bytes for the same content; the first ones count."""
    plans = small_plans()[:1]
    names = ("suitesparse-invk", "sample", "tril", "val")
    shard = read_shard(obtain_shard(*names))
    path = tmp_path / "r" / published_path(*names, shard.content_digest)
    header = replace(shard.header, creator="0.0.9")
    write_shard(path, header, [shard.record(i) for i in range(len(shard))])
    published = path.read_bytes()
    assert published != shard.path.read_bytes()
    release = write_release(tmp_path / "r", plans)
    assert path.read_bytes() == published
    assert release.splits[0].shard.sha256 == file_sha256(path)
    write_release(tmp_path / "r", plans)


def test_a_damaged_cache_is_not_published(tmp_path):
    plans = small_plans()[:1]
    names = ("suitesparse-invk", "sample", "tril", "val")
    cached = obtain_shard(*names, root=tmp_path / "cache")
    with h5py.File(cached, "r+") as file:
        values = file["values/a"][:]
        values[0] = np.nextafter(values[0], np.inf)
        file["values/a"][:] = values
    from precondbench.errors import DigestError

    with pytest.raises(DigestError, match="record 0"):
        write_release(tmp_path / "r", plans, root=tmp_path / "cache")
    assert not (tmp_path / "r").exists()


def test_a_matrix_without_a_licence_is_not_published(tmp_path, monkeypatch):
    data = load_manifest().model_dump()
    data["sources"] = [entry for entry in data["sources"] if entry["name"] != "nos1"]
    save_manifest(Manifest.model_validate(data), tmp_path / "m.json")
    monkeypatch.setattr(
        "precondbench.recipes.publishing.release.load_manifest",
        lambda: load_manifest(tmp_path / "m.json"),
    )
    with pytest.raises(ManifestError, match="do not list HB/nos1"):
        write_release(tmp_path / "r", small_plans())
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_url": "ftp://x"}, "no address to publish at"),
        ({"base_url": "https://x y"}, "no address to publish at"),
        ({"base_url": ""}, "no address to publish at"),
        ({"date": "3.2.2026"}, "not a date"),
        ({"date": "20260203"}, "not a date"),
    ],
)
def test_arguments(tmp_path, arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        write_release(tmp_path / "r", small_plans(), **arguments)
    with pytest.raises(ConfigurationError, match="no split is selected"):
        write_release(tmp_path / "r", [])
    assert not (tmp_path / "r").exists()
