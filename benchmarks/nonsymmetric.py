"""ILU(0) and other methods without training on non-symmetric matrices that are not tridiagonal.

    python benchmarks/nonsymmetric.py [--json FILE]

docs/make_nonsymmetric_page.py makes a table of docs/nonsymmetric.md from the file; the other tables
are those of the leaderboard. The stored results are of protocol 1, with one right-hand side.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from precondbench import Pair, evaluate, ilu0
from precondbench.leaderboard import classical_methods
from precondbench.matrices import formula_matrix

REAL = (
    "JGD_Trefethen/Trefethen_20",
    "JGD_Trefethen/Trefethen_300",
    "HB/gr_30_30",
    "HB/nos1",
    "GHS_psdef/torsion1",
)


class One:
    """A dataset of one matrix, whose target is ILU(0)."""

    def __init__(self, name: str, A: sp.csr_array) -> None:
        self._pair = Pair(name, A, *ilu0(A))

    def __len__(self) -> int:
        return 1

    def pair(self, index: int) -> Pair:
        """Return the pair."""
        return self._pair


def convection_diffusion(m: int, wind: float) -> sp.csr_array:
    """Central differences of -laplace(u) + wind (u_x + u_y) on an m x m grid."""
    h = wind / (2 * (m + 1))
    one = np.ones(m - 1)
    T = sp.diags_array([(-1 - h) * one, 2 * np.ones(m), (-1 + h) * one], offsets=[-1, 0, 1])
    eye = sp.eye_array(m)
    return sp.csr_array(sp.kron(T, eye) + sp.kron(eye, T))


def other(name: str, A: sp.csr_array) -> dict[str, Any]:
    """Every general method on one matrix."""
    found = {}
    data = One(name, A)
    for method, function in classical_methods(data.pair(0)).items():
        row = evaluate(data, function).rows[0]
        found[method] = {"status": row.status, "iterations": row.iterations}
    print(name, found, flush=True)
    return {"matrix": name, "n": A.shape[0], "nnz": A.nnz, "methods": found}


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="Write the results here, too.")
    arguments = parser.parse_args()
    matrices = {name: formula_matrix(name) for name in REAL}
    for wind in (1, 20, 200):
        matrices[f"convection-diffusion, 60 x 60, wind {wind}"] = convection_diffusion(60, wind)
    results = {"matrices": [other(name, A) for name, A in matrices.items()]}
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
