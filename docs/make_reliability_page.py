"""Update the table of cases in docs/reliability.md.

    python docs/make_reliability_page.py

Counts the cases in the registry of tests/faults.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from making import DOCS, ROOT, rewrite, with_parts

PAGE = DOCS / "reliability.md"
FAULTS = ROOT / "tests" / "faults"


def subjects() -> dict[str, Any]:
    """Import all files of cases and return the registry."""
    paths = [str(FAULTS), str(FAULTS.parent)]
    sys.path[:0] = paths
    try:
        for file in sorted(FAULTS.glob("test_*.py")):
            importlib.import_module(file.stem)
        registry: dict[str, Any] = importlib.import_module("harness").SUBJECTS
        return registry
    finally:
        for path in paths:
            sys.path.remove(path)


def cases_table() -> str:
    """Return a table with one line per subject, sorted by title, and the total."""
    lines = [
        "| subject | cases | input | expected outcome |",
        "| --- | ---: | --- | --- |",
    ]
    found = sorted(subjects().values(), key=lambda subject: subject.title)
    lines += [f"| {s.title} | {len(s.cases)} | {s.tried} | {s.outcome} |" for s in found]
    total = sum(len(subject.cases) for subject in found)
    return "\n".join([*lines, f"| total | {total} | | |"])


def filled(page: str) -> str:
    """Return the page with an updated table."""
    return with_parts(page, {"cases": cases_table()})


if __name__ == "__main__":
    rewrite(PAGE, {"cases": cases_table()})
