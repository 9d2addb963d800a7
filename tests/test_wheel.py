"""Content and reproducibility of the wheel."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import precondbench

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "precondbench"

pytest.importorskip("hatchling")
pytestmark = pytest.mark.skipif(not SOURCE.is_dir(), reason="needs the source tree")


def build(folder):
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build(tmp_path_factory.mktemp("wheel"))


def test_it_is_reproducible(wheel, tmp_path):
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


def test_it_holds_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"precondbench-{precondbench.__version__}.dist-info/"
    ours = {name for name in names if not name.startswith(info)}
    tracked = {
        path.relative_to(ROOT / "src").as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    weights = {
        f"precondbench/{path.relative_to(ROOT).as_posix()}"
        for path in (ROOT / "leaderboard" / "weights").rglob("*")
        if path.is_file()
    }
    assert ours == tracked | weights | {"precondbench/data_manifest.json"}
    assert "precondbench/leaderboard/weights/SHA256SUMS" in ours
    assert {"precondbench/py.typed", "precondbench/leaderboard/site/templates/style.css"} <= ours
    assert {f"{info}METADATA", f"{info}entry_points.txt", f"{info}licenses/LICENSE"} <= names


def test_the_manifest_in_it_is_that_of_the_checkout(wheel):
    with zipfile.ZipFile(wheel) as archive:
        held = archive.read("precondbench/data_manifest.json")
    assert held == (ROOT / "data_manifest.json").read_bytes()


def test_it_is_small(wheel):
    """Code, tables and the weights of the baselines; data is downloaded or built."""
    with zipfile.ZipFile(wheel) as archive:
        weights = [i.compress_size for i in archive.infolist() if "/weights/" in i.filename]
    assert wheel.stat().st_size - sum(weights) < 2_000_000
    # Beyond this bound they belong on the mirrors of the data, see docs/training.md.
    assert sum(weights) < 15_000_000


LOAD = """
import sys
import precondbench
load = precondbench.load_pretrained
assert "torch" not in sys.modules, "torch is loaded before a model is"
assert "site/precondbench" in precondbench.__file__, precondbench.__file__
model = load("synthetic-tridiag-1.0-uniform-test/mlp-4-rounds", seed=1)
print(model.parameter_count(), model.training)
"""


def test_pretrained_models_come_with_it(wheel, tmp_path):
    """Unpacked far from the checkout, the package has weights, and their digests."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.split() == ["6769", "False"], done.stderr


def test_lower_bounds_only(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith("METADATA"))
        metadata = archive.read(name).decode()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert len(required) > 15
    for line in required:
        assert "==" not in line.partition(";")[0], line
        assert "<" not in line.partition(";")[0], line
