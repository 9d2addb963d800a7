"""Time to build all families from nothing, their size, and the time to open ``train`` of each.

    python benchmarks/build_families.py build --root FOLDER [--jobs 2]
    python benchmarks/build_families.py open --root FOLDER

The first part is the command `precondbench build splits parametric`, with an empty folder as its
cache and kernels as they are; the second opens `ParametricInvK(family, "train")` from that folder
in a process of its own, imports not counted, memory as the peak of the process. Both want a machine
that does nothing else. Results go to benchmarks/results/build_families.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from precondbench._internal import processor_name
from precondbench.recipes import PARAMETRIC, cached_splits, select_plans

RESULTS = Path(__file__).parent / "results" / "build_families.json"
OPEN = """
import json, resource, sys, time
import torch
from precondbench import ParametricInvK
start = time.perf_counter()
ParametricInvK(sys.argv[1], "train", root=sys.argv[2])
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"open_seconds": round(seconds, 2), "open_mb": round(peak / 1024)}))
"""


def build(root: Path, jobs: int) -> dict[str, Any]:
    """Build all splits by the command."""
    if root.exists() and any(root.iterdir()):
        raise SystemExit(f"{root} is not empty; name a new folder")
    command = [sys.executable, "-m", "precondbench", "build", "splits", PARAMETRIC]
    start = time.perf_counter()
    subprocess.run([*command, "--jobs", str(jobs), "--root", str(root)], check=True)
    seconds = round(time.perf_counter() - start)
    return {"machine": processor_name(), "jobs": jobs, "seconds": seconds}


def opened(root: Path) -> dict[str, Any]:
    """Size of each family, and the time to open what is trained on."""
    families: dict[str, Any] = {}
    for found in cached_splits(select_plans(PARAMETRIC), root):
        family = families.setdefault(found.plan.configuration, {"megabytes": 0.0})
        family["megabytes"] = round(family["megabytes"] + found.path.stat().st_size / 1e6, 1)
    for name, family in families.items():
        command = [sys.executable, "-c", OPEN, name, str(root)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        family.update(json.loads(done.stdout))
    return {"families": families}


def main() -> None:
    """Measure one part, and keep the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("build", "open"))
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    if options.part == "build":
        known.update(build(options.root, options.jobs))
    else:
        known.update(opened(options.root))
    RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(known, indent=1))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
