"""Methods that learn nothing, for non-symmetric matrices: functions A -> (L, U), or values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from precondbench.factors import gauss_seidel_lu, ilu0, jacobi_lu
from precondbench.leaderboard.methods.classical import EXACT_HERE, ReferenceMethod
from precondbench.matrices import check_general
from precondbench.quality import is_tridiagonal, window_values

HOPS = (0, 1, 2, 4, 8, 16, 32)
EXACT = "exact factors, ILU(0)"


def identity_lu(A: csr_array) -> tuple[csr_array, csr_array]:
    """No preconditioner."""
    eye = csr_array(eye_array(A.shape[0], format="csr"))
    return eye, eye


def khop_lu_method(A: csr_array, hops: int) -> NDArray[np.float64]:
    """k-hop oracle of a tridiagonal matrix: L and U stored together."""
    return window_values(check_general(A), hops, symmetric=False)


def lu_methods(A: csr_array) -> dict[str, Callable[[csr_array], Any]]:
    """Methods that can be tried on a matrix, and on others with a pattern like its own.

    Parameters
    ----------
    A : scipy.sparse.csr_array
        Square matrix. On tridiagonal ones ILU(0) is exact, and there are k-hop oracles: they
        know the law of the family, so they are oracles and no baselines.

    Returns
    -------
    dict of str to callable
        By name: no preconditioner, Jacobi, Gauss-Seidel, ILU(0), k-hop oracles.

    Examples
    --------
    >>> from precondbench import SyntheticTridiag, evaluate
    >>> from precondbench.leaderboard import lu_methods
    >>> data = SyntheticTridiag(split="test", kind="lu")[:20]
    >>> methods = lu_methods(data.pair(0).A)
    >>> [evaluate(data, methods[f"{k}-hop oracle"]).summary["solved"] for k in (0, 8)]
    [1.0, 1.0]
    """
    methods: dict[str, Callable[[csr_array], Any]] = {
        "none": identity_lu,
        "Jacobi": jacobi_lu,
        "Gauss-Seidel": gauss_seidel_lu,
    }
    if not is_tridiagonal(check_general(A)):
        return methods | {"ILU(0)": ilu0}
    oracles = {f"{hops}-hop oracle": partial(khop_lu_method, hops=hops) for hops in HOPS}
    return methods | oracles | {EXACT: ilu0}


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
