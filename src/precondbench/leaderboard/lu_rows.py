"""Rows that stand on every board of non-symmetric tridiagonal matrices: functions A -> (L, U)."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.factors import gauss_seidel_lu, ilu0, jacobi_lu
from precondbench.leaderboard.methods import EXACT_HERE, ReferenceMethod
from precondbench.quality.lu_methods import HOPS, identity_lu, khop_lu_method

__all__ = ["lu_rows"]


def symmetric_gauss_seidel_lu(A: csr_array) -> NDArray[np.float64]:
    """I + E D^-1 and D + F, stored together, with A = E + D + F: on tridiagonals the 0-hop rule."""
    return khop_lu_method(A, 0)


def lu_rows() -> list[ReferenceMethod]:
    """Return the rows of boards of non-symmetric tridiagonal matrices."""
    return [
        ReferenceMethod("none", identity_lu, "No preconditioner."),
        ReferenceMethod("Jacobi", jacobi_lu, "The diagonal of A."),
        ReferenceMethod(
            "Gauss-Seidel", gauss_seidel_lu, "A forward sweep: L U = tril(A), U = diag(A)."
        ),
        ReferenceMethod(
            "symmetric Gauss-Seidel",
            symmetric_gauss_seidel_lu,
            "A forward and a backward sweep, written as I + E D^-1 and D + F for A = E + D + F.",
        ),
        ReferenceMethod(
            "ILU(0)",
            ilu0,
            f"Incomplete LU without fill-in, in the order of the matrix. {EXACT_HERE}",
            "Meijerink and van der Vorst, 1977",
            kind="oracle",
        ),
        *(
            ReferenceMethod(
                f"{hops}-hop oracle",
                partial(khop_lu_method, hops=hops),
                "Elimination restarted so many rows back: the best that a window of the rows "
                "behind can do.",
                kind="oracle",
            )
            for hops in HOPS
        ),
    ]
