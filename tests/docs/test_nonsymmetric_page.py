"""docs/nonsymmetric.md agrees with the committed results and with new measurements."""

import importlib.util
import json
from pathlib import Path

import pytest

from precondbench import SyntheticTridiag, evaluate
from precondbench.leaderboard import classical_methods
from precondbench.matrices import LAWS
from precondbench.quality import HopLadder, problem_of

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "nonsymmetric.json").read_text())


@pytest.fixture(scope="module")
def maker():
    path = ROOT / "docs" / "make_nonsymmetric_page.py"
    spec = importlib.util.spec_from_file_location("make_nonsymmetric_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_shows_the_results(maker):
    page = maker.PAGE.read_text(encoding="utf-8")
    assert maker.filled(page) == page
    assert "| ILU(0) |" in page
    assert "| exact factors, ILU(0) | 1.0 |" in page


def test_every_board_is_there():
    boards = [(board["configuration"], board["split"]) for board in RESULTS["boards"]]
    assert boards == [(law, split) for law in LAWS["lu"] for split in ("test", "test_large")]


def test_a_board_is_measured_again():
    """Iterations have the same bits on every machine; the others are slower to compute."""
    data = SyntheticTridiag(split="test", kind="lu", config="twin")
    pairs = [data.pair(i) for i in range(len(data))]
    ladder = HopLadder(map(problem_of, pairs))
    (board,) = (
        board
        for board in RESULTS["boards"]
        if (board["configuration"], board["split"]) == ("twin", "test")
    )
    for row in board["rows"]:
        name = row["method"].removeprefix("exact factors, ")
        method = classical_methods(pairs[0])[name]
        summary = evaluate(data, method, ladder=ladder).summary
        for key in ("solved", "iterations_mean", "iterations_median"):
            assert summary[key] == pytest.approx(row[key], rel=1e-12), row["method"]
        assert summary["effective_hops"] == pytest.approx(row["effective_hops"], abs=1e-6)
        assert summary["cosine_mean"] == pytest.approx(row["cosine_mean"], abs=1e-6)
