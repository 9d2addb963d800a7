"""Tridiagonal SPD matrices with a known Cholesky factor, and the closed form of the perturbed one.

Only + - * / and sqrt in a stated order are used, so a draw has the same bits on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from precondbench.errors import MatrixError

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Bidiagonal:
    """The two diagonals of a lower bidiagonal, or of a symmetric tridiagonal, matrix.

    Parameters
    ----------
    diagonal : numpy.ndarray
        float64 of shape (n,).
    subdiagonal : numpy.ndarray
        float64 of shape (n - 1,): entries (i + 1, i).
    """

    diagonal: Vector
    subdiagonal: Vector

    def __post_init__(self) -> None:
        if self.diagonal.ndim != 1 or self.subdiagonal.shape != (self.diagonal.size - 1,):
            raise MatrixError(
                f"diagonals of lengths {self.diagonal.shape} and {self.subdiagonal.shape} do not "
                "fit: give n entries and n - 1 entries, n >= 1"
            )

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.diagonal.size)


def semiseparable_factor(u: ArrayLike, v: ArrayLike) -> Bidiagonal:
    r"""Bidiagonal L whose inverse is rank-1 semiseparable: (L^-1)[i, j] = u_i v_j for i >= j.

    L_ii = 1 / (u_i v_i) and L_{i+1,i} = -1 / (u_i v_{i+1}).

    Parameters
    ----------
    u, v : array_like
        Positive generators of shape (n,).

    Returns
    -------
    Bidiagonal
        The factor L.

    Raises
    ------
    MatrixError
        If the lengths differ, or an entry is not positive and finite.

    Notes
    -----
    Section 5.1 of the paper prints the condition as ``i <= j``; the inverse of a lower
    triangular matrix is lower triangular, so ``i >= j`` is meant.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import lower_csr, semiseparable_factor
    >>> u, v = np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.5, 2.0])
    >>> L = lower_csr(semiseparable_factor(u, v)).toarray()
    >>> np.allclose(np.linalg.solve(L, np.eye(3)), np.tril(np.outer(u, v)))
    True
    """
    u = np.asarray(u, dtype=np.float64)
    v = np.asarray(v, dtype=np.float64)
    if u.shape != v.shape or u.ndim != 1 or u.size == 0:
        raise MatrixError(f"generators u {u.shape} and v {v.shape} must be vectors of one length")
    if not (np.all(u > 0) and np.all(v > 0) and np.all(np.isfinite(u)) and np.all(np.isfinite(v))):
        raise MatrixError("generators u and v must be positive and finite")
    return Bidiagonal(1.0 / (u * v), -1.0 / (u[:-1] * v[1:]))


def from_factor(factor: Bidiagonal) -> Bidiagonal:
    """Diagonals of A = L L^T for a bidiagonal L.

    A_ii = L_ii^2 + L_{i,i-1}^2 and A_{i+1,i} = L_{i+1,i} L_ii.

    Parameters
    ----------
    factor : Bidiagonal
        Diagonals of L.

    Returns
    -------
    Bidiagonal
        Diagonal and subdiagonal of A.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import Bidiagonal, from_factor
    >>> from_factor(Bidiagonal(np.array([1.0, 2.0]), np.array([3.0]))).diagonal
    array([ 1., 13.])
    """
    d, s = factor.diagonal, factor.subdiagonal
    diagonal = d * d
    diagonal[1:] = diagonal[1:] + s * s
    return Bidiagonal(diagonal, s * d[:-1])


def perturbed_factor(factor: Bidiagonal, first_column: ArrayLike, tau: float = 1.0) -> Bidiagonal:
    r"""Cholesky factor of L L^T + tau e_1 e_1^T in closed form, O(n).

    With w = L^-1 e_1 and s_k = 1 + tau (w_1^2 + ... + w_k^2), s_0 = 1:
    L'_kk = L_kk sqrt(s_k / s_{k-1}) and L'_{k+1,k} = A_{k+1,k} / L'_kk, because
    L L^T + tau e_1 e_1^T = L (I + tau w w^T) L^T and the pivots of the middle factor are
    s_k / s_{k-1}. For a semiseparable inverse w_k = u_k v_1.

    Parameters
    ----------
    factor : Bidiagonal
        The factor L of the matrix before the change.
    first_column : array_like
        w = L^-1 e_1, shape (n,).
    tau : float
        Size of the change of A_11; positive.

    Returns
    -------
    Bidiagonal
        The factor L' of the changed matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import from_factor, perturbed_factor, semiseparable_factor
    >>> u, v = np.array([1.0, 0.5, 2.0]), np.array([2.0, 1.0, 1.0])
    >>> L = semiseparable_factor(u, v)
    >>> A, A_new = from_factor(L), from_factor(perturbed_factor(L, u * v[0]))
    >>> np.allclose(A_new.diagonal - A.diagonal, [1.0, 0.0, 0.0])
    True
    """
    w = np.asarray(first_column, dtype=np.float64)
    if w.shape != factor.diagonal.shape:
        raise MatrixError(f"first_column has shape {w.shape}, L has {factor.n} rows")
    if not tau > 0:
        raise MatrixError(f"tau is {tau}, it must be positive")
    # cumsum adds strictly from left to right, so these bits do not depend on the machine.
    s = np.cumsum(np.concatenate(([1.0], tau * (w * w))))
    diagonal = factor.diagonal * np.sqrt(s[1:] / s[:-1])
    off = factor.subdiagonal * factor.diagonal[:-1]
    return Bidiagonal(diagonal, off / diagonal[:-1])


def poisson_1d(n: int) -> Bidiagonal:
    """Equation (2) of the paper: tridiag(-1, 2, -1) with n rows.

    Parameters
    ----------
    n : int
        Rows.

    Returns
    -------
    Bidiagonal
        Diagonal and subdiagonal of the matrix.

    Examples
    --------
    >>> from precondbench.matrices import poisson_1d
    >>> poisson_1d(3).diagonal
    array([2., 2., 2.])
    """
    return Bidiagonal(np.full(n, 2.0), np.full(n - 1, -1.0))


def theorem_2_1_factor(n: int) -> Bidiagonal:
    """Return the factor of Theorem 2.1: L_ii = 1 / i, L_{i+1,i} = 1.

    A = L L^T is numerically singular from n of about 10 on, so keep this L and never
    re-factor A in double precision.

    Parameters
    ----------
    n : int
        Rows.

    Returns
    -------
    Bidiagonal
        Diagonal and subdiagonal of L.

    Examples
    --------
    >>> from precondbench.matrices import theorem_2_1_factor
    >>> theorem_2_1_factor(2).diagonal
    array([1. , 0.5])
    """
    return Bidiagonal(1.0 / np.arange(1, n + 1, dtype=np.float64), np.ones(n - 1))


def tridiagonal_pattern(n: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return ``indptr, indices`` of the lower bidiagonal pattern in CSR (2n - 1 entries)."""
    indptr = np.zeros(n + 1, dtype=np.int64)
    indptr[1:] = 2 * np.arange(1, n + 1) - 1
    indices = np.zeros(2 * n - 1, dtype=np.int32)
    rows = np.arange(n, dtype=np.int32)
    indices[0::2] = rows
    indices[1::2] = rows[:-1]
    return indptr, indices


def interleave(diagonals: Bidiagonal) -> Vector:
    """Values of the two diagonals in the order of :func:`tridiagonal_pattern`."""
    values = np.empty(2 * diagonals.n - 1)
    values[0::2] = diagonals.diagonal
    values[1::2] = diagonals.subdiagonal
    return values


def lower_csr(diagonals: Bidiagonal) -> csr_array:
    """Return the lower bidiagonal matrix as a SciPy CSR array, float64.

    Parameters
    ----------
    diagonals : Bidiagonal
        Diagonal and subdiagonal of L.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n), columns sorted.

    Examples
    --------
    >>> from precondbench.matrices import lower_csr, poisson_1d
    >>> lower_csr(poisson_1d(2)).toarray()
    array([[ 2.,  0.],
           [-1.,  2.]])
    """
    indptr, indices = tridiagonal_pattern(diagonals.n)
    n = diagonals.n
    return csr_array((interleave(diagonals), indices, indptr.astype(np.int32)), shape=(n, n))
