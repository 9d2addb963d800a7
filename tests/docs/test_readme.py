"""README.md is at most one screen; its table is tested with the pages that makers write."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"

pytestmark = pytest.mark.skipif(
    not (ROOT / "leaderboard").is_dir(), reason="the leaderboard is not installed"
)


def test_it_shows_what_has_learned():
    assert README.read_text(encoding="utf-8").count("| learned |") >= 4


def test_it_is_one_screen():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 80


def test_the_pictures_are_there():
    for page, name in (
        (README, "docs/figures/idea.png"),
        (ROOT / "docs/index.md", "figures/board.png"),
    ):
        assert f"]({name})" in page.read_text(encoding="utf-8")
        assert (page.parent / name).read_bytes().startswith(b"\x89PNG")
