"""The table of docs/patterns.md agrees with the results of benchmarks/patterns.py."""

import json
import runpy
from pathlib import Path

import pytest

from precondbench.leaderboard.entries import read_leaderboard

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "patterns.md"
RESULTS = ROOT / "benchmarks" / "results" / "patterns.json"

pytestmark = pytest.mark.skipif(not RESULTS.is_file(), reason="benchmarks are not installed")


def test_table():
    page = PAGE.read_text("utf-8").partition("## On the leaderboard")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    summary = json.loads(RESULTS.read_text("utf-8"))["summary"]
    shown = [[cell.strip() for cell in row.strip("|").split("|")][1:] for row in rows]
    expected = [
        [
            f"{line['entries_median']:.2f}",
            f"{line['ic_solved']} of {line['matrices']}",
            f"{line['ic_ratio']:.2f}",
            f"{line['invk_solved']} of {line['matrices']}",
            f"{line['invk_ratio']:.2f}",
        ]
        for line in summary
    ]
    assert shown == expected


def test_table_of_the_boards():
    make = runpy.run_path(str(ROOT / "docs" / "make_patterns_page.py"))
    page = PAGE.read_text("utf-8")
    assert make["filled"](page, read_leaderboard(ROOT / "leaderboard")) == page


def test_larger_patterns_need_fewer_iterations():
    by_pattern = {}
    for row in json.loads(RESULTS.read_text("utf-8"))["rows"]:
        by_pattern.setdefault(row["pattern"], {})[row["name"]] = row
    for small, large in (("tril", "level-1"), ("level-1", "level-2")):
        for name, row in by_pattern[small].items():
            assert row["entries"] <= by_pattern[large][name]["entries"]
    fewer = [
        by_pattern["level-1"][name]["invk"] <= row["invk"]
        for name, row in by_pattern["tril"].items()
    ]
    assert sum(fewer) > 0.9 * len(fewer)
