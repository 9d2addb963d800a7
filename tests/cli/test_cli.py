"""The command line: output and exit codes."""

import ctypes
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from precondbench.cli import app, output, program
from precondbench.matrices import formula_matrix, read_matrix, write_matrix
from precondbench.recipes import all_plans

runner = CliRunner()


def run(*arguments, code=0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def beam(tmp_path):
    path = tmp_path / "nos1.mtx"
    write_matrix(path, formula_matrix("HB/nos1"))
    return path


def test_list_and_info():
    rows = json.loads(run("list", "--json").stdout)
    assert len(rows) == len(all_plans())
    assert "uniform" in run("list", "synthetic-tridiag").stdout
    assert "CC-BY-4.0" in run("info", "suitesparse-invk").stdout
    matrices = json.loads(
        run(
            "info",
            "suitesparse-invk",
            "--config",
            "tril",
            "--version",
            "sample",
            "--split",
            "val",
            "--json",
        ).stdout
    )
    assert [m["name"] for m in matrices] == ["HB/nos1", "HB/nos2"]
    assert matrices[0]["breakdown_column"] == 10
    assert matrices[0]["n_log_k_ic0"] is None


def test_build_check_and_verify(tmp_path):
    arguments = ("synthetic-tridiag", "--config", "uniform", "--split", "val", "--root", tmp_path)
    (row,) = json.loads(run("build", *arguments, "--json").stdout)
    assert row["records"] == 200
    size = f"{Path(row['path']).stat().st_size / 1e6:.1f}"
    found = run("info", "synthetic-tridiag", "--config", "uniform", "--root", tmp_path).stdout
    assert ["uniform", "val", "200", size] in [line.split() for line in found.splitlines()]
    assert "yes" in run("build", "check", *arguments).stdout
    (checked,) = json.loads(run("verify", "--deep", "--root", tmp_path, "--json").stdout)
    assert checked["ok"]
    run("verify", row["path"])


def test_a_manifest_can_be_written_again(tmp_path):
    """What a maintainer does for a new split leaves known digests alone."""
    from precondbench.shards import load_manifest

    out = tmp_path / "manifest.json"
    names = ("synthetic-tridiag", "--config", "twin", "--split", "val")
    run("build", "manifest", *names, out)
    assert load_manifest(out) == load_manifest()


def test_long_work_tells_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setattr(output, "_SECONDS_BETWEEN_LINES", 0.0)
    with output.progress_bar("scoring") as update:
        update(1, 3, "HB/nos3")
    monkeypatch.setattr(output, "_SECONDS_BETWEEN_LINES", 3600.0)
    output.progress_lines("building")(2, 3)
    assert capsys.readouterr().err == "scoring HB/nos3: 1 of 3\n"


def test_verify_finds_damage(tmp_path):
    arguments = ("synthetic-tridiag", "--config", "uniform", "--split", "val", "--root", tmp_path)
    (row,) = json.loads(run("build", *arguments, "--json").stdout)
    import h5py

    with h5py.File(row["path"], "r+") as file:
        values = file["values/a"][:]
        values[12345] = np.nextafter(values[12345], np.inf)
        file["values/a"][:] = values
    result = json.loads(run("verify", "--root", tmp_path, "--json", code=1).stdout)
    assert "uniform-val-00124" in result[0]["fault"]  # value 12345 of 99 a record
    run("verify", tmp_path / "none.h5", code=1)


def test_verify_of_nothing(tmp_path):
    assert "precondbench build" in run("verify", "--root", tmp_path, code=3).stderr


def test_factor(beam, tmp_path):
    out = tmp_path / "L.mtx"
    text = run("factor", beam, "--method", "invk", "--out", out).stdout
    assert "IC(0) broke down at column 10" in text
    assert "wrote invk factor" in text
    from scipy.io import mmread

    from precondbench import invk

    np.testing.assert_array_equal(mmread(out).toarray(), invk(read_matrix(beam)).toarray())
    report = json.loads(run("factor", beam, "--json").stdout)
    assert report["facts"]["iterations_invk"] == 27
    assert report["facts"]["n_log_k_ic0"] is None


def test_factor_fails_clearly(beam, tmp_path):
    out = tmp_path / "L.npz"
    result = run("factor", beam, "--method", "ic0", "--out", out, code=1)
    assert "IC(0) broke down: the pivot of column 10" in result.stderr
    assert not out.exists()
    assert "there is no file" in run("factor", tmp_path / "x.mtx", code=2).stderr
    run("factor", beam, "--out", tmp_path / "L.txt", code=2)
    run("factor", beam, "--method", "lu", code=2)


@pytest.mark.parametrize(
    "arguments",
    [
        ("list", "nothing"),
        ("info", "nothing"),
        ("build", "synthetic-tridiag", "--config", "nothing"),
        ("build", "collection", "--source", "/nonexistent-folder", "--max-n", "9"),
        ("build", "suitesparse-invk"),
        ("train", "suitesparse-invk"),
        ("build", "synthetic-tridiag", "--jobs", "0"),
        ("train", "synthetic-tridiag", "--model", "nothing"),
        ("train", "nothing"),
        ("train", "synthetic-tridiag", "--seeds", "a"),
        ("score", "/nonexistent.h5"),
    ],
)
def test_errors_are_one_line(arguments):
    result = runner.invoke(app, list(arguments))
    assert result.exit_code in (2, 3)
    assert result.stderr.startswith("precondbench: ")
    assert "Traceback" not in result.output
    assert result.stderr.count("\n") == 1


def test_train_then_score(tmp_path):
    run(
        "train",
        "synthetic-tridiag",
        "--model",
        "MLP",
        "--set",
        "rounds=1",
        "--set",
        "epochs=1",
        "--seeds",
        "3,4",
        "--out",
        tmp_path,
        "--set",
        "device=cpu",
    )
    folder = tmp_path / "synthetic-tridiag-1.0-uniform" / "MLP-1" / "seed-4"
    assert {path.name for path in folder.iterdir()} == {
        "configuration.toml",
        "environment.json",
        "result.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "predictions-val.safetensors",
        "predictions-test.safetensors",
        "predictions-test_large.safetensors",
    }
    report = json.loads(run("score", folder / "predictions-test.safetensors", "--json").stdout)
    assert report["method"] == "MLP (1 round)"
    summary = report["seeds"]["4"]["summary"]
    assert summary["solved"] == 1.0
    assert summary["cosine_mean"] > 0.8
    assert len(report["seeds"]["4"]["rows"]) == 200
    assert "effective hops" in run("score", folder / "predictions-val.safetensors").stdout


def test_quickstart(tmp_path):
    result = run("quickstart", "--out", tmp_path / "q", "--epochs", 1, "--device", "cpu", "--json")
    report = json.loads(result.stdout)
    real, synthetic = report["board"]["tracks"]
    methods = {
        row["method"]: {
            "kind": row["kind"],
            **{key: value and value["mean"] for key, value in row["numbers"].items()},
        }
        for row in synthetic["rows"]
    }
    assert methods["IC(0)"]["iterations_mean"] < 2
    assert methods["none"]["iterations_mean"] > methods["Jacobi"]["iterations_mean"]
    assert methods["MessagePassingMLP (4 rounds, 1 epochs)"]["kind"] == "learned"
    hops = [methods[f"{k}-hop oracle"]["iterations_mean"] for k in (0, 1, 2, 4, 8, 16, 32)]
    assert hops == sorted(hops, reverse=True)
    assert real["matrices"] == 13
    assert [row["method"] for row in real["rows"]] == ["Inv-K", "IC(0)", "Jacobi", "none"]
    check_table_of_the_quickstart(methods)
    assert report["page"] == str(tmp_path / "q" / "board" / "index.html")
    site = tmp_path / "q" / "board"
    assert "MLP (4 rounds, 1 epochs)" in (site / "index.html").read_text()
    page = (site / "tracks" / f"{real['id']}.html").read_text()
    assert "GHS_psdef/torsion1" in page
    assert page.count("<svg") > 2
    assert (tmp_path / "q" / "predictions-MLP.safetensors").stat().st_size > 1000
    run("score", tmp_path / "q" / "predictions-MLP.safetensors")


def check_table_of_the_quickstart(methods):
    """The rows of the table in docs/quickstart.md that nothing random enters are true."""
    text = (Path(__file__).parents[2] / "docs" / "quickstart.md").read_text()
    head, _, *rows = [
        line.strip("| ").split(" | ") for line in text.splitlines() if line.count("|") == 13
    ]
    keys = {
        "iterations": "iterations_mean",
        "solved": "solved",
        "effective hops": "effective_hops",
        "cosine": "cosine_mean",
        "log10(1-cos)": "log10_one_minus_cosine_median",
        "n log K": "n_log_k_median",
        "condition": "condition_median",
    }
    checked = 0
    for cells in rows:
        shown = dict(zip(head, cells, strict=True))
        name = shown["method"]
        if shown["kind"] in ("oracle", "classical"):
            for heading, key in keys.items():
                value = float(shown[heading])
                assert value == pytest.approx(methods[name][key], rel=1e-3, abs=1e-9), (name, key)
            checked += 1
    assert checked == 6


def test_module_and_version():
    command = [sys.executable, "-m", "precondbench", "--version"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert out.startswith("precondbench 0.")


def test_old_spellings_name_the_new_ones():
    for words in (("figures",), ("figures", "--results", "r.jsonl", "--out", "f")):
        assert "'python -m paper'" in run(*words, code=2).stderr
    assert "figures" not in run("--help").stdout


def test_help_names_every_command():
    text = run("--help").stdout
    for command in (
        "quickstart",
        "list",
        "info",
        "build",
        "verify",
        "train",
        "score",
        "board",
        "results",
        "factor",
        "download",
        "release",
        "export",
        "cite",
    ):
        assert command in text
        assert run(command, "--help").stdout


@pytest.fixture
def broken(monkeypatch):
    def fail():
        raise TypeError("no such luck")

    monkeypatch.setattr(program, "app", fail)


@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize(("stop", "code"), [(SystemExit(143), 143), (KeyboardInterrupt(), 130)])
def test_a_signal_in_compiled_code_is_no_fault(stop, code, calls, monkeypatch, capsys):
    def interrupted(calls=calls):
        try:
            if calls > 1:
                interrupted(calls - 1)
            raise stop
        except BaseException as cause:
            raise SystemError("returned a result with an exception set") from cause

    monkeypatch.setattr(program, "app", interrupted)
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == code
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("number", "ending"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_in_a_callback_is_not_lost(number, ending, monkeypatch):
    """Exceptions end where compiled code calls Python, as LLVM does for each module."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    passed = []

    @ctypes.CFUNCTYPE(None)
    def callback():
        signal.raise_signal(number)

    def interrupted():
        callback()
        passed.append("callback")
        time.sleep(20.0)

    monkeypatch.setattr(program, "app", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(ending):
            program.main()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert passed == ["callback"]


def test_what_else_is_lost_is_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "__unraisablehook__", shown.append)
    lost = SimpleNamespace(exc_type=ValueError)
    program._signal_again(lost)
    assert shown == [lost]


@pytest.mark.usefixtures("broken")
def test_an_unexpected_error_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv(program.TRACEBACK, raising=False)
    with pytest.raises(SystemExit) as ended:
        program.main()
    said = capsys.readouterr().err
    assert ended.value.code == program.INTERNAL_ERROR
    assert said.startswith("precondbench: unexpected TypeError: no such luck")
    assert said.count("\n") == 1
    assert "precondbench doctor" in said


@pytest.mark.usefixtures("broken")
def test_the_traceback_is_there_for_those_who_ask(monkeypatch):
    monkeypatch.setenv(program.TRACEBACK, "1")
    with pytest.raises(TypeError, match="no such luck"):
        program.main()
