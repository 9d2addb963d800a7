"""Training an entry again by its command, and refusing other commands."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from precondbench.baselines import training_command
from precondbench.cli import app
from precondbench.errors import SubmissionError
from precondbench.leaderboard import entry_path
from precondbench.leaderboard.entries import entry_of, read_leaderboard
from precondbench.leaderboard.submissions.predicted import runs_for, training_runs
from precondbench.leaderboard.submissions.reproduce import reproduce
from precondbench.leaderboard.submissions.tolerance import OTHER_SIDES, TRAINED_AGAIN, outside_band
from precondbench.leaderboard.tracks import open_track, track_named

ROOT = Path(__file__).parents[2]
TWIN = "synthetic-tridiag-1.0-twin-test"


@pytest.fixture(scope="module")
def scored(trained_board, tmp_path_factory):
    """Entry, track and board of the perceptron; the fitted recurrence is on it, too."""
    folder = shutil.copytree(trained_board, tmp_path_factory.mktemp("board") / "leaderboard")
    board = read_leaderboard(folder)
    return (
        board.entries[TWIN]["mlp-1-round"],
        open_track(track_named(TWIN)),
        board.tracks[TWIN],
        folder,
    )


def test_the_same_machine_gives_the_same_bits(scored):
    """The command trains again, prints what it runs, and writes down that it succeeded."""
    path = entry_path(scored[3], TWIN, "moebiuscell-1-round")
    before = path.read_bytes()
    result = CliRunner().invoke(app, ["leaderboard", "reproduce", str(path), "--timeout", "300"])
    assert result.exit_code == 0, result.output
    command, said = result.stdout.strip().splitlines()
    assert command == json.loads(before)["command"]
    assert "1 of 1 seeds are the same to the bit" in said
    assert path.read_bytes() == before
    assert read_leaderboard(scored[3]).reproduced[TWIN] == {"moebiuscell-1-round"}


def test_other_bits_must_need_about_the_same_iterations(scored):
    """Matrix by matrix: a right mean is not enough."""
    entry, track, facts, _ = scored
    content = entry.model_dump(mode="json")
    content["command"] = content["command"].split("\n")[0]
    for key in ("seeds", "start"):
        content[key] = content[key][:1]
    content["weights"] = {}
    content["predictions"] = {"0": "0" * 64}
    found = reproduce(entry_of(content), track, facts)
    assert found.identical == {0: False}
    assert found.problem is None
    (again,) = found.evaluations
    assert again.key == entry.seeds[0].key

    def with_iterations(change):
        counts = [count + change(i) for i, count in enumerate(again.iterations)]
        return outside_band(
            [replace(again, iterations=tuple(counts))], [again], TRAINED_AGAIN, "iterations_mean"
        )

    assert with_iterations(lambda i: 0) is None
    assert with_iterations(lambda i: 3 * (-1) ** i) is None

    def with_condition(value, other):
        pair = [replace(again, condition=(each,) * len(again.name)) for each in (value, other)]
        return outside_band(pair[:1], pair[1:], OTHER_SIDES, "iterations_mean")

    assert "matrices lie outside" in with_condition(1e12, 2e12)
    assert with_condition(1e17, 2e28) is None
    far = with_iterations(lambda i: 9 * (-1) ** i)
    assert "seed 0: " in far
    assert "matrices lie outside the band, first twin-test-00000" in far
    assert "iterations_mean is" in with_iterations(lambda i: 3)
    one_failed = replace(again, status=("stagnated", *again.status[1:]))
    assert "iterations_mean is" in outside_band(
        [again], [one_failed], TRAINED_AGAIN, "iterations_mean"
    )


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (None, "states no command"),
        ("  \n ", "states no command"),
        ("rm -rf /", "is not `precondbench train"),
        ("precondbench release out", "is not `precondbench train"),
        ("python -m precondbench train x", "is not `precondbench train"),
        ("precondbench train x --import evil.py", "uses --import"),
        ("precondbench train x --import=evil.py", "uses --import=evil.py, which is not a setting"),
        ("precondbench train x --out /etc", "uses --out"),
        ("precondbench train x --root /etc", "uses --root"),
        ("precondbench train x --overwrite", "uses --overwrite"),
        ("precondbench train x --protocol /etc/passwd", "uses --protocol"),
        ("precondbench train --all", "uses --all"),
        ("precondbench train x -h", "uses -h"),
        ("precondbench train x --set", "write it as key=value"),
        ("precondbench train x y", "uses y"),
        ("precondbench train", "name a dataset"),
        ("precondbench train synthetic-tridiag --seeds 0;", "cannot be run"),
        ("precondbench train synthetic-tridiag --set epochs=-1", "cannot be run"),
        ("precondbench train synthetic-tridiag --seeds 1,1", "trains seed 1 twice"),
        ("precondbench train synthetic-tridiag\nprecondbench train synthetic-tridiag", "twice"),
        ("precondbench train 'x", "cannot be read"),
        ("precondbench train synthetic-tridiag\nsh -c true", "is not `precondbench train"),
    ],
)
def test_commands_that_are_not_run(command, message):
    with pytest.raises(SubmissionError, match=message):
        training_runs(command)


def test_a_shell_is_never_asked():
    with pytest.raises(SubmissionError, match="uses touch, which is not a setting"):
        training_runs("precondbench train synthetic-tridiag --seeds 0; touch y && z")


def test_commands_that_fail_or_predict_something_else(scored):
    entry, track, facts, _ = scored

    def again(command, timeout=None):
        content = entry.model_dump(mode="json") | {"command": command}
        return reproduce(entry_of(content), track, facts, timeout=timeout)

    train = "precondbench train synthetic-tridiag --config twin --seeds 0,1,2"
    with pytest.raises(SubmissionError, match=r"failed with exit status 2: .*no model is called"):
        again(f"{train} --model Nothing")
    with pytest.raises(SubmissionError, match=r"trains on synthetic-tridiag, 1.0, uniform"):
        again("precondbench train synthetic-tridiag --model MLP --seeds 0,1,2")
    with pytest.raises(SubmissionError, match="does not train seed 1"):
        again("precondbench train synthetic-tridiag --config twin --model MLP")
    with pytest.raises(SubmissionError, match="did not end in 2 seconds"):
        again(f"{train} --model MLP --epochs 300", timeout=2)


def test_all_families_together_are_data_of_each():
    train = "precondbench train parametric --config {} --model MLP"
    track = SimpleNamespace(name=track_named("parametric-1.0-jumps-2d-test-mesh"))
    for family in ("jumps-2d", "mixed"):
        (run,) = runs_for(track, train.format(family), [0])
        assert run.data.configuration == family
    with pytest.raises(SubmissionError, match=r"trains on parametric, 1.0, mesh-2d"):
        runs_for(track, train.format("mesh-2d"), [0])


@pytest.mark.skipif(not (ROOT / "leaderboard").is_dir(), reason="needs the checkout")
def test_published_commands_are_understood():
    """Entries keep the words of their time; the runs that they name are the same."""
    commands = set()
    for path in (ROOT / "leaderboard" / "entries").rglob("*.json"):
        command = re.search(r'^ +"command": (.*?),?$', path.read_text(), re.MULTILINE)
        commands |= set((json.loads(command[1]) or "").split("\n")) - {""}
    assert len(commands) > 40
    for command in commands:
        ((seed, run),) = training_runs(command).items()
        assert run.training.seed == seed
        ((_, again),) = training_runs(training_command(run)).items()
        assert again == run
        assert set(shlex.split(training_command(run))) >= set(shlex.split(command)[:4])
