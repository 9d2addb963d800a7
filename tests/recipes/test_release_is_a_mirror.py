"""Release, serve over HTTP, and download without other data."""

import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import pytest

from precondbench.errors import DigestError, MissingDataError
from precondbench.recipes import obtain_shard, select_plans, write_release

NAMES = ("suitesparse-invk", "sample", "tril", "val")
SELECTION = ("suitesparse-invk", "--config", "tril", "--version", "sample", "--split", "val")


class Handler(SimpleHTTPRequestHandler):
    """Files of a folder, and a list of what was asked for."""

    def log_request(self, *_):
        self.server.asked.append(self.path)

    def log_message(self, *_):
        pass


@contextmanager
def serving(folder):
    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", server.asked
        finally:
            server.shutdown()
            thread.join()


def run(tmp_path, mirror, *arguments):
    """Run the command with an empty cache, home and folder, and no other source of data."""
    for name in ("home", "work"):
        (tmp_path / name).mkdir(exist_ok=True)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "PRECONDBENCH_CACHE": str(tmp_path / "cache"),
        "PRECONDBENCH_MIRROR": mirror,
        "NO_PROXY": "*",
    }
    return subprocess.run(
        [sys.executable, "-m", "precondbench", *arguments],
        cwd=tmp_path / "work",
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def cached(tmp_path):
    return [
        path
        for path in (tmp_path / "cache").rglob("*")
        if path.is_file() and path.suffix != ".lock"
    ]


@pytest.fixture(scope="module", params=["folders", "flat"])
def release(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "data"
    plans = select_plans("suitesparse-invk", "sample", "tril", "val")
    return write_release(folder, plans, flat=request.param == "flat")


def test_download_from_the_release(release, tmp_path):
    with serving(release.folder) as (address, asked):
        done = run(tmp_path, address, "download", *SELECTION, "--json")
        assert done.returncode == 0, done.stderr
        (row,) = json.loads(done.stdout)
        assert row["path"] == str(tmp_path / "cache" / "/".join(NAMES)) + row["path"][-23:]
        assert [str(path) for path in cached(tmp_path)] == [row["path"]]
        (split,) = release.splits
        assert asked == ["/data_manifest.json", f"/{split.shard.path}"]
        # It is what it should be, without the mirror.
        done = run(tmp_path, "", "verify", "--deep", "suitesparse-invk", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert [row["ok"] for row in json.loads(done.stdout)] == [True]
        # And nothing more is asked for.
        count = len(asked)
        assert run(tmp_path, address, "download", *SELECTION).returncode == 0
        assert len(asked) == count


def test_what_the_release_lacks_is_missing(release, tmp_path):
    with serving(release.folder) as (address, _):
        done = run(tmp_path, address, "download", *SELECTION[:5], "--split", "test")
    assert done.returncode == 3
    assert "names no single file for suitesparse-invk/sample/tril/test" in done.stderr
    assert "precondbench build suitesparse-invk --version sample" in done.stderr
    assert done.stderr.count("\n") == 1
    assert cached(tmp_path) == []


def test_a_flipped_byte_is_refused(release, tmp_path):
    copy = shutil.copytree(release.folder, tmp_path / "copy")
    path = copy / release.splits[0].shard.path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with serving(copy) as (address, _):
        done = run(tmp_path, address, "download", *SELECTION)
    assert done.returncode == 1
    assert "has other bytes" in done.stderr
    assert cached(tmp_path) == []


@pytest.fixture
def mirror(release, monkeypatch):
    monkeypatch.delenv("PRECONDBENCH_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("precondbench.shards.store.mirrors._PAUSES", ())
    with serving(release.folder) as (address, asked):
        monkeypatch.setenv("PRECONDBENCH_MIRROR", address)
        yield asked


def test_other_facts_are_refused(release, tmp_path):
    """A mirror cannot change who wins, though no record changes by that."""
    folder = tmp_path / "forged"
    shutil.copytree(release.folder, folder)
    (path,) = folder.rglob("*.h5")
    with h5py.File(path, "r+") as file:
        winners = file["index/winner"][:]
        winners[0] = b"ic0"
        file["index/winner"][:] = winners
    manifest = json.loads((folder / "data_manifest.json").read_text())
    text = json.dumps(manifest)
    for split in manifest["datasets"]["suitesparse-invk"]["sample"]["configurations"]["tril"][
        "splits"
    ].values():
        for shard in split["shards"]:
            text = text.replace(shard["sha256"], hashlib.sha256(path.read_bytes()).hexdigest())
    (folder / "data_manifest.json").write_text(text)
    result = run(tmp_path, str(folder), "download", *SELECTION)
    assert result.returncode == 1
    assert "is not what the manifest expects" in result.stderr
    assert cached(tmp_path) == []


def test_datasets_take_the_mirrors_file_and_build_nothing(mirror, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "precondbench.recipes.building.obtain.build_plan", lambda *_: pytest.fail("built")
    )
    assert obtain_shard(*NAMES, root=tmp_path).is_file()
    assert len(mirror) == 2


def test_what_the_mirror_lacks_is_built(mirror, tmp_path):
    assert obtain_shard("synthetic-tridiag", "1.0", "uniform", "val", root=tmp_path).is_file()
    assert len(mirror) == 1


def test_where_nothing_can_be_built_the_mirrors_are_named(mirror, tmp_path, monkeypatch):
    def build(*_):
        raise MissingDataError("no matrices here")

    monkeypatch.setattr("precondbench.recipes.building.obtain.build_plan", build)
    with pytest.raises(MissingDataError, match=r"no matrices here; mirrors: http.*no single file"):
        obtain_shard("synthetic-tridiag", "1.0", "uniform", "val", root=tmp_path)


def test_a_mirror_that_serves_other_bytes_is_an_error_not_a_reason_to_build(
    release, tmp_path, monkeypatch
):
    copy = shutil.copytree(release.folder, tmp_path / "copy")
    (copy / release.splits[0].shard.path).write_bytes(b"<html>Not found</html>")
    monkeypatch.setenv("PRECONDBENCH_MIRROR", str(copy))
    with pytest.raises(DigestError, match="has other bytes"):
        obtain_shard(*NAMES, root=tmp_path / "cache")
