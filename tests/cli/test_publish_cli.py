"""``release``, ``download``, ``export`` and ``cite``: output and exit codes."""

import importlib.util
import json

import pytest
from typer.testing import CliRunner

from precondbench.cli import app
from precondbench.matrices import read_matrix

runner = CliRunner()
SAMPLE = ("suitesparse-invk", "--config", "tril", "--version", "sample", "--split", "val")


def run(*arguments, code=0):
    result = runner.invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli") / "release"
    result = run("release", folder, "--dataset", *SAMPLE)
    assert "8 files" in result.stdout
    assert "val-5b71ef697b403d80.h5" in result.stdout
    validated = importlib.util.find_spec("mlcroissant") is not None
    assert ("not validated" not in result.stdout) == validated
    return folder


def test_release_and_download_from_a_folder(released, tmp_path, monkeypatch):
    monkeypatch.setenv("PRECONDBENCH_MIRROR", str(released))
    (row,) = json.loads(run("download", *SAMPLE, "--root", tmp_path, "--json").stdout)
    assert row["records"] == 2
    assert "In the cache" in run("download", *SAMPLE, "--root", tmp_path).stdout
    run("verify", row["path"], "--deep")
    # A mirror that is named is the only one.
    run("download", *SAMPLE, "--root", tmp_path / "o", "--mirror", tmp_path / "none", code=3)
    monkeypatch.delenv("PRECONDBENCH_MIRROR")
    run("download", *SAMPLE, "--root", tmp_path / "o", "--mirror", released)


def test_release_reports_json(tmp_path):
    arguments = ("release", tmp_path / "r", "--dataset", *SAMPLE, "--flat", "--json")
    report = json.loads(run(*arguments).stdout)
    assert report["folder"] == str(tmp_path / "r")
    assert report["croissant_checked"] == (importlib.util.find_spec("mlcroissant") is not None)
    entry = report["splits"]["suitesparse-invk/sample/tril/val"]
    assert entry["path"] in report["files"]
    assert sorted(path.name for path in (tmp_path / "r").iterdir()) == report["files"]


def test_release_of_several_datasets(tmp_path):
    report = json.loads(
        run(
            *("release", tmp_path / "r", "--dataset", "synthetic-tridiag", "--version", "1.0"),
            *("--config", "uniform", "--split", "val", "--base-url", "http://data.example/x"),
            *("--date", "2026-02-03", "--json"),
        ).stdout
    )
    assert list(report["splits"]) == ["synthetic-tridiag/1.0/uniform/val"]
    assert "http://data.example/x" in (tmp_path / "r" / "data_manifest.json").read_text()


def test_release_into_another_release(released):
    result = run("release", released, "--dataset", *SAMPLE, "--date", "2026-02-03", code=2)
    assert "published files never change" in result.stderr
    assert result.stderr.count("\n") == 1
    run("release", released, "--dataset", *SAMPLE)


def test_download_says_why_there_is_nothing(tmp_path, monkeypatch):
    result = run("download", *SAMPLE, "--root", tmp_path / "c", code=3)
    assert "set PRECONDBENCH_MIRROR" in result.stderr
    assert "precondbench build suitesparse-invk --version sample" in result.stderr
    assert result.stderr.count("\n") == 1
    monkeypatch.setenv("PRECONDBENCH_MIRROR", "http://127.0.0.1:9")
    result = run("download", *SAMPLE, "--root", tmp_path / "c", code=3)
    assert "PRECONDBENCH_OFFLINE forbids" in result.stderr
    assert not list(tmp_path.rglob("*.h5"))


def test_download_refuses_other_bytes(released, tmp_path, monkeypatch):
    manifest = json.loads((released / "data_manifest.json").read_text())
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "data_manifest.json").write_text(json.dumps(manifest))
    place = manifest["datasets"]["suitesparse-invk"]["sample"]["configurations"]["tril"]
    target = mirror / place["splits"]["val"]["shards"][0]["path"]
    target.parent.mkdir(parents=True)
    target.write_text("<html>Not found</html>")
    monkeypatch.setenv("PRECONDBENCH_MIRROR", str(mirror))
    result = run("download", *SAMPLE, "--root", tmp_path / "c", code=1)
    assert "has other bytes" in result.stderr
    assert not list((tmp_path / "c").rglob("*.h5"))


@pytest.mark.parametrize(("to", "ending"), [("mtx", ".mtx"), ("npz", ".npz")])
def test_export(tmp_path, to, ending):
    text = run("export", *SAMPLE, "--to", to, "--out", tmp_path).stdout
    assert "Written" in text
    folder = tmp_path / "suitesparse-invk" / "sample" / "tril" / "val" / "HB"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"nos1.A{ending}",
        f"nos1.L_invk{ending}",
        f"nos2.A{ending}",
        f"nos2.L_invk{ending}",
    ]
    assert read_matrix(folder / f"nos1.A{ending}").shape == (237, 237)


def test_export_of_one_factor(tmp_path):
    (report,) = json.loads(
        run("export", *SAMPLE, "--to", "npz", "--out", tmp_path, "--label", "ic0", "--json").stdout
    )
    assert len(report["files"]) == 2
    assert report["missing"] == ["HB/nos1: ic0", "HB/nos2: ic0"]
    result = run("export", *SAMPLE, "--to", "npz", "--out", tmp_path, "--label", "lu", code=2)
    assert "there are: ic0, invk" in result.stderr
    run("export", *SAMPLE, "--to", "xlsx", "--out", tmp_path, code=2)


def test_cite():
    text = run("cite", "suitesparse-invk").stdout
    assert "10.1145/2049662.2049663" in text
    assert "@misc{suitesparse-HB-nos1," in text
    assert "suitesparse-HB" not in run("cite", "synthetic-tridiag").stdout
    assert "@software{precondbench-synthetic-tridiag-1.0," in run("cite").stdout
    assert "no dataset 'x'" in run("cite", "x", code=2).stderr
