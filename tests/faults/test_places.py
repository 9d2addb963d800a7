"""Invalid caches, home folders, inputs and streams."""

import builtins
import errno
import os
import subprocess
import sys
from pathlib import Path

from harness import Subject
from test_file_system import GOOD, HEADER, RECORD

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import read_matrix, write_matrix
from precondbench.shards import cache_root, locked, read_shard, write_shard

PLACES = Subject(
    "Caches, homes, names and streams",
    "caches that are files, devices, read-only, below files, with unusual names; no HOME; inputs "
    "with unusual, long or looping names; a closed pipe, a full standard output",
    "the correct file, or one error with the path and the setting to change",
)

# -- the cache --


def cached(name, prepare, fragment, code=2):
    def run(bench):
        prepare(bench)
        bench.command("build", "synthetic-tridiag", "--config", "uniform", "--split", "val",
                      code=code, fragment=fragment)  # fmt: skip

    PLACES.add(f"cache-{name}", run)


def variable(value):
    return lambda bench: bench.monkeypatch.setenv("PRECONDBENCH_CACHE", value(bench))


cached("is-a-file", variable(lambda b: str(b.file("cache", b"x"))), "cache.* is a file")
cached("is-below-a-file", variable(lambda b: str(b.file("f", b"x") / "cache")), "f is not a folder")
cached("is-a-device", variable(lambda b: "/dev/null"), "/dev/null is a file")
cached("is-below-a-device", variable(lambda b: "/dev/null/x"), "/dev/null is not a folder")
cached("is-in-proc", variable(lambda b: "/proc/nowhere"), "/proc", code=3)
cached("has-a-name-too-long", variable(lambda b: str(b.folder / ("x" * 300))), "too long", code=3)


@PLACES.case
def cache_of_an_odd_name(bench):
    root = bench.folder / "Zwischenspeicher mit Leerzeichen é 漢字 %20"
    bench.command("build", "suitesparse-invk", "--version", "sample", "--split", "val", "--config",
                  "tril", "--root", root)  # fmt: skip
    bench.command("verify", "suitesparse-invk", "--deep", "--root", root)
    assert len(list(root.rglob("*.h5"))) == 1


@PLACES.case
def cache_behind_a_dangling_link(bench):
    (bench.folder / "cache").symlink_to(bench.folder / "elsewhere")
    bench.command("list", "--root", bench.folder / "cache")
    bench.command("build", "suitesparse-invk", "--version", "sample", "--split", "val", "--config",
                  "tril", "--root", bench.folder / "cache", code=2,
                  fragment="not a folder")  # fmt: skip


@PLACES.case
def read_only_cache_serves_what_it_holds(bench):
    """Nothing is written, no lock taken, where the split is there: any write is an error here."""
    root = bench.folder / "cache"
    arguments = ("build", "suitesparse-invk", "--version", "sample", "--split", "val", "--config",
                 "tril", "--root", root)  # fmt: skip
    bench.command(*arguments)
    before = bench.listing()
    opened = builtins.open

    def read_only(file, mode="r", *rest, **options):
        if str(root) in str(file) and set(mode) & set("wax+"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(file))
        return opened(file, mode, *rest, **options)

    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    bench.monkeypatch.setattr(builtins, "open", read_only)
    bench.monkeypatch.setattr(os, "mkdir", refuse)
    bench.command(*arguments)
    bench.command("verify", "suitesparse-invk", "--deep", "--root", root)
    assert bench.listing() == before


@PLACES.case
def read_only_cache_that_lacks_the_split(bench):
    def refuse(path, *_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    bench.monkeypatch.setattr(os, "mkdir", refuse)
    bench.command("build", "synthetic-tridiag", "--config", "uniform", "--split", "val", "--root",
                  bench.folder / "cache", code=3, fragment="Read-only file system")  # fmt: skip


@PLACES.case
def no_home(bench):
    """Without HOME the platform's folder is found in the user database, or an error says how."""
    for variable in ("HOME", "XDG_CACHE_HOME", "PRECONDBENCH_CACHE"):
        bench.monkeypatch.delenv(variable, raising=False)
    assert cache_root().is_absolute()


@PLACES.case
def no_home_and_no_user(bench):
    for variable in ("HOME", "XDG_CACHE_HOME", "PRECONDBENCH_CACHE"):
        bench.monkeypatch.delenv(variable, raising=False)
    import pwd

    def unknown(uid):
        raise KeyError(uid)

    bench.monkeypatch.setattr(pwd, "getpwuid", unknown)
    bench.refused(ConfigurationError, "PRECONDBENCH_CACHE", lambda: cache_root("~/data"))


@PLACES.case
def a_lock_beside_a_name_of_full_length(bench):
    with locked(bench.folder / ("x" * 255), timeout=1):
        pass


# -- inputs with odd names --


@PLACES.case
def input_of_an_odd_name(bench):
    path = bench.folder / "größe 漢字" / "Matrix [1] %d.mtx"
    write_matrix(path, GOOD)
    bench.command("factor", path, "--out", path.with_suffix(".npz"), fragment="wrote invk")


@PLACES.case
def input_with_a_name_too_long(bench):
    bench.command("factor", "x" * 300 + ".mtx", code=2, fragment="cannot be read: .*too long")


@PLACES.case
def input_in_a_loop_of_links(bench):
    (bench.folder / "a.mtx").symlink_to("b.mtx")
    (bench.folder / "b.mtx").symlink_to("a.mtx")
    bench.refused(MatrixError, "there is no file", lambda: read_matrix("a.mtx"))


@PLACES.case
def shard_with_a_name_that_is_no_text(bench):
    """A file name of bytes that are no UTF-8, as other systems leave them."""
    path = bench.folder / os.fsdecode(b"\xff\xfe.h5")
    write_shard(path, HEADER, [RECORD])
    assert len(read_shard(path)) == 1
    bench.command("verify", path)


@PLACES.case
def reader_of_a_pipe_goes_away(bench):
    """``precondbench list | head -1`` ends without a word on the error stream."""
    command = f"{sys.executable} -m precondbench list --json | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == (b"[", b"")


@PLACES.case
def standard_output_is_full(bench):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-m", "precondbench", "list", "--json"], stdout=full,
                              stderr=subprocess.PIPE, timeout=60, check=False)  # fmt: skip
    assert done.returncode != 0
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


@PLACES.parametrised()
def test_places(bench, name):
    PLACES.run(bench, name)
