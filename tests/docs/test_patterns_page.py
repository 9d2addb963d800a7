"""What docs/patterns.md says on larger patterns holds in the results of benchmarks/patterns.py."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "patterns.json"

pytestmark = pytest.mark.skipif(not RESULTS.is_file(), reason="benchmarks are not installed")


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
