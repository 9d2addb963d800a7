"""Classical methods and oracles of non-symmetric matrices, as functions A -> (L, U) or values."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from precondbench.factors import gauss_seidel_lu, ilu0, jacobi_lu
from precondbench.leaderboard.methods.row import (
    HOPS,
    LU,
    MEIJERINK,
    TRIDIAGONAL_LU,
    ReferenceMethod,
)
from precondbench.matrices import check_general
from precondbench.quality import window_values


def identity_lu(A: csr_array) -> tuple[csr_array, csr_array]:
    """No preconditioner."""
    eye = csr_array(eye_array(A.shape[0], format="csr"))
    return eye, eye


def khop_lu(A: csr_array, hops: int) -> NDArray[np.float64]:
    """k-hop oracle of a tridiagonal matrix: L and U stored together."""
    return window_values(check_general(A), hops, symmetric=False)


def symmetric_gauss_seidel_lu(A: csr_array) -> NDArray[np.float64]:
    """I + E D^-1 and D + F, stored together, with A = E + D + F: on tridiagonals the 0-hop rule."""
    return khop_lu(A, 0)


_GENERAL = frozenset({LU, TRIDIAGONAL_LU})

ROWS: tuple[ReferenceMethod, ...] = (
    ReferenceMethod("none", identity_lu, "No preconditioner.", on=_GENERAL, quick=True),
    ReferenceMethod("Jacobi", jacobi_lu, "The diagonal of A.", on=_GENERAL, quick=True),
    ReferenceMethod(
        "Gauss-Seidel",
        gauss_seidel_lu,
        "A forward sweep: L U = tril(A), U = diag(A).",
        on=_GENERAL,
        quick=True,
    ),
    ReferenceMethod(
        "symmetric Gauss-Seidel",
        symmetric_gauss_seidel_lu,
        "A forward and a backward sweep, written as I + E D^-1 and D + F for A = E + D + F.",
        on=frozenset({TRIDIAGONAL_LU}),
    ),
    ReferenceMethod(
        "ILU(0)",
        ilu0,
        "Incomplete LU without fill-in, in the order of the matrix.",
        MEIJERINK,
        on=_GENERAL,
        exact_if_tridiagonal=True,
        quick=True,
    ),
    *(
        ReferenceMethod(
            f"{hops}-hop oracle",
            partial(khop_lu, hops=hops),
            "Elimination restarted so many rows back: the best that a window of the rows behind "
            "can do.",
            kind="oracle",
            on=frozenset({TRIDIAGONAL_LU}),
            quick=True,
        )
        for hops in HOPS
    ),
)
