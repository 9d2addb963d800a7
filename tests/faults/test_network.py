"""Faulty servers on the loopback interface: wrong data, stalls, disconnects, recovery."""

import contextlib
import hashlib
import json
import re
import socket
import struct
import threading
import time

import pytest
from harness import Subject

from precondbench.errors import DigestError
from precondbench.shards import ShardFile
from precondbench.shards.store.mirrors import fetch_shard
from precondbench.shards.store.published import largest_file

NETWORK = Subject(
    "Network",
    "truncated and overlong bodies, wrong lengths, stalls, slow servers, redirect loops, HTML "
    "for data, resets, garbage, refused connections; retries, second mirrors, resumption",
    "the correct bytes, or one error per mirror with its reason; no partial download is kept",
)
CONTENT = bytes(range(256)) * 2000
ENTRY = ShardFile(path="x/test.h5", bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())
HTML = b"<!DOCTYPE html><html><body>Please log in</body></html>"


@contextlib.contextmanager
def server(*answers, repeat=False):
    """Serve one answer a connection: bytes, or a function of the connection; the last repeats."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    stop, asked = threading.Event(), []

    def serve():
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            answer = answers[min(len(asked), len(answers) - 1)]
            asked.append(time.monotonic())
            threading.Thread(target=one, args=(connection, answer), daemon=True).start()

    def one(connection, answer):
        with contextlib.suppress(OSError), connection:
            connection.settimeout(5)
            while b"\r\n\r\n" not in connection.recv(65536):
                continue
            if callable(answer):
                answer(connection, stop)
            else:
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        stop.set()
        thread.join()
        listener.close()


def http(body, status="200 OK", length=None, *headers):
    length = len(body) if length is None else length
    lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
    lines += [f"Content-Length: {length}"] if length != "" else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def drip(connection, stop):
    connection.sendall(http(b"", length=len(CONTENT)))
    while not stop.wait(0.02):
        connection.sendall(b"x")


def stall(connection, stop):
    connection.sendall(http(CONTENT[:1000], length=len(CONTENT)))
    stop.wait(30)


def silence(connection, stop):
    stop.wait(30)


def reset(connection, stop):
    connection.sendall(http(CONTENT[:1000], length=len(CONTENT)))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def endless(connection, stop):
    connection.sendall(http(b"", length=""))
    while not stop.is_set():
        connection.sendall(CONTENT)


def headers_without_end(connection, stop):
    """Interim answers, each of which is complete: no timeout of a socket sees them."""
    while not stop.is_set():
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def header_that_drips(connection, stop):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not stop.wait(0.02):
        connection.sendall(b"x")


def endless_redirect(connection, stop):
    lines = b"HTTP/1.1 302 Found\r\nLocation: /x/test.h5\r\nContent-Type: text/html\r\n\r\n"
    connection.sendall(lines)
    while not stop.is_set():
        connection.sendall(CONTENT)


def fast_then_slow(connection, stop):
    connection.sendall(http(CONTENT[: len(CONTENT) // 2], length=len(CONTENT)))
    while not stop.wait(0.02):
        connection.sendall(b"x")


@pytest.fixture
def quick(monkeypatch):
    """Seconds become moments."""
    for name in ("PRECONDBENCH_OFFLINE", "PRECONDBENCH_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr("precondbench.shards.store.mirrors._PAUSES", (0, 0, 0))
    monkeypatch.setattr("precondbench._internal.network.SILENCE", 0.3)
    monkeypatch.setattr("precondbench._internal.network.GRACE", 0.8)
    monkeypatch.setattr("precondbench._internal.network.SLOWEST", 1e9)


def without(name, answer, reason, wrong=False):
    """One mirror, which does not give the file."""

    def run(bench):
        bench.fixture("quick")
        with server(answer) as (url, _):
            reasons = []
            root = bench.folder / "cache"
            if wrong:
                with pytest.raises(DigestError, match="nothing was kept"):
                    fetch_shard(ENTRY, [url], root, reasons=reasons)
            else:
                assert fetch_shard(ENTRY, [url], root, reasons=reasons) is None
            assert len(reasons) == 1
            assert reason in reasons[0], reasons
            assert [name for name, content in bench.listing().items() if content] == []

    NETWORK.add(name, run)


without("truncated-body", http(CONTENT[:1000], length=len(CONTENT)), "download failed")
without("truncated-body-without-a-length", http(CONTENT[:1000], "200 OK", ""), "other bytes", True)
without("length-too-small", http(CONTENT, length=1000), "other bytes", True)
without("length-a-word", http(CONTENT[:-1], length="many"), "download failed")
without("length-beyond-64-bits", http(CONTENT, length=10**30), "more than", True)
without("body-empty", http(b""), "other bytes", True)
without("body-one-byte-longer", http(CONTENT + b"x"), "other bytes", True)
without("body-one-bit-flipped", http(b"\x01" + CONTENT[1:]), "other bytes", True)
without("body-without-end", endless, "more than", True)
without("html-in-place-of-data", http(HTML), "other bytes", True)
without("status-404", http(HTML, "404 Not Found"), "404")
without("status-403", http(HTML, "403 Forbidden"), "403")
without("status-410", http(HTML, "410 Gone"), "410")
without("status-500", http(HTML, "500 Internal Server Error"), "500")
without("status-503", http(HTML, "503 Service Unavailable"), "503")
without(
    "status-206-of-nothing-asked", http(CONTENT[:9], "206 Partial Content"), "other bytes", True
)
without("redirect-to-itself", http(b"", "302 Found", None, "Location: /x/test.h5"), "redirects")
without("redirect-to-a-file", http(b"", "302 Found", None, "Location: file:///etc/passwd"),
        "download failed")  # fmt: skip
without("redirect-to-nowhere", http(b"", "302 Found", None, "Location: http://127.0.0.1:1/"),
        "download failed")  # fmt: skip
without("redirect-to-what-is-no-address", http(b"", "302 Found", None, "Location: http://[::1"),
        "download failed")  # fmt: skip
without("answer-empty", b"", "download failed")
without("answer-garbage", bytes(range(128, 256)) * 9 + b"\r\n\r\n", "download failed")
without("answer-of-another-protocol", b"SSH-2.0-OpenSSH_9.6\r\n", "download failed")
without("header-line-without-end", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "download failed")
without("headers-by-the-thousand", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        "download failed")  # fmt: skip
without("chunk-of-bad-length", http(b"zz\r\nabc", "200 OK", "", "Transfer-Encoding: chunked"),
        "download failed")  # fmt: skip
without("chunks-cut-off", http(b"ff\r\nabc", "200 OK", "", "Transfer-Encoding: chunked"),
        "download failed")  # fmt: skip
without("gzip-that-is-none", http(CONTENT, "200 OK", None, "Content-Encoding: gzip"),
        "download failed")  # fmt: skip
without("reset-half-way", reset, "download failed")
without("stall-half-way", stall, "download failed")
without("no-answer", silence, "download failed")
without("trickle", drip, "given up")
without("trickle-after-half", fast_then_slow, "given up")
without("headers-without-end", headers_without_end, "given up")
without("header-that-drips", header_that_drips, "given up")
without("redirect-with-a-body-without-end", endless_redirect, "redirects")
without("length-of-a-terabyte", http(CONTENT, length=10**12), "1000000000000 of them, more", True)


@NETWORK.case
def mirror_that_claims_a_petabyte(bench):
    """Its manifest may not announce more than the split can have; the file is not asked for."""
    from precondbench.shards import MANIFEST_NAME, Offers, load_manifest

    bench.fixture("quick")
    names = ("synthetic-tridiag", "1.0", "uniform", "val")
    manifest = load_manifest()
    data = manifest.model_dump(mode="json")
    split = data["datasets"][names[0]][names[1]]["configurations"][names[2]]["splits"][names[3]]

    def answer(size):
        split["shards"] = [{"path": "x.h5", "bytes": size, "sha256": "0" * 64}]
        return http(json.dumps(data).encode())

    for size in (10**15, 10**9, 1 + largest_file(manifest, names)):
        with server(answer(size)) as (url, asked):
            reasons = []
            assert Offers(manifest, [url]).fetch(*names, bench.folder, reasons=reasons) is None
            assert re.search(rf"{MANIFEST_NAME} gives .*/val {size} bytes; it cannot", reasons[0])
            assert len(asked) == 1
    with server(answer(2**70)) as (url, asked):
        reasons = []
        assert Offers(manifest, [url]).fetch(*names, bench.folder, reasons=reasons) is None
        assert "has more than 64 bits" in reasons[0]


@NETWORK.case
def every_split_fits_its_bound(bench):
    """The bound is generous for what was built, and tight against a disk."""
    from precondbench.recipes import all_plans
    from precondbench.shards import load_manifest

    manifest = load_manifest()
    bounds = {plan.path_name: largest_file(manifest, plan.names) for plan in all_plans()}
    built = {
        "suitesparse-invk/1.0/tril/train": 15_375_407,
        "suitesparse-invk/1.0/tril/val": 13_389_048,
        "suitesparse-invk/1.0/level-1/train": 35_760_124,
        "suitesparse-invk/2.0/tril/all": 109_194_313,
        "synthetic-tridiag/1.0/uniform/train": 3_227_837,
        "suitesparse-invk/sample/tril/val": 94_418,
    }
    for name, size in built.items():
        assert 3 * size < bounds[name], name
    assert max(bounds.values()) < 10 << 30
    assert max(size for name, size in bounds.items() if "level-" not in name) < 4 << 30
    large = ("level-", "parametric", "suitesparse-invk/2.0/")
    small = [size for name, size in bounds.items() if not any(part in name for part in large)]
    assert max(small) < 256 << 20


@NETWORK.case
def gzip_bomb_as_content_encoding(bench):
    import gzip

    bench.fixture("quick")
    bomb = gzip.compress(bytes(1 << 28), 1)
    with (
        server(http(bomb, "200 OK", None, "Content-Encoding: gzip")) as (url, _),
        pytest.raises(DigestError, match="more than"),
    ):
        fetch_shard(ENTRY, [url], bench.folder / "cache")


@NETWORK.case
def connection_refused(bench):
    bench.fixture("quick")
    reasons = []
    assert fetch_shard(ENTRY, ["http://127.0.0.1:1"], bench.folder, reasons=reasons) is None
    assert "refused" in reasons[0]


for address in ("http://", "http://[::1", "http://127.0.0.1:99999", "http://a b/", "http://\x7f/"):

    def run(bench, address=address):
        bench.fixture("quick")
        reasons = []
        assert fetch_shard(ENTRY, [address], bench.folder, reasons=reasons) is None
        assert "download failed" in reasons[0]

    NETWORK.add(f"address-{address.encode('unicode_escape').decode()}", run)


def comes_back(name, *answers):
    """A server that fails first and then serves: retried, right in the end."""

    def run(bench):
        bench.fixture("quick")
        with server(*answers, http(CONTENT)) as (url, asked):
            path = fetch_shard(ENTRY, [url], bench.folder / "cache")
            assert path.read_bytes() == CONTENT
            assert len(asked) == len(answers) + 1

    NETWORK.add(f"comes-back-after-{name}", run)


comes_back("a-reset", reset)
comes_back("a-stall", stall)
comes_back("half-a-body", http(CONTENT[:99], length=len(CONTENT)))
comes_back("an-empty-answer", b"")
comes_back("a-503-and-a-429", http(b"", "503 Busy"), http(b"", "429 Too Many Requests"))


def second(name, answer):
    """A bad mirror, and then a good one."""

    def run(bench):
        bench.fixture("quick")
        with server(answer) as (bad, asked), server(http(CONTENT)) as (good, _):
            reasons = []
            path = fetch_shard(ENTRY, [bad, good], bench.folder / "cache", reasons=reasons)
            assert path.read_bytes() == CONTENT
            assert reasons == []
            assert asked

    NETWORK.add(f"second-mirror-after-{name}", run)


second("a-404", http(b"", "404 Not Found"))
second("wrong-bytes", http(CONTENT[::-1]))
second("html", http(HTML))
second("a-trickle", drip)
second("a-redirect-loop", http(b"", "302 Found", None, "Location: /x/test.h5"))


@NETWORK.case
def what_is_there_survives_a_failing_download(bench):
    bench.fixture("quick")
    path = bench.file("cache/x/test.h5", b"a local build")
    with server(http(CONTENT[:99], length=len(CONTENT))) as (url, _):
        assert fetch_shard(ENTRY, [url], bench.folder / "cache") is None
    assert path.read_bytes() == b"a local build"


@NETWORK.parametrised()
def test_network(bench, name):
    NETWORK.run(bench, name)
