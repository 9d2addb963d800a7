"""Effective hops of LU factors: the k-hop oracles, judged by GMRES."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import BreakdownError, MatrixError
from precondbench.factors import khop_factor
from precondbench.matrices import Diagonals, tridiagonal_csr
from precondbench.quality.hops import HopLadder, is_tridiagonal
from precondbench.quality.lu_problem import GeneralSystem
from precondbench.quality.problem import Outcome
from precondbench.solvers import Status


def tridiagonal_diagonals(matrix: csr_array) -> Diagonals:
    """Diagonals of a sorted matrix with exactly the tridiagonal pattern.

    Raises
    ------
    MatrixError
        If the matrix has another pattern.
    """
    if not is_tridiagonal(matrix):
        raise MatrixError("k-hop oracles are defined for tridiagonal matrices only")
    below, on, above = (np.asarray(matrix.diagonal(k), dtype=np.float64) for k in (-1, 0, 1))
    return Diagonals(on, below, above)


def khop_lu_values(matrix: csr_array, hops: int) -> NDArray[np.float64]:
    """k-hop oracle of a tridiagonal matrix: L and U stored together, in the order of A.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        Checked tridiagonal matrix, shape (n, n).
    hops : int
        Rows that a window looks back; n - 1 gives the exact factor.

    Returns
    -------
    numpy.ndarray
        float64 (nnz,): L below the diagonal, U on it and above.
    """
    return stored_together(khop_factor(tridiagonal_diagonals(matrix), hops))


def stored_together(factor: Diagonals) -> NDArray[np.float64]:
    """L and U of a tridiagonal matrix as one vector, in CSR order of the tridiagonal pattern."""
    return np.asarray(tridiagonal_csr(factor).data, dtype=np.float64)


class LUHopLadder(HopLadder):
    """Mean GMRES iterations of the k-hop oracles on a set of tridiagonal matrices.

    Parameters
    ----------
    matrices : sequence of scipy.sparse.csr_array
        Tridiagonal matrices, checked.

    Examples
    --------
    >>> from precondbench.matrices import LAWS, draw, tridiagonal_csr
    >>> from precondbench.quality import LUHopLadder
    >>> sample = draw(LAWS["lu"]["uniform"], 50, 0)
    >>> LUHopLadder([tridiagonal_csr(sample.matrix)]).mean_iterations(49)
    1.0
    """

    @staticmethod
    def _solver(matrix: csr_array) -> Callable[[int], Outcome]:
        system = GeneralSystem(matrix)

        def solve(hops: int) -> Outcome:
            try:
                return system.solve(khop_lu_values(matrix, hops))
            except BreakdownError as error:
                return Outcome(Status.INVALID, 0, float("nan"), str(error))

        return solve
