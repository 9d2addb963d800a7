"""Condition numbers of the tridiagonal test splits, and iterations and cosines of k-hop oracles.

    python benchmarks/locality.py --json FILE

Twins are measured apart: A, and A + e_1 e_1^T. Iterations follow the protocol of the leaderboard.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from precondbench import SyntheticTridiag, evaluate
from precondbench.leaderboard import classical_methods
from precondbench.matrices import LAWS

HOPS = (0, 1, 4, 8, 16)
SPLITS = ("test", "test_large")


def measured(name: str, split: str, data: Any) -> dict[str, Any]:
    """Return one row for matrices of one kind."""
    pairs = [data.pair(i) for i in range(len(data))]
    methods = classical_methods(pairs[0])
    found = {k: evaluate(data, methods[f"{k}-hop oracle"], log_k=False).summary for k in HOPS}
    row = {
        "configuration": name,
        "split": split,
        "n": pairs[0].A.shape[0],
        "condition_median": float(np.median([np.linalg.cond(p.A.toarray()) for p in pairs])),
        "iterations": {str(k): round(found[k]["iterations_mean"], 6) for k in HOPS},
        "cosine": {str(k): round(found[k]["cosine_mean"], 6) for k in HOPS},
    }
    print(row, flush=True)
    return row


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    rows = []
    for name, law in sorted(LAWS["cholesky"].items()):
        for split in SPLITS:
            data = SyntheticTridiag(split=split, config=name)
            if law.records == "twins":
                parts = {f"{name}, A": data[::2], f"{name}, A_m": data[1::2]}
            else:
                parts = {name: data}
            rows += [measured(kind, split, part) for kind, part in parts.items()]
    options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
