"""``precondbench train`` and ``board``: settings, resuming, grids, user models."""

import json
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from precondbench.baselines import read_grid, registry, run_grid
from precondbench.baselines.training.runs import is_done, run_folder
from precondbench.cli import app

runner = CliRunner()
SAMPLE = ("suitesparse-invk", "--version", "sample", "--set", "device=cpu", "--model", "MLP")


def run(*arguments, code=0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_real_matrices_with_every_setting(in_folder):
    run(
        "train", *SAMPLE, "--set", "rounds=2", "--set", "width=8", "--set", "epochs=2",
        "--set", "loss=log-relative-error", "--set", "learning_rate=0.01", "--set", "max_rows=2000",
        "--set", "batch_size=4", "--set", "max_edges=5000", "--set", "label=invk",
        "--set", "threads=1", "--seeds", "7",
    )  # fmt: skip
    folder = in_folder / "runs" / "suitesparse-invk-sample-tril" / "MLP-2" / "seed-7"
    settings = tomllib.loads((folder / "configuration.toml").read_text())
    assert settings["data"] == {
        "dataset": "suitesparse-invk", "version": "sample", "configuration": "tril",
        "label": "invk", "max_rows": 2000,
    }  # fmt: skip
    expected = {"width": 8, "epochs": 2, "loss": "log-relative-error", "batch_size": 4, "seed": 7}
    assert expected.items() <= settings["training"].items()
    # Matrices too large to learn from are predicted all the same: torsion1 has 40,000 rows.
    report = json.loads(run("score", folder / "predictions-test.safetensors", "--json").stdout)
    rows = {row["name"]: row for row in report["seeds"]["7"]["rows"]}
    assert rows["GHS_psdef/torsion1"]["n"] == 40000
    assert rows["GHS_psdef/torsion1"]["status"] != "invalid"


def test_a_run_repeats_from_its_own_configuration(in_folder):
    run("train", *SAMPLE, "--set", "rounds=1", "--set", "epochs=2", "--seeds", 1, "--out", "first")
    path = "suitesparse-invk-sample-tril/MLP-1/seed-1"
    run("train", "--protocol", f"first/{path}/configuration.toml", "--seeds", 1, "--out", "again")
    first, again = (
        (in_folder / out / path / "checkpoint.safetensors").read_bytes()
        for out in ("first", "again")
    )
    assert first == again


def test_a_finished_run_is_reported_and_not_repeated(in_folder):
    arguments = ("train", *SAMPLE, "--set", "rounds=1", "--set", "epochs=2", "--json")
    first, second = (json.loads(run(*arguments).stdout) for _ in range(2))
    assert first == second  # seconds of the training, too
    refused = run(*arguments, "--set", "learning_rate=0.1", code=2)
    assert "other settings or other data" in refused.stderr
    (changed,) = json.loads(run(*arguments, "--set", "learning_rate=0.1", "--overwrite").stdout)
    assert changed["best_validation_cosine"] != first[0]["best_validation_cosine"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "name a dataset"),
        (["train", "synthetic-tridiag", "--seeds", "one"], "write for example 0,1,2"),
        (["train", "synthetic-tridiag", "--set", "loss=mse"], "no loss is called 'mse'"),
        (["train", "synthetic-tridiag", "--model", "GTA"], "no model is called"),
        (["train", "synthetic-tridiag", "--import", "nothing.py"], "there is no file nothing.py"),
        (["train", "synthetic-tridiag", "--import", "no_such"], "neither a module"),
        (["train-grid", "grid.toml", "--set", "epochs=3"], "No such option"),
        (["train", "--protocol", "missing.toml"], "missing.toml cannot be read"),
    ],
)
def test_mistakes(in_folder, arguments, message):
    result = run(*arguments, code=2)
    assert message in " ".join(result.stderr.split())
    assert not list(in_folder.glob("runs/**/*.safetensors"))


def test_bad_protocol_files_are_named(in_folder):
    data = "[data]\ndataset = 'synthetic-tridiag'\n"
    for text, message in (
        ("[data", "is not a TOML file"),
        ("[model]\nname = 1\n", "unknown tables: model"),
        ("data = 3\n", "data is 3; it must be a table"),
        (data + "split = 'x'\n", "unknown settings: split; known: configuration, dataset"),
        (data + "[training]\nepoch = 1\n", "unknown settings: epoch"),
        (data + "max_rows = 0\n", "max_rows is 0"),
    ):
        (in_folder / "protocol.toml").write_text(text)
        result = run("train", "--protocol", "protocol.toml", code=2)
        assert message in " ".join(result.stderr.split())


GRID = """
[[runs]]
dataset = "suitesparse-invk"
version = "sample"
epochs = 1
batch_size = 8
device = "cpu"
seed = [0, 1]
rounds = [2, 1]
model = "MLP"
"""


def test_a_grid_runs_what_is_not_done(in_folder):
    (in_folder / "grid.toml").write_text(GRID)
    runs = read_grid("grid.toml")
    order = [(r.training.seed, r.training.rounds) for r in runs]
    assert order == [(0, 2), (0, 1), (1, 2), (1, 1)]
    assert run_grid(runs[:1], "runs")["trained"] == 1
    seen = []
    counts = run_grid(runs, "runs", started=lambda number, *_: seen.append(number))
    assert counts == {"trained": 3, "done": 1, "busy": 0, "diverged": 0}
    assert seen == [2, 3, 4]
    assert all(is_done(r, run_folder("runs", r)) for r in runs)
    # Predictions that are missing are made again, without training.
    path = run_folder("runs", runs[2]) / "predictions-val.safetensors"
    before = path.read_bytes()
    path.unlink()
    assert "1 trained, 3 done" in run("train-grid", "grid.toml").stdout
    assert path.read_bytes() == before


def test_runs_of_other_processes_and_runs_that_diverge_do_not_stop_a_grid(in_folder):
    from filelock import FileLock

    (in_folder / "grid.toml").write_text(GRID.replace("epochs = 1", "learning_rate = [1e-3, 1e30]"))
    runs = [r for r in read_grid("grid.toml") if r.training.rounds == 1]
    held = run_folder("runs", runs[0])
    held.mkdir(parents=True)
    with FileLock(held / ".lock"):
        counts = run_grid([runs[0], runs[-1]], "runs")
    assert counts == {"trained": 0, "done": 0, "busy": 1, "diverged": 1}
    assert "diverged in epoch" in (run_folder("runs", runs[-1]) / "diverged.txt").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[runs]\nmodel = 'MLP'\n", "it must hold tables"),
        (
            GRID + "[[runs]]\nmodel = 'MLP'\n",
            "table 2 of runs: the settings name no dataset",
        ),
        (GRID.replace("epochs = 1", "epochs = [1, -1]"), "table 1 of runs: epochs is -1"),
    ],
)
def test_bad_grids(in_folder, text, message):
    (in_folder / "grid.toml").write_text(text)
    result = run("train-grid", "grid.toml", code=2)
    assert message in " ".join(result.stderr.split())


def test_the_grid_of_the_paper():
    runs = read_grid(Path(__file__).parents[2] / "paper" / "grid.toml")
    models = {"MLP", "GATv2", "GEN", "MessagePassingMLP", "GraphTransformer",
              "FastGraphTransformer", "GlobalGraphTransformer"}  # fmt: skip
    uniform = [r for r in runs if r.data.configuration == "uniform"]
    assert {(r.training.model, r.training.rounds, r.training.seed) for r in uniform} == {
        (model, rounds, seed) for model in models for rounds in (1, 2, 4, 7) for seed in (0, 1, 2)
    }
    assert {r.training.epochs for r in runs} == {300}
    assert {r.training.batch_size for r in runs if r.data.dataset == "suitesparse-invk"} == {8}
    assert len({run_folder("runs", r) for r in runs}) == len(runs)


OWN = """
import torch
from precondbench.baselines import NodeModel, register_model

@register_model("Own")
class Own(NodeModel):
    def __init__(self, width):
        super().__init__()
        self.linear = torch.nn.Linear(width, width)

    def forward(self, h, edge_index, e, batch):
        return h + self.linear(h)
"""


def test_a_model_of_ones_own_on_a_board(in_folder, monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})
    (in_folder / "own.py").write_text(OWN)
    listed = json.loads(run("models", "--import", "own.py", "--json").stdout)
    assert [row["model"] for row in listed] == registry.model_names()
    (own,) = (row for row in listed if row["model"] == "Own")
    assert (own["parameters"], own["description"]) == (5953, "")
    assert "MessagePassingMLP" in run("models").stdout
    for model in ("MLP", "Own"):
        run(
            "train", "synthetic-tridiag", "--import", "own.py", "--model", model,
            "--set", "rounds=2", "--set", "epochs=1", "--set", "device=cpu", "--seeds", "0,1",
        )  # fmt: skip
    folder = "runs/synthetic-tridiag-1.0-uniform"
    files = [
        f"{folder}/{model}-2/seed-{seed}/predictions-val.safetensors"
        for model in ("MLP", "Own") for seed in (0, 1)
    ]  # fmt: skip
    (track,) = json.loads(run("board", *files, "--out", "board", "--json").stdout)["tracks"]
    kinds = {row["method"]: row["kind"] for row in track["rows"]}
    seeds = {row["method"]: row["seeds"] for row in track["rows"]}
    assert (kinds["Own (2 rounds)"], seeds["Own (2 rounds)"]) == ("learned", 2)
    assert kinds["IC(0)"] == "oracle"
    assert track["rows"][0]["method"] == "IC(0)"
    iterations = [row["numbers"]["iterations_mean"]["mean"] for row in track["rows"]]
    assert iterations == sorted(iterations)
    page = (in_folder / "board" / "tracks" / f"{track['id']}.html").read_text()
    assert "Own (2 rounds)" in page
    assert page.count("<svg") > 2


def test_a_board_compares_one_split(in_folder):
    run("train", *SAMPLE, "--set", "rounds=1", "--set", "epochs=1")
    folder = "runs/suitesparse-invk-sample-tril/MLP-1/seed-0"
    val, test = (f"{folder}/predictions-{split}.safetensors" for split in ("val", "test"))
    mixed = run(
        "board",
        val,
        test,
        code=2,
    )
    assert "one split" in " ".join(mixed.stderr.split())
    twice = run(
        "board",
        val,
        val,
        code=2,
    )
    assert "repeats 'MLP (1 round), seed 0'" in " ".join(twice.stderr.split())
    assert not (in_folder / "board").exists()
    (track,) = json.loads(run("board", val, "--json").stdout)["tracks"]
    assert {"IC(0)", "Inv-K", "none"} <= {row["method"] for row in track["rows"]}
