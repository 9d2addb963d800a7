"""Inv-K by dense inverse, blocked solves, and selected inversion: growth of time and memory.

Every measurement runs in its own process with compiled kernels, so that peak memory is measured
separately; "extra" is the peak above the previous memory of the process. The dense method solves
for the identity with a Cholesky factor (scipy.linalg.cho_factor, cho_solve), then one small system
per column. The blocked method solves for 256 columns of the identity at a time with a sparse
factor (CHOLMOD by scikit-sparse where it is installed, else SuperLU), keeps the entries of A^-1
that Inv-K needs, then continues like the simplicial method. The accuracy is max |diag(L^T A^-1 L)
- 1| over six columns by refined solves, measured after the time.

    python benchmarks/invk_scaling.py [--json FILE] [--figure FILE] [--quick] [--trefethen]
        [--mirror FOLDER]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import scipy
import scipy.linalg
import scipy.sparse as sp

from direct_solver import direct, direct_library
from peak_memory import forget_peak, peak_mb

METHODS = ("dense", "blocked", "simplicial", "supernodal")
# Number of columns of the identity per solve.
BLOCK = 256
# Grid sizes by dimension and method.
GRIDS = {
    "2D": {
        "dense": [32, 64, 90],
        "blocked": [32, 64, 90, 178],
        "simplicial": [32, 64, 90, 178, 316, 562],
        "supernodal": [32, 64, 90, 178, 316, 562, 1000],
    },
    "3D": {
        "dense": [10, 16, 20],
        "blocked": [10, 16, 20, 28],
        "simplicial": [10, 16, 20, 28, 40],
        "supernodal": [10, 16, 20, 28, 40],
    },
}
QUICK = 5000


def poisson(kind: str, m: int) -> sp.csr_array:
    """Five- or seven-point Laplacian with m points per side."""
    one = np.ones(m)
    T = sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1])
    eye = sp.eye_array(m)
    plane = sp.kron(T, eye) + sp.kron(eye, T)
    if kind == "2D":
        return sp.csr_array(plane)
    return sp.csr_array(sp.kron(plane, eye) + sp.kron(sp.eye_array(m * m), T))


def matrix_of(kind: str, m: int) -> sp.csr_array:
    """A grid, or the Trefethen matrix of that size."""
    if kind in ("2D", "3D"):
        return poisson(kind, m)
    from precondbench.matrices import formula_matrix

    return formula_matrix(f"JGD_Trefethen/{kind}")


def dense_invk(A: sp.csr_array) -> sp.csr_array:
    """Algorithm 1 of the paper with A^-1 from a Cholesky factorisation and the identity."""
    n = A.shape[0]
    factor = scipy.linalg.cho_factor(A.toarray(order="F"), lower=True, overwrite_a=True)
    inverse = scipy.linalg.cho_solve(factor, np.eye(n, order="F"), overwrite_b=True)
    lower = sp.csc_array(sp.tril(A))
    values = np.empty(lower.nnz)
    for i in range(n):
        part = slice(lower.indptr[i], lower.indptr[i + 1])
        s = np.sort(lower.indices[part])
        v = np.linalg.solve(inverse[np.ix_(s, s)], np.eye(len(s))[0])
        values[part] = v / np.sqrt(v[0])
    return sp.csr_array(sp.csc_array((values, lower.indices, lower.indptr), shape=A.shape))


def blocked_invk(A: sp.csr_array) -> sp.csr_array:
    """Inv-K from the entries of A^-1 that some column needs, by solves with blocks of columns."""
    from precondbench.factors import SelectedInverse, invk_values, lower_pattern

    n = A.shape[0]
    solve = direct(A).solve
    pattern = lower_pattern(sp.csr_array(sp.tril(A)))
    T = sp.csr_array(pattern.csr(np.ones(pattern.nnz)))
    pairs = sp.csc_array(sp.tril(T @ T.T, -1))
    pairs.sort_indices()
    values, diagonal = np.empty(pairs.nnz), np.empty(n)
    column_of = np.repeat(np.arange(n), np.diff(pairs.indptr))
    for start in range(0, n, BLOCK):
        end = min(start + BLOCK, n)
        unit = np.zeros((n, end - start), order="F")
        unit[np.arange(start, end), np.arange(end - start)] = 1.0
        X = solve(unit)
        diagonal[start:end] = X[np.arange(start, end), np.arange(end - start)]
        part = slice(pairs.indptr[start], pairs.indptr[end])
        values[part] = X[pairs.indices[part], column_of[part] - start]
    inverse = SelectedInverse(
        position=np.arange(n, dtype=np.int64),
        colptr=pairs.indptr.astype(np.int64),
        rows=pairs.indices.astype(np.int32),
        values=values,
        diagonal=diagonal,
        log_determinant=math.nan,
    )
    return sp.csr_array(pattern.csr(invk_values(inverse, pattern)))


def measure(method: str, kind: str, m: int) -> dict[str, float | str]:
    """Time one method in this process."""
    from precondbench.factors import invk_report, lower_pattern
    from precondbench.factors.inverse.plan import plan_inversion

    A = matrix_of(kind, m)
    small = poisson("3D", 6)
    other = {"dense": dense_invk, "blocked": blocked_invk}.get(method)
    if other is not None:
        other(small)
    else:
        invk_report(small, method=method)  # compile, and load LAPACK
    before = forget_peak()
    start, cpu = time.perf_counter(), time.process_time()
    row: dict[str, float | str] = {}
    if other is not None:
        L = other(A)
    else:
        report = invk_report(A, method=method, probes=0, workers=1)
        L = report.factor
        row = {
            "ordering": report.ordering,
            "entries": report.entries,
            "residual": report.residual,
        }
    row |= {
        "n": A.shape[0],
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "extra_mb": max(peak_mb() - before, 0.0),
        "checksum": float(abs(L).sum()),
    }
    if method == "blocked":
        row["library"] = direct_library()
    if method == "simplicial":
        pattern = lower_pattern(sp.csr_array(sp.tril(A)))
        row["operations"] = plan_inversion(A, pattern, method="simplicial").operations
    if method == "supernodal" and kind in ("2D", "3D"):
        row["diagonal_error"] = invk_report(A, method=method).diagonal_error
    return row


def in_a_process(method: str, kind: str, m: int) -> dict:
    """Run :func:`measure` in a new process."""
    command = [sys.executable, __file__, "--measure", method, kind, str(m)]
    one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        command, capture_output=True, check=True, text=True, env={**os.environ, **one}
    )
    row = json.loads(done.stdout)
    return {"problem": kind, "method": method, **row}


def exponents(rows: list[dict]) -> dict[str, dict[str, float]]:
    """Growth with n: slope of logarithms over the three largest sizes."""
    out = {}
    measures = {
        "seconds": "cpu_seconds",
        "memory": "extra_mb",
        "entries": "entries",
        "operations": "operations",
    }
    for problem in GRIDS:
        for method in METHODS:
            chosen = [r for r in rows if (r["problem"], r["method"]) == (problem, method)][-3:]
            if len(chosen) < 3:
                continue
            x = np.log([r["n"] for r in chosen])
            out[f"{problem} {method}"] = {
                name: float(np.polyfit(x, np.log([r[key] for r in chosen]), 1)[0])
                for name, key in measures.items()
                if key in chosen[0]
            }
    return out


# Growth by theory (nested dissection: George 1973), measure -> label and function of n.
THEORY = {
    "2D": {
        "cpu_seconds": ("n^1.5", lambda n: n**1.5),
        "extra_mb": ("n log n", lambda n: n * np.log(n)),
    },
    "3D": {
        "cpu_seconds": ("n^2", lambda n: n**2.0),
        "extra_mb": ("n^(4/3)", lambda n: n ** (4 / 3)),
    },
}


def draw(result: dict, path: Path) -> None:
    """Time and memory by n, with fitted exponents and the growth of theory."""
    from matplotlib.figure import Figure

    sys.path.append(str(Path(__file__).parents[1]))
    from paper.drawing import save_figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplots(2, 2)
    short = {"cpu_seconds": "seconds", "extra_mb": "memory"}
    titles = {"cpu_seconds": "seconds of one core", "extra_mb": "MB beyond the matrix"}
    for line, kind in enumerate(GRIDS):
        for column, (key, title) in enumerate(titles.items()):
            axis = axes[line, column]
            for number, method in enumerate(METHODS):
                rows = [r for r in result["grids"] if (r["problem"], r["method"]) == (kind, method)]
                rows = [r for r in rows if r[key] > 0]
                slope = result["exponents"][f"{kind} {method}"][short[key]]
                axis.loglog(
                    [r["n"] for r in rows],
                    [r[key] for r in rows],
                    marker="osd^"[number],
                    label=f"{method}: n^{slope:.2f}",
                )
            label, growth = THEORY[kind][key]
            n = np.array([r["n"] for r in rows], dtype=float)
            axis.loglog(
                n,
                rows[-1][key] * growth(n) / growth(n[-1]),
                "k--",
                linewidth=1,
                label=f"theory: {label}",
            )
            axis.set_title(f"{kind}: {title}")
            axis.set_xlabel("n")
            axis.legend(fontsize=8)
    save_figure(figure, path)


def grids(largest: float) -> list[dict]:
    """All grids, sizes of one problem in turn for all methods."""
    rows: list[dict] = []
    in_a_process("supernodal", "3D", 16)  # leaves all compiled kernels on disk
    for kind, methods in GRIDS.items():
        dimension = int(kind[0])
        for m in methods["supernodal"]:
            if m**dimension > largest:
                continue
            same = [in_a_process(name, kind, m) for name, sizes in methods.items() if m in sizes]
            for row in same:
                assert math.isclose(row["checksum"], same[-1]["checksum"], rel_tol=1e-9)
                row["time_over_supernodal"] = row["cpu_seconds"] / same[-1]["cpu_seconds"]
                print(
                    f"{kind} n = {row['n']:>8} {row['method']:>10}: {row['seconds']:8.3f} s, "
                    f"{row['cpu_seconds']:8.3f} s of processor, {row['extra_mb']:8.1f} MB, "
                    f"{row['time_over_supernodal']:7.1f}x the supernodal",
                    flush=True,
                )
            rows += same
    return rows


def real_matrices(folder: str) -> list[dict]:
    """All matrices of a mirror except the two largest Trefethen ones, default method."""
    from precondbench.factors import invk_report
    from precondbench.matrices import Collection

    collection = Collection(Path(folder))
    invk_report(poisson("3D", 16), method="supernodal")
    rows = []
    for entry in collection.positive_definite():
        name = f"{entry.group}/{entry.name}"
        if not collection.has(entry) or entry.name.startswith("Trefethen_20000"):
            continue
        A = collection.matrix(entry)
        start, cpu = time.perf_counter(), time.process_time()
        report = invk_report(A)
        rows.append(
            {
                "name": name,
                "n": A.shape[0],
                "method": report.method,
                "doubtful": report.doubtful,
                "residual": report.residual,
                "diagonal_error": report.diagonal_error,
                "seconds": time.perf_counter() - start,
                "cpu_seconds": time.process_time() - cpu,
            }
        )
        print(rows[-1], flush=True)
    total = sum(row["seconds"] for row in rows)
    print(f"{len(rows)} real matrices: {total:.1f} s")
    return rows


def main() -> None:
    """Run the selected measurements and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="also write the figures to this file, keeping others there")
    parser.add_argument("--figure", type=Path, help="draw the grids to this file")
    parser.add_argument("--quick", action="store_true", help=f"only up to n = {QUICK}")
    parser.add_argument("--trefethen", action="store_true", help="Trefethen_20000 and _20000b only")
    parser.add_argument("--mirror", help="a mirror of the collection: its matrices only")
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        method, kind, m = arguments.measure
        print(json.dumps(measure(method, kind, int(m))))
        return
    result: dict = {}
    if arguments.json and Path(arguments.json).exists():
        result = json.loads(Path(arguments.json).read_text())
    result["machine"] = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    if arguments.mirror:
        result["real"] = real_matrices(arguments.mirror)
    elif arguments.trefethen:
        names = ("Trefethen_20000", "Trefethen_20000b")
        result["trefethen"] = [in_a_process("supernodal", name, 0) for name in names]
        print(json.dumps(result["trefethen"], indent=1))
    else:
        result["grids"] = grids(QUICK if arguments.quick else math.inf)
        result["exponents"] = exponents(result["grids"])
        print(json.dumps(result["exponents"], indent=1))
    if arguments.figure:
        draw(result, arguments.figure)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
