"""Tridiagonal matrices and their factors as diagonals: CSR forms, and closed forms of factors.

The closed forms use + - * / and sqrt in a stated order only, so that their bits are the same on
every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from precondbench.errors import MatrixError

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Diagonals:
    """The diagonals of a tridiagonal matrix or of its factors.

    Two of them stand for a symmetric matrix, or for its Cholesky factor L. Three stand for a
    general matrix, or for its factors L and U in Doolittle's form, stored together: the
    subdiagonal is that of L, whose unit diagonal is not stored, and the others are those of U.

    Parameters
    ----------
    diagonal : numpy.ndarray
        float64 of shape (n,); the pivots of LU factors.
    subdiagonal : numpy.ndarray
        float64 of shape (n - 1,): entries (i + 1, i); the multipliers of LU factors.
    superdiagonal : numpy.ndarray, optional
        float64 of shape (n - 1,): entries (i, i + 1).

    Raises
    ------
    MatrixError
        If the lengths do not fit.
    """

    diagonal: Vector
    subdiagonal: Vector
    superdiagonal: Vector | None = None

    def __post_init__(self) -> None:
        short = (self.diagonal.size - 1,)
        others = [self.subdiagonal] + [x for x in (self.superdiagonal,) if x is not None]
        if self.diagonal.ndim != 1 or any(x.shape != short for x in others):
            shapes = " and ".join(str(x.shape) for x in others)
            raise MatrixError(
                f"a diagonal of shape {self.diagonal.shape} and neighbours of shape {shapes} do "
                "not fit: give n entries and n - 1 entries, n >= 1"
            )

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.diagonal.size)

    @property
    def lower(self) -> Diagonals:
        """L of the factors, with the ones of a unit diagonal."""
        if self.superdiagonal is None:
            return self
        return Diagonals(np.ones(self.n), self.subdiagonal)

    @property
    def upper(self) -> Diagonals | None:
        """The diagonal and the superdiagonal as those of the transpose; None if there are two."""
        if self.superdiagonal is None:
            return None
        return Diagonals(self.diagonal, self.superdiagonal)


def poisson_1d(n: int) -> Diagonals:
    """Equation (2) of the paper: tridiag(-1, 2, -1) with n rows.

    Parameters
    ----------
    n : int
        Rows.

    Returns
    -------
    Diagonals
        Of the symmetric matrix.

    Examples
    --------
    >>> from precondbench.matrices import poisson_1d
    >>> poisson_1d(3).diagonal
    array([2., 2., 2.])
    """
    return Diagonals(np.full(n, 2.0), np.full(n - 1, -1.0))


def semiseparable_factor(
    u: ArrayLike, v: ArrayLike, p: ArrayLike | None = None, q: ArrayLike | None = None
) -> Diagonals:
    r"""Bidiagonal factors whose inverses are rank-1 semiseparable.

    From u and v the Cholesky factor L with (L^-1)[i, j] = u_i v_j for i >= j:
    L_ii = 1 / (u_i v_i) and L_{i+1,i} = -1 / (u_i v_{i+1}).

    With p and q, for which (U^-1)[i, j] = p_i q_j where i <= j, the factors of A = L U, where
    (A^-1)[i, j] = p_i v_j sum_{k >= max(i, j)} q_k u_k. In Doolittle's form L is divided by its
    diagonal: the multipliers are -v_i / v_{i+1}, the pivots 1 / (u_i v_i p_i q_i), and
    U_{i,i+1} = -1 / (u_i v_i q_i p_{i+1}).

    Parameters
    ----------
    u, v : array_like
        Positive generators of shape (n,).
    p, q : array_like, optional
        Positive generators of shape (n,), both or none.

    Returns
    -------
    Diagonals
        Of L, or of L and U.

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
    given = (u, v) if p is None and q is None else (u, v, p, q)
    vectors = [np.asarray(x, dtype=np.float64) for x in given]
    first = vectors[0]
    if first.ndim != 1 or first.size == 0 or any(x.shape != first.shape for x in vectors):
        shapes = ", ".join(str(x.shape) for x in vectors)
        raise MatrixError(f"the generators have shapes {shapes}; give vectors of one length")
    if not all(np.all(x > 0) and np.all(np.isfinite(x)) for x in vectors):
        raise MatrixError("the generators must be positive and finite")
    if len(vectors) == 2:
        a, b = vectors
        return Diagonals(1.0 / (a * b), -1.0 / (a[:-1] * b[1:]))
    a, b, c, d = vectors
    ab = a * b
    return Diagonals(1.0 / (ab * (c * d)), -(b[:-1] / b[1:]), -1.0 / (ab * d)[:-1] / c[1:])


def theorem_2_1_factor(n: int) -> Diagonals:
    """Return the factor of Theorem 2.1: L_ii = 1 / i, L_{i+1,i} = 1.

    A = L L^T is numerically singular from n of about 10 on, so keep this L and never
    re-factor A in double precision.

    Parameters
    ----------
    n : int
        Rows.

    Returns
    -------
    Diagonals
        Of L.

    Examples
    --------
    >>> from precondbench.matrices import theorem_2_1_factor
    >>> theorem_2_1_factor(2).diagonal
    array([1. , 0.5])
    """
    return Diagonals(1.0 / np.arange(1, n + 1, dtype=np.float64), np.ones(n - 1))


def from_factor(factor: Diagonals) -> Diagonals:
    """Diagonals of A = L L^T, or of A = L U.

    A_ii = L_ii^2 + L_{i,i-1}^2 and A_{i+1,i} = L_{i+1,i} L_ii; for LU factors
    A_ii = U_ii + L_{i,i-1} U_{i-1,i}, A_{i+1,i} = L_{i+1,i} U_ii and A_{i,i+1} = U_{i,i+1}.

    Parameters
    ----------
    factor : Diagonals
        Of L, or of L and U.

    Returns
    -------
    Diagonals
        Of A, as many as of the factor.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import Diagonals, from_factor
    >>> from_factor(Diagonals(np.array([1.0, 2.0]), np.array([3.0]))).diagonal
    array([ 1., 13.])
    """
    d, s, above = factor.diagonal, factor.subdiagonal, factor.superdiagonal
    if above is None:
        diagonal = d * d
        diagonal[1:] = diagonal[1:] + s * s
        return Diagonals(diagonal, s * d[:-1])
    diagonal = d.copy()
    diagonal[1:] = diagonal[1:] + s * above
    return Diagonals(diagonal, s * d[:-1], above.copy())


def updated_factor(factor: Diagonals, influence: ArrayLike, tau: float = 1.0) -> Diagonals:
    r"""Factors of A + tau e_1 e_1^T from those of A in closed form, O(n).

    With w = L^-1 e_1, z = U^-T e_1 (z = w for L L^T) and s_k = 1 + tau (w_1 z_1 + ... + w_k z_k),
    s_0 = 1, the pivots are multiplied by s_k / s_{k-1}, because
    L U + tau e_1 e_1^T = L (I + tau w z^T) U and the leading minors of the middle factor are s_k.
    So L'_kk = L_kk sqrt(s_k / s_{k-1}) for Cholesky factors. The off-diagonal entries of A stay.

    Parameters
    ----------
    factor : Diagonals
        The factors of A.
    influence : array_like
        The products w_k z_k, shape (n,); for semiseparable inverses (u_k v_1)^2, and
        p_1 v_1 q_k u_k for LU factors.
    tau : float
        Size of the change of A_11.

    Returns
    -------
    Diagonals
        The factors of the changed matrix.

    Raises
    ------
    MatrixError
        If the shape is wrong, or the changed matrix has no such factors: an s_k is zero, or not
        positive for L L^T.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import from_factor, semiseparable_factor, updated_factor
    >>> u, v = np.array([1.0, 0.5, 2.0]), np.array([2.0, 1.0, 1.0])
    >>> L = semiseparable_factor(u, v)
    >>> A, A_new = from_factor(L), from_factor(updated_factor(L, (u * v[0]) ** 2))
    >>> np.allclose(A_new.diagonal - A.diagonal, [1.0, 0.0, 0.0])
    True
    """
    products = np.asarray(influence, dtype=np.float64)
    d, above = factor.diagonal, factor.superdiagonal
    if products.shape != d.shape:
        raise MatrixError(f"influence has shape {products.shape}, the factors {factor.n} rows")
    # cumsum adds strictly from left to right, so these bits do not depend on the machine.
    s = np.cumsum(np.concatenate(([1.0], tau * products)))
    bad = np.flatnonzero(~(s > 0.0) if above is None else ~(np.isfinite(s) & (s != 0.0)))
    if bad.size:
        kind = "Cholesky" if above is None else "LU"
        raise MatrixError(
            f"the changed matrix has no {kind} factorisation: its leading minor of order {bad[0]} "
            f"is {s[bad[0]]} times that of A; choose another tau than {tau}"
        )
    below = factor.subdiagonal * d[:-1]
    if above is None:
        diagonal = d * np.sqrt(s[1:] / s[:-1])
        return Diagonals(diagonal, below / diagonal[:-1])
    pivots = d * (s[1:] / s[:-1])
    return Diagonals(pivots, below / pivots[:-1], above.copy())


def tridiagonal_pattern(n: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return ``indptr, indices`` of the lower bidiagonal pattern in CSR (2n - 1 entries)."""
    indptr = np.maximum(2 * np.arange(n + 1, dtype=np.int64) - 1, 0)
    return indptr, np.repeat(np.arange(n, dtype=np.int32), 2)[:-1]


def interleave(diagonals: Diagonals) -> Vector:
    """Diagonal and subdiagonal in the order of :func:`tridiagonal_pattern`."""
    values = np.empty(2 * diagonals.n - 1)
    values[0::2] = diagonals.diagonal
    values[1::2] = diagonals.subdiagonal
    return values


def tridiagonal_csr(matrix: Diagonals) -> scipy.sparse.csr_array:
    """Return the tridiagonal matrix as a SciPy CSR array, float64.

    Parameters
    ----------
    matrix : Diagonals
        Two diagonals stand for a symmetric matrix.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n), columns sorted.

    Examples
    --------
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> tridiagonal_csr(poisson_1d(2)).toarray()
    array([[ 2., -1.],
           [-1.,  2.]])
    """
    below = matrix.subdiagonal
    above = below if matrix.superdiagonal is None else matrix.superdiagonal
    diagonals = [below, matrix.diagonal, above]
    return scipy.sparse.csr_array(
        scipy.sparse.diags_array(diagonals, offsets=[-1, 0, 1], shape=(matrix.n, matrix.n)).tocsr()
    )


def lower_csr(factor: Diagonals) -> scipy.sparse.csr_array:
    """Return L as a SciPy CSR array, float64.

    Parameters
    ----------
    factor : Diagonals
        Two diagonals are those of L; of LU factors, the unit diagonal of L is stored.

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
    n = factor.n
    indptr, indices = tridiagonal_pattern(n)
    return scipy.sparse.csr_array(
        (interleave(factor.lower), indices, indptr.astype(np.int32)), shape=(n, n)
    )


def upper_csr(factor: Diagonals) -> scipy.sparse.csr_array:
    """Return U of LU factors as a SciPy CSR array, float64.

    Parameters
    ----------
    factor : Diagonals
        LU factors: three diagonals.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n), columns sorted.

    Raises
    ------
    MatrixError
        If there are two diagonals: a Cholesky factor has no U.
    """
    upper = factor.upper
    if upper is None:
        raise MatrixError("a Cholesky factor has no U; give the three diagonals of LU factors")
    return scipy.sparse.csr_array(lower_csr(upper).T.tocsr())
