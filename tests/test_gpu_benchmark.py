"""The benchmark that waits for a GPU runs through on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "gpu.py"


def run(path, *parts):
    command = [sys.executable, str(SCRIPT), "--quick", "--device", "cpu", "--json", str(path)]
    subprocess.run([*command, "--only", *parts], check=True, cwd=ROOT, capture_output=True)
    found = json.loads(path.read_text())
    assert found["failed"] == {}
    assert found["left_out"] == []
    assert found["environment"]["device"] == "cpu"
    assert set(found["seconds"]) == set(parts)
    return found


def test_parts_without_training(tmp_path):
    found = run(tmp_path / "gpu.json", "scan", "elimination")
    assert [row["n"] for row in found["scan"]] == [100, 100, 300, 300]
    levels = {row["family"]: row["levels"] for row in found["elimination"]}
    assert levels["diffusion-2d"] == 2 * 14 - 1
    assert all(row["seconds"] > 0 for row in found["elimination"])


@pytest.mark.long
def test_all_other_parts(tmp_path):
    found = run(tmp_path / "gpu.json", "training", "inference", "solution", "compilation")
    assert {row["n"] for row in found["training"]} == {50, 200}
    solved = [row for row in found["solution"] if row["status"] == "converged"]
    assert {"IC(0)", "LearnedElimination"} <= {row["method"] for row in solved}
