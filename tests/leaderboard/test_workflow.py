"""The workflow that scores changed entries again, run on a separate repository."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from precondbench import SyntheticTridiag
from precondbench.leaderboard import entry_path, pack_predictions, score_submission
from precondbench.leaderboard.entries import submission_path
from precondbench.shards import write_predictions

FILE = Path(__file__).parents[2] / ".github" / "workflows" / "leaderboard.yml"
TWIN = "synthetic-tridiag-1.0-twin-test"

pytestmark = [
    pytest.mark.skipif(not FILE.is_file(), reason="the workflow is not part of an installation"),
    pytest.mark.skipif(shutil.which("git") is None, reason="there is no git"),
]


def git(folder, *arguments):
    words = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="module")
def submission(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submission")
    data = SyntheticTridiag(split="test", config="twin")
    values = {pair.name: pair.L.data * 1.01 for pair in map(data.pair, range(len(data)))}
    write_predictions(
        folder / "p.safetensors", "m", data.shard, data.label, dict.fromkeys(range(3), values)
    )
    said = {"method": "Mine", "kind": "learned", "authors": ["a"], "description": "d"}
    pack_predictions([folder / "p.safetensors"], folder / "s", said)
    return folder / "s"


@pytest.fixture
def repository(submission, tmp_path):
    """A pull request with one entry and its submission, on an empty base."""
    folder = tmp_path / "change"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "README").write_text("base")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    board = folder / "leaderboard"
    score_submission(submission, board)
    shutil.copytree(submission, submission_path(board, TWIN, "mine"))
    return folder


def steps():
    return yaml.safe_load(FILE.read_text())["jobs"]["check"]["steps"]


def run_check(folder, tmp_path):
    """Commit what is there, and run the step that scores."""
    base = git(folder, "rev-parse", "HEAD")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "change")
    (script,) = (s["run"] for s in steps() if s.get("name") == "Score changed entries again")
    command = tmp_path / "bin" / "precondbench"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m precondbench "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "BASE": base,
        "RUNNER_TEMP": str(tmp_path),
        "PATH": f"{command.parent}:{os.environ['PATH']}",
    }
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_good_entry_passes(repository, tmp_path):
    done = run_check(repository, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("every outcome is the same") == 1


def test_changed_numbers_fail(repository, tmp_path):
    path = entry_path(repository / "leaderboard", TWIN, "mine")
    path.write_text(path.read_text().replace('"iterations": [', '"iterations": [1', 1))
    done = run_check(repository, tmp_path)
    assert done.returncode != 0
    assert "scored again" in done.stdout


@pytest.mark.long
def test_a_changed_submission_is_scored_again(repository, submission, tmp_path):
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "merged")
    path = submission_path(repository / "leaderboard", TWIN, "mine") / "submission.json"
    path.write_text(path.read_text().replace('"Mine"', '"Better"'))
    done = run_check(repository, tmp_path)
    assert done.returncode != 0
    assert "method is 'Mine'" in done.stdout


@pytest.mark.long
def test_nobody_calls_himself_reproduced(repository, tmp_path):
    path = entry_path(repository / "leaderboard", TWIN, "mine")
    path.write_text(path.read_text().replace('"tier": "scored"', '"tier": "reproduced"'))
    done = run_check(repository, tmp_path)
    assert done.returncode != 0
    assert "they enter as scored" in done.stdout


def test_nothing_changed_nothing_scored(repository, tmp_path):
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "merged")
    (repository / "README").write_text("other")
    done = run_check(repository, tmp_path)
    assert (done.returncode, done.stdout) == (0, "")


def test_code_comes_from_the_base_branch_only():
    """Nothing of a pull request is installed or imported."""
    workflow = yaml.safe_load(FILE.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in FILE.read_text()
    installs = [s["run"] for s in steps() if "pip install" in s.get("run", "")]
    assert len(installs) == 1
    assert "./base[amg]" in installs[0]
    assert all("secrets" not in str(step) for step in steps())
    assert np.all([s["with"]["persist-credentials"] is False for s in steps()[:2]])
