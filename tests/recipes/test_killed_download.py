"""kill -9 during a download, and eight processes that request the same file."""

import functools
import os
import random
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from precondbench.recipes import select_plans, write_release
from precondbench.shards import read_shard

KILLS = 20


class SlowHandler(SimpleHTTPRequestHandler):
    """Serve files in small pieces, so that a transfer has a middle."""

    def copyfile(self, source, outputfile):
        with_pause = self.path.endswith(".h5")
        while piece := source.read(self.server.piece):
            outputfile.write(piece)
            if with_pause:
                self.server.served += 1
                time.sleep(self.server.pause)

    def log_message(self, *_):
        pass

    def handle(self):
        with suppress(ConnectionError):  # a killed client hangs up
            super().handle()


@contextmanager
def serving(folder, pause):
    handler = functools.partial(SlowHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.piece, server.pause, server.served = 16_384, pause, 0
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release") / "data"
    newest = select_plans("synthetic-tridiag")[-1].version
    plans = select_plans("synthetic-tridiag", newest, "uniform", "test_large")
    write_release(folder, plans)
    return folder


def start(cache, url):
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(cache),
        "PRECONDBENCH_CACHE": str(cache),
        "PRECONDBENCH_MIRROR": url,
        "NO_PROXY": "*",
    }
    command = ("download", "synthetic-tridiag", "--config", "uniform", "--split", "test_large")
    return subprocess.Popen(
        [sys.executable, "-m", "precondbench", *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def finish(process):
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error


def files(cache):
    return [path for path in cache.rglob("[!.]*.h5") if path.is_file()]


@pytest.mark.long
def test_a_killed_download_leaves_nothing_half_written(release, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    rng = random.Random(11)
    interrupted = 0
    with serving(release, pause=0.02) as (url, server):
        begun = time.monotonic()
        clean = tmp_path / "clean"
        clean.mkdir()
        finish(start(clean, url))
        duration = time.monotonic() - begun
        (reference,) = files(clean)
        for _ in range(KILLS):
            before = server.served
            process = start(cache, url)
            time.sleep(rng.uniform(0.2, 0.95) * duration)
            interrupted += process.poll() is None and server.served > before
            process.kill()
            process.communicate()
            for path in files(cache):
                read_shard(path).verify()
                path.unlink()  # this one got through; the next has to start again
        assert interrupted >= KILLS // 4, "hardly any kill met a transfer"
        server.pause = 0.0
        finish(start(cache, url))
    (path,) = files(cache)
    assert path.read_bytes() == reference.read_bytes()


def test_eight_ask_for_one_missing_split(release, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    with serving(release, pause=0.0) as (url, server):
        processes = [start(cache, url) for _ in range(8)]
        for process in processes:
            finish(process)
        (path,) = files(cache)
        pieces = -(-path.stat().st_size // server.piece)
        assert server.served == pieces, "the file was downloaded more than once"
    read_shard(path).verify()
