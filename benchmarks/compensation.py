"""Iterations with modified incomplete Cholesky beside IC(0) and Inv-K, all on tril(A).

    python benchmarks/compensation.py --json FILE [--sizes 10000,100000]

On the problems of benchmarks/solver_study.py, with the same right-hand side. MIC(0) with relaxation
w (Gustafsson 1978) is IC(0) in which the share w of every fill-in entry that elimination drops is
subtracted from the two diagonal entries of its row and column; w = 0 is IC(0). It is written in
plain Python here, for counts of iterations and not for times.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import scipy.sparse as sp

from diffusion import PROBLEMS, diffusion, points_a_side, right_hand_side
from precondbench import ic0, invk, pcg

RELAXATIONS = (0.9, 0.97, 0.99, 1.0)
RTOL, MOST = 1e-8, 10_000


def modified_ic0(A: sp.csr_array, relaxation: float) -> sp.csr_array | None:
    """Return L on the pattern of tril(A), or None if a pivot is not positive."""
    lower = sp.csc_array(sp.tril(A))
    lower.sort_indices()
    columns = [
        dict(
            zip(
                lower.indices[lower.indptr[k] : lower.indptr[k + 1]].tolist(),
                lower.data[lower.indptr[k] : lower.indptr[k + 1]].tolist(),
                strict=True,
            )
        )
        for k in range(A.shape[0])
    ]
    for k, column in enumerate(columns):
        pivot = column[k]
        if not pivot > 0:
            return None
        below = [(i, value) for i, value in column.items() if i != k]
        for place, (i, first) in enumerate(below):
            columns[i][i] -= first * first / pivot
            for j, second in below[place + 1 :]:
                fill = first * second / pivot
                if j in columns[i]:
                    columns[i][j] -= fill
                else:
                    columns[i][i] -= relaxation * fill
                    columns[j][j] -= relaxation * fill
        root = math.sqrt(pivot)
        for i, value in below:
            column[i] = value / root
        column[k] = root
    rows = [i for column in columns for i in column]
    values = [value for column in columns for value in column.values()]
    of_column = [k for k, column in enumerate(columns) for _ in column]
    return sp.csr_array((values, (rows, of_column)), shape=A.shape)


def measured(problem: str, size: int) -> dict[str, object]:
    """Iterations by method on one problem; None where a factor or a solve fails."""
    A = diffusion(problem, points_a_side(problem, size))
    b = right_hand_side(A.shape[0])
    factors = {"IC(0)": ic0(A), "Inv-K": invk(A)}
    factors |= {f"MIC(0), w = {w:g}": modified_ic0(A, w) for w in RELAXATIONS}
    counts = {}
    for name, L in factors.items():
        result = None if L is None else pcg(A, b, L, rtol=RTOL, maxiter=MOST)
        solved = result is not None and result.status == "converged"
        counts[name] = result.iterations if solved else None
        print(problem, name, counts[name], flush=True)
    return {"problem": problem, "size": size, "n": A.shape[0], "iterations": counts}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--sizes", default="10000,100000")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    rows = [measured(problem, size) for problem in PROBLEMS for size in sizes]
    options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
