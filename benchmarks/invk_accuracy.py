"""Accuracy of both methods for Inv-K, for condition numbers from 1e4 to 1e14.

Powers of the second difference matrix, T^p of size m, with the pattern of tril(T^q): their
eigenvalues are known. The reference is the definition in 80 digits. In addition to the largest
relative error of a column of L, the results contain the figures reported by the library: the
residual of A Z = I, and diag(L^T A^-1 L) - 1 at six columns.

    python benchmarks/invk_accuracy.py [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

import mpmath
import numpy as np
import scipy.sparse as sp

from precondbench.errors import AccuracyWarning, BreakdownError
from precondbench.factors import invk_report

# m, p, q: condition numbers one decade or two apart.
CASES = (
    (20, 2, 1),
    (60, 2, 1),
    (20, 3, 1),
    (60, 3, 1),
    (60, 3, 2),
    (120, 3, 2),
    (60, 4, 2),
    (100, 4, 2),
)


def power(m: int, p: int) -> sp.csr_array:
    """T^p for the second difference matrix T; its entries are integers, exact in double."""
    one = np.ones(m)
    T = sp.csr_array(sp.diags_array([-one[1:], 2 * one, -one[1:]], offsets=[-1, 0, 1]))
    A = T
    for _ in range(p - 1):
        A = sp.csr_array(A @ T)
    return A


def reference(A: sp.csr_array, pattern: sp.csr_array) -> np.ndarray:
    """Inv-K from its definition in 80 digits."""
    n = A.shape[0]
    columns = sp.csc_array(pattern)
    L = np.zeros((n, n))
    with mpmath.workdps(80):
        B = mpmath.matrix(A.toarray().tolist()) ** -1
        for i in range(n):
            s = np.sort(columns.indices[columns.indptr[i] : columns.indptr[i + 1]])
            block = mpmath.matrix([[B[int(j), int(k)] for k in s] for j in s])
            v = mpmath.lu_solve(block, mpmath.matrix([1] + [0] * (s.size - 1)))
            L[s, i] = [float(entry / mpmath.sqrt(v[0])) for entry in v]
    return L


def compare(m: int, p: int, q: int) -> dict:
    """Both methods on one matrix."""
    A, pattern = power(m, p), sp.csr_array(sp.tril(power(m, q), format="csr"))
    exact = reference(A, pattern)
    eigenvalues = 2 - 2 * np.cos(np.pi * np.array([1, m]) / (m + 1))
    row: dict = {"n": m, "power": p, "condition": float((eigenvalues[1] / eigenvalues[0]) ** p)}
    for method in ("simplicial", "supernodal", "auto"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", AccuracyWarning)
            try:
                report = invk_report(A, pattern, method=method)
            except BreakdownError as error:
                row[method] = {"breakdown": str(error)}
                continue
        difference = np.linalg.norm(report.factor.toarray() - exact, axis=0)
        row[method] = {
            "error": float(np.max(difference / np.linalg.norm(exact, axis=0))),
            "residual": report.residual,
            "diagonal_error": report.diagonal_error,
            "method": report.method,
            "warned": bool(caught),
        }
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", help="also write the figures to this file")
    arguments = parser.parse_args()
    rows = []
    for case in CASES:
        rows.append(compare(*case))
        row = rows[-1]
        print(f"cond {row['condition']:.1e}, n = {row['n']}")
        for method in ("simplicial", "supernodal", "auto"):
            print("   ", method, row[method], flush=True)
    rows.sort(key=lambda row: row["condition"])
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"cases": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
