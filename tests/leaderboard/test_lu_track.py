"""Tracks of LU pairs through all steps: pack, check, score, score again, render."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from precondbench import SyntheticTridiag, evaluate
from precondbench.cli import app
from precondbench.errors import SubmissionError
from precondbench.factors import gauss_seidel_lu
from precondbench.leaderboard import (
    open_bundle,
    pack_function,
    pack_predictions,
    score_submission,
    track_named,
)
from precondbench.leaderboard.scoring.score import track_of
from precondbench.leaderboard.submissions.check import check_entry
from precondbench.leaderboard.tracks import open_track
from precondbench.quality import problem_of
from precondbench.shards import write_predictions
from prediction_files import with_values

TRACK = "synthetic-tridiag-lu-1.0-twin-test"
SAID = {"method": "m", "kind": "classical", "authors": ["a"], "description": "d"}
runner = CliRunner()


@pytest.fixture(scope="module")
def data():
    return SyntheticTridiag(split="test", kind="lu", config="twin")


@pytest.fixture(scope="module")
def packed(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lu") / "s"
    pack_function(gauss_seidel_lu, data, folder, SAID)
    return folder


@pytest.fixture(scope="module")
def board(packed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    score_submission(packed, folder, name="mine")
    return folder


def entry_in(board):
    return json.loads((board / "entries" / TRACK / "mine.json").read_text("utf-8"))


def test_a_submission_holds_both_factors(packed, data):
    bundle = open_bundle(packed)
    assert track_of(bundle) == track_named(TRACK)
    (values,) = bundle.predictions.seeds.values()
    assert values.size == sum(data.pair(i).A.nnz for i in range(len(data)))
    first = data.pair(0)
    _, U = gauss_seidel_lu(first.A)
    np.testing.assert_array_equal(values[: 3 * 20 - 2 : 3], U.diagonal())


def test_the_entry_is_the_evaluation(board, data):
    (seed,) = entry_in(board)["seeds"]
    mine = evaluate(data, gauss_seidel_lu, key=seed["key"])
    assert seed["iterations"] == [row.iterations for row in mine.rows]
    assert seed["summary"]["effective_hops"] == pytest.approx(mine.summary["effective_hops"])
    assert set(seed["n_log_k"]) == {None}
    assert seed["work"][0] == pytest.approx(39 / 58)


def test_scored_again_it_is_the_same_and_a_changed_digit_is_found(board, packed, tmp_path):
    path = board / "entries" / TRACK / "mine.json"
    result = runner.invoke(app, ["leaderboard", "check", str(path), "--submission", str(packed)])
    assert result.exit_code == 0, result.output
    shutil.copytree(board, tmp_path / "b")
    entry = entry_in(board)
    entry["seeds"][0]["iterations"][7] -= 1
    (tmp_path / "b" / "entries" / TRACK / "mine.json").write_text(json.dumps(entry), "utf-8")
    with pytest.raises(Exception, match=r"iterations\[7\]"):
        check_entry(tmp_path / "b", TRACK, "mine", submission=packed)


def test_the_site_names_the_solver(board, tmp_path):
    result = runner.invoke(
        app, ["leaderboard", "render", "--folder", str(board), "--out", str(tmp_path / "site")]
    )
    assert result.exit_code == 0, result.output
    page = (tmp_path / "site" / "tracks" / f"{TRACK}.html").read_text("utf-8")
    assert "GMRES(50), relative residual 1e-08" in page
    assert "or of L and U on the pattern of A" in page
    track = json.loads((tmp_path / "site" / "leaderboard.json").read_text("utf-8"))["tracks"][0]
    assert track["protocol"]["solver"] == "GMRES(50)"
    assert (tmp_path / "site" / "entries" / TRACK / "mine.html").is_file()


def test_bad_factors_are_failures_of_their_matrix(data, tmp_path):
    """No value, NaN, infinity, a zero pivot: invalid there, and nowhere else."""
    values = {}
    for i in range(len(data)):
        pair = data.pair(i)
        values[pair.name] = problem_of(pair).window(2)
    names = data.names
    values[names[0]] = None
    values[names[1]][5] = np.nan
    values[names[2]][4] = np.inf
    values[names[3]][0] = 0.0  # first pivot of U
    values[names[4]][2] = 0.0  # an entry of L may be zero
    write_predictions(tmp_path / "p.safetensors", "m", data.shard, data.label, {0: values})
    pack_predictions([tmp_path / "p.safetensors"], tmp_path / "s", SAID)
    entry = score_submission(tmp_path / "s", tmp_path / "board", name="mine")
    (seed,) = entry.seeds
    assert seed.status[:5] == ["invalid"] * 4 + ["converged"]
    assert set(seed.status[5:]) == {"converged"}
    assert seed.reason == {
        "0": "no prediction",
        "1": "1 values are not finite",
        "2": "1 values are not finite",
        "3": "diagonal entry 0 of U is zero",
    }


def test_values_of_one_factor_only_are_refused(packed, data, tmp_path):
    """A file as for symmetric data, with lower triangles, is of the wrong length."""
    shutil.copytree(packed, tmp_path / "s")
    with_values(
        tmp_path / "s" / "predictions.safetensors", np.ones(int(data.shard.nnz_offsets[-1]))
    )
    with pytest.raises(SubmissionError, match=r"has 7800 values, the split has 11600"):
        open_bundle(tmp_path / "s")


@pytest.mark.parametrize(
    ("dataset", "configuration"),
    [("synthetic-tridiag-lu", "growth"), ("synthetic-tridiag", "twin")],
)
def test_predictions_of_other_data_are_refused(packed, tmp_path, dataset, configuration):
    shutil.copytree(packed, tmp_path / "s")
    path = tmp_path / "s" / "submission.json"
    said = json.loads(path.read_text("utf-8"))
    said |= {"dataset": dataset, "configuration": configuration}
    path.write_text(json.dumps(said), "utf-8")
    with pytest.raises(SubmissionError, match="predict the published data"):
        open_bundle(tmp_path / "s")


def test_what_a_track_says(data):
    said = open_track(track_named(TRACK)).describe()
    assert (said["kind"], said["protocol"]["solver"]) == ("synthetic", "GMRES(50)")
    assert said["matrices"][0]["nnz"] == 58
    assert {matrix["target_iterations"] for matrix in said["matrices"]} == {1}
    assert said["ceilings"]["1"] == pytest.approx(0.9811, abs=1e-4)
    assert said["ladder"]["32"] == 1.0


def test_packing_a_callable_by_its_name(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from precondbench import ilu0\n\n\ndef predict(A):\n    return ilu0(A)\n"
    )
    common = ["synthetic-tridiag-lu", "--config", "twin", "--author", "a"]
    result = runner.invoke(
        app,
        ["submit", "function", f"{tmp_path / 'mine.py'}:predict", *common, "--description",
         "ILU(0).", "--out", str(tmp_path / "s")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    result = runner.invoke(app, ["submit", "check", str(tmp_path / "s")])
    assert result.exit_code == 0, result.output
    assert "synthetic-tridiag-lu/1.0/twin/test" in result.output


@pytest.mark.long
def test_a_trained_model_is_reproduced(tmp_path):
    common = ["--model", "MLP", "--set", "rounds=1", "--set", "epochs=1", "--set", "device=cpu"]
    result = runner.invoke(
        app,
        ["train", "synthetic-tridiag-lu", "--config", "twin", *common, "--seeds", "0,1,2",
         "--out", str(tmp_path / "runs")],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    runs = [str(path) for path in sorted((tmp_path / "runs").glob("*/MLP-1/seed-*"))]
    steps = (
        ["submit", "pack", *runs, "--author", "a", "--description", "d",
         "--out", str(tmp_path / "s")],
        ["leaderboard", "score", str(tmp_path / "s"), "--folder", str(tmp_path / "b")],
        ["leaderboard", "reproduce", str(tmp_path / "b" / "entries" / TRACK / "mlp-1-round.json")],
    )  # fmt: skip
    for step in steps:
        result = runner.invoke(app, step)
        assert result.exit_code == 0, result.output
    assert "3 of 3 seeds are the same to the bit" in result.output
