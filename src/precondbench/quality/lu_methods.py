"""Methods that learn nothing, for non-symmetric matrices: functions A -> (L, U), or values."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from precondbench.factors import gauss_seidel_lu, ilu0, jacobi_lu
from precondbench.matrices import check_general
from precondbench.quality.hops import is_tridiagonal
from precondbench.quality.lu_hops import khop_lu_values

__all__ = ["HOPS", "identity_lu", "khop_lu_method", "lu_methods"]

HOPS = (0, 1, 2, 4, 8, 16, 32)
EXACT = "exact factors, ILU(0)"


def identity_lu(A: csr_array) -> tuple[csr_array, csr_array]:
    """No preconditioner."""
    eye = csr_array(eye_array(A.shape[0], format="csr"))
    return eye, eye


def khop_lu_method(A: csr_array, hops: int) -> NDArray[np.float64]:
    """k-hop oracle of a tridiagonal matrix: L and U stored together."""
    return khop_lu_values(check_general(A), hops)


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
    >>> from precondbench.quality import lu_methods
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
