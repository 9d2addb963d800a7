"""Conjugate gradients, incomplete factors and Inv-K against compiled libraries, in one run.

    OMP_NUM_THREADS=1 python benchmarks/compiled_libraries.py [PART ...] [--quick]

``solve``: a step of PCG with IC(0), one right-hand side and four in lockstep, against the traffic
of its matrices and vectors at the speed of a copy of as many bytes, and against SciPy's ``cg`` with
ilupp. ``incomplete``: IC(0) and MIC(0) with their checks of the input against ``IChol0`` of ilupp,
and these checks alone, which copy the lower triangle.
``inv-k``: `invk_report`, its accuracy check included, against the analysis and factorisation of
CHOLMOD, which solves one system afterwards; it depends much on the BLAS that CHOLMOD is linked to,
so that results are kept for each (LD_LIBRARY_PATH chooses another one). Both sides take turns,
times are medians.

It needs ilupp 1.0 and scikit-sparse 0.4.16 on Linux. Results go to
benchmarks/results/compiled_libraries.json; --quick takes small problems and writes nothing.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, cg

from invk_and_pcg import poisson_2d
from lockstep import old_pcg
from precondbench import ic0, mic0
from precondbench._internal import processor_name
from precondbench.factors import factor_values, invk_report
from precondbench.factors.patterns.triangular import lower_triangle
from precondbench.matrices import check_spd_candidate
from precondbench.solvers import pcg_values

RESULTS = Path(__file__).parent / "results" / "compiled_libraries.json"
STEPS = 50
# Bytes of an entry (a float64 and an index), and of the vectors of a step.
ENTRY, VECTORS = 12, 12 * 8


def poisson_3d(n: int) -> sp.csr_array:
    """Seven-point Laplacian on a cube with about n points."""
    m = round(n ** (1 / 3))
    one = np.ones(m)
    T = sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1])
    eye = sp.eye_array(m)
    plane = sp.kron(T, eye) + sp.kron(eye, T)
    return sp.csr_array(sp.kron(plane, eye) + sp.kron(sp.eye_array(m * m), T))


def medians(cases: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median seconds of each case; the cases take turns, the first of which is not counted."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(repeats + 1):
        for name, run in cases.items():
            start = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - start)
    return {name: float(f"{statistics.median(found):.4g}") for name, found in times.items()}


def solve(quick: bool) -> dict[str, Any]:
    """A step of PCG with IC(0)."""
    ilupp = importlib.import_module("ilupp")
    A = check_spd_candidate(poisson_2d(2_500 if quick else 160_000))
    n = A.shape[0]
    pattern, values = factor_values(ic0(A))
    b = np.random.default_rng(0).uniform(-1, 1, (n, 4))
    one = np.ascontiguousarray(b[:, :1])
    old = (A.indptr, A.indices, A.data, pattern.indptr, pattern.indices, values)
    factor = ilupp.IChol0Preconditioner(sp.csr_matrix(A))
    M = LinearOperator((n, n), factor.matvec, dtype=np.float64)
    # Twice as many bytes as one of these has are moved by a copy.
    matrices = ENTRY * (A.nnz + 2 * (pattern.nnz - n)) + 3 * 4 * n
    moved = {name: matrices + sides * VECTORS * n for name, sides in (("one", 1), ("four", 4))}
    source = {name: np.ones(count // 16) for name, count in moved.items()}
    target = {name: np.empty_like(values) for name, values in source.items()}
    found = medians(
        {
            "traffic of one side": partial(np.copyto, target["one"], source["one"]),
            "traffic of four sides": partial(np.copyto, target["four"], source["four"]),
            "one side": lambda: pcg_values(A, one, pattern, values, 0.0, STEPS),
            "four sides": lambda: pcg_values(A, b, pattern, values, 0.0, STEPS),
            "one side, 0.1.0": lambda: old_pcg(*old, b[:, 0].copy(), STEPS),
            "SciPy and ilupp": lambda: cg(A, b[:, 0], rtol=0.0, maxiter=STEPS, M=M),
        },
        1 if quick else 9,
    )
    step = {
        name: seconds if name.startswith("traffic") else seconds / STEPS
        for name, seconds in found.items()
    }
    side = step["four sides"] / 4
    return {
        "n": n,
        "seconds_a_step": step,
        "lockstep_side_over_traffic": side / (step["traffic of four sides"] / 4),
        "one_side_over_traffic": step["one side"] / step["traffic of one side"],
        "scipy_over_lockstep_side": step["SciPy and ilupp"] / side,
        "0.1.0_over_one_side": step["one side, 0.1.0"] / step["one side"],
    }


def incomplete(quick: bool) -> dict[str, Any]:
    """IC(0) and MIC(0), with what they check first."""
    ilupp = importlib.import_module("ilupp")
    found = {}
    for size in (2_500,) if quick else (160_000, 1_000_000):
        A = sp.csr_array(poisson_2d(size))
        times = medians(
            {
                "IC(0)": partial(ic0, A),
                "MIC(0)": partial(mic0, A, 0.97),
                "checks": partial(lower_triangle, A),
                "ilupp": partial(ilupp.IChol0Preconditioner, sp.csr_matrix(A)),
            },
            1 if quick else 9,
        )
        found[str(A.shape[0])] = {
            "seconds": times,
            "ic0_over_ilupp": times["IC(0)"] / times["ilupp"],
            "mic0_over_ilupp": times["MIC(0)"] / times["ilupp"],
            "check_share": times["checks"] / times["IC(0)"],
        }
    return found


def blas_of_cholmod() -> str:
    """Name of the BLAS library of the system that this process has loaded."""
    maps = Path("/proc/self/maps").read_text("utf-8")
    loaded = {Path(line.split()[-1]) for line in maps.splitlines() if "blas" in line}
    # Wheels of NumPy and SciPy bring their own.
    of_system = [path for path in loaded if "site-packages" not in path.parts]
    if any("openblas" in str(path) for path in of_system):
        return "OpenBLAS"
    return "reference BLAS" if any(p.parent.name == "blas" for p in of_system) else "another BLAS"


def inv_k(quick: bool) -> dict[str, Any]:
    """Inv-K with its accuracy report, on one and on two threads."""
    cholmod = importlib.import_module("sksparse.cholmod")
    small, large = {"2D": (2_500,), "3D": (1_000,)}, {"2D": (100_000, 1_000_000), "3D": (64_000,)}
    found = {}
    for grid, sizes in (small if quick else large).items():
        for size in sizes:
            A = check_spd_candidate((poisson_2d if grid == "2D" else poisson_3d)(size))
            columns = sp.csc_matrix(A)
            times = medians(
                {
                    "one thread": partial(invk_report, A, workers=1),
                    "two threads": partial(invk_report, A, workers=2),
                    "without its check": partial(invk_report, A, workers=1, probes=0),
                    "CHOLMOD": lambda columns=columns: cholmod.cholesky(columns)(
                        np.ones(columns.shape[0])
                    ),
                },
                1 if quick or size > 200_000 else 3,
            )
            found[f"{grid} {A.shape[0]}"] = {
                "seconds": times,
                "one_thread_over_cholmod": times["one thread"] / times["CHOLMOD"],
                "one_thread_over_two": times["one thread"] / times["two threads"],
                "check_share": 1.0 - times["without its check"] / times["one thread"],
            }
    return {blas_of_cholmod(): found}


PARTS = {"solve": solve, "incomplete": incomplete, "inv-k": inv_k}


def main() -> None:
    """Measure parts, and keep what is known of the others."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    for name in options.parts or PARTS:
        known[name] = known.get(name, {}) | PARTS[name](options.quick)
        known["machine"] = processor_name()
        known["versions"] = {
            package: version(package) for package in ("numpy", "scipy", "ilupp", "scikit-sparse")
        }
        print(json.dumps({name: known[name]}, indent=1), flush=True)
        if not options.quick:
            RESULTS.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
