"""kill -9 at random moments: later results are correct and nothing is left behind."""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
import tarfile
import time

import pytest

from precondbench.errors import ShardError
from precondbench.matrices import FORMULA_NAMES, catalogue, formula_matrix, write_matrix
from precondbench.shards import read_shard

KILLS = 20
SIZES = {entry.full_name: entry.rows for entry in catalogue()}
# torsion1 and obstclae have 40,000 rows, but cheap factors.
LARGE = {"GHS_psdef/torsion1", "GHS_psdef/obstclae"}
NAMES = [
    name
    for name in FORMULA_NAMES
    if (SIZES.get(name, 50_000) <= 5_000 or name in LARGE) and "bibd" not in name
]


@pytest.fixture(scope="module")
def formula_mirror(tmp_path_factory):
    """A mirror of real matrices that needs no download: those with formulas."""
    folder = tmp_path_factory.mktemp("mirror")
    (folder / "files").mkdir()
    lines = [str(len(NAMES)), "date"]
    for full_name in NAMES:
        group, name = full_name.split("/")
        matrix = formula_matrix(full_name)
        write_matrix(folder / "m.mtx", matrix)
        content = (folder / "m.mtx").read_bytes()
        (folder / "MM" / group).mkdir(parents=True, exist_ok=True)
        with tarfile.open(folder / "MM" / group / f"{name}.tar.gz", "w:gz") as tar:
            info = tarfile.TarInfo(f"{name}/{name}.mtx")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        n, nnz = matrix.shape[0], matrix.nnz
        lines.append(f"{group},{name},{n},{n},{nnz},1,0,0,1,1,1,kind,{nnz}")
    (folder / "files" / "ssstats.csv").write_text("\n".join(lines) + "\n")
    return folder


def start(arguments, cache):
    return subprocess.Popen(
        [sys.executable, "-m", "precondbench", *map(str, arguments)],
        env=dict(os.environ, PRECONDBENCH_CACHE=str(cache)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def group_is_gone(pgid, seconds=10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            os.killpg(pgid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(formula_mirror, tmp_path, jobs):
    def build(cache, out):
        return start(
            ("build", "collection", "--source", formula_mirror, "--max-n", 5_000,
             "--jobs", jobs, "--out", out), cache,
        )  # fmt: skip

    reference = tmp_path / "reference.h5"
    begun = time.monotonic()
    assert build(tmp_path / "clean", reference).wait(300) == 0
    duration = time.monotonic() - begun
    rng = random.Random(jobs)
    out = tmp_path / "out.h5"
    cache = tmp_path / "cache"
    for _ in range(KILLS // 2):
        process = build(cache, out)
        time.sleep(rng.uniform(0.3, 1.0) * duration * rng.choice((0.3, 0.6, 1.0)))
        process.kill()
        process.wait()
        assert group_is_gone(process.pid), "a worker outlived its build"
        if out.exists():
            read_shard(out).verify()
        for part in (cache / "parts").glob("*.h5") if cache.exists() else ():
            read_shard(part).verify()
    assert build(cache, out).wait(300) == 0
    assert sha256(out) == sha256(reference)


@pytest.mark.long
def test_a_killed_build_of_a_split_leaves_nothing_half_written(tmp_path):
    arguments = ("build", "synthetic-tridiag", "--config", "uniform")
    begun = time.monotonic()
    assert start(arguments, tmp_path / "clean").wait(120) == 0
    duration = time.monotonic() - begun
    reference = {p.name: sha256(p) for p in (tmp_path / "clean").rglob("*.h5")}
    rng = random.Random(7)
    for _ in range(KILLS):
        process = start(arguments, tmp_path / "cache")
        time.sleep(rng.uniform(0.2, 1.0) * duration)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in (tmp_path / "cache").rglob("[!.]*.h5"):
            try:
                read_shard(path).verify()
            except ShardError as error:
                pytest.fail(f"half a file is served: {error}")
    assert start(arguments, tmp_path / "cache").wait(120) == 0
    found = {p.name: sha256(p) for p in (tmp_path / "cache").rglob("[!.]*.h5")}
    assert found == reference
    assert not list((tmp_path / "cache").rglob(".*.part"))
