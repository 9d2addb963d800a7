"""Comparison of Inv-K with Algorithm 1 with a dense inverse, and of PCG with SciPy, in one run.

Each measurement of Inv-K runs in its own process, so that peak memory is measured separately;
"extra" is the peak above the previous memory of the process, with compiled kernels. The dense
method is an efficient version of the paper's Algorithm 1: A^-1 by Cholesky (LAPACK, all cores),
then one small solve per column.

    python benchmarks/invk_and_pcg.py [--sizes 1000,4000,10000] [--large 100000] [--json FILE]
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
from scipy.sparse.linalg import LinearOperator, cg, spsolve_triangular

from peak_memory import forget_peak, peak_mb


def poisson_2d(n: int) -> sp.csr_array:
    """Five-point Laplacian on a square grid with about n points."""
    m = round(math.sqrt(n))
    one = np.ones(m)
    T = sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1])
    eye = sp.eye_array(m)
    return sp.csr_array(sp.kron(T, eye) + sp.kron(eye, T))


def dense_invk(A: sp.csr_array) -> sp.csr_array:
    """Algorithm 1 of the paper with A^-1 from a dense Cholesky factorisation."""
    n = A.shape[0]
    factor = scipy.linalg.cholesky(A.toarray(order="F"), lower=True, overwrite_a=True)
    inverse, info = scipy.linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)
    assert info == 0
    lower = sp.csc_array(sp.tril(A))
    values = np.empty(lower.nnz)
    for i in range(n):
        part = slice(lower.indptr[i], lower.indptr[i + 1])
        s = np.sort(lower.indices[part])
        block = np.tril(inverse[np.ix_(s, s)])
        block = block + np.tril(block, -1).T
        v = np.linalg.solve(block, np.eye(len(s))[0])
        values[part] = v / np.sqrt(v[0])
    return sp.csr_array(sp.csc_array((values, lower.indices, lower.indptr), shape=A.shape))


def measure(method: str, n: int) -> dict[str, float]:
    """Time one method in this process."""
    from precondbench import invk

    A = poisson_2d(n)
    function = invk if method == "invk" else dense_invk
    function(poisson_2d(100))  # compile, and load LAPACK
    before = forget_peak()
    start = time.perf_counter()
    L = function(A)
    seconds = time.perf_counter() - start
    return {
        "n": A.shape[0],
        "seconds": seconds,
        "extra_mb": max(peak_mb() - before, 0.0),
        "checksum": float(abs(L).sum()),
    }


def in_a_process(method: str, n: int) -> dict[str, float]:
    """Run :func:`measure` in a new process."""
    command = [sys.executable, __file__, "--measure", method, str(n)]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def compare_invk(sizes: list[int], large: int) -> list[dict[str, float]]:
    """Print time and memory of both methods and their ratios."""
    print("Inv-K, 2D Poisson    dense: s   extra MB     ours: s   extra MB    time ratio  memory")
    rows = []
    for n in sizes:
        dense, ours = in_a_process("dense", n), in_a_process("invk", n)
        assert abs(dense["checksum"] / ours["checksum"] - 1) < 1e-9
        # Below about a megabyte the allocator's granularity is all that is seen.
        memory = dense["extra_mb"] / max(ours["extra_mb"], 1.0)
        row = {
            "n": ours["n"],
            "dense_seconds": dense["seconds"],
            "dense_extra_mb": dense["extra_mb"],
            "seconds": ours["seconds"],
            "extra_mb": ours["extra_mb"],
            "time_ratio": dense["seconds"] / ours["seconds"],
            "memory_ratio": memory,
        }
        rows.append(row)
        print(
            f"n = {row['n']:>8.0f}       {dense['seconds']:10.3f} {dense['extra_mb']:10.1f}  "
            f"{ours['seconds']:10.4f} {ours['extra_mb']:10.1f}    {row['time_ratio']:8.0f}x "
            f"{memory:8.0f}x"
        )
    ours = in_a_process("invk", large)
    rows.append({"n": ours["n"], "seconds": ours["seconds"], "extra_mb": ours["extra_mb"]})
    print(
        f"n = {ours['n']:>8.0f}       {'-':>10} {ours['n'] ** 2 * 8e-6:9.0f}*  "
        f"{ours['seconds']:10.4f} {ours['extra_mb']:10.1f}    * what a dense inverse would need"
    )
    return rows


def compare_pcg(n: int = 40_000) -> dict[str, float]:
    """Print the time of a solve with IC(0) by this library and by SciPy."""
    from precondbench import ic0, pcg

    A = poisson_2d(n)
    L = ic0(A)
    b = np.random.default_rng(0).standard_normal(A.shape[0])
    pcg(A, b, L, maxiter=1)  # compile
    start = time.perf_counter()
    ours = pcg(A, b, L)
    seconds = time.perf_counter() - start

    lower = sp.csr_array(L)
    upper = sp.csr_array(lower.T)
    iterations = 0

    def count(_: np.ndarray) -> None:
        nonlocal iterations
        iterations += 1

    M = LinearOperator(
        A.shape,
        matvec=lambda r: spsolve_triangular(upper, spsolve_triangular(lower, r), lower=False),
    )
    start = time.perf_counter()
    _, info = cg(A, b, rtol=1e-8, atol=0.0, maxiter=10_000, M=M, callback=count)
    scipy_seconds = time.perf_counter() - start
    assert info == 0
    row = {
        "n": A.shape[0],
        "iterations": ours.iterations,
        "scipy_iterations": iterations,
        "seconds": seconds,
        "scipy_seconds": scipy_seconds,
        "time_ratio": scipy_seconds / seconds,
    }
    print(
        f"\nPCG with IC(0), 2D Poisson, n = {row['n']}: SciPy cg + spsolve_triangular "
        f"{scipy_seconds:.2f} s, {iterations} iterations; ours {seconds:.3f} s, "
        f"{ours.iterations} iterations: {row['time_ratio']:.1f}x"
    )
    return row


def main() -> None:
    """Run everything and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,4000,10000")
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--measure", nargs=2, metavar=("METHOD", "N"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        method, n = arguments.measure
        print(json.dumps(measure(method, int(n))))
        return
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
    }
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    invk_rows = compare_invk([int(n) for n in arguments.sizes.split(",")], arguments.large)
    pcg_row = compare_pcg()
    if arguments.json:
        with Path(arguments.json).open("w") as handle:
            json.dump({"machine": machine, "invk": invk_rows, "pcg": pcg_row}, handle, indent=2)
            handle.write("\n")


if __name__ == "__main__":
    main()
