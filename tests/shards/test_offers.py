"""Files of a mirror are accepted by their content only."""

import json
import re
from hashlib import sha256

import numpy as np
import pytest
from werkzeug import Response

from precondbench.errors import ConfigurationError, DigestError
from precondbench.shards import (
    MANIFEST_NAME,
    Manifest,
    Offers,
    Record,
    ShardHeader,
    file_sha256,
    read_shard,
    shard_path,
    write_shard,
)

NAMES = ("tridiag", "1", "default", "test")


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("PRECONDBENCH_CACHE", "PRECONDBENCH_OFFLINE", "PRECONDBENCH_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("precondbench.shards.store.mirrors._PAUSES", (0, 0, 0))


def make_shard(path, value=4.0, names=NAMES):
    record = Record(
        name="one",
        group="synthetic",
        indptr=[0, 1],
        indices=[0],
        a=[value],
        labels={"exact": np.sqrt([value])},
    )
    write_shard(path, ShardHeader(*names, {"seed": 1}, "0.1.0"), [record])
    return read_shard(path).content_digest


def make_manifest(digest, files=(), records=1, mirrors=()):
    split = {"records": records, "content_digest": digest, "shards": list(files)}
    configuration = {"recipe": {}, "splits": {NAMES[3]: split}}
    version = {
        "reproducible": "bitwise",
        "licence": "CC-BY-4.0",
        "description": "one matrix",
        "configurations": {NAMES[2]: configuration},
    }
    return Manifest(
        schema_version=1, mirrors=list(mirrors), datasets={NAMES[0]: {NAMES[1]: version}}
    )


def file_entry(path, file):
    return {"path": path, "bytes": file.stat().st_size, "sha256": file_sha256(file)}


@pytest.fixture
def shard(tmp_path):
    path = tmp_path / "made" / "test.h5"
    make_shard(path)
    return path


@pytest.fixture
def digest(shard):
    return read_shard(shard).content_digest


@pytest.fixture
def known(digest):
    """The manifest of a library that no one has published data for."""
    return make_manifest(digest)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def mirror(httpserver):
    """Serve a manifest and files; return the address."""

    def serve(manifest, files):
        text = manifest if isinstance(manifest, (str, bytes)) else manifest.model_dump_json()
        httpserver.expect_request(f"/m/{MANIFEST_NAME}").respond_with_data(text)
        for path, content in files.items():
            request = httpserver.expect_request(f"/m/{path}")
            if callable(content):
                request.respond_with_handler(content)
            else:
                request.respond_with_data(content)
        return httpserver.url_for("/m")

    return serve


def paths_asked(httpserver):
    return [request.path.removeprefix("/m/") for request, _ in httpserver.log]


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_a_mirror_names_the_file_of_a_content_that_the_library_knows(
    known, shard, digest, root, mirror, httpserver
):
    manifest = make_manifest(digest, [file_entry("x/test.h5", shard)])
    address = mirror(manifest, {"x/test.h5": shard.read_bytes()})
    seen = []
    path = Offers(known, [address + "/"]).fetch(
        *NAMES, root, progress=lambda *done: seen.append(done)
    )
    assert path == shard_path(root, *NAMES, digest)
    assert path.read_bytes() == shard.read_bytes()
    assert files_in(root) == [path]
    assert seen[-1] == (shard.stat().st_size, shard.stat().st_size)
    assert paths_asked(httpserver) == [MANIFEST_NAME, "x/test.h5"]
    # What is in the cache is not asked for again.
    assert Offers(known, [address]).fetch(*NAMES, root) == path
    assert len(httpserver.log) == 2


def test_the_manifest_of_a_mirror_is_asked_for_once(known, root, mirror, httpserver):
    offers = Offers(known, [mirror("{}", {})])
    for _ in range(3):
        assert offers.fetch(*NAMES, root) is None
    assert paths_asked(httpserver) == [MANIFEST_NAME]


def test_a_folder_is_a_mirror(known, shard, digest, root, tmp_path):
    manifest = make_manifest(digest, [file_entry("test.h5", shard)])
    (shard.parent / MANIFEST_NAME).write_text(manifest.model_dump_json())
    assert Offers(known, [str(shard.parent)]).fetch(*NAMES, root) is not None


def test_a_published_file_is_asked_for_first_and_the_mirrors_own_name_second(
    shard, digest, root, mirror, httpserver, tmp_path
):
    library = make_manifest(digest, [file_entry("a/test.h5", shard)])
    own = make_manifest(digest, [file_entry("a--test.h5", shard)])
    address = mirror(own, {"a--test.h5": shard.read_bytes()})
    httpserver.expect_request("/m/a/test.h5").respond_with_data("no", status=404)
    assert Offers(library, [address]).fetch(*NAMES, root) is not None
    assert paths_asked(httpserver) == ["a/test.h5", MANIFEST_NAME, "a--test.h5"]
    # Where the published name works, the mirror needs no manifest.
    (tmp_path / "plain" / "a").mkdir(parents=True)
    (tmp_path / "plain" / "a" / "test.h5").write_bytes(shard.read_bytes())
    offers = Offers(library, [str(tmp_path / "plain")])
    assert offers.fetch(*NAMES, tmp_path / "other") is not None


def test_mirrors_of_the_environment_and_the_manifest(digest, shard, root, tmp_path, monkeypatch):
    (shard.parent / MANIFEST_NAME).write_text(
        make_manifest(digest, [file_entry("test.h5", shard)]).model_dump_json()
    )
    monkeypatch.setenv("PRECONDBENCH_MIRROR", str(tmp_path / "none"))
    library = make_manifest(digest, mirrors=[str(shard.parent)])
    assert Offers(library).fetch(*NAMES, root) is not None


def test_other_content_under_the_announced_digest_is_refused(known, digest, root, mirror, tmp_path):
    """The mirror's manifest agrees with its file; both disagree with the library."""
    other = tmp_path / "other.h5"
    make_shard(other, value=9.0)
    manifest = make_manifest(digest, [file_entry("x.h5", other)])
    address = mirror(manifest, {"x.h5": other.read_bytes()})
    with pytest.raises(DigestError, match=r"x\.h5 has content digest .* and 1 records, not"):
        Offers(known, [address]).fetch(*NAMES, root)
    assert files_in(root) == []


def test_a_forged_header_does_not_help(known, digest, root, mirror, shard, tmp_path):
    """Header and manifest say what is expected; the arrays do not have that digest."""
    import h5py

    forged = tmp_path / "forged.h5"
    make_shard(forged, value=9.0)
    with h5py.File(forged, "r+") as file, h5py.File(shard, "r") as good:
        file.attrs["content_digest"] = good.attrs["content_digest"]
        del file["index/digest"]
        good.copy("index/digest", file["index"])
    manifest = make_manifest(digest, [file_entry("x.h5", forged)])
    address = mirror(manifest, {"x.h5": forged.read_bytes()})
    with pytest.raises(DigestError, match=r"x\.h5: record 0 .* has digest"):
        Offers(known, [address]).fetch(*NAMES, root)
    assert files_in(root) == []


def test_a_split_under_another_name_is_refused(known, digest, root, mirror, tmp_path):
    other = tmp_path / "other.h5"
    assert make_shard(other, names=(*NAMES[:3], "train")) == digest
    manifest = make_manifest(digest, [file_entry("x.h5", other)])
    address = mirror(manifest, {"x.h5": other.read_bytes()})
    with pytest.raises(DigestError, match="says that it is tridiag/1/default/train"):
        Offers(known, [address]).fetch(*NAMES, root)
    assert files_in(root) == []


def test_a_manifest_with_another_digest_is_refused(known, digest, root, mirror, shard):
    address = mirror(make_manifest("0" * 64, [file_entry("x.h5", shard)]), {})
    reasons = []
    assert Offers(known, [address]).fetch(*NAMES, root, reasons=reasons) is None
    assert reasons == [
        f"{address}: its data_manifest.json lists tridiag/1/default/test with content digest "
        f"{'0' * 64}, this library expects {digest}"
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<!DOCTYPE html><title>404</title>", "is not JSON"),
        ("", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        ("[" * 200_000, "is not JSON"),
        ("[]", "does not list tridiag/1/default/test"),
        ('{"datasets": {"tridiag": 7}}', "does not list tridiag/1/default/test"),
    ],
)
def test_a_page_that_is_no_manifest(known, root, mirror, text, reason):
    reasons = []
    assert Offers(known, [mirror(text, {})]).fetch(*NAMES, root, reasons=reasons) is None
    assert reason in reasons[0]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ([], "names no single file"),
        ([{"path": "x.h5", "bytes": 1, "sha256": "0" * 64}] * 2, "names no single file"),
        ([{"path": "../x.h5", "bytes": 1, "sha256": "0" * 64}], "no usable file .* path"),
        ([{"path": "/etc/x.h5", "bytes": 1, "sha256": "0" * 64}], "no usable file .* path"),
        ([{"path": "x.h5", "bytes": "1", "sha256": "0" * 64}], "no usable file .* bytes"),
        ([{"path": "x.h5", "bytes": 1}], "no usable file .* sha256"),
        (["x.h5"], "names no single file"),
    ],
)
def test_a_manifest_that_names_no_file(known, digest, root, mirror, files, reason):
    data = json.loads(make_manifest(digest).model_dump_json())
    place = data["datasets"]["tridiag"]["1"]["configurations"]["default"]["splits"]["test"]
    place["shards"] = files
    reasons = []
    offers = Offers(known, [mirror(json.dumps(data), {})])
    assert offers.fetch(*NAMES, root, reasons=reasons) is None
    assert re.search(reason, reasons[0])


def test_fields_of_a_later_schema_do_not_matter(known, digest, root, mirror, shard):
    entry = {**file_entry("x.h5", shard), "torrent": "later"}
    data = json.loads(make_manifest(digest).model_dump_json())
    data["schema_version"] = 2
    place = data["datasets"]["tridiag"]["1"]["configurations"]["default"]["splits"]["test"]
    place |= {"shards": [entry], "rows": 1}
    address = mirror(json.dumps(data), {"x.h5": shard.read_bytes()})
    assert Offers(known, [address]).fetch(*NAMES, root) is not None


@pytest.mark.parametrize("change", ["flip", "cut", "longer", "html", "empty"])
def test_damage_on_the_way_is_refused(known, digest, root, mirror, shard, change):
    good = shard.read_bytes()
    content = {
        "flip": good[:-9] + bytes([good[-9] ^ 1]) + good[-8:],
        "cut": good[:-100],
        "longer": good + b"\0" * 200_000,
        "html": b"<html><h1>Not found</h1></html>",
        "empty": b"",
    }[change]
    assert sha256(content).hexdigest() != file_sha256(shard)
    address = mirror(make_manifest(digest, [file_entry("x.h5", shard)]), {"x.h5": content})
    with pytest.raises(DigestError, match=r"x\.h5 could not be fetched .* has other bytes"):
        Offers(known, [address]).fetch(*NAMES, root)
    assert files_in(root) == []


def test_the_next_mirror_helps_after_a_bad_one(known, digest, root, mirror, shard, tmp_path):
    manifest = make_manifest(digest, [file_entry("test.h5", shard)])
    address = mirror(manifest, {"test.h5": b"bad"})
    (shard.parent / MANIFEST_NAME).write_text(manifest.model_dump_json())
    reasons = []
    sources = [str(tmp_path / "none"), address, str(shard.parent)]
    assert Offers(known, sources).fetch(*NAMES, root, reasons=reasons) is not None
    assert reasons == []


@pytest.mark.parametrize("failures", [2, 99])
def test_an_overloaded_server_is_asked_again(known, digest, root, mirror, shard, failures):
    answers = []

    def busy(_):
        answers.append(1)
        if len(answers) <= failures:
            return Response("busy", status=503)
        return Response(shard.read_bytes())

    address = mirror(make_manifest(digest, [file_entry("x.h5", shard)]), {"x.h5": busy})
    reasons = []
    path = Offers(known, [address]).fetch(*NAMES, root, reasons=reasons)
    if failures == 2:
        assert path is not None
        assert len(answers) == 3
    else:
        assert path is None
        assert len(answers) == 4
        assert "download failed (503 " in reasons[0]
    assert [file for file in files_in(root) if file != path] == []


def test_a_missing_file_is_asked_for_once(known, digest, root, mirror, shard, httpserver):
    address = mirror(make_manifest(digest, [file_entry("x.h5", shard)]), {})
    httpserver.expect_request("/m/x.h5").respond_with_data("no", status=404)
    reasons = []
    assert Offers(known, [address]).fetch(*NAMES, root, reasons=reasons) is None
    assert paths_asked(httpserver) == [MANIFEST_NAME, "x.h5"]
    assert "download failed (404 " in reasons[0]


def test_offline_opens_no_connection(known, root, mirror, httpserver, monkeypatch):
    monkeypatch.setenv("PRECONDBENCH_OFFLINE", "1")
    address = mirror("{}", {})
    reasons = []
    assert Offers(known, [address]).fetch(*NAMES, root, reasons=reasons) is None
    assert reasons == [f"{address}: not asked, PRECONDBENCH_OFFLINE forbids the network"]
    assert httpserver.log == []


def test_no_mirror_and_no_such_split(known, root):
    reasons = []
    assert Offers(known, []).fetch(*NAMES, root, reasons=reasons) is None
    assert "PRECONDBENCH_MIRROR" in reasons[0]
    with pytest.raises(ConfigurationError, match="no split 'tset'"):
        Offers(known, []).fetch(*NAMES[:3], "tset", root)
    with pytest.raises(ConfigurationError, match="neither an http"):
        Offers(known, ["ftp://example.org"]).fetch(*NAMES, root)
    assert not root.exists()


def test_a_doi_is_resolved_by_pooch(known, digest, root, shard, httpserver, monkeypatch):
    """A record of Zenodo, whose answers are given by a server on this machine."""
    import pooch

    (shard.parent / MANIFEST_NAME).write_text(
        make_manifest(digest, [file_entry("test.h5", shard)]).model_dump_json()
    )
    for name in (MANIFEST_NAME, "test.h5"):
        content = (shard.parent / name).read_bytes()
        httpserver.expect_request(f"/files/{name}").respond_with_data(content)
    files = [
        {"key": name, "links": {"self": httpserver.url_for(f"/files/{name}")}}
        for name in (MANIFEST_NAME, "test.h5")
    ]
    httpserver.expect_request("/api/123").respond_with_json({"id": 123, "files": files})
    asked = []

    def resolve(doi, **_):
        asked.append(doi)
        return "https://zenodo.org/records/123"

    monkeypatch.setattr(pooch.downloaders, "doi_to_url", resolve)
    monkeypatch.setattr(
        pooch.downloaders.ZenodoRepository, "base_api_url", httpserver.url_for("/api")
    )
    offers = Offers(known, ["doi:10.5281/zenodo.123"])
    assert offers.fetch(*NAMES, root).read_bytes() == shard.read_bytes()
    assert asked == ["10.5281/zenodo.123"] * 2
    httpserver.expect_request("/api/124").respond_with_json({"status": 404})
    monkeypatch.setattr(
        pooch.downloaders, "doi_to_url", lambda *_, **__: "https://zenodo.org/records/124"
    )
    reasons = []
    offers = Offers(known, ["doi:10.5281/zenodo.124"])
    assert offers.fetch(*NAMES, root / "empty", reasons=reasons) is None
    assert reasons[0].startswith("doi:10.5281/zenodo.124: download failed")
