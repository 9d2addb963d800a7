"""The report on an installation: correct on a sound one, and naming what is broken."""

import json
from importlib import metadata

import pytest
from typer.testing import CliRunner

import precondbench
from precondbench.cli import app, doctor
from precondbench.cli.doctor import examine


def named(findings):
    return {finding.name: finding for finding in findings}


def test_a_sound_installation_has_no_problem(tmp_path):
    findings = named(examine(tmp_path / "cache"))
    assert [f for f in findings.values() if f.problem] == []
    assert findings["precondbench"].value == precondbench.__version__
    assert findings["numpy"].value == metadata.version("numpy")
    assert "digest as published" in findings["factors"].value
    # It looks, and leaves nothing behind.
    assert list(tmp_path.iterdir()) == []


def test_every_dependency_is_there():
    names = named(examine(check=False))
    assert {"torch", "torch-geometric", "h5py", "pooch", "ssgetpy", "scipy"} <= set(names)


@pytest.mark.parametrize(
    ("found", "least", "old"),
    [
        ("1.26.0", "1.26", False),
        ("1.25.9", "1.26", True),
        ("2.0", "1.26", False),
        ("2.13.0+cpu", "2.4", False),
        ("1.0rc2", "1.0rc2", False),
    ],
)
def test_versions_are_compared_by_numbers(monkeypatch, found, least, old):
    monkeypatch.setattr(metadata, "version", lambda name: found)
    assert bool(doctor._requirement(f"numpy>={least}").problem) is old


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(metadata, "requires", lambda name: ["no-such-package>=1.0", "numpy>=1.26"])
    found = named(examine(check=False))["no-such-package"]
    assert found.value == "missing"
    assert "pip install" in found.problem


def test_a_file_in_place_of_the_cache_is_named(tmp_path):
    file = tmp_path / "cache"
    file.write_text("not a folder")
    assert "PRECONDBENCH_CACHE" in named(examine(file, check=False))["cache"].problem


def test_a_mirror_that_is_none_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PRECONDBENCH_SUITESPARSE", str(tmp_path))
    assert "ssstats.csv" in named(examine(check=False))["SuiteSparse mirror"].problem


def test_other_numbers_are_named(monkeypatch):
    def differs(plan, manifest):
        raise precondbench.PrecondbenchError("digest aa, not bb")

    monkeypatch.setattr("precondbench.recipes.check_plan", differs)
    assert "digest aa" in named(examine())["factors"].problem


def test_the_command(monkeypatch, tmp_path):
    shown = CliRunner().invoke(app, ["doctor", "--no-check", "--json"])
    assert shown.exit_code == 0
    assert {line["subject"] for line in json.loads(shown.output)} == {"software", "machine", "data"}
    monkeypatch.setenv("PRECONDBENCH_SUITESPARSE", str(tmp_path))
    broken = CliRunner().invoke(app, ["doctor", "--no-check"])
    assert broken.exit_code == 1
    assert "PRECONDBENCH_SUITESPARSE" in broken.output
