"""Forecasts of `precondbench build large`, compared with measurements.

Every matrix runs in its own process with one thread and compiled kernels: first the forecast from
the symbolic analysis, then Inv-K. Seconds are processor time, and memory is the peak of both above
the previous memory of the process. Grids, and the matrices of a mirror with 9,000 rows or more.

    python benchmarks/forecast.py [--json FILE] [--mirror FOLDER] [--slow]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import scipy.sparse as sp

from invk_scaling import poisson
from peak_memory import forget_peak, peak_mb

GRIDS = ("2D 316", "2D 1000", "3D 28", "3D 40", "3D 50")
FROM_ROWS = 9000
SLOW = "Trefethen_20000"


def matrix_of(what: str, mirror: str | None) -> sp.csr_array:
    """A grid, or a matrix of the mirror."""
    kind, _, m = what.partition(" ")
    if m:
        return poisson(kind, int(m))
    from precondbench.matrices import Collection

    collection = Collection(mirror)
    entry = next(e for e in collection.positive_definite() if e.full_name == what)
    return collection.matrix(entry)


def measure(what: str, mirror: str | None) -> dict[str, object]:
    """Forecast, then compute, in this process."""
    from precondbench.factors import forecast_invk, invk_report, lower_pattern

    A = matrix_of(what, mirror)
    small = poisson("3D", 8)
    for method in ("simplicial", "supernodal"):
        invk_report(small, method=method)
    before, clock = forget_peak(), time.process_time()
    forecast = forecast_invk(A, lower_pattern(sp.csr_array(sp.tril(A))))
    analysis = time.process_time() - clock
    clock, start = time.process_time(), time.perf_counter()
    report = invk_report(A, workers=1)
    return {
        "name": what,
        "n": A.shape[0],
        "nnz": int(A.nnz),
        "analysis_seconds": analysis,
        "forecast_seconds": forecast.seconds,
        "seconds": time.process_time() - clock,
        "elapsed": time.perf_counter() - start,
        "forecast_mb": forecast.bytes / 1e6,
        "mb": max(peak_mb() - before, 0.0),
        "operations": forecast.operations,
        "method": report.method,
    }


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--mirror")
    parser.add_argument("--slow", action="store_true", help=f"{SLOW} as well: minutes")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.mirror)))
        return
    names = list(GRIDS)
    if options.mirror:
        from precondbench.matrices import Collection

        collection = Collection(options.mirror)
        names += [
            entry.full_name
            for entry in collection.positive_definite()
            if entry.rows >= FROM_ROWS
            and entry.nnz > entry.rows
            and collection.has(entry)
            and (not entry.name.startswith(SLOW) or (options.slow and entry.name == SLOW))
        ]
    rows = []
    for name in names:
        command = [sys.executable, __file__, "--measure", name]
        if options.mirror:
            command += ["--mirror", options.mirror]
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        done = subprocess.run(
            command, capture_output=True, check=True, text=True, env={**os.environ, **one}
        )
        rows.append(json.loads(done.stdout))
        print(rows[-1], flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
