"""Two processes on one cache, killed processes, and clock changes."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from harness import Subject

from precondbench.errors import MissingDataError
from precondbench.shards import locked, read_shard

PROCESSES = Subject(
    "Processes, kills and clocks",
    "two builds on one cache; SIGINT and SIGKILL followed by another attempt; a lock holder or a "
    "worker that dies; file times in the future and the past, a clock that goes backwards",
    "the same bytes as without the fault, or one error",
)
SPLIT = ("synthetic-tridiag", "--config", "uniform", "--split", "val")
SAMPLE = ("suitesparse-invk", "--version", "sample", "--config", "tril", "--split", "val")


def started(bench, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "precondbench", *map(str, arguments)],
        env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd=bench.folder,
    )  # fmt: skip


@PROCESSES.case
def two_builds_of_one_split_on_one_cache(bench):
    both = [started(bench, "build", *SPLIT, "--root", "cache") for _ in range(2)]
    for process in both:
        said, _ = process.communicate(timeout=50)
        assert process.returncode == 0, said
    (path,) = (bench.folder / "cache").rglob("[!.]*.h5")
    read_shard(path).verify()


def ended(process, number):
    """Send one signal, which must be enough: none is lost in a callback of the compiler."""
    try:
        process.send_signal(number)
        return process.communicate(timeout=40)[0]
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def signalled(name, number, code):
    def run(bench):
        # Every configuration: seconds of work, so that the signal finds some of it undone.
        process = started(bench, "build", "synthetic-tridiag", "--root", "cache")
        deadline = time.monotonic() + 30
        while not list(bench.folder.rglob("cache/*/*/*")) and time.monotonic() < deadline:
            time.sleep(0.005)
        said = ended(process, number)
        assert process.returncode == code, said
        assert b"Traceback" not in said
        for path in (bench.folder / "cache").rglob("[!.]*.h5"):
            read_shard(path).verify()
        bench.command("build", *SPLIT, "--root", "cache")
        (path,) = (bench.folder / "cache").rglob("uniform/val-*.h5")
        for leftover in (bench.folder / "cache").rglob(".*.building*"):
            leftover.unlink()  # Of other splits, whose next build would remove it.

    PROCESSES.add(f"build-ended-by-{name}", run)


signalled("an-interrupt", signal.SIGINT, 130)
signalled("a-kill", signal.SIGKILL, -signal.SIGKILL)


@PROCESSES.case
def the_holder_of_a_lock_dies(bench):
    """The lock of a killed process is free at once."""
    code = "import sys, time\nfrom pathlib import Path\n"
    code += "from precondbench.shards.store.cache import locked\n"
    code += "with locked(Path('x.h5')):\n    print('held', flush=True)\n    time.sleep(60)\n"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=bench.folder
    ) as process:
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(MissingDataError, match=r"waited 0\.1 s"),
            locked(bench.folder / "x.h5", 0.1),
        ):
            pytest.fail("two hold the lock")
        process.kill()
    with locked(bench.folder / "x.h5", 5):
        pass


@PROCESSES.case
def a_worker_dies(bench):
    from precondbench.errors import CostError
    from precondbench.recipes import open_executor

    def work():
        with open_executor(2) as pool:
            pool.submit(os._exit, 9).result()

    bench.refused(CostError, "a worker process died .*fewer --jobs", work)


# -- clocks --


@pytest.fixture
def sample(bench):
    bench.command("build", *SAMPLE, "--root", "cache")
    (path,) = (bench.folder / "cache").rglob("*.h5")
    return path


for name, stamp in {"1970": 0.0, "2099": 4.1e9, "1901": -2.1e9}.items():

    def dated(bench, stamp=stamp):
        """The date of a file says nothing about it."""
        path = bench.fixture("sample")
        os.utime(path, (stamp, stamp))
        before = bench.listing()
        bench.command("build", *SAMPLE, "--root", "cache")
        bench.command("verify", "--deep", "--root", "cache")
        assert bench.listing() == before

    PROCESSES.add(f"cache-dated-{name}", dated)


@PROCESSES.case
def time_goes_backwards_during_a_build(bench):
    clock = [2e9]

    def back():
        clock[0] -= 1000.0
        return clock[0]

    bench.monkeypatch.setattr(time, "time", back)
    bench.command("build", *SPLIT, "--root", "cache")
    bench.monkeypatch.undo()
    (path,) = (bench.folder / "cache").rglob("[!.]*.h5")
    read_shard(path).verify()


@PROCESSES.case
def time_goes_backwards_while_a_lock_is_waited_for(bench):
    held, free = threading.Event(), threading.Event()

    def hold():
        with locked(bench.folder / "x.h5"):
            held.set()
            free.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(20)
    clock = [2e9]

    def back():
        clock[0] -= 3600.0
        return clock[0]

    bench.monkeypatch.setattr(time, "time", back)
    with (
        pytest.raises(MissingDataError, match=r"waited 0\.3 s"),
        locked(bench.folder / "x.h5", 0.3),
    ):
        pytest.fail("two hold the lock")
    free.set()
    thread.join()


@PROCESSES.case
def leftovers_from_the_future_stay_and_harm_nothing(bench):
    """A part of a build that may still run is not removed, whatever its date."""
    from precondbench.recipes.building.tasks import PartStore

    part = bench.file("parts/.x.part", b"half")
    os.utime(part, (4.1e9, 4.1e9))
    PartStore(bench.folder / "parts")
    assert part.exists()
    part.unlink()


@PROCESSES.parametrised()
def test_processes(bench, name):
    PROCESSES.run(bench, name)
