"""The site is built without a warning, and says all that is public."""

import importlib
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OBJECT = re.compile(r"^\.\. (?:auto\w+|py:data):: (\w+)$", re.MULTILINE)
PACKAGES = sorted(page.stem for page in (DOCS / "api").glob("*.md") if page.stem != "index")


def needs_sphinx():
    for module in ("sphinx", "myst_parser", "pydata_sphinx_theme", "numpydoc"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; pip install 'precondbench[docs]'")


def test_the_site_is_built_without_a_warning(tmp_path):
    needs_sphinx()
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", tmp_path / "doctrees", DOCS, tmp_path / "html"],
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    for page in DOCS.glob("*.md"):
        assert (tmp_path / "html" / f"{page.stem}.html").exists(), page.name


@pytest.mark.parametrize("package", PACKAGES)
def test_the_reference_lists_each_public_name_once(package):
    listed = OBJECT.findall((DOCS / "api" / f"{package}.md").read_text(encoding="utf-8"))
    public = importlib.import_module(f"precondbench.{package}").__all__
    assert len(set(listed)) == len(listed)
    assert set(public) <= set(listed)


def test_every_public_package_has_a_page():
    folders = {path.parent.name for path in (ROOT / "src" / "precondbench").glob("*/__init__.py")}
    # The command's help is its reference.
    assert folders - {"cli"} <= set(PACKAGES)
