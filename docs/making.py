"""Shared functions of the scripts that generate pages: paths, results, tables, marked parts."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
ROOT = DOCS.parent
RESULTS = ROOT / "benchmarks" / "results"
LEADERBOARD = ROOT / "leaderboard"

if importlib.util.find_spec("paper") is None:
    # The scripts are started by path, so only their own folder is on the import path.
    sys.path.append(str(ROOT))


def stored(name: str) -> Any:
    """Return the content of a JSON file in benchmarks/results."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table; columns after the first ``words`` contain numbers."""
    lines = [header, [*["---"] * words, *["---:"] * (len(header) - words)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_parts(page: str, parts: Mapping[str, str]) -> str:
    """Return the page with the text between ``<!-- mark -->`` and ``<!-- end of mark -->`` new."""
    for mark, text in parts.items():
        start, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        head, found, rest = page.partition(start)
        assert found, mark
        _, found, tail = rest.partition(end)
        assert found, mark
        page = f"{head}{start}{text}\n{end}{tail}"
    return page


def rewrite(path: Path, parts: Mapping[str, str]) -> None:
    """Replace parts of a page."""
    text = with_parts(path.read_text(encoding="utf-8"), parts)
    path.write_text(text, encoding="utf-8")
