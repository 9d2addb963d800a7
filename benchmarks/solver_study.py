"""Setup, solve and memory of preconditioners and a direct solver on diffusion problems.

Every measurement runs in its own process with one thread and compiled kernels. Setup is
from A to a preconditioner; the solve is conjugate gradients to a relative residual of 1e-8 with at
most 10,000 steps (the direct solver: two triangular solves). "extra" is the peak memory above that
of the process with A. A measurement that would need more operations or memory than the limits
below is skipped, and its row states the reason; one that takes longer than LIMIT is terminated.
Direct Cholesky is CHOLMOD (scikit-sparse) where it is installed, else SuperLU in symmetric mode.

    python benchmarks/solver_study.py --json FILE [--sizes 1000,10000] [--problems ...]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import scipy.sparse as sp

from diffusion import PROBLEMS, diffusion, points_a_side, right_hand_side
from direct_solver import Direct, direct, direct_library
from peak_memory import forget_peak, peak_mb

SIZES = (1000, 10_000, 100_000, 1_000_000)
LIMIT = 300.0
# Squares of column counts of the factor, summed: about 10 minutes of this machine.
MOST_OPERATIONS = 2e12
MOST_MB = 8000.0


def setups() -> dict[str, Callable[[sp.csr_array], Any]]:
    """Name -> function from A to L or to an operator."""
    from precondbench import ic0, invk
    from precondbench.factors import local_invk, reverse_cuthill_mckee
    from precondbench.solvers import after_reordering, smoothed_aggregation

    return {
        "Jacobi": lambda A: sp.csr_array(sp.diags_array(np.sqrt(A.diagonal()))),
        "IC(0)": ic0,
        "Inv-K": partial(invk, workers=1),
        "Inv-K after RCM": lambda A: after_reordering(
            A, reverse_cuthill_mckee, partial(invk, workers=1)
        ),
        "local patch, k = 1": partial(local_invk, hops=1),
        "local patch, k = 2": partial(local_invk, hops=2),
        "local patch, k = 3": partial(local_invk, hops=3),
        "AMG": smoothed_aggregation,
        "direct Cholesky": direct,
    }


METHODS = (
    "Jacobi",
    "IC(0)",
    "Inv-K",
    "Inv-K after RCM",
    "local patch, k = 1",
    "local patch, k = 2",
    "local patch, k = 3",
    "AMG",
    "direct Cholesky",
)
SELECTED_INVERSION = ("Inv-K", "Inv-K after RCM")


def refusal(method: str, A: sp.csr_array) -> str | None:
    """Return why a measurement is skipped, or None."""
    if method not in (*SELECTED_INVERSION, "direct Cholesky"):
        return None
    from precondbench.factors import lower_pattern
    from precondbench.factors.inverse.plan import plan_inversion

    plan = plan_inversion(A, lower_pattern(sp.csr_array(sp.tril(A, format="csr"))))
    share = 0.25 if method == "direct Cholesky" else 1.0
    if plan.operations * share > MOST_OPERATIONS:
        return f"{plan.operations:.1e} operations, more than {MOST_OPERATIONS:.0e}"
    return None


def measure(problem: str, n: int, method: str) -> dict[str, Any]:
    """Set up and solve in this process."""
    from precondbench import pcg
    from precondbench.errors import BreakdownError, CostError

    make = setups()[method]
    small = diffusion(problem, 6)
    warm = make(small)  # compiles kernels, loads libraries
    solve_with(small, np.ones(small.shape[0]), warm, pcg)
    if method in SELECTED_INVERSION:
        make(diffusion("Poisson 3D", 16))  # large enough for the supernodal kernels
    A = diffusion(problem, points_a_side(problem, n))
    row: dict[str, Any] = {"n": A.shape[0], "nnz": int(A.nnz)}
    why = refusal(method, A)
    if why is not None:
        return row | {"status": "refused", "reason": why}
    b = right_hand_side(A.shape[0])
    before = forget_peak()
    clock, cpu = time.perf_counter(), time.process_time()
    try:
        M = make(A)
    except (BreakdownError, CostError) as error:
        return row | {"status": "no factor", "reason": str(error)}
    row["setup"], row["setup_cpu"] = time.perf_counter() - clock, time.process_time() - cpu
    clock, cpu = time.perf_counter(), time.process_time()
    status, iterations = solve_with(A, b, M, pcg)
    row["solve"], row["solve_cpu"] = time.perf_counter() - clock, time.process_time() - cpu
    row |= {
        "status": status,
        "iterations": iterations,
        "extra_mb": max(peak_mb() - before, 0.0),
    }
    entries = M.entries if hasattr(M, "entries") else M.nnz
    return row | {"entries_over_tril": int(entries) / ((A.nnz + A.shape[0]) / 2)}


def solve_with(A: sp.csr_array, b: np.ndarray, M: Any, pcg: Any) -> tuple[str, int]:
    """Solve A x = b; return status and iterations."""
    if isinstance(M, Direct):
        x = M.solve(b)
        residual = np.linalg.norm(b - A @ x) / np.linalg.norm(b)
        return ("converged" if residual <= 1e-8 else f"residual {residual:.0e}"), 0
    result = pcg(A, b, M) if sp.issparse(M) else pcg(A, b, M=M)
    return result.status.name.lower().replace("_", " "), result.iterations


def in_a_process(problem: str, n: int, method: str) -> dict[str, Any]:
    """Run :func:`measure` in a new process, terminated after LIMIT."""
    command = [sys.executable, __file__, "--measure", problem, str(n), method]
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    row = {"problem": problem, "size": n, "method": method}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env={**os.environ, **one},
            timeout=LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return row | {"status": "ended", "reason": f"more than {LIMIT:.0f} s"}
    if done.returncode:
        return row | {"status": "failed", "reason": done.stderr.strip().splitlines()[-1][:200]}
    return row | json.loads(done.stdout)


def main() -> None:
    """Run the selected measurements; rows already in the file are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--problems", default=",".join(PROBLEMS))
    parser.add_argument("--methods", default=";".join(METHODS), help="separated by ;")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        problem, n, method = options.measure
        print(json.dumps(measure(problem, int(n), method)))
        return
    rows = []
    if options.json and options.json.exists():
        rows = json.loads(options.json.read_text())["rows"]
    for n in map(int, options.sizes.split(",")):
        for problem in options.problems.split(","):
            for method in options.methods.split(";"):
                row = in_a_process(problem, n, method)
                print(row, flush=True)
                key = (problem, n, method)
                rows = [r for r in rows if (r["problem"], r["size"], r["method"]) != key]
                rows.append(row)
                if options.json:
                    write(options.json, rows)


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Save the measurements made so far."""
    order = {name: k for k, name in enumerate((*PROBLEMS, *METHODS))}
    rows = sorted(rows, key=lambda r: (order[r["problem"]], r["size"], order[r["method"]]))
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "direct": direct_library(),
        "limit_seconds": LIMIT,
        "most_operations": MOST_OPERATIONS,
    }
    path.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
