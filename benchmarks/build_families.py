"""Time and size of the splits of all families, built from nothing, and the time to open them.

    python benchmarks/build_families.py --root FOLDER [--jobs 2] [NAME ...]

Shards go to FOLDER, which serves as a cache afterwards; parts of an interrupted run are used, and
splits that benchmarks/results/build_families.json holds are left out. ``seconds`` is wall time
with so many processes; ``open_seconds`` and ``open_mb`` are those of `ParametricInvK` in a process
of its own, imports not counted, memory as the peak of the process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import precondbench
from precondbench.recipes import BuildContext, SplitPlan, open_executor, select_plans
from precondbench.recipes.parametric import PARAMETRIC
from precondbench.shards import (
    ShardHeader,
    facts_digest,
    record_digest,
    shard_path,
    split_digest,
    write_shard,
)

RESULTS = Path(__file__).parent / "results" / "build_families.json"
# Small splits of all families first, so that a stopped run has something of each.
ORDER = ("train", "val", "test", "test_contrast", "test_mesh", "test_large", "test_huge")
OPEN = """
import json, resource, sys, time
from precondbench import ParametricInvK
from precondbench.shards import read_shard
start = time.perf_counter()
shard = read_shard(sys.argv[1])
shard.verify()
data = ParametricInvK(sys.argv[2], sys.argv[3], shard=shard)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"open_seconds": round(seconds, 2), "open_mb": round(peak / 1024)}))
"""


def build(plan: SplitPlan, context: BuildContext) -> dict[str, object]:
    """Build one split, write it, and open it."""
    start = time.perf_counter()
    records = list(plan.records(context))
    seconds = time.perf_counter() - start
    digest = split_digest(map(record_digest, records))
    path = shard_path(context.folder, *plan.names, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ShardHeader(*plan.names, recipe=plan.recipe, creator=precondbench.__version__)
    write_shard(path, header, records)
    command = [sys.executable, "-c", OPEN, str(path), plan.configuration, plan.split]
    opened = subprocess.run(command, check=True, capture_output=True, text=True)
    return {
        "records": len(records),
        "rows": sum(record.n for record in records),
        "entries": sum(record.nnz for record in records),
        "seconds": round(seconds, 1),
        "bytes": path.stat().st_size,
        "content_digest": digest,
        "facts_digest": facts_digest(record.facts for record in records),
        **json.loads(opened.stdout),
    }


def main() -> None:
    """Build what is not built yet, smallest splits first."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    plans = select_plans(PARAMETRIC)
    if options.names:
        plans = [plan for plan in plans if plan.configuration in options.names]
    plans.sort(key=lambda plan: (max(0, ORDER.index(plan.split) - 4), plan.configuration))
    with open_executor(options.jobs) as executor:
        context = BuildContext(root=options.root, executor=executor)
        for plan in plans:
            known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
            splits = known.setdefault(plan.configuration, {})
            if plan.split in splits:
                continue
            splits[plan.split] = {"jobs": options.jobs, **build(plan, context)}
            RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
            print(plan.configuration, plan.split, splits[plan.split], flush=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
