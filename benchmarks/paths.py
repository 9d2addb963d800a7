"""How long two newcomers wait: the examples of two pages, each in new processes.

    python benchmarks/paths.py [--json FILE]

The student trains a network in plain PyG and scores it (docs/plain_pyg.md), with an empty cache;
the analyst reads a matrix, factors it, solves with SciPy and plots (docs/solve_and_plot.md).
Kernels are compiled in the first turn and read in the second, as on any second day.
"""

from __future__ import annotations

import argparse
import doctest
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {"student": "plain_pyg.md", "analyst": "solve_and_plot.md"}
TURNS = ("first", "second")


def program(page: str) -> tuple[str, list[str]]:
    """Return the Python of a page, and the commands below it."""
    text = (DOCS / page).read_text(encoding="utf-8")
    fences = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    parser = doctest.DocTestParser()
    python = "".join(
        example.source
        for language, body in fences
        if language == "python"
        for example in parser.get_examples(body)
    )
    console = "".join(body for language, body in fences if language == "console")
    return python, re.findall(r"^\$ precondbench (.*)$", console, re.MULTILINE)


def seconds(page: str, environment: dict[str, str]) -> float:
    """Wall time of the processes of a page, in a folder of their own."""
    python, commands = program(page)
    words = [["-c", python], *(["-m", "precondbench", *line.split()] for line in commands)]
    with tempfile.TemporaryDirectory() as folder:
        own = environment | {"PRECONDBENCH_CACHE": f"{folder}/cache"}
        start = time.perf_counter()
        for command in words:
            subprocess.run([sys.executable, *command], cwd=folder, env=own, check=True)
        return time.perf_counter() - start


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for who, page in PAGES.items():
        python, commands = program(page)
        lines = len(python.splitlines()) + len(commands)
        with tempfile.TemporaryDirectory() as kernels:
            environment = os.environ | {"MPLBACKEND": "agg", "NUMBA_CACHE_DIR": kernels}
            taken = {turn: round(seconds(page, environment), 2) for turn in TURNS}
        rows.append({"who": who, "page": page, "lines": lines, "seconds": taken})
        print(rows[-1])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
