"""What every preconditioner is: a linear operator close to the inverse, with its cost."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

__all__ = ["Preconditioner"]


class Preconditioner(LinearOperator):  # type: ignore[misc]
    """M, close to A^-1, as SciPy's iterative solvers take it.

    Parameters
    ----------
    n : int
        Rows of A.
    entries : int
        Stored numbers that one application reads: twice nnz(L) for a factor L.
    """

    def __init__(self, n: int, entries: int) -> None:
        super().__init__(np.dtype(np.float64), (n, n))
        self.entries = entries

    @abstractmethod
    def apply(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r as a new array; float64, shape (n,), sums in a fixed order."""

    def _matvec(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.apply(np.ascontiguousarray(x, dtype=np.float64).reshape(-1))

    def _adjoint(self) -> Preconditioner:
        return self

    _transpose = _adjoint
