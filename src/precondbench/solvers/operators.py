"""What every preconditioner is: a linear operator close to the inverse, with its cost."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench._internal import kernel
from precondbench.factors import (
    LowerPattern,
    analyse,
    factorise,
    lower_pattern,
    minimum_degree,
    solve_factored,
)
from precondbench.matrices import check_spd_candidate


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
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.solvers import after_reordering
    >>> A = tridiagonal_csr(poisson_1d(9))
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
    >>> from precondbench.solvers import FactoredInverse
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


def exact_cholesky(A: Any) -> FactoredPreconditioner:
    """Sparse Cholesky factorisation after a minimum-degree ordering: a direct solver.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).

    Returns
    -------
    FactoredPreconditioner
        A^-1 up to rounding.

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If A is not positive definite in double precision; carries the column.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.solvers import exact_cholesky
    >>> A = np.array([[4.0, 2, 0], [2, 5, 1], [0, 1, 3]])
    >>> np.allclose(exact_cholesky(A) @ (A @ [1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])
    True
    """
    matrix = check_spd_candidate(A, "A")
    n = matrix.shape[0]
    symbolic = analyse(matrix, minimum_degree(matrix))
    unit, pivots = factorise(matrix, symbolic)
    root = np.sqrt(pivots)
    counts = np.diff(symbolic.colptr)
    diagonal = np.arange(n)
    L = csr_array(
        coo_array(
            (
                np.concatenate((unit * np.repeat(root, counts), root)),
                (
                    np.concatenate((symbolic.rows, diagonal)),
                    np.concatenate((np.repeat(diagonal, counts), diagonal)),
                ),
            ),
            shape=(n, n),
        )
    )
    L.sort_indices()
    return FactoredPreconditioner(lower_pattern(L), np.asarray(L.data), symbolic.position)
