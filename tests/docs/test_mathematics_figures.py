"""The figures of the mathematics agree with the text of the pages."""

import runpy
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def make():
    return runpy.run_path(str(ROOT / "docs" / "make_mathematics_figures.py"))


def test_every_figure_is_drawn_and_shown(make, tmp_path):
    pages = "".join(page.read_text("utf-8") for page in (ROOT / "docs").glob("*.md"))
    for name in make["FIGURES"]:
        assert f"](figures/{name}.svg)" in pages
        assert (ROOT / "docs" / "figures" / f"{name}.svg").is_file()
    make["draw_reach"](tmp_path / "reach.svg")
    assert (tmp_path / "reach.svg").read_text("utf-8").lstrip().startswith("<?xml")


def test_growth_makes_plateaus_and_the_change_removes_them(make):
    hops = range(8, 33, 12)
    plateau = make["window_errors"](6, False, hops, draws=5)
    decay = make["window_errors"](6, True, hops, draws=5)
    assert plateau[-1] > 0.5 * plateau[0]
    assert decay[-1] < 0.05 * decay[0]


def test_influence_reaches_as_far_as_the_law_says(make):
    far = {law: make["influence"](law, draws=20) for law in ("growth", "hard", "local")}
    assert far["growth"][-1] > 0.05
    assert far["hard"][20] > 0.1 > 1e-3 > far["hard"][-1]
    assert far["local"][-1] < 1e-6


def test_patches_are_blind_beyond_their_hops(make):
    reach = make["reach"](12)
    for hops in (1, 3, 7):
        patch = reach[f"local-patch Inv-K, k = {hops}"]
        assert np.allclose(patch[: hops + 1], reach["Inv-K"][: hops + 1], rtol=0.2)
        assert np.all(patch[hops + 1 :] == 0)
    assert np.all(reach["Inv-K"] > 0)


def test_ceilings_rise_with_what_is_seen(make):
    left = make["ceilings"]("twin")
    assert left[0] > 0.008
    assert left[-1] == 0
    assert np.all(np.diff(left) <= 0)
