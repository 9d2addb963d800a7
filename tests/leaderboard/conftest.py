"""Rows of results written by hand, and runs that were trained."""

import pytest
from typer.testing import CliRunner

from precondbench.cli import app
from precondbench.leaderboard import pack_runs
from precondbench.leaderboard.submissions.check import score_submissions
from result_rows import make_row, paper_like  # noqa: F401


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Submissions of a perceptron trained for one epoch on twins, and of a fitted recurrence."""
    out = tmp_path_factory.mktemp("trained")
    for model, seeds in (("MLP", "0,1,2"), ("MoebiusCell", "0")):
        result = CliRunner().invoke(
            app,
            ["train", "synthetic-tridiag", "--config", "twin", "--model", model, "--seeds", seeds,
             "--set", "rounds=1", "--set", "epochs=1", "--set", "device=cpu", "--out", str(out)],
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        runs = sorted(out.glob(f"*/{model}-1/seed-*"))
        pack_runs(runs, "test", out / model, {"authors": ["me"], "description": "A model."})
    return out


@pytest.fixture(scope="session")
def trained_board(trained, tmp_path_factory):
    """A leaderboard with both, ``mlp-1-round`` and ``moebiuscell-1-round``; not to be changed."""
    folder = tmp_path_factory.mktemp("board") / "leaderboard"
    entries = list(score_submissions([trained / "MLP", trained / "MoebiusCell"], folder))
    assert [entry.id for entry in entries] == ["mlp-1-round", "moebiuscell-1-round"]
    return folder
