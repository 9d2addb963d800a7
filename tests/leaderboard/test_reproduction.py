"""Running the command of an entry again, and refusing other commands."""

import copy
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from precondbench.baselines import current_training_command, run_from_settings, training_command
from precondbench.cli import app
from precondbench.errors import SubmissionError
from precondbench.leaderboard import open_bundle, pack_runs
from precondbench.leaderboard.scoring.score import score_bundle, track_of
from precondbench.leaderboard.submissions.reproduce import reproduce, training_commands
from precondbench.leaderboard.tracks import open_track

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Entry and track of a perceptron trained for one epoch on twins, three seeds."""
    out = tmp_path_factory.mktemp("runs")
    result = CliRunner().invoke(
        app,
        ["train", "synthetic-tridiag", "--config", "twin", "--model", "MLP", "--set", "rounds=1",
         "--set", "epochs=1", "--seeds", "0,1,2", "--set", "device=cpu", "--out", str(out)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    runs = sorted(out.glob("*/MLP-1/seed-*"))
    pack_runs(runs, "test", out / "s", {"authors": ["me"], "description": "A perceptron."})
    bundle = open_bundle(out / "s")
    track = open_track(track_of(bundle))
    return score_bundle(bundle, track, "mlp-1").model_dump(mode="json"), track


def test_the_same_machine_gives_the_same_bits(scored):
    entry, track = scored
    told = []
    found = reproduce(entry, track, started=told.append, timeout=300)
    assert found.succeeded
    assert found.identical == {0: True, 1: True, 2: True}
    assert told == entry["command"].split("\n")
    assert found.summaries[1] == entry["seeds"][1]["summary"]


def test_other_bits_must_score_alike(scored):
    entry, track = copy.deepcopy(scored[0]), scored[1]
    entry["command"] = entry["command"].split("\n")[0]
    for seed in "012":
        entry["predictions"][seed] = "0" * 64
    entry["seeds"][1]["seed"] = 7
    found = reproduce(entry, track)
    assert found.identical == {0: False}
    # Seed 0 scores the same; of the others the command says nothing.
    assert [problem[:8] for problem in found.problems] == ["seed 7: ", "seed 2: "]
    entry["seeds"] = entry["seeds"][:1]
    summary = entry["seeds"][0]["summary"]
    summary["iterations_mean"] *= 1.04
    summary["cosine_mean"] = 1 - 1.09 * (1 - summary["cosine_mean"])
    assert reproduce(entry, track).succeeded
    summary["iterations_mean"] *= 1.04
    summary["cosine_mean"] = 1 - 1.09 * (1 - summary["cosine_mean"])
    found = reproduce(entry, track)
    assert not found.succeeded
    assert ["iterations" in problem for problem in found.problems] == [True, False]
    assert "cosine" in found.problems[1]


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (None, "states no command"),
        ("  \n ", "states no command"),
        ("rm -rf /", "is not `precondbench train"),
        ("precondbench release out", "is not `precondbench train"),
        ("python -m precondbench train x", "is not `precondbench train"),
        ("precondbench train x --import evil.py", "uses --import"),
        ("precondbench train x --import=evil.py", "uses --import"),
        ("precondbench train x --out /etc", "uses --out"),
        ("precondbench train x --protocol /etc/passwd", "uses --protocol"),
        ("precondbench train --all", "uses --all"),
        ("precondbench train 'x", "cannot be read"),
        ("precondbench train x --seeds 0\nsh -c true", "is not `precondbench train"),
    ],
)
def test_commands_that_are_not_run(command, message):
    with pytest.raises(SubmissionError, match=message):
        training_commands(command)


def test_a_shell_is_never_asked():
    words = training_commands("precondbench train x --seeds 0; touch y && z")
    assert words == [["train", "x", "--seeds", "0;", "touch", "y", "&&", "z"]]


def test_commands_that_fail_or_predict_something_else(scored):
    entry, track = copy.deepcopy(scored[0]), scored[1]
    entry["command"] = "precondbench train synthetic-tridiag --model Nothing --seeds 0"
    with pytest.raises(SubmissionError, match=r"failed with exit status 2: .*no model is called"):
        reproduce(entry, track)
    entry["command"] = (
        "precondbench train suitesparse-invk --version sample --model MLP --rounds 1 --epochs 1"
    )
    with pytest.raises(SubmissionError, match=r"predicts another split: .* values, the split has"):
        reproduce(entry, track)
    entry["command"] = "precondbench train synthetic-tridiag --model MLP --epochs 300"
    with pytest.raises(SubmissionError, match="did not end in 2 seconds"):
        reproduce(entry, track, timeout=2)


def published_commands():
    """Every command of the committed entries, one a line."""
    found = set()
    for path in (ROOT / "leaderboard" / "entries").rglob("*.json"):
        command = re.search(r'^ +"command": (.*?),?$', path.read_text(), re.MULTILINE)
        found |= set((json.loads(command[1]) or "").split("\n")) - {""}
    return sorted(found)


@pytest.mark.skipif(not (ROOT / "leaderboard").is_dir(), reason="needs the checkout")
def test_published_commands_are_understood():
    """Entries keep the words of their time; the run that they name is the same."""
    commands = published_commands()
    assert len(commands) > 100
    train = typer.main.get_command(app).commands["train"]
    for command in commands:
        (words,) = map(current_training_command, training_commands(command))
        options = train.make_context("train", words[1:]).params
        names = {"configuration": options["config"]}
        names |= {key: options[key] for key in ("dataset", "version", "model")}
        run = run_from_settings(names, options["settings"])
        run = replace(run, training=replace(run.training, seed=int(options["seeds"])))
        assert sorted(shlex.split(training_command(run))) == sorted(["precondbench", *words])
