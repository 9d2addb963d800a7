"""docs/architecture.md shows the imports that the code has, and they run in no circle."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not (ROOT / "src").is_dir(), reason="needs the source tree")


@pytest.fixture(scope="module")
def made():
    path = ROOT / "docs" / "make_architecture_page.py"
    spec = importlib.util.spec_from_file_location("make_architecture_page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_code_imports(made):
    page = made.PAGE.read_text(encoding="utf-8")
    assert made.filled(page) == page


def test_the_figure_shows_every_package(made):
    drawn = made.FIGURE.read_text(encoding="utf-8")
    for name in made.without_detours(made.imports()):
        assert f">{name}<" in drawn


def test_a_circle_is_found(made):
    with pytest.raises(ValueError, match="a -> b -> a"):
        made.layers({"a": {"b"}, "b": {"a"}})
