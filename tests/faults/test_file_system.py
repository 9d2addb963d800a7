"""Full disks, occupied names, folders in place of files, missing home folders."""

import errno
import os
import resource
import signal
import socket
import stat
import subprocess
from pathlib import Path

import numpy as np
import pytest
from harness import Subject

from precondbench._internal import replacing
from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import write_matrix
from precondbench.shards import Manifest, Record, ShardHeader, save_manifest, write_shard

DISK = Subject(
    "Output files",
    "full disks (limits on file size, a small tmpfs, write errors), folders for files, files for "
    "folders, devices, pipes, links, long and unusual names, with every writer of the library",
    "one error with the path, exit code 2 or 3; the old file is unchanged, no temporary file left",
)
GOOD = np.array([[4.0, -1.0], [-1.0, 4.0]])
RECORD = Record("one", "demo", [0, 1], [0], [4.0], {"exact": [2.0]})
HEADER = ShardHeader("demo", "1", "default", "test", {}, "0.1.0")


def write_predictions_file(path):
    from precondbench.shards import shard_in_memory, write_predictions

    shard = shard_in_memory(HEADER, [RECORD])
    write_predictions(path, "m", shard, "exact", {0: {"one": np.ones(1)}})


def write_model(path):
    from precondbench.baselines import build_model, save_model

    save_model(build_model("MLP", rounds=1), path)


def write_rows(path):
    from precondbench.leaderboard.scoring.results import write_results

    write_results(path, [])


WRITERS = {
    "matrix.mtx": lambda path: write_matrix(path, GOOD),
    "matrix.npz": lambda path: write_matrix(path, GOOD),
    "shard.h5": lambda path: write_shard(path, HEADER, [RECORD]),
    "predictions.safetensors": write_predictions_file,
    "manifest.json": lambda path: save_manifest(Manifest(schema_version=1), path),
    "model.safetensors": write_model,
    "results.jsonl": write_rows,
}

for name, write in WRITERS.items():

    def full(bench, name=name, write=write):
        """The disk is full when the bytes are to be on it."""
        path = bench.file(f"out/{name}", b"what was there")

        def no_space(handle):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        bench.monkeypatch.setattr(os, "fsync", no_space)
        bench.refused(OSError, "No space left on device.*out", lambda: write(path))
        assert path.read_bytes() == b"what was there"

    def taken(bench, name=name, write=write):
        """A folder has the name."""
        bench.file(f"out/{name}/keep", b"x")
        bench.refused(ConfigurationError, "is a folder", lambda: write(bench.folder / "out" / name))

    def below_a_file(bench, name=name, write=write):
        """The parent is a file."""
        bench.file("out", b"x")
        bench.refused(
            ConfigurationError, "out is not a folder", lambda: write(bench.folder / "out" / name)
        )

    def deep(bench, name=name, write=write):
        """The parents do not exist: they are made."""
        write(bench.folder / "a" / "b" / "c" / name)
        assert (bench.folder / "a" / "b" / "c" / name).is_file()

    def odd(bench, name=name, write=write):
        """A path of spaces, signs and other alphabets."""
        path = bench.folder / "mit Leerzeichen" / "größe 漢字 'quote' %s {x} $HOME" / name
        write(path)
        write(path)
        assert [file.name for file in path.parent.iterdir()] == [name]

    def dangling(bench, name=name, write=write):
        """A link to nowhere: the file takes its place."""
        path = bench.folder / name
        path.symlink_to(bench.folder / "gone" / "x")
        write(path)
        assert path.is_file()
        assert not path.is_symlink()
        assert not (bench.folder / "gone").exists()

    def longest(bench, name=name, write=write):
        """A name of 255 bytes, which is the most that a file may have."""
        ending = Path(name).suffix
        path = bench.folder / ("x" * (255 - len(ending)) + ending)
        write(path)
        assert [file.name for file in bench.folder.iterdir()] == [path.name]

    def too_long(bench, name=name, write=write):
        ending = Path(name).suffix
        path = bench.folder / ("x" * (256 - len(ending)) + ending)
        bench.refused(OSError, "File name too long", lambda: write(path))

    for what in (full, taken, below_a_file, deep, odd, dangling, longest, too_long):
        DISK.add(f"{what.__name__.replace('_', '-')}-{name}", what)


def special(name, make, is_kind):
    """What is no file must be there afterwards: a superuser could replace /dev/null.

    Nodes are made in the folder of the case; never name a real device here.
    """

    def run(bench):
        path = bench.folder / "node"
        try:
            make(path)
        except PermissionError:
            pytest.skip("device nodes cannot be made here")
        for write in WRITERS.values():
            with pytest.raises((ConfigurationError, MatrixError)):
                write(path)
        assert is_kind(path)

    DISK.add(f"{name}-is-not-replaced", run)


def bound(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


special("device", lambda path: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3)),
        Path.is_char_device)  # fmt: skip
special("pipe", os.mkfifo, Path.is_fifo)
special("socket", bound, Path.is_socket)


@DISK.case
def a_link_to_a_file_is_replaced_and_its_target_kept(bench):
    target = bench.file("target.jsonl", b"old")
    (bench.folder / "link.jsonl").symlink_to(target)
    write_rows(bench.folder / "link.jsonl")
    assert target.read_bytes() == b"old"
    assert (bench.folder / "link.jsonl").read_bytes() == b""


@DISK.case
def an_interrupt_in_the_middle_of_writing(bench):
    path = bench.file("x", b"old")

    def interrupted():
        with replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert bench.listing() == {"x": b"old"}


@DISK.case
def a_folder_that_goes_while_its_file_is_written(bench):
    def write():
        with replacing(bench.folder / "d" / "x") as temporary:
            temporary.write_bytes(b"half")
            temporary.rename(bench.folder / "moved")
            temporary.parent.rmdir()

    with pytest.raises(FileNotFoundError):
        write()


def limited_run(bench, *arguments, code=3, environment=()):
    """A process that may not write files of more than 20 kB, as on a disk that fills up."""

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    return bench.process(
        *arguments, code=code, preexec_fn=limit, env={**os.environ, **dict(environment)}
    )


@DISK.case
def build_on_a_disk_that_fills_up(bench):
    said = limited_run(bench, "build", "synthetic-tridiag", "--config", "uniform", "--split", "val",
                       "--root", bench.folder / "cache")  # fmt: skip
    assert said.count("precondbench: ") == 1
    assert not [path for path in bench.folder.rglob("*") if path.suffix in (".h5", ".building")]


@DISK.case
def factor_on_a_disk_that_fills_up(bench):
    from precondbench.matrices import formula_matrix

    write_matrix(bench.folder / "A.npz", formula_matrix("HB/gr_30_30"))
    bench.file("L.mtx", b"old")
    limited_run(bench, "factor", bench.folder / "A.npz", "--out", bench.folder / "L.mtx")
    assert (bench.folder / "L.mtx").read_bytes() == b"old"


@DISK.case
def a_small_file_system(bench):
    disk = bench.folder / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system is not permitted here")
    try:
        bench.command("build", "synthetic-tridiag", "--config", "uniform", "--split", "val",
                      "--root", disk, code=3, fragment="precondbench: ")  # fmt: skip
        left = [path.name for path in disk.rglob("*") if path.is_file()]
        assert all(name.endswith(".lock") for name in left), left
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@DISK.parametrised()
def test_file_system(bench, name):
    DISK.run(bench, name)
