"""TOML of grids and runs, lines of results, and the JSON files of a run folder."""

import json
import os

from harness import Subject

from precondbench.baselines import read_grid
from precondbench.errors import CheckpointError, ConfigurationError
from precondbench.leaderboard import read_results

SETTINGS = Subject(
    "Settings and results (TOML, JSON lines)",
    "grids, protocols, results.jsonl: syntax, encodings, types, unknown keys, nesting, grids "
    "with too many runs, pipes and folders",
    "a ConfigurationError or CheckpointError that names the file and the setting",
)
RUN = '[[runs]]\ndataset = "synthetic-tridiag"\nmodel = "MLP"\n'


def grid(name, content, fragment, kind=ConfigurationError):
    def run(bench):
        path = bench.file("grid.toml", content)
        message = bench.refused(kind, fragment, lambda: read_grid(path))
        assert "grid.toml" in message

    SETTINGS.add(f"grid-{name}", run)


grid("empty", "", "is not a grid")
grid("not-toml", "runs: [a, b]\n", "is not a TOML file")
grid("json", '{"runs": []}', "is not a TOML file")
grid("binary", bytes(range(256)), "is not UTF-8")
grid("latin-1", RUN.replace("MLP", "Fläche").encode("latin-1"), "is not UTF-8")
grid("utf-16", RUN.encode("utf-16"), "is not UTF-8")
grid("nul-characters", RUN + "\0", "is not a TOML file")
grid("truncated", RUN[:-4], "is not a TOML file")
grid("key-twice", RUN + 'model = "GEN"\n', "is not a TOML file")
grid("nested-too-deeply", "a = " + "[" * 100_000, "is not a TOML file")
grid("integer-of-10000-digits", RUN + "epochs = " + "9" * 10_000, "is not a TOML file")
grid("other-tables", RUN + "[extra]\nx = 1\n", "is not a grid")
grid("runs-a-table", '[runs]\nmodel = "MLP"\n', "is not a grid")
grid("runs-a-number", "runs = 3\n", "is not a grid")
grid("runs-of-numbers", "runs = [1, 2]\n", "table 1 of runs")
grid("runs-of-text", 'runs = ["MLP"]\n', "table 1 of runs")
grid("run-without-data", '[[runs]]\nmodel = "MLP"\n', "table 1 of runs: .*name no dataset")
grid("unknown-key", RUN + "colour = 1\n", "unknown settings: colour")
grid("epochs-text", RUN + 'epochs = "many"\n', "epochs is 'many'")
grid("epochs-fraction", RUN + "epochs = 1.5\n", "epochs is 1.5")
grid("epochs-below-zero", RUN + "epochs = -1\n", "epochs is -1")
grid("epochs-true", RUN + "epochs = true\n", "epochs is True")
grid("epochs-a-date", RUN + "epochs = 2026-01-01\n", "epochs is datetime")
grid("rate-nan", RUN + "learning_rate = nan\n", "learning_rate is nan")
grid("rate-infinite", RUN + "learning_rate = inf\n", "learning_rate is inf")
grid("seed-beyond-64-bits", RUN + f"seed = {2**80}\n", "seed is")
grid("rounds-a-billion", RUN + "rounds = 1000000000\n", "rounds is 1000000000")
grid("width-a-billion", RUN + "width = 1000000000\n", "width is 1000000000")
grid("threads-a-billion", RUN + "threads = 1000000000\n", "threads is 1000000000")
grid("dataset-a-number", RUN.replace('"synthetic-tridiag"', "3"), "dataset is 3")
grid("table-for-a-value", RUN + "epochs = {a = 1}\n", "epochs is {'a': 1}")
grid("product-that-explodes", RUN + "".join(
    f"{key} = [{','.join(map(str, range(1, 101)))}]\n"
    for key in ("epochs", "rounds", "width", "patience", "seed", "batch_size")
), "make 1000000000000 runs")  # fmt: skip


@SETTINGS.case
def grid_missing(bench):
    bench.refused(ConfigurationError, "cannot be read", lambda: read_grid("gone.toml"))


@SETTINGS.case
def grid_is_a_folder(bench):
    bench.refused(ConfigurationError, "cannot be read|regular", lambda: read_grid(bench.folder))


@SETTINGS.case
def grid_is_a_pipe(bench):
    os.mkfifo(bench.folder / "grid.toml")
    bench.refused(
        ConfigurationError, "regular", lambda: read_grid(bench.folder / "grid.toml"), keeps=False
    )


@SETTINGS.case
def grid_is_endless(bench):
    (bench.folder / "grid.toml").symlink_to("/dev/zero")
    bench.refused(
        ConfigurationError, "regular", lambda: read_grid(bench.folder / "grid.toml"), keeps=False
    )


def protocol(name, content, fragment):
    def run(bench):
        path = bench.file("protocol.toml", content)
        bench.command(
            "train", "synthetic-tridiag", "--protocol", path, "--out", bench.folder / "runs",
            code=2, fragment=fragment,
        )  # fmt: skip
        assert not (bench.folder / "runs").exists()

    SETTINGS.add(f"protocol-{name}", run)


protocol("not-toml", "epochs 3", "is not a TOML file")
protocol("unknown-table", "[model]\nname = 'MLP'\n", "unknown tables: model")
protocol("table-a-number", "training = 3\n", "training is 3; it must be a table")
protocol("unknown-setting", "[training]\nepoch = 3\n", "unknown settings: epoch")
protocol("device-unknown", "[training]\ndevice = 'tpu'\n", "device is 'tpu'")
protocol("scaling-a-list", "[training]\nscaling = ['standardised']\n", "scaling is")
protocol("loss-unknown", "[training]\nloss = 'hinge'\n", "hinge")
protocol("model-unknown", "[training]\nmodel = 'MLPP'\n", "did you mean 'MLP'")
protocol("max-rows-zero", "[data]\nmax_rows = 0\n", "max_rows is 0")
protocol("label-unknown", "[data]\nlabel = 'magic'\n", "magic")


def results(name, content, fragment):
    def run(bench):
        path = bench.file("results.jsonl", content)
        bench.refused(ConfigurationError, fragment, lambda: read_results(path))
        (bench.folder / "runs").mkdir()
        bench.command(
            "results", "runs", "--out", path, code=2, fragment="precondbench: .*results.jsonl"
        )

    SETTINGS.add(f"results-{name}", run)


results("not-json", "a b\n", "line 1 is not JSON")
results("binary", bytes(range(256)), "cannot be read as results")
results("a-list", "[1, 2]\n", "a row of results is an object")
results("keys-missing", "{}\n", "it has no dataset")
results("half-a-line", '{"dataset": "synth', "line 1 is not JSON")
results("an-empty-line", "\n", "line 1 is not JSON")
results("nested-too-deeply", "[" * 100_000, "line 1")
results("number-of-10000-digits", '{"seed": ' + "9" * 10_000 + "}", "line 1")


ROW = {
    "dataset": "d", "version": "1", "configuration": "c", "split": "test", "label": "l",
    "content_digest": "0" * 64, "matrices": 2, "model": "MLP", "rounds": 4, "width": 16,
    "loss": "x", "seed": 0, "epochs": 2, "max_epochs": 3, "best_epoch": 1, "learning_rate": 1e-3,
    "max_rows": None, "parameters": 9, "seconds": 1.0, "device": "cpu", "device_name": None,
    "torch": None, "cosine_mean": 0.9, "one_minus_cosine_mean": 0.1,
    "log10_one_minus_cosine_median": -1.0, "iterations_mean": 9.0, "iterations_median": 9.0,
    "solved": 1.0, "ratio_to_target": 3.0, "effective_hops": None, "n_log_k_median": None,
    "key": "k", "command": "precondbench train",
}  # fmt: skip


@SETTINGS.case
def results_of_two_equal_runs(bench):
    path = bench.file("results.jsonl", 2 * (json.dumps(ROW) + "\n"))
    bench.refused(ConfigurationError, "of one run and split", lambda: read_results(path))


for key, value in {"seed": "0", "solved": None, "epochs": 1.5, "model": 3, "seconds": True}.items():
    results(f"{key}-of-another-type", json.dumps(ROW | {key: value}) + "\n", key)


def of_a_run(name, damage, fragment, kind):
    """A folder that looks like a finished run."""

    def run(bench):
        from precondbench.leaderboard.scoring.results import collect_results

        folder = bench.folder / "runs" / "seed-0"
        files = {
            "configuration.toml": '[data]\ndataset = "synthetic-tridiag"\n[training]\nrounds=1\n',
            "result.json": json.dumps({"key": "k", "best_epoch": 1, "epochs": 1, "seconds": 1.0,
                                       "device": "cpu", "parameters": 3}),
            "environment.json": "{}",
        } | damage  # fmt: skip
        for file, content in files.items():
            if content is not None:
                bench.file(f"runs/seed-0/{file}", content)
        bench.refused(kind, fragment, lambda: collect_results(bench.folder / "runs"))
        bench.command(
            "submit", "pack", folder, "--author", "A", "--description", "d",
            "--out", bench.folder / "out", code=2,
            fragment="precondbench: ",
        )  # fmt: skip
        assert not (bench.folder / "out").exists()

    SETTINGS.add(f"run-{name}", run)


of_a_run("result-empty", {"result.json": ""}, "result.json is damaged", CheckpointError)
of_a_run("result-a-list", {"result.json": "[]"}, "result.json is damaged", CheckpointError)
of_a_run("result-a-number", {"result.json": "3"}, "result.json is damaged", CheckpointError)
of_a_run("result-lacks-keys", {"result.json": "{}"}, "it has no key", CheckpointError)
of_a_run("environment-lacks-keys", {"environment.json": "[]"}, "environment", CheckpointError)
of_a_run("environment-missing", {"environment.json": None}, "environment", CheckpointError)
of_a_run("environment-damaged", {"environment.json": "{"}, "environment", CheckpointError)
of_a_run("configuration-missing", {"configuration.toml": None}, "cannot be read",
         ConfigurationError)  # fmt: skip
of_a_run("configuration-damaged", {"configuration.toml": "= 3"}, "not a TOML file",
         ConfigurationError)  # fmt: skip
of_a_run("configuration-of-another", {"configuration.toml": "[data]\n"}, "name no dataset",
         ConfigurationError)  # fmt: skip


@SETTINGS.parametrised()
def test_settings(bench, name):
    SETTINGS.run(bench, name)
