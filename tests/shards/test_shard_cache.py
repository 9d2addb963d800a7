"""The cache: correct files only, one build, and no network when it is disabled."""

import os
import re
import socket
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from werkzeug import Response

from precondbench._internal import offline, replacing
from precondbench.errors import ConfigurationError, DigestError, MissingDataError
from precondbench.shards import (
    Manifest,
    ShardFile,
    cache_root,
    file_sha256,
    locked,
    mirrors,
    shard_path,
)
from precondbench.shards.store.mirrors import fetch_shard

CONTENT = bytes(range(256)) * 64
PATH = "tridiag/1/default/test-00.h5"
ENTRY = ShardFile(path=PATH, bytes=len(CONTENT), sha256=sha256(CONTENT).hexdigest())


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("PRECONDBENCH_CACHE", "PRECONDBENCH_OFFLINE", "PRECONDBENCH_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    # A proxy would be asked for 127.0.0.1, too.
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("precondbench.shards.store.mirrors._PAUSES", (0, 0, 0))


@pytest.fixture
def root(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    """A folder mirror that holds the shard."""
    file = tmp_path / "mirror" / PATH
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    return tmp_path / "mirror"


@pytest.fixture
def server(httpserver):
    """Serve some bytes, or any response, at the shard's path; return the address."""

    def serve(content=CONTENT):
        request = httpserver.expect_request(f"/data/{PATH}")
        if callable(content):
            request.respond_with_handler(content)
        else:
            request.respond_with_data(content)
        return httpserver.url_for("/data")

    return serve


def shards_in(root):
    return [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_cache_root_argument_then_environment_then_platform(monkeypatch, tmp_path):
    assert "precondbench" in str(cache_root())
    monkeypatch.setenv("PRECONDBENCH_CACHE", str(tmp_path / "env"))
    assert cache_root() == tmp_path / "env"
    assert cache_root(tmp_path / "argument") == tmp_path / "argument"
    assert cache_root("~/data") == Path.home() / "data"
    monkeypatch.setenv("PRECONDBENCH_CACHE", "")
    assert cache_root().is_absolute()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", True), ("true", True), ("typo", True), ("0", False), ("", False), ("False", False)],
)
def test_offline(monkeypatch, value, expected):
    assert not offline()
    monkeypatch.setenv("PRECONDBENCH_OFFLINE", value)
    assert offline() is expected


def test_mirrors_environment_first_without_repetition(monkeypatch):
    manifest = Manifest(schema_version=1, mirrors=["https://a.example", "/b"])
    assert mirrors() == []
    assert mirrors(manifest) == ["https://a.example", "/b"]
    monkeypatch.setenv("PRECONDBENCH_MIRROR", "/b")
    assert mirrors() == ["/b"]
    assert mirrors(manifest) == ["/b", "https://a.example"]


def test_shard_path_contains_version_and_digest(tmp_path):
    path = shard_path(tmp_path, "tridiag", "1.2", "hard", "train", "0123456789abcdef" * 4)
    assert path == tmp_path / "tridiag" / "1.2" / "hard" / "train-0123456789abcdef-f1.h5"
    # What a manifest says about it must be a valid path there.
    relative = path.relative_to(tmp_path).as_posix()
    assert ShardFile(path=relative, bytes=1, sha256="0" * 64).path == relative


@pytest.mark.parametrize("part", ["..", "a/b", "", "a\\b", ".x"])
def test_shard_path_stays_in_the_cache(tmp_path, part):
    with pytest.raises(ConfigurationError, match="cannot be part of a file name"):
        shard_path(tmp_path, "tridiag", part, "hard", "train", "0" * 64)


def test_replacing_leaves_the_old_file_when_the_block_raises(tmp_path):
    path = tmp_path / "new" / "file"
    with replacing(path) as temporary:
        temporary.write_text("old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_a_lock_held_elsewhere_is_a_clear_error(tmp_path):
    path = tmp_path / "deep" / "x.h5"
    message = f"waited 0.1 s for {re.escape(str(path))}, .* delete .*x.h5.lock"
    with (
        locked(path),
        pytest.raises(MissingDataError, match=message),
        locked(path, timeout=0.1),
    ):
        pytest.fail("two hold the lock")
    with locked(path, timeout=0):
        pass


def test_a_lock_is_released_when_the_block_raises(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "x.h5"):
        raise KeyError
    with locked(tmp_path / "x.h5", timeout=0):
        pass


def test_fetch_from_a_folder(root, folder):
    reasons = []
    path = fetch_shard(ENTRY, [str(folder)], root, reasons=reasons)
    assert path == root / PATH
    assert path.read_bytes() == CONTENT
    assert (shards_in(root), reasons) == ([path], [])


def test_fetch_over_http(root, server):
    path = fetch_shard(ENTRY, [server() + "/"], root)
    assert path == root / PATH
    assert path.read_bytes() == CONTENT
    assert shards_in(root) == [path]


def test_fetch_uses_the_default_cache(monkeypatch, tmp_path, folder):
    monkeypatch.setenv("PRECONDBENCH_CACHE", str(tmp_path / "env"))
    assert fetch_shard(ENTRY, [str(folder)]) == tmp_path / "env" / PATH


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_a_downloaded_file_has_ordinary_permissions(root, server):
    path = fetch_shard(ENTRY, [server()], root)
    (root / "plain").touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((root / "plain").stat().st_mode)


def test_a_cached_file_is_not_asked_for_again(root, server, httpserver):
    address = server()
    for _ in range(3):
        fetch_shard(ENTRY, [address], root)
    assert len(httpserver.log) == 1


def test_a_cached_file_needs_neither_a_mirror_nor_a_lock(root, folder):
    path = fetch_shard(ENTRY, [str(folder)], root)
    with locked(path):
        assert fetch_shard(ENTRY, [], root, timeout=0) == path
        assert fetch_shard(ENTRY, [str(folder)], root, timeout=0) == path


def test_ranks_that_start_together_fetch_once(root, server, httpserver):
    address = server()
    barrier = threading.Barrier(4)

    def rank(_):
        barrier.wait()
        return fetch_shard(ENTRY, [address], root)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(rank, range(4))) == {root / PATH}
    assert len(httpserver.log) == 1


def test_other_bytes_in_the_cache_are_replaced_by_a_good_download_only(root, folder):
    path = root / PATH
    path.parent.mkdir(parents=True)
    path.write_bytes(b"a local build")
    assert fetch_shard(ENTRY, [str(root / "nowhere")], root) is None
    assert path.read_bytes() == b"a local build"
    fetch_shard(ENTRY, [str(folder)], root)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", [404, 403, 500])
def test_a_mirror_without_the_file_is_no_error_and_leaves_nothing(root, server, tmp_path, status):
    sources = [server(lambda _: Response("no", status=status)), str(tmp_path / "none")]
    reasons = []
    assert fetch_shard(ENTRY, sources, root, reasons=reasons) is None
    assert shards_in(root) == []
    assert reasons[0].startswith(f"{sources[0]}: download failed ({status} ")
    assert reasons[1] == f"{sources[1]}: has no file {PATH}"


def test_a_server_that_is_not_there(root):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    reasons = []
    assert fetch_shard(ENTRY, [address], root, reasons=reasons) is None
    assert "download failed" in reasons[0]


def test_no_mirror_at_all(root):
    reasons = []
    assert fetch_shard(ENTRY, [], root, reasons=reasons) is None
    assert "PRECONDBENCH_MIRROR" in reasons[0]
    assert not root.exists()


@pytest.mark.parametrize(
    "content", [CONTENT[:-1], CONTENT[:100], b"", b"<html>", CONTENT[:-1] + b"\0"]
)
def test_corrupt_bytes_are_refused_and_nothing_is_left(root, server, folder, content):
    (folder / PATH).write_bytes(content)
    for source in (server(content), str(folder)):
        reasons = []
        with pytest.raises(DigestError, match=f"{PATH} could not be fetched .* has other bytes"):
            fetch_shard(ENTRY, [source], root, reasons=reasons)
        assert shards_in(root) == []
        assert len(reasons) == 1


def test_a_connection_that_breaks_off_leaves_nothing(root, server):
    def half(_):
        response = Response([CONTENT[:1000]])
        response.headers["Content-Length"] = str(len(CONTENT))
        return response

    reasons = []
    assert fetch_shard(ENTRY, [server(half)], root, reasons=reasons) is None
    assert "download failed" in reasons[0]
    assert shards_in(root) == []


def test_the_next_mirror_is_asked_after_a_bad_one(root, server, folder, tmp_path):
    sources = [str(tmp_path / "none"), server(b"bad"), str(folder)]
    reasons = []
    assert fetch_shard(ENTRY, sources, root, reasons=reasons) == root / PATH
    assert reasons == []


def test_offline_opens_no_connection_but_copies_from_folders(
    root, server, httpserver, folder, monkeypatch
):
    monkeypatch.setenv("PRECONDBENCH_OFFLINE", "1")
    address = server()
    reasons = []
    assert fetch_shard(ENTRY, [address], root, reasons=reasons) is None
    assert reasons == [f"{address}: not asked, PRECONDBENCH_OFFLINE forbids the network"]
    assert fetch_shard(ENTRY, [address, str(folder)], root) == root / PATH
    assert httpserver.log == []


def test_other_protocols_are_refused(root):
    with pytest.raises(ConfigurationError, match="neither an http"):
        fetch_shard(ENTRY, ["ftp://example.org/data"], root)


def test_file_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "x") == known


def test_importing_it_opens_nothing_and_loads_no_network_library():
    heavy = "{'pooch', 'requests', 'pydantic', 'filelock', 'platformdirs'}"
    code = (
        f"import sys, precondbench.shards.store.mirrors; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]"
