"""Spelling, in British English: factorisation, neighbour, behaviour."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AMERICAN = re.compile(
    r"\b(?:factori|optimi|minimi|maximi|normali|generali|initiali|regulari|reali|summari|penali|"
    r"standardi|discreti|parallelis|symmetri|recogni|organi)z(?:e[sdr]?|ing|ations?)\b"
    r"|\bneighbors?\b|\bbehaviors?\b|\bcolors?\b|\bcenter(?:ed|s)?\b|\bmodeling\b",
    re.IGNORECASE,
)
# Titles of papers, what a paper says, and addresses stay as they are.
QUOTED = re.compile(
    r"\]\(https?://[^)]*\)|Triangular\s+Factorizations"
    r"|^## References.*?(?=^## |\Z)|^\| +\d+ \|[^\n]*|`[^`]*`",
    re.DOTALL | re.MULTILINE,
)
FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def test_words_are_spelt():
    if importlib.util.find_spec("codespell_lib") is None:
        pytest.skip("codespell is not installed; pip install 'precondbench[docs]'")
    # What is looked at, and words that are none of its business, are in pyproject.toml.
    texts = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs", "src"]
    command = [sys.executable, "-m", "codespell_lib", *texts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "path",
    [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))],
    ids=lambda path: path.name,
)
def test_pages_are_written_the_british_way(path):
    text = path.read_text(encoding="utf-8")
    # An odd character keeps the words on both sides of what is left out apart.
    prose = re.sub(QUOTED, "|", re.sub(FENCE, "|", text))
    assert AMERICAN.findall(prose) == []
