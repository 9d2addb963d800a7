"""L L^T of a matrix in another order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.factors import LowerPattern, lower_pattern
from precondbench.factors.triangular import solve_factored
from precondbench.matrices import check_spd_candidate
from precondbench.preconditioners.base import Preconditioner

__all__ = ["FactoredPreconditioner", "after_reordering"]


class FactoredPreconditioner(Preconditioner):
    """M = P^T (L L^T)^-1 P.

    Parameters
    ----------
    pattern : LowerPattern
        Of L.
    values : numpy.ndarray
        float64 (pattern.nnz,).
    position : numpy.ndarray
        int64 (n,): row i of A is row position[i] of L.
    """

    def __init__(
        self,
        pattern: LowerPattern,
        values: NDArray[np.float64],
        position: NDArray[np.int64],
    ) -> None:
        super().__init__(pattern.n, 2 * pattern.nnz)
        self.pattern = pattern
        self.values = values
        self.position = position

    def apply(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r: a permutation, two substitutions, the permutation back."""
        x = np.empty_like(r)
        x[self.position] = r
        solve_factored(self.pattern.indptr, self.pattern.indices, self.values, x)
        result: NDArray[np.float64] = x[self.position]
        return result


def after_reordering(
    A: Any,
    order: Callable[[csr_array], NDArray[np.int64]],
    factor: Callable[[csr_array], csr_array],
) -> FactoredPreconditioner:
    """Factorise a matrix after a symmetric permutation.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    order : callable
        Graph -> position of each row, as :func:`precondbench.factors.minimum_degree` does.
    factor : callable
        A -> L, lower triangular.

    Returns
    -------
    FactoredPreconditioner
        M = P^T (L L^T)^-1 P, in the order of A.

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If the factorisation fails; its column is one of the permuted matrix.

    Examples
    --------
    >>> from precondbench import ic0, pcg
    >>> from precondbench.factors import reverse_cuthill_mckee
    >>> from precondbench.matrices import poisson_1d, symmetric_csr
    >>> from precondbench.preconditioners import after_reordering
    >>> A = symmetric_csr(poisson_1d(9))
    >>> M = after_reordering(A, reverse_cuthill_mckee, ic0)
    >>> pcg(A, [1.0] * 9, M=M).iterations
    1
    """
    matrix = check_spd_candidate(A, "A")
    position = order(matrix)
    perm = np.argsort(position)
    permuted = csr_array(matrix[perm][:, perm])
    permuted.sort_indices()
    lower = csr_array(factor(permuted))
    return FactoredPreconditioner(
        lower_pattern(lower), np.asarray(lower.data, dtype=np.float64), position
    )
