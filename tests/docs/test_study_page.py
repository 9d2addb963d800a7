"""docs/study.md agrees with the committed results."""

import importlib.util
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest

from precondbench import ic0

ROOT = Path(__file__).parents[2]
RESULTS = json.loads((ROOT / "benchmarks" / "results" / "solver_study.json").read_text())
ROWS = RESULTS["rows"]
PROBLEMS = list(dict.fromkeys(row["problem"] for row in ROWS))
SIZES = (1000, 10_000, 100_000, 1_000_000)


@pytest.fixture(scope="module")
def maker():
    path = ROOT / "docs" / "make_study_page.py"
    spec = importlib.util.spec_from_file_location("make_study_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def found(problem, size, method):
    (row,) = (
        row
        for row in ROWS
        if (row["problem"], row["size"], row["method"]) == (problem, size, method)
    )
    return row


def test_the_figure_shows_the_results(maker, tmp_path):
    maker.draw(RESULTS, tmp_path / "study.svg")
    assert (tmp_path / "study.svg").stat().st_size > 10_000
    assert maker.FIGURE.is_file()


def test_every_measurement_is_there(maker):
    assert len(ROWS) == 6 * 4 * 9
    assert {row["size"] for row in ROWS} == set(SIZES)
    assert all(row["status"] in ("converged", "refused", "ended") for row in ROWS)


def test_a_complete_factorisation_is_never_beaten_by_invk(maker):
    for problem in PROBLEMS:
        for size in SIZES[1:]:
            ours, other = found(problem, size, "Inv-K"), found(problem, size, "direct Cholesky")
            if ours["status"] == other["status"] == "converged":
                assert maker.total(ours) > maker.total(other)


@pytest.mark.parametrize("problem", [p for p in PROBLEMS if p != "anisotropic 2D"])
def test_invk_needs_fewest_iterations_of_what_keeps_tril(maker, problem):
    for size in SIZES[1:]:
        counts = {
            name: row["iterations"]
            for name in maker.ON_TRIL
            if (row := found(problem, size, name))["status"] == "converged"
        }
        if "Inv-K" in counts:
            assert counts["Inv-K"] == min(counts.values())


def test_invk_pays_in_two_dimensions_sooner_than_in_three(maker):
    def worth(problem, size):
        text = maker.break_even(found(problem, size, "Inv-K"), found(problem, size, "IC(0)"))
        return math.inf if text == "never" else int(text.replace(",", ""))

    for kind in ("Poisson", "anisotropic", "high contrast"):
        assert worth(f"{kind} 2D", 100_000) < worth(f"{kind} 3D", 100_000)
    assert worth("high contrast 2D", 100_000) == 1


def test_compensation_agrees_with_the_study(maker):
    """The same problems and right-hand sides, so the same counts of IC(0) and nearly of Inv-K."""
    for row in json.loads((ROOT / "benchmarks/results/compensation.json").read_text()):
        for method in ("IC(0)", "Inv-K"):
            other = found(row["problem"], row["size"], method)
            if other["status"] == "converged":
                assert row["iterations"][method] == pytest.approx(other["iterations"], rel=0.02)


def test_no_compensation_is_ic0():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        from compensation import modified_ic0
        from diffusion import diffusion
    finally:
        sys.path.pop(0)
    for problem in ("high contrast 2D", "anisotropic 3D"):
        A = diffusion(problem, 16 if problem.endswith("2D") else 6)
        assert abs(modified_ic0(A, 0.0) - ic0(A)).max() < 1e-12 * abs(ic0(A)).max()
        L = modified_ic0(A, 1.0)
        ones = np.ones(A.shape[0])
        assert np.allclose(L @ (L.T @ ones), A @ ones, atol=1e-9 * abs(A).max())


def test_patches_in_anisotropic_two_dimensions_are_worse_than_ic0():
    for size in SIZES:
        patch = found("anisotropic 2D", size, "local patch, k = 3")
        assert patch["iterations"] > found("anisotropic 2D", size, "IC(0)")["iterations"]


def test_forecasts_are_close_enough_to_refuse_by():
    rows = json.loads((ROOT / "benchmarks" / "results" / "forecast.json").read_text())
    assert max(row["n"] for row in rows) == 1_000_000
    for row in rows:
        # Below some megabytes and tenths of a second other things count.
        if row["mb"] > 30:
            assert 0.9 < row["forecast_mb"] / row["mb"] < 1.5, row["name"]
        if row["seconds"] > 1:
            assert 0.5 < row["forecast_seconds"] / row["seconds"] < 2, row["name"]
