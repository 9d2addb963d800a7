"""The exact factor, with all its fill-in."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import coo_array, csr_array

from precondbench.factors import lower_pattern, minimum_degree
from precondbench.factors.cholesky import analyse, factorise
from precondbench.matrices import check_spd_candidate
from precondbench.preconditioners.factored import FactoredPreconditioner

__all__ = ["exact_cholesky"]


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
    >>> from precondbench.preconditioners import exact_cholesky
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
