"""The workflow that judges pull requests, and the decision itself, on branches of a repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from pull_requests import HONEST, HOSTILE, SCORED, git, make_kit

from precondbench.errors import PrecondbenchError
from precondbench.leaderboard import review_change

FILE = Path(__file__).parents[2] / ".github" / "workflows" / "leaderboard.yml"

pytestmark = [
    pytest.mark.skipif(not FILE.is_file(), reason="the workflow is not part of an installation"),
    pytest.mark.skipif(shutil.which("git") is None, reason="there is no git"),
]


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    return make_kit(tmp_path_factory.mktemp("kit"))


@pytest.fixture(scope="module")
def repository(kit, tmp_path_factory):
    """A repository with the board, and a checkout of its main branch."""
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-q", "-b", "main")
    shutil.copytree(kit.board, folder / "leaderboard")
    (folder / "README.md").write_text("A repository.\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    return folder


@pytest.fixture
def checkouts(repository, kit, tmp_path):
    """Make the branch of a case; return the folder with the checkouts that the workflow has."""

    def make(name, case):
        work = tmp_path / "work"
        git(repository, "worktree", "add", "-q", "-B", name, str(work), "main")
        case.change(work, kit)
        git(work, "add", "-A")
        git(work, "commit", "-q", "--allow-empty", "-m", name)
        git(repository, "worktree", "remove", "--force", str(work))
        for folder, branch in (("base", "main"), ("change", name)):
            git(repository, "worktree", "add", "-q", "--detach", str(tmp_path / folder), branch)
        return tmp_path

    yield make
    for folder in ("base", "change"):
        if (tmp_path / folder).exists():
            git(repository, "worktree", "remove", "--force", "--force", str(tmp_path / folder))


def steps():
    return yaml.safe_load(FILE.read_text())["jobs"]["check"]["steps"]


def run_workflow(folder, account):
    """Run the workflow's commands, but for the installation, in bash."""
    command = folder / "bin" / "precondbench"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m precondbench "$@"\n')
    command.chmod(0o755)
    output = ""
    for step in steps():
        if "run" not in step or "pip install" in step["run"]:
            continue
        given = {
            key: value.replace("${{ github.event.pull_request.user.id }}", str(account))
            for key, value in step.get("env", {}).items()
        }
        assert "${{" not in step["run"] + "".join(given.values())
        environment = {
            **os.environ,
            **given,
            "RUNNER_TEMP": str(folder),
            "PATH": f"{command.parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", step["run"]],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        output += done.stdout + done.stderr
        if done.returncode != 0:
            return done.returncode, done.stderr
    return 0, output


def refusals(names):
    return pytest.mark.parametrize("name", names)


# One of each part of the decision.
QUICK = [
    "better_cosine",
    "reproduced_in_the_entry",
    "reproduced_in_the_register",
    "delete_the_entry_of_another",
    "worse_reference",
    "easier_target",
    "maintainer_by_ones_own_word",
    "entry_of_nobody",
    "method_in_greek_capitals",
    "method_of_another_entry",
    "link_with_a_user",
    "one_seed_with_noise",
    "weights_of_another_seed",
    "neither_weights_nor_submission",
    "entry_in_another_form",
    "words_in_the_header_of_predictions",
    "code_beside_entries",
    "link_to_a_device",
    "another_repository_inside",
    "attributes_of_files",
]
SLOW = [name for name in HOSTILE if name not in QUICK]


def check_refusal(checkouts, name):
    case = HOSTILE[name]
    folder = checkouts(name, case)
    with pytest.raises(PrecondbenchError) as caught:
        review_change(folder / "base", folder / "change", case.account)
    message = str(caught.value)
    assert re.search(case.reason, message), message
    assert "\n" not in message
    assert len(message) < 600


@pytest.mark.parametrize("name", QUICK)
def test_hostile_changes_are_refused_for_one_reason(checkouts, name):
    check_refusal(checkouts, name)


@pytest.mark.long
@pytest.mark.parametrize("name", SLOW)
def test_more_hostile_changes_are_refused_for_one_reason(checkouts, name):
    check_refusal(checkouts, name)


@pytest.mark.parametrize("name", ["new_learned_with_weights", "withdrawal", "something_else"])
def test_honest_changes_pass(checkouts, name):
    check_passes(checkouts, name)


@pytest.mark.long
@pytest.mark.parametrize("name", HONEST)
def test_more_honest_changes_pass(checkouts, name):
    check_passes(checkouts, name)


def check_passes(checkouts, name):
    case = HONEST[name]
    folder = checkouts(name, case)
    found = review_change(folder / "base", folder / "change", case.account)
    assert bool(found.changed) == (name != "something_else")
    assert bool(found.confirmed) == (name in SCORED)


def test_the_catalogue_is_large():
    assert len(HOSTILE) >= 60
    assert len(HONEST) >= 9
    assert set(QUICK) <= set(HOSTILE)


def test_the_steps_of_the_workflow(checkouts):
    case = HOSTILE["reproduced_in_the_register"]
    code, output = run_workflow(checkouts("reproduced_in_the_register", case), case.account)
    assert code == 1
    assert re.search(case.reason, output)


@pytest.mark.long
@pytest.mark.parametrize("name", [*list(HOSTILE)[:30], *list(HONEST)[:5]])
def test_the_workflow_on_pull_requests(checkouts, name):
    case = {**HOSTILE, **HONEST}[name]
    code, output = run_workflow(checkouts(name, case), case.account)
    assert code == (name in HOSTILE), output
    if name in HOSTILE:
        reasons = [line for line in output.splitlines() if line.startswith("precondbench: ")]
        assert len(reasons) == 1, output
        assert re.search(case.reason, reasons[0]), output


def test_code_comes_from_the_base_branch_only():
    """Nothing of a pull request is installed or imported."""
    text = FILE.read_text()
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert "pull_request_target" not in text
    assert "secrets" not in text
    assert "paths" not in str(workflow[True])
    installs = [s["run"] for s in steps() if "pip install" in s.get("run", "")]
    assert len(installs) == 1
    assert "./base[amg]" in installs[0]
    assert all(s["with"]["persist-credentials"] is False for s in steps()[:2])
    # What comes from outside reaches the shell by way of the environment.
    assert not any("${{" in step.get("run", "") for step in steps())
