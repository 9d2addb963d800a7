"""A factorised sparse approximate inverse, applied by two products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.factors.jit import kernel
from precondbench.preconditioners.base import Preconditioner

__all__ = ["FactoredInverse"]


@kernel
def _apply(indptr, indices, values, r):  # type: ignore[no-untyped-def]
    out = np.zeros(r.size, np.float64)
    for i in range(r.size):
        total = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            total += values[p] * r[indices[p]]
        for p in range(indptr[i], indptr[i + 1]):
            out[indices[p]] += values[p] * total
    return out


class FactoredInverse(Preconditioner):
    """M = G^T G.

    Parameters
    ----------
    G : scipy.sparse.csr_array
        Square, float64, see :func:`precondbench.factors.fsai`.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import fsai
    >>> from precondbench.preconditioners import FactoredInverse
    >>> A = np.array([[4.0, 2.0], [2.0, 5.0]])
    >>> np.allclose(FactoredInverse(fsai(A)) @ (A @ [1.0, 2.0]), [1.0, 2.0])
    True
    """

    def __init__(self, G: csr_array) -> None:
        super().__init__(G.shape[0], 2 * G.nnz)
        self.G = G

    def apply(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return G^T (G r)."""
        result: NDArray[np.float64] = _apply(self.G.indptr, self.G.indices, self.G.data, r)
        return result
