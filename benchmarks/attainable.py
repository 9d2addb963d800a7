"""How small a residual float64 allows on the real matrices of version 2.0.

The system of every right-hand side is solved with 32 digits, and the solution rounded to float64:
no solver that returns float64 can be expected to leave a smaller residual than this. Where it is
above the tolerance of protocol 2, the matrix stands in split `unsolved`. Those matrices are solved
again for a right-hand side b = A x, x uniform in [-1, 1).

    python benchmarks/attainable.py [--json FILE]

Needs version 2.0 in the cache, or mirrors to build it from. Matrices whose factorisation with 32
digits costs more than 1e9 squares of column counts are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, eigsh

from precondbench import SuiteSparseInvK, invk
from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors import analyse, minimum_degree, shifted_ic0
from precondbench.factors.cholesky.extended import factorise_extended
from precondbench.factors.cholesky.twofold import add, divide, multiply
from precondbench.factors.symbolic.tree import operations
from precondbench.quality import MAXITER, RTOL, SymmetricProblem, problem_of
from precondbench.recipes import FOLDED_VERSION
from precondbench.solvers import exact_cholesky, pcg

MOST_OPERATIONS = 1e9
STEPS = 30
METHODS: dict[str, Callable[[sp.csr_array], Any]] = {
    "IC(0), smallest shift": lambda A: shifted_ic0(A)[0],
    "Inv-K": invk,
    "Cholesky": exact_cholesky,
}
Solve = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


@kernel
def _solve(colptr, rows, values, values_low, pivots, pivots_low, b):  # type: ignore[no-untyped-def]
    """Solve L D L^T x = b with 32 digits."""
    n = pivots.size
    x, low = b.copy(), np.zeros(n)
    for j in range(n):
        for p in range(colptr[j], colptr[j + 1]):
            i = rows[p]
            z, z_low = multiply(values[p], values_low[p], x[j], low[j])
            x[i], low[i] = add(x[i], low[i], -z, -z_low)
    for j in range(n - 1, -1, -1):
        x[j], low[j] = divide(x[j], low[j], pivots[j], pivots_low[j])
        for p in range(colptr[j], colptr[j + 1]):
            i = rows[p]
            z, z_low = multiply(values[p], values_low[p], x[i], low[i])
            x[j], low[j] = add(x[j], low[j], -z, -z_low)
    return x, low


@kernel
def _residual(indptr, indices, data, x, x_low, b):  # type: ignore[no-untyped-def]
    """Return b - A x with 32 digits, rounded."""
    r = np.empty(b.size)
    for i in range(b.size):
        total, low = b[i], 0.0
        for p in range(indptr[i], indptr[i + 1]):
            z, z_low = multiply(data[p], 0.0, x[indices[p]], x_low[indices[p]])
            total, low = add(total, low, -z, -z_low)
        r[i] = total
    return r


def exact_solver(A: sp.csr_array) -> Solve | None:
    """Return b -> x as a high and a low part; None if that costs too much or A is singular."""
    position = minimum_degree(A)
    if operations(A, position) > MOST_OPERATIONS:
        return None
    symbolic = analyse(A, position)
    try:
        (values, values_low), (pivots, pivots_low) = factorise_extended(A, symbolic)
    except BreakdownError:
        return None

    def solve(b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        permuted = np.empty_like(b)
        permuted[position] = b
        x, low = _solve(
            symbolic.colptr, symbolic.rows, values, values_low, pivots, pivots_low, permuted
        )
        return x[position], low[position]

    return solve


def residual(A: sp.csr_array, x: np.ndarray, low: np.ndarray, b: np.ndarray) -> float:
    """Relative residual."""
    left = _residual(A.indptr, A.indices, A.data, x, low, b)
    return float(np.linalg.norm(left) / np.linalg.norm(b))


def smallest_eigenvalue(solve: Solve, start: np.ndarray) -> tuple[float, np.ndarray]:
    """Smallest eigenvalue and its vector by inverse iteration."""
    v = start / np.linalg.norm(start)
    size = 1.0
    for _ in range(STEPS):
        v, _low = solve(v)
        size = float(np.linalg.norm(v))
        v = v / size
    return 1.0 / size, v


def measured(problem: SymmetricProblem) -> dict[str, Any] | None:
    """What float64 allows on one matrix."""
    A = problem.matrix
    solve = exact_solver(A)
    if solve is None:
        return None
    floors, check = [], 0.0
    sides = problem.sides()
    for b in np.ascontiguousarray(sides.T):
        x, low = solve(b)
        floors.append(residual(A, x, np.zeros_like(x), b))
        check = max(check, residual(A, x, low, b))
    smallest, vector = smallest_eigenvalue(solve, sides[:, 0])
    n = A.shape[0]
    largest = float(eigsh(A, k=1, return_eigenvectors=False, tol=1e-6, v0=sides[:, 0])[0])
    return {
        "name": problem.name,
        "n": n,
        "condition": largest / smallest,
        "attainable": max(floors),
        "residual_32_digits": check,
        # 1 for a vector of equal entries, 1 / n for a unit vector.
        "share_of_rows": float(1.0 / (n * np.sum(vector**4))),
    }


def with_solution(problem: SymmetricProblem) -> dict[str, Any]:
    """Status and iterations of methods for a right-hand side b = A x."""
    x = problem.sides()[:, 0]
    b = problem.matrix @ x
    found: dict[str, Any] = {}
    for name, method in METHODS.items():
        try:
            M = method(problem.matrix)
        except BreakdownError:
            found[name] = {"status": "breakdown"}
            continue
        form = "M" if isinstance(M, LinearOperator) else "L"
        result = pcg(problem.matrix, b, **{form: M}, rtol=RTOL, maxiter=MAXITER)
        error = float(np.linalg.norm(result.x - x) / np.linalg.norm(x))
        found[name] = {
            "status": str(result.status), "iterations": result.iterations, "error": error
        }  # fmt: skip
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found: dict[str, list[dict[str, Any]]] = {"unsolved": [], "all": []}
    for split, rows in found.items():
        data = SuiteSparseInvK(version=FOLDED_VERSION, split=split)
        for i in range(len(data)):
            problem = problem_of(data.pair(i))
            row = measured(problem)
            if row is None:
                print(f"{split} {problem.name} left out", flush=True)
                continue
            if split == "unsolved":
                row["with_solution"] = with_solution(problem)
            rows.append(row)
            print(split, json.dumps(row), flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
