"""Links of pages lead to existing files and headings, on GitHub and on the site."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(```|~~~).*?^\1$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "api").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
]


@cache
def prose(path):
    """A page without its examples and code spans, in which brackets mean other things."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", path.read_text(encoding="utf-8")))


@cache
def anchors(path):
    """Names of the headings of a page, as GitHub makes them."""
    found = []
    for heading in HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        name = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        again = found.count(name)
        found.append(f"{name}-{again}" if again else name)
    return found


def test_names_of_headings():
    assert {"inv-k", "ic0", "growth-of-u"} <= set(anchors(ROOT / "docs" / "mathematics.md"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    for target in LINK.findall(prose(path)):
        file, _, anchor = target.partition("#")
        if "://" in target:
            parts = urlsplit(target)
            assert parts.scheme in ("http", "https"), target
            assert "." in parts.netloc, target
            continue
        page = (path.parent / file) if file else path
        assert page.exists(), target
        if anchor:
            assert page.suffix == ".md", target
            assert anchor in anchors(page), target
