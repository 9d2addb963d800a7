"""The site builds without warnings and lists the public API."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from house import public

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OBJECT = re.compile(r"^\.\. (?:auto\w+|py:data):: (\w+)$", re.MULTILINE)
TRACK = "suitesparse-invk-1.0-tril-test"
PACKAGES = sorted(page.stem for page in (DOCS / "api").glob("*.md") if page.stem != "index")


def needs_sphinx():
    for module in ("sphinx", "myst_nb", "pydata_sphinx_theme", "numpydoc"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; pip install 'precondbench[docs]'")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    needs_sphinx()
    folder = tmp_path_factory.mktemp("site")
    # One track: all of them take half a minute, and are tested where boards are.
    for part in (
        f"tracks/{TRACK}.json",
        f"entries/{TRACK}/ic-0.json",
        f"entries/{TRACK}/inv-k.json",
    ):
        copy = folder / "leaderboard" / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "leaderboard" / part, copy)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    settings = ["-d", folder / "doctrees", "-D", f"boards_folder={folder / 'leaderboard'}"]
    done = subprocess.run(
        [*command, *settings, DOCS, folder / "html"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_page_is_built(site):
    for page in (*DOCS.rglob("*.md"), *DOCS.glob("*.ipynb")):
        if "_build" not in page.parts:
            assert (site / page.relative_to(DOCS)).with_suffix(".html").exists(), page


def test_the_site_loads_nothing_from_elsewhere_and_names_no_folder_of_this_machine(site):
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert re.findall(r"<(?:script|img|iframe)[^>]* src=\"(?:https?:)?//", text) == [], page
        assert re.findall(r"<link[^>]* rel=\"stylesheet\" href=\"(?:https?:)?//", text) == [], page
        assert str(ROOT) not in text, page


def test_pages_lead_to_the_boards_and_back(site):
    board = site / "board"
    assert (board / "tracks" / f"{TRACK}.html").is_file()
    for page in (site / "index.html", site / "api" / "factors.html", *board.rglob("*.html")):
        text = page.read_text(encoding="utf-8")
        links = re.findall(r"<a[^>]* href=\"([^\"#:]*\.html)", text)
        targets = {(page.parent / link).resolve() for link in links}
        assert [target for target in targets if not target.is_file()] == []
        assert {board / "index.html", site / "protocol.html"} & targets, page
    assert (site / "submitting.html") in targets


@pytest.mark.parametrize("page", ["index", "protocol", "solve_and_plot", "api/factors", "commands"])
def test_pages_are_accessible_and_fit_a_phone(site, browser, violations, page):
    context = browser.new_context(viewport={"width": 390, "height": 900})
    shown = context.new_page()
    shown.goto((site / f"{page}.html").as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(shown) == []
    context.close()


def test_every_formula_is_converted(site):
    formulas = [
        formula
        for page in site.glob("*.html")
        for formula in re.findall(r"<math.*?</math>", page.read_text(encoding="utf-8"))
    ]
    assert len(formulas) > 500
    # What the converter does not know it leaves as a command of LaTeX.
    assert [formula for formula in formulas if "\\" in formula or "merror" in formula] == []


def test_names_in_formulas_are_spaced(monkeypatch):
    needs_sphinx()
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    mathml = importlib.import_module("mathml").mathml
    assert '<mi>n</mi><mspace width="0.167em" /><mi>log</mi><mspace' in mathml(
        r"n \log K", "inline"
    )
    assert "mspace" not in mathml(r"\sin(x)", "inline")
    # A power has two children, and a space is none of them.
    assert "<msup><mi>sin</mi><mn>2</mn></msup>" in mathml(r"\sin^2 x", "inline")
    assert "<munder><mi>max</mi>" in mathml(r"\max_{x} f", "block")


@pytest.mark.parametrize("package", PACKAGES)
def test_the_reference_lists_each_public_name_once(package):
    listed = OBJECT.findall((DOCS / "api" / f"{package}.md").read_text(encoding="utf-8"))
    assert len(set(listed)) == len(listed)
    if package != "errors":
        assert set(public(package)) == set(listed)


def test_every_public_package_has_a_page():
    folders = {path.parent.name for path in (ROOT / "src" / "precondbench").glob("*/__init__.py")}
    # The command's help is its reference.
    assert {name for name in folders if not name.startswith("_")} - {"cli"} <= set(PACKAGES)
