"""Results of runs: collection, the file of rows, summaries, commands."""

import json
import math
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from precondbench import evaluate
from precondbench.baselines import RunConfiguration, TrainingConfiguration
from precondbench.baselines.training.runs import run_folder, train_and_predict
from precondbench.cli import app
from precondbench.datasets import DataSelection
from precondbench.errors import CheckpointError, ConfigurationError, PredictionError
from precondbench.leaderboard import read_results, summarise_results, update_results
from precondbench.leaderboard.scoring import results
from precondbench.leaderboard.scoring.results import (
    ROW_KEYS,
    collect_results,
    training_command,
    write_results,
)
from precondbench.quality import problem as scoring
from precondbench.shards import write_predictions
from prediction_files import as_hdf5

SAMPLE = DataSelection(dataset="suitesparse-invk", version="sample", max_rows=1000)


def uniform(**settings) -> RunConfiguration:
    return RunConfiguration(
        data=DataSelection(dataset="synthetic-tridiag", configuration="uniform"),
        training=TrainingConfiguration(**settings),
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One trained run of one epoch, and a second seed as a copy of its files."""
    out = tmp_path_factory.mktemp("runs")
    run = uniform(model="MLP", rounds=1, epochs=1, device="cpu")
    folder = run_folder(out, run)
    train_and_predict(run, folder)
    return out, run, folder


@pytest.fixture
def by_hand(tmp_path):
    """Make a finished run whose predictions for the split val are the targets themselves."""

    def make(name: str, run: RunConfiguration, scale: float = 1.0) -> Path:
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "configuration.toml").write_text(run.resolved().to_toml())
        (folder / "environment.json").write_text('{"torch": "2.13.0"}')
        result = {"key": name * 16, "best_epoch": 1, "epochs": 2, "seconds": 1 / 3}
        text = json.dumps(result | {"device": "cpu", "parameters": 5})
        (folder / "result.json").write_text(text)
        data = run.data.open("val")
        values = {data.names[i]: scale * data.pair(i).L.data for i in range(len(data))}
        path = folder / "predictions-val.safetensors"
        write_predictions(path, name, data.shard, data.label, {run.training.seed: values})
        return folder

    return make


def test_rows_of_a_trained_run(runs):
    out, run, folder = runs
    rows = collect_results(out)
    assert [row["split"] for row in rows] == ["test", "test_large"]
    row = rows[0]
    assert list(row) == list(ROW_KEYS)
    finished = json.loads((folder / "result.json").read_text())
    assert row["key"] == finished["key"][:16]
    assert (row["epochs"], row["max_epochs"], row["parameters"]) == (1, 1, finished["parameters"])
    data = run.data.open("test")
    assert (row["content_digest"], row["matrices"]) == (data.shard.content_digest, len(data))
    read = results.read_predictions(folder / "predictions-test.safetensors")
    scored = evaluate(data, read.by_name(0, data.shard))
    summary = scored.summary
    for key in ("iterations_mean", "effective_hops", "solved", "cosine_mean", "n_log_k_median"):
        assert row[key] == pytest.approx(summary[key], rel=1e-9)
    mean = math.fsum(1 - r.cosine for r in scored.rows) / len(scored.rows)
    assert row["one_minus_cosine_mean"] == pytest.approx(mean, rel=1e-9)
    assert row["command"].endswith("--set rounds=1 --set epochs=1 --set device=cpu --seeds 0")
    assert collect_results(out, ["train"]) == []


def test_what_is_known_is_not_scored_again(runs, monkeypatch):
    out, _, _ = runs
    rows = collect_results(out, ["test"])

    def fail(*arguments, **options):
        raise AssertionError("scored again")

    with monkeypatch.context() as patch:
        patch.setattr(results, "evaluate_many", fail)
        assert collect_results(out, ["test"], rows) == rows
    both = collect_results(out, ["test", "test_large"], rows)
    assert both[0] == rows[0]
    assert [row["split"] for row in both] == ["test", "test_large"]


def test_targets_as_predictions(by_hand, tmp_path):
    exact = by_hand("a", RunConfiguration(data=SAMPLE, training=TrainingConfiguration()))
    (row,) = collect_results(tmp_path / "runs", ["val", "test"])
    assert row["cosine_mean"] == row["solved"] == 1.0
    # The target is solved for other right-hand sides.
    assert row["ratio_to_target"] == pytest.approx(1.0, abs=0.05)
    assert row["one_minus_cosine_mean"] == pytest.approx(1e-32)
    assert row["effective_hops"] is None
    assert row["max_rows"] == 1000
    assert row["matrices"] == 2
    assert (row["seconds"], row["device_name"]) == (0.3333333333, None)
    (exact / "result.json").write_text("{")
    with pytest.raises(CheckpointError, match="is damaged"):
        collect_results(tmp_path / "runs", ["val"])
    (exact / "result.json").write_text("{}")
    with pytest.raises(CheckpointError, match="it has no key, best_epoch"):
        collect_results(tmp_path / "runs", ["val"])
    (exact / "configuration.toml").write_text("[data]\ndataset = 'none'\n")
    with pytest.raises(ConfigurationError, match=r"configuration.toml: no dataset 'none'"):
        collect_results(tmp_path / "runs", ["val"])
    with pytest.raises(ConfigurationError, match="there is no folder"):
        collect_results(tmp_path / "elsewhere")


def test_a_split_is_prepared_once(by_hand, tmp_path, monkeypatch):
    for seed, name in enumerate("ab"):
        by_hand(name, uniform(seed=seed))
    inverted = []
    invert = scoring.selected_inverse
    monkeypatch.setattr(
        scoring, "selected_inverse", lambda *args: inverted.append(1) or invert(*args)
    )
    told = []
    rows = collect_results(
        tmp_path / "runs", ["val"], progress=lambda *arguments: told.append(arguments)
    )
    assert [row["seed"] for row in rows] == [0, 1]
    assert len(inverted) == 200
    assert told == sorted(told)
    assert told[-1] == (2, 2)


def test_what_was_scored_before_a_damaged_run_is_kept(by_hand, tmp_path):
    path = tmp_path / "r.jsonl"
    by_hand("a", uniform(seed=0))
    update_results(path, tmp_path / "runs", ["val"])
    for seed, name in ((1, "b"), (2, "c")):
        by_hand(name, uniform(seed=seed))
    broken = tmp_path / "runs" / "b" / "predictions-val.safetensors"
    whole = broken.read_bytes()
    broken.write_bytes(b"text")
    with pytest.raises(PredictionError, match="not a file of predictions"):
        update_results(path, tmp_path / "runs", ["val"])
    assert [row["seed"] for row in read_results(path)] == [0]
    broken.write_bytes(whole)
    rows, new = update_results(path, tmp_path / "runs", ["val"])
    assert ([row["seed"] for row in rows], new) == ([0, 1, 2], 2)
    assert read_results(path) == rows


def test_runs_of_older_versions_are_scored(by_hand, tmp_path):
    folder = by_hand("a", uniform(seed=3))
    new = collect_results(tmp_path / "runs", ["val"])
    as_hdf5(folder / "predictions-val.safetensors")
    (folder / "predictions-val.safetensors").unlink()
    assert collect_results(tmp_path / "runs", ["val"]) == new


def test_predictions_of_another_seed(by_hand, tmp_path):
    folder = by_hand("a", uniform(seed=3))
    (folder / "configuration.toml").write_text(uniform(seed=4).resolved().to_toml())
    with pytest.raises(PredictionError, match="there is no seed 4"):
        collect_results(tmp_path / "runs", ["val"])


def test_protocols_are_not_mixed(make_row, tmp_path):
    old = make_row(seed=0)
    del old["protocol"]
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(old) + "\n")
    assert [row["protocol"] for row in read_results(path)] == [1]
    (tmp_path / "runs").mkdir()
    with pytest.raises(ConfigurationError, match="would mix protocols 1 and 2"):
        update_results(path, tmp_path / "runs")
    with pytest.raises(ConfigurationError, match="would mix protocols 1 and 2"):
        collect_results(tmp_path / "runs", known=read_results(path))
    assert path.read_text() == json.dumps(old) + "\n"
    path.write_text(f"{json.dumps(old)}\n{json.dumps(make_row(seed=1))}\n")
    with pytest.raises(ConfigurationError, match=r"r\.jsonl would mix protocols 1 and 2"):
        read_results(path)


def test_file_of_rows(make_row, tmp_path):
    rows = [make_row(seed=1), make_row(seed=0, effective_hops=None)]
    path = tmp_path / "r.jsonl"
    write_results(path, rows)
    assert read_results(path) == rows
    lines = path.read_text().splitlines()
    with pytest.raises(ConfigurationError, match=r"row 1 for .*: solved is True"):
        write_results(path, [rows[0] | {"solved": True}])
    assert path.read_text().splitlines() == lines
    for damaged, message in (
        (lines[1][:50], r"r.jsonl, line 2 is not JSON"),
        ("3", "line 2 holds 3"),
        ("{}", "line 2 is no row of results: it has no dataset"),
        (json.dumps(rows[1] | {"rounds": "4"}), "line 2: rounds is '4'"),
        (lines[0], "line 2 and line 1 are of one run and split"),
    ):
        path.write_text(f"{lines[0]}\n{damaged}\n")
        with pytest.raises(ConfigurationError, match=message):
            read_results(path)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_results(tmp_path / "none.jsonl")


def test_summary_over_seeds(make_row):
    rows = [make_row(seed=seed, one_minus_cosine=0.01 * (seed + 1)) for seed in (2, 0, 1)]
    rows += [make_row(max_epochs=100), make_row(loss="k-condition"), make_row(split="test_large")]
    rows += [make_row(rounds=2, cosine_mean=None), make_row(max_rows=10)]
    summaries = summarise_results(rows)
    assert len(summaries) == 6
    (three,) = [row for row in summaries if len(row["seeds"]) == 3]
    assert three["seeds"] == [0, 1, 2]
    spread = three["one_minus_cosine_mean"]
    assert (spread["min"], spread["max"]) == (0.01, 0.03)
    assert spread["mean"] == pytest.approx(0.02)
    assert three["command"].endswith("--set epochs=300 --seeds 0,1,2")
    assert next(row for row in summaries if row["rounds"] == 2)["cosine_mean"] is None


def test_settings_that_only_the_command_says_are_kept_apart(make_row):
    rows = [make_row(seed=seed) for seed in range(5)]
    for row, option in zip(
        rows, ("", "--batch-size 3", "--patience 9", "--device cuda", ""), strict=True
    ):
        row["command"] = f"precondbench train d {option} --seeds {row['seed']}"
    assert [row["seeds"] for row in summarise_results(rows)] == [[0, 3, 4], [1], [2]]


@pytest.mark.parametrize(
    "run",
    [
        uniform(),
        uniform(model="my own; rm -rf", rounds=7, epochs=10, width=8, seed=5, threads=2),
        uniform(loss="k-condition", learning_rate=1e-5, max_edges=7, batch_size=3, device="cpu"),
        uniform(patience=10, decay_factor=0.5, seed=2),
        uniform(compile=True),
        RunConfiguration(data=SAMPLE, training=TrainingConfiguration(batch_size=8)),
        RunConfiguration(data=SAMPLE, training=TrainingConfiguration(batch_size=16)),
        RunConfiguration(
            data=replace(SAMPLE, label="ic0"), training=TrainingConfiguration(decay_every=1)
        ),
    ],
)
def test_commands_train_the_same_run(run, tmp_path, monkeypatch):
    asked = []

    def train(run, folder, **options):
        asked.append(run)
        raise ConfigurationError("enough")

    monkeypatch.setattr("precondbench.baselines.training.runs.train_and_predict", train)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(training_command(run))
    assert words[:2] == ["precondbench", "train"]
    CliRunner().invoke(app, words[1:])
    assert asked == [run.resolved()]


def test_the_commands(runs, tmp_path):
    out, _, _ = runs
    path = tmp_path / "r.jsonl"

    def run(*words):
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "1 of 1 rows" in run("results", out, "--out", path, "--split", "test")
    assert "0 of 1 rows" in run("results", out, "--out", path, "--split", "test")
    assert len(json.loads(run("results", out, "--out", path, "--json"))) == 2
    assert len(read_results(path)) == 2
