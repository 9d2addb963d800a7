"""Splits that many processes ask for where locks have no effect, and downloads that are ended."""

import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness import Subject
from test_cached_splits import DRAWN, built, copied, digest_of, edit, flip, options

from precondbench._internal import remove_leftovers, replacing
from precondbench.recipes import obtain_shard, open_split, select_plans, write_release
from precondbench.shards import locked, shard_path

__all__ = ["built"]

WITHOUT_LOCKS = Subject(
    "Processes without locks, downloads that are ended",
    "eight processes that build, repair, download and read one split where locks have no effect or "
    "are refused; SIGINT, SIGTERM and SIGKILL during a download; files of dead processes",
    "the same bytes in every process, and no temporary file",
)


def networked(bench):
    bench.monkeypatch.delenv("PRECONDBENCH_OFFLINE", raising=False)
    bench.monkeypatch.setenv("NO_PROXY", "*")


class NoLock:
    """A lock of a file system where locks have no effect."""

    def __init__(self, *_, **__):
        self.lock_file = "none"

    def acquire(self, *_, **__):
        return self

    def release(self):
        pass


@contextlib.contextmanager
def serving(folder, pause=0.0):
    """Serve files in small pieces, so that a transfer has a middle."""

    class Handler(SimpleHTTPRequestHandler):
        def copyfile(self, source, outputfile):
            while piece := source.read(4096):
                outputfile.write(piece)
                server.served += self.path.endswith(".h5")
                time.sleep(pause if self.path.endswith(".h5") else 0)

        def log_message(self, *_):
            pass

        def handle(self):
            with contextlib.suppress(ConnectionError):
                super().handle()

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.served = 0
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="session")
def release(tmp_path_factory, built):
    folder = tmp_path_factory.mktemp("release") / "data"
    root = built[DRAWN].parents[3]
    write_release(folder, select_plans(*DRAWN), root=root)
    return folder


def eight(work):
    """Run a function in eight processes that start together; return what they say."""
    context = multiprocessing.get_context("fork")
    barrier, said = context.Barrier(8), context.Queue()

    def one():
        try:
            barrier.wait(30)
            work()
            said.put("")
        except BaseException as error:
            said.put(repr(error))

    processes = [context.Process(target=one) for _ in range(8)]
    for process in processes:
        process.start()
    answers = [said.get(timeout=50) for _ in processes]
    for process in processes:
        process.join()
    return answers


def without_locks(name, mirror, damaged):
    def run(bench):
        bench.monkeypatch.setattr("filelock.FileLock", NoLock)
        networked(bench)
        good = bench.fixture("built")[DRAWN].read_bytes()
        target = copied(bench, DRAWN)
        if damaged:
            edit("values/a", 12, flip)(target)
        else:
            target.unlink()

        def work():
            obtain_shard(*DRAWN, repair=True)
            open_split(*DRAWN).verify()

        with contextlib.ExitStack() as stack:
            if mirror:
                url, _ = stack.enter_context(serving(bench.fixture("release"), 0.001))
                bench.monkeypatch.setenv("PRECONDBENCH_MIRROR", url)
            assert eight(work) == [""] * 8
        assert target.read_bytes() == good
        assert [path.name for path in target.parent.iterdir() if path.suffix != ".verified"] == [
            target.name
        ]

    WITHOUT_LOCKS.add(f"eight-processes-without-locks-{name}", run)


without_locks("build", mirror=False, damaged=False)
without_locks("repair", mirror=False, damaged=True)
without_locks("download", mirror=True, damaged=False)
without_locks("repair-by-download", mirror=True, damaged=True)


def refused(name, error, works=True):
    """Locks that the file system refuses are not needed; other errors are errors."""

    class Refusing(NoLock):
        def acquire(self, *_, **__):
            raise error

    def run(bench):
        bench.monkeypatch.setattr("filelock.FileLock", Refusing)
        if works:
            with locked(bench.folder / "x.h5"):
                return
        with pytest.raises(OSError, match="Permission denied"), locked(bench.folder / "x.h5"):
            pytest.fail("it is locked")

    WITHOUT_LOCKS.add(f"locks-refused-by-{name}", run)


for number in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
    refused(errno.errorcode[number].lower(), OSError(number, os.strerror(number)))
refused("the-library", NotImplementedError())
refused("permissions", PermissionError(errno.EACCES, os.strerror(errno.EACCES)), works=False)


# -- signals --


def command(*arguments):
    """Start a command in a process that needs no time to import."""

    def run():
        from precondbench.cli import main

        sys.argv = ["precondbench", *arguments]
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler if number == 2 else signal.SIG_DFL)
        main()

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    return process


def stopped(name, number, code, leaves):
    def run(bench):
        bench.monkeypatch.setenv("PRECONDBENCH_CACHE", str(bench.folder / "cache"))
        networked(bench)
        target = shard_path(bench.folder / "cache", *DRAWN, digest_of(DRAWN))

        def files():
            return [p for p in target.parent.glob("*") if p.suffix != ".lock"]

        with serving(bench.fixture("release"), 0.02) as (url, server):
            bench.monkeypatch.setenv("PRECONDBENCH_MIRROR", url)
            process = command("download", *options(DRAWN))
            deadline = time.monotonic() + 20
            while server.served < 20 and time.monotonic() < deadline:
                time.sleep(0.005)
            os.kill(process.pid, number)
            process.join(20)
            assert process.exitcode == code
            assert len(files()) == leaves
        with serving(bench.fixture("release")) as (url, _):
            bench.monkeypatch.setenv("PRECONDBENCH_MIRROR", url)
            process = command("download", *options(DRAWN))
            process.join(30)
            assert process.exitcode == 0
        assert files() == [target]
        assert target.read_bytes() == bench.fixture("built")[DRAWN].read_bytes()

    WITHOUT_LOCKS.add(f"download-ended-by-{name}", run)


stopped("an-interrupt", signal.SIGINT, 130, 0)
stopped("a-termination", signal.SIGTERM, 143, 0)
# Nothing can be done in a killed process; the next one removes what it left.
stopped("a-kill", signal.SIGKILL, -signal.SIGKILL, 1)


@WITHOUT_LOCKS.case
def leftovers_of_processes_that_live_or_are_elsewhere_stay(bench):
    elsewhere = bench.file(".x.h5.00000000-1-000000000000.part", b"half")
    with replacing(bench.folder / "y") as temporary:
        temporary.write_bytes(b"half")
        remove_leftovers(bench.folder)
        assert temporary.exists()
    assert elsewhere.exists()
    old = time.time() - 7200
    os.utime(elsewhere, (old, old))
    remove_leftovers(bench.folder)
    assert bench.listing() == {"y": b"half"}


@WITHOUT_LOCKS.parametrised()
def test_cached_processes(bench, name):
    WITHOUT_LOCKS.run(bench, name)
