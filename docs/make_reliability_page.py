"""Put the table of cases into docs/reliability.md.

    python docs/make_reliability_page.py

Counts the registry of tests/faults, which every case has to be in to run.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from making import DOCS, ROOT, rewrite, with_parts

PAGE = DOCS / "reliability.md"
FAULTS = ROOT / "tests" / "faults"


def subjects() -> dict[str, Any]:
    """Return the registry, all files of cases imported."""
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
    """One line a subject, by title, and their sum."""
    lines = [
        "| subject | cases | what is tried | what must come out |",
        "| --- | ---: | --- | --- |",
    ]
    found = sorted(subjects().values(), key=lambda subject: subject.title)
    lines += [f"| {s.title} | {len(s.cases)} | {s.tried} | {s.outcome} |" for s in found]
    total = sum(len(subject.cases) for subject in found)
    return "\n".join([*lines, f"| together | {total} | | |"])


def filled(page: str) -> str:
    """Return the page with its table made anew."""
    return with_parts(page, {"cases": cases_table()})


if __name__ == "__main__":
    rewrite(PAGE, {"cases": cases_table()})
