"""Ends of the spectrum of every real matrix, which the pages of matrices show.

    PRECONDBENCH_SUITESPARSE=FOLDER python benchmarks/spectra.py --json FILE

Pages of boards read spectra.json in src/precondbench/leaderboard/site. The ends are those of the
matrix as it is solved: scaled by powers of two to a diagonal in [0.5, 2). The largest eigenvalue by
LAPACK or ARPACK, the smallest by ARPACK and SuperLU, if a Cholesky factor needs at most 1e10
multiply-adds and the eigenvalue is not lost in the roundings of double precision.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.sparse import tril
from scipy.sparse.linalg import eigsh

from precondbench import Pair, SuiteSparseInvK
from precondbench.factors import estimate_cost, lower_pattern
from precondbench.quality import problem_of, spectrum_ends

MOST_OPERATIONS = 1e10


def ends(pair: Pair) -> list[float | None]:
    """Smallest and largest eigenvalue, to three digits; None where it is not known."""
    A = problem_of(pair).matrix
    if estimate_cost(A, lower_pattern(tril(A, format="csr"))).operations <= MOST_OPERATIONS:
        low, high = spectrum_ends(A)
    else:
        low = 0.0
        first = np.random.default_rng(0).standard_normal(A.shape[0])
        high = float(eigsh(A, 1, which="LA", v0=first, return_eigenvectors=False)[0])
    certain = low > A.shape[0] * np.finfo(np.float64).eps * high
    return [float(f"{low:.2e}") if certain else None, float(f"{high:.2e}")]


def main() -> None:
    """Compute and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    found: dict[str, list[float | None]] = {}
    for split in ("all", "unsolved"):
        data = SuiteSparseInvK(split=split, version="2.0")
        for index in range(len(data)):
            pair = data.pair(index)
            found[pair.name] = ends(pair)
            print(pair.name, found[pair.name], flush=True)
    options.json.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
