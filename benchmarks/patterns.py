"""Memory and iterations of Inv-K and incomplete Cholesky on the same patterns, real matrices.

    python benchmarks/patterns.py [--version sample] [--out benchmarks/results/patterns.json]

Patterns: tril(A), IC(1), IC(2), and those of ICT with two drop tolerances. Iterations follow the
protocol of the leaderboard; -1 is a failure. Version 1.0 needs the matrices of the collection.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from precondbench import BreakdownError, Pair, SuiteSparseInvK, invk
from precondbench.factors import PATTERNS, ict
from precondbench.quality import problem_of

SPLITS = ("train", "val", "test")
TOLERANCES = (1e-2, 1e-3)
# ICT may fill in nearly everything; larger patterns are excluded.
MOST_FILL = 10
OUT = Path(__file__).parent / "results" / "patterns.json"


def measure(version: str) -> list[dict[str, Any]]:
    """Return one row per matrix and pattern."""
    rows = []
    for split in SPLITS:
        data = {
            pattern: SuiteSparseInvK(split=split, version=version, pattern=pattern)
            for pattern in PATTERNS
        }
        for i, name in enumerate(data["tril"].names):
            A = data["tril"].pair(i).A
            once = (A.nnz + A.shape[0]) // 2
            for pattern, dataset in data.items():
                facts = dataset.facts(i)
                rows.append(
                    {
                        "name": name,
                        "n": A.shape[0],
                        "pattern": pattern,
                        "entries": round(dataset.pair(i).L.nnz / once, 3),
                        "ic": int(facts["iterations_ic0"]),
                        "invk": int(facts["iterations_invk"]),
                    }
                )
            rows += [_threshold(name, A, tolerance, once) for tolerance in TOLERANCES]
            print(name, flush=True)
    return rows


def _threshold(name: str, A: Any, tolerance: float, once: int) -> dict[str, Any]:
    row = {"name": name, "n": A.shape[0], "pattern": f"ict-{tolerance:g}"}
    try:
        L = ict(A, tolerance, most=MOST_FILL * once // A.shape[0])
    except BreakdownError:
        return {**row, "entries": None, "ic": -1, "invk": None}
    solves = {}
    for method, factor in (("ic", L), ("invk", invk(A, L))):
        outcome = problem_of(Pair(name, A, factor)).solve(factor.data)
        solves[method] = outcome.iterations if outcome.solved else -1
    return {**row, "entries": round(L.nnz / once, 3), **solves}


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Medians over the matrices that Inv-K and IC(0) both solve on tril(A), and shares."""
    base = {row["name"]: row for row in rows if row["pattern"] == "tril"}
    both = {name for name, row in base.items() if min(row["ic"], row["invk"]) > 0}
    summary = []
    for pattern in dict.fromkeys(row["pattern"] for row in rows):
        chosen = [row for row in rows if row["pattern"] == pattern]
        line: dict[str, Any] = {
            "pattern": pattern,
            "matrices": len(chosen),
            "entries_median": _median([row["entries"] for row in chosen]),
        }
        for method in ("ic", "invk"):
            line[f"{method}_solved"] = sum((row[method] or -1) > 0 for row in chosen)
            line[f"{method}_ratio"] = _median(
                [
                    row[method] / base[row["name"]]["invk"]
                    for row in chosen
                    if row["name"] in both and (row[method] or -1) > 0
                ]
            )
        summary.append(line)
    return summary


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), 3) if known else None


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", default="1.0")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    rows = measure(options.version)
    summary = summarise(rows)
    options.out.write_text(
        f'{{"version": {json.dumps(options.version)},\n'
        f' "summary": {_lines(summary)},\n "rows": {_lines(rows)}}}\n',
        encoding="utf-8",
    )
    for line in summary:
        print(line)


def _lines(rows: list[dict[str, Any]]) -> str:
    """JSON with a line for each row."""
    return "[\n  " + ",\n  ".join(map(json.dumps, rows)) + "\n ]"


if __name__ == "__main__":
    main()
