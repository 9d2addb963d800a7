"""Iterations of the four labels on the real matrices of version 2.0, from the facts of its shards.

    python benchmarks/real_labels.py [--json FILE]

Needs version 2.0 in the cache, or mirrors to build it from.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

from precondbench import SuiteSparseInvK
from precondbench.recipes import FOLDED_VERSION, SUITESPARSE, family_of, select_plans

METHODS = ("none", "jacobi", "ic0", "ic0_shifted", "mic0", "invk")
KEPT = ("shift_ic0", "relaxation_mic0", "best_method", "best_iterations")


def rows_of(configuration: str, split: str) -> list[dict[str, Any]]:
    """Facts of each matrix."""
    data = SuiteSparseInvK(version=FOLDED_VERSION, split=split, pattern=configuration)
    rows = []
    for i, name in enumerate(data.names):
        record = data.shard.record(i)
        facts = record.facts
        condition = float(facts["condition_scaled"])
        rows.append(
            {
                "name": name,
                "family": family_of(FOLDED_VERSION, name),
                "n": record.n,
                "nnz": record.nnz,
                "condition": float(f"{condition:.3g}") if math.isfinite(condition) else None,
                **{f"status_{method}": facts[f"status_{method}"] for method in METHODS},
                **{f"iterations_{method}": facts[f"iterations_{method}"] for method in METHODS},
                **{key: facts[key] for key in KEPT},
            }
        )
    return rows


def main() -> None:
    """Write the facts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for plan in select_plans(SUITESPARSE, FOLDED_VERSION):
        rows = rows_of(plan.configuration, plan.split)
        found.setdefault(plan.configuration, {})[plan.split] = rows
        print(f"{plan.configuration} {plan.split}: {len(rows)} matrices")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
