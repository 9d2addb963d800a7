"""Figures of the paper: their numbers, and the choice of what is drawn."""

import json
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from paper.figures import draw_paper_figures, five_outcomes, six_outcomes
from paper.model_figures import MODELS, Panel, draw_against_ceiling, draw_by_rounds, in_order
from paper.numbers import (
    diagonal_changes,
    invk_against_ic0,
    protocol_summaries,
    read_invk_against_ic0,
    twin_ceilings,
)
from precondbench.errors import ConfigurationError
from precondbench.leaderboard import summarise_results
from precondbench.recipes.suitesparse import UNSOLVED
from precondbench.shards import load_manifest

STORED = Path(__file__).parents[2] / "benchmarks" / "results" / "invk_against_ic0.json"


def pivots(diagonal, squares):
    """Pivots of a tridiagonal matrix in rational arithmetic."""
    found = [diagonal[0]]
    for a, b in zip(diagonal[1:], squares, strict=True):
        found.append(a - b / found[-1])
    return found


@pytest.mark.parametrize("name", ["poisson", "theorem 2.1"])
def test_figure_1_agrees_with_rational_arithmetic(name):
    n = 60
    if name == "poisson":
        diagonal, squares = [Fraction(2)] * n, [Fraction(1)] * (n - 1)
    else:
        # A_kk = L_kk^2 + L_{k,k-1}^2 and A_{k+1,k} = L_{k+1,k} L_kk, as in the paper's proof.
        diagonal = [Fraction(1)] + [1 + Fraction(1, k * k) for k in range(2, n + 1)]
        squares = [Fraction(1, k * k) for k in range(1, n)]
    before = pivots(diagonal, squares)
    after = pivots([diagonal[0] + 1, *diagonal[1:]], squares)
    # sqrt(a) - sqrt(b) = (a - b) / (sqrt(a) + sqrt(b)), the difference still rational.
    expected = [
        float(new - old) / (float(new) ** 0.5 + float(old) ** 0.5)
        for new, old in zip(after, before, strict=True)
    ]
    np.testing.assert_allclose(diagonal_changes(n)[name], expected, rtol=1e-12)


def test_figure_1_decays_on_the_left_and_not_on_the_right():
    changes = diagonal_changes(90)
    k = np.arange(1, 91)
    np.testing.assert_allclose(changes["poisson"][40:] * 4 * k[40:] ** 2, 1.0, rtol=0.01)
    assert np.all(np.diff(changes["theorem 2.1"][1:]) > 0)
    assert 0.98 < changes["theorem 2.1"][-1] < 1.0
    for n in (0, 91):
        with pytest.raises(ConfigurationError, match="1 to 90 rows"):
            diagonal_changes(n)


def test_stored_iterations_are_those_of_the_manifest():
    stored = read_invk_against_ic0(STORED)
    manifest = load_manifest()
    for split, digest in stored["content_digests"].items():
        entry = manifest.split(stored["dataset"], stored["version"], "tril", split)
        assert entry.content_digest == digest
    outcomes = [source.outcome for source in manifest.sources_of("1.0")]
    assert len(stored["matrices"]) == outcomes.count("built")
    assert stored["neither"] == outcomes.count("neither label converges")
    counted = five_outcomes(stored["matrices"], stored["neither"])
    assert counted["IC(0) fails, Inv-K converges"] == 33
    # Nothing is fetched or built for a figure, and the cache of these tests has no real release.
    assert invk_against_ic0() is None


def test_a_sixth_case_where_another_factor_is_better():
    def row(ic0, shifted, mic0, invk):
        names = {"ic0": ic0, "ic0_shifted": shifted, "mic0": mic0, "invk": invk}
        return {f"iterations_{name}": count for name, count in names.items()}

    rows = [
        row(100, 100, 90, 100),  # fewer than both
        row(100, 100, 96, 100),  # not by 5 %
        row(-1, 50, 50, -1),  # the only one
        row(-1, 90, 90, 80),
        row(100, 100, 100, 80),
        row(80, 80, 80, 100),
        row(80, 80, 80, -1),
    ]
    assert list(six_outcomes(rows, 2).values()) == [2, 1, 1, 1, 2, 2]
    stored = json.loads((STORED.parent / "real_labels.json").read_text())["tril"]
    counted = six_outcomes(stored["all"], len(stored["unsolved"]))
    sources = load_manifest().sources_of("2.0")
    outcomes = [source.outcome for source in sources]
    assert sum(counted.values()) == outcomes.count("built") + outcomes.count(UNSOLVED)


def test_damaged_iterations(tmp_path):
    path = tmp_path / "i.json"
    for text in ("{", "[]", "{}", '{"neither": "7", "matrices": []}'):
        path.write_text(text)
        with pytest.raises(ConfigurationError, match=r"i\.json"):
            read_invk_against_ic0(path)
    path.write_text(json.dumps({"neither": 7, "matrices": [{"name": "a"}]}))
    with pytest.raises(ConfigurationError, match="a matrix lacks facts"):
        read_invk_against_ic0(path)


@pytest.fixture
def everything(paper_like, make_row):
    rows = list(paper_like)
    names = {"dataset": "suitesparse-invk", "configuration": "tril", "effective_hops": None}
    for model in MODELS:
        rows += [make_row(model, rounds, 0, 0.1, **names) for rounds in (1, 2)]
        rows += [make_row(model, 4, 0, 0.02, configuration=name) for name in ("twin", "sawtooth")]
    return rows


def test_every_figure_is_drawn_and_repeats_to_the_byte(everything, tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder, rows in zip(folders, (everything, everything[::-1]), strict=True):
        drawn = draw_paper_figures(rows, folder, stored_iterations=STORED, formats=("svg",))
        assert drawn.left_out == {}
    names = sorted(path.name for path in folders[0].iterdir())
    assert names == sorted(
        f"{name}.svg"
        for name in (
            "figure1", "figure2", "figure3", "figure3-hops", "figure3-iterations", "figure3-twin",
            "figure4", "figure4-iterations",
        )
    )  # fmt: skip
    for name in names:
        first, second = (folder / name for folder in folders)
        assert first.read_bytes() == second.read_bytes()
        ElementTree.parse(first)
    text = (folders[0] / "figure3.svg").read_text()
    assert all(model in text for model in MODELS)
    twin = (folders[0] / "figure3-twin.svg").read_text()
    assert "twin, 300 epochs" in twin
    assert "proven bound" in twin


def test_png(make_row, tmp_path):
    summaries = summarise_results([make_row(), make_row(rounds=2)])
    for name in "ab":
        draw_by_rounds(
            summaries, [Panel("cosine_mean", "cosine")], "title", tmp_path / f"{name}.png"
        )
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert first == (tmp_path / "b.png").read_bytes()


def test_what_has_no_rows_is_left_out(make_row, tmp_path):
    drawn = draw_paper_figures([make_row(effective_hops=None)], tmp_path, formats=("svg",))
    assert [path.stem for path in drawn.files] == ["figure1", "figure3", "figure3-iterations"]
    assert set(drawn.left_out) == {
        "figure2", "figure3-hops", "figure3-twin", "figure4", "figure4-iterations",
    }  # fmt: skip
    assert "suitesparse-invk/1.0/tril/test" in drawn.left_out["figure4"]
    assert not (tmp_path / "figure4.svg").exists()


def test_legend_tells_epochs_apart(make_row, tmp_path):
    path = tmp_path / "f.svg"
    rows = [make_row("MLP"), make_row("GEN", max_epochs=100), make_row("Mine", max_epochs=20)]
    summaries = protocol_summaries(rows, "synthetic-tridiag", "1.0", "uniform", "test")
    draw_by_rounds(summaries, [Panel("iterations_mean", "iterations", True)], "title", path)
    text = path.read_text()
    assert text.index("MLP (300 epochs)") < text.index("GEN (100 epochs)")
    assert text.index("GEN (100 epochs)") < text.index("Mine (20 epochs)")
    assert in_order(["Mine", "GEN", "A", "MLP"]) == ["MLP", "GEN", "A", "Mine"]


def test_ceilings_of_twins_only(make_row):
    rows = [make_row("MLP", rounds, configuration="twin") for rounds in (4, 7, 30)]
    rows += [make_row("MLP", 4, configuration=name) for name in ("uniform", "sawtooth", "mine")]
    ceilings = twin_ceilings(rows)
    # docs/twins.md; a network of 30 blocks sees all 20 rows, and no ceiling is stored.
    assert {key: round(value, 5) for key, value in ceilings.items()} == {
        ("twin", "test", 4): 0.99338,
        ("twin", "test", 7): 0.99469,
    }


def test_depths_beside_the_bound(make_row, tmp_path):
    path = tmp_path / "f.svg"
    rows = [make_row("MLP", rounds, configuration="twin") for rounds in (1, 4)]
    draw_against_ceiling({"twin": summarise_results(rows)}, {("twin", 4): 0.99}, path)
    assert "MLP, 4" in path.read_text()
