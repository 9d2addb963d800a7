"""docs/reliability.md has the current counts of cases."""

import runpy
from pathlib import Path

MAKER = Path(__file__).parents[2] / "docs" / "make_reliability_page.py"


def test_there_are_enough():
    subjects = runpy.run_path(str(MAKER))["subjects"]().values()
    assert sum(len(subject.cases) for subject in subjects) >= 300
    for subject in subjects:
        assert len(subject.cases) >= 10, subject.title
