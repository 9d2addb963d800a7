"""README.md is at most one screen, and its table agrees with the leaderboard."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(
    not (ROOT / "leaderboard").is_dir(), reason="the leaderboard is not installed"
)


def test_the_table_is_that_of_the_leaderboard():
    path = ROOT / "docs" / "make_readme_table.py"
    spec = importlib.util.spec_from_file_location("make_readme_table", path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    page = README.read_text(encoding="utf-8")
    assert made.filled(page) == page
    assert page.count("| learned |") >= 4


def test_it_is_one_screen():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 80


def test_the_pictures_are_there():
    for page, name in (
        (README, "docs/figures/idea.png"),
        (ROOT / "docs/index.md", "figures/board.png"),
    ):
        assert f"]({name})" in page.read_text(encoding="utf-8")
        assert (page.parent / name).read_bytes().startswith(b"\x89PNG")
