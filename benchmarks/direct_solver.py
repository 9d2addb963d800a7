"""A complete sparse Cholesky factorisation: CHOLMOD where it is installed, else SuperLU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu


def direct_library() -> str:
    """Return the name of the direct solver."""
    try:
        import sksparse.cholmod  # noqa: F401
    except ImportError:
        return "SuperLU"
    return "CHOLMOD"


class Direct:
    """A complete factorisation."""

    def __init__(self, solve: Callable[[np.ndarray], np.ndarray], count: Callable[[], int]) -> None:
        self.solve, self._count = solve, count

    @property
    def entries(self) -> int:
        """Number of entries of L; CHOLMOD copies L to count them."""
        return self._count()


def direct(A: sp.csr_array) -> Direct:
    """Factorise with CHOLMOD or, where it is not installed, with SuperLU."""
    if direct_library() == "CHOLMOD":
        from sksparse.cholmod import cholesky

        factor = cholesky(sp.csc_matrix(A))
        return Direct(factor, lambda: int(factor.L().nnz))
    lu = splu(
        sp.csc_array(A),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    return Direct(lu.solve, lambda: int(lu.L.nnz))
