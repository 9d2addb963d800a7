"""Non-symmetric tridiagonal matrices with a known LU factorisation, and its perturbed closed form.

Only + - * / in a stated order are used, so a draw has the same bits on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, diags_array

from precondbench.errors import MatrixError
from precondbench.matrices.tridiagonal.diagonals import Bidiagonal, lower_csr

Vector = NDArray[np.float64]


def _check_lengths(outer: Vector, diagonal: Vector, other: Vector) -> None:
    short = (diagonal.size - 1,)
    if diagonal.ndim != 1 or outer.shape != short or other.shape != short:
        raise MatrixError(
            f"diagonals of lengths {outer.shape}, {diagonal.shape} and {other.shape} do not fit: "
            "give n - 1, n and n - 1 entries, n >= 1"
        )


@dataclass(frozen=True)
class Tridiagonal:
    """The three diagonals of a tridiagonal matrix that need not be symmetric.

    Parameters
    ----------
    subdiagonal, diagonal, superdiagonal : numpy.ndarray
        float64 of shapes (n - 1,), (n,) and (n - 1,): entries (i + 1, i), (i, i), (i, i + 1).
    """

    subdiagonal: Vector
    diagonal: Vector
    superdiagonal: Vector

    def __post_init__(self) -> None:
        _check_lengths(self.subdiagonal, self.diagonal, self.superdiagonal)

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.diagonal.size)


@dataclass(frozen=True)
class TridiagonalLU:
    """Factors of A = L U in Doolittle's form: L has a unit diagonal.

    Parameters
    ----------
    multipliers : numpy.ndarray
        float64 (n - 1,): L_{i+1,i}.
    pivots : numpy.ndarray
        float64 (n,): U_ii.
    superdiagonal : numpy.ndarray
        float64 (n - 1,): U_{i,i+1}, which equals A_{i,i+1}.
    """

    multipliers: Vector
    pivots: Vector
    superdiagonal: Vector

    def __post_init__(self) -> None:
        _check_lengths(self.multipliers, self.pivots, self.superdiagonal)

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.pivots.size)


def semiseparable_lu(u: ArrayLike, v: ArrayLike, p: ArrayLike, q: ArrayLike) -> TridiagonalLU:
    r"""LU factors with semiseparable inverses, in Doolittle's form.

    With (L^-1)[i, j] = u_i v_j for i >= j and (U^-1)[i, j] = p_i q_j for i <= j, L and U are
    bidiagonal, and A = L U is tridiagonal with (A^-1)[i, j] = p_i v_j sum_{k >= max(i, j)} q_k u_k.
    Dividing L by its diagonal gives multipliers -v_i / v_{i+1}, pivots 1 / (u_i v_i p_i q_i) and
    U_{i,i+1} = -1 / (u_i v_i q_i p_{i+1}).

    Parameters
    ----------
    u, v, p, q : array_like
        Positive generators of shape (n,).

    Returns
    -------
    TridiagonalLU
        The factors.

    Raises
    ------
    MatrixError
        If the lengths differ, or an entry is not positive and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import semiseparable_lu, unit_lower_csr, upper_csr
    >>> u, v = np.array([1.0, 2.0, 4.0]), np.array([1.0, 0.5, 2.0])
    >>> p, q = np.array([2.0, 1.0, 1.0]), np.array([1.0, 4.0, 0.5])
    >>> factor = semiseparable_lu(u, v, p, q)
    >>> inverse = np.linalg.inv((unit_lower_csr(factor) @ upper_csr(factor)).toarray())
    >>> tails = np.cumsum((q * u)[::-1])[::-1]
    >>> expected = [[p[i] * v[j] * tails[max(i, j)] for j in range(3)] for i in range(3)]
    >>> np.allclose(inverse, expected)
    True
    """
    vectors = [np.asarray(x, dtype=np.float64) for x in (u, v, p, q)]
    u, v, p, q = vectors
    if u.ndim != 1 or u.size == 0 or any(x.shape != u.shape for x in vectors):
        shapes = ", ".join(str(x.shape) for x in vectors)
        raise MatrixError(f"generators u, v, p, q {shapes} must be vectors of one length")
    if not all(np.all(x > 0) and np.all(np.isfinite(x)) for x in vectors):
        raise MatrixError("generators u, v, p and q must be positive and finite")
    uv = u * v
    return TridiagonalLU(-(v[:-1] / v[1:]), 1.0 / (uv * (p * q)), -1.0 / (uv * q)[:-1] / p[1:])


def from_lu(factor: TridiagonalLU) -> Tridiagonal:
    """Diagonals of A = L U.

    A_{i+1,i} = L_{i+1,i} U_ii, A_ii = U_ii + L_{i,i-1} U_{i-1,i}, A_{i,i+1} = U_{i,i+1}.

    Parameters
    ----------
    factor : TridiagonalLU
        Diagonals of L and U.

    Returns
    -------
    Tridiagonal
        The three diagonals of A.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import TridiagonalLU, from_lu
    >>> from_lu(TridiagonalLU(np.array([2.0]), np.array([1.0, 5.0]), np.array([3.0]))).diagonal
    array([ 1., 11.])
    """
    diagonal = factor.pivots.copy()
    diagonal[1:] = diagonal[1:] + factor.multipliers * factor.superdiagonal
    return Tridiagonal(
        factor.multipliers * factor.pivots[:-1], diagonal, factor.superdiagonal.copy()
    )


def perturbed_lu(factor: TridiagonalLU, influence: ArrayLike, tau: float = 1.0) -> TridiagonalLU:
    r"""LU factors of L U + tau e_1 e_1^T in closed form, O(n).

    With w = L^-1 e_1, z = U^-T e_1 and s_k = 1 + tau (w_1 z_1 + ... + w_k z_k), s_0 = 1, the
    pivots become d'_k = d_k s_k / s_{k-1}, because L U + tau e_1 e_1^T = L (I + tau w z^T) U and
    the leading minors of the middle factor are s_k. The off-diagonal entries of A stay:
    L'_{k+1,k} = A_{k+1,k} / d'_k and U'_{k,k+1} = A_{k,k+1}.

    Parameters
    ----------
    factor : TridiagonalLU
        The factors before the change.
    influence : array_like
        The products w_k z_k, shape (n,); for semiseparable inverses p_1 v_1 q_k u_k.
    tau : float
        Size of the change of A_11.

    Returns
    -------
    TridiagonalLU
        The factors of the changed matrix.

    Raises
    ------
    MatrixError
        If the shape is wrong, or the changed matrix has no LU factorisation (an s_k is zero).

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import from_lu, perturbed_lu, semiseparable_lu
    >>> u, v, p, q = np.array([[1.0, 2.0], [1.0, 0.5], [2.0, 1.0], [1.0, 4.0]])
    >>> factor = semiseparable_lu(u, v, p, q)
    >>> changed = perturbed_lu(factor, p[0] * v[0] * (q * u))
    >>> np.allclose(from_lu(changed).diagonal - from_lu(factor).diagonal, [1.0, 0.0])
    True
    """
    products = np.asarray(influence, dtype=np.float64)
    if products.shape != factor.pivots.shape:
        raise MatrixError(f"influence has shape {products.shape}, the factors {factor.n} rows")
    # cumsum adds strictly from left to right, so these bits do not depend on the machine.
    s = np.cumsum(np.concatenate(([1.0], tau * products)))
    bad = np.flatnonzero(~(np.isfinite(s) & (s != 0.0)))
    if bad.size:
        raise MatrixError(
            f"the changed matrix has no LU factorisation: its leading minor of order {bad[0]} is "
            f"{s[bad[0]]} times that of A; choose another tau than {tau}"
        )
    pivots = factor.pivots * (s[1:] / s[:-1])
    below = factor.multipliers * factor.pivots[:-1]
    return TridiagonalLU(below / pivots[:-1], pivots, factor.superdiagonal.copy())


def tridiagonal_csr(matrix: Bidiagonal | Tridiagonal) -> csr_array:
    """Return the tridiagonal matrix as a SciPy CSR array, float64.

    Parameters
    ----------
    matrix : Bidiagonal or Tridiagonal
        Its diagonals; two stand for a symmetric matrix.

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
    above = matrix.superdiagonal if isinstance(matrix, Tridiagonal) else below
    diagonals = [below, matrix.diagonal, above]
    return csr_array(diags_array(diagonals, offsets=[-1, 0, 1], shape=(matrix.n, matrix.n)).tocsr())


def unit_lower_csr(factor: TridiagonalLU) -> csr_array:
    """Return L, its unit diagonal stored, as a SciPy CSR array.

    Parameters
    ----------
    factor : TridiagonalLU
        Diagonals of L and U.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n), columns sorted.
    """
    return lower_csr(Bidiagonal(np.ones(factor.n), factor.multipliers))


def upper_csr(factor: TridiagonalLU) -> csr_array:
    """Return U as a SciPy CSR array, float64, sorted.

    Parameters
    ----------
    factor : TridiagonalLU
        Diagonals of L and U.

    Returns
    -------
    scipy.sparse.csr_array
        Shape (n, n).
    """
    transposed = lower_csr(Bidiagonal(factor.pivots, factor.superdiagonal))
    return csr_array(transposed.T.tocsr())
