"""k-hop oracles: the Cholesky recurrence of a tridiagonal matrix, restarted k rows back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import BreakdownError, MatrixError
from precondbench.matrices import Bidiagonal, Tridiagonal, TridiagonalLU


@kernel
def _window_pivots(a, b, hops):  # type: ignore[no-untyped-def]
    pivots = np.empty(a.size, np.float64)
    for k in range(a.size):
        start = max(0, k - hops)
        pivot = a[start]
        for j in range(start + 1, k + 1):
            pivot = a[j] - b[j - 1] * b[j - 1] / pivot
        pivots[k] = pivot
    return pivots


def khop_factor(matrix: Bidiagonal, hops: int) -> Bidiagonal:
    r"""Cholesky factor of a tridiagonal matrix, restarted ``hops`` rows back for every row.

    The pivot of row k comes from rows k - hops, ..., k of A alone. For the semiseparable
    family its relative error is u_k^2 / (u_{k-hops-1}^2 + ... + u_{k-1}^2), and 0 where the
    window reaches row 0. ``hops = n - 1`` is the exact factor.

    Parameters
    ----------
    matrix : Bidiagonal
        Diagonals of A.
    hops : int
        Rows seen before row k; at least 0.

    Returns
    -------
    Bidiagonal
        The approximate factor.

    Raises
    ------
    MatrixError
        If ``hops`` is negative.
    BreakdownError
        If a window's pivot is not positive (A is not positive definite).

    Examples
    --------
    >>> from precondbench.factors import khop_factor
    >>> from precondbench.matrices import poisson_1d
    >>> khop_factor(poisson_1d(4), 0).diagonal.round(4)
    array([1.4142, 1.4142, 1.4142, 1.4142])
    >>> khop_factor(poisson_1d(4), 3).diagonal.round(4)
    array([1.4142, 1.2247, 1.1547, 1.118 ])
    """
    if hops < 0:
        raise MatrixError(f"hops is {hops}; it must be 0 or more")
    pivots: NDArray[np.float64] = _window_pivots(matrix.diagonal, matrix.subdiagonal, hops)
    bad = np.flatnonzero(~(pivots > 0))
    if bad.size:
        raise BreakdownError(
            f"the {hops}-hop window of row {bad[0]} has a pivot that is not positive",
            int(bad[0]),
        )
    diagonal = np.sqrt(pivots)
    return Bidiagonal(diagonal, matrix.subdiagonal / diagonal[:-1])


@kernel
def _lu_window_pivots(below, a, above, hops):  # type: ignore[no-untyped-def]
    pivots = np.empty(a.size, np.float64)
    for k in range(a.size):
        start = max(0, k - hops)
        pivot = a[start]
        for j in range(start + 1, k + 1):
            # In the order of ILU(0), so that the whole window gives the same bits.
            multiplier = below[j - 1] / pivot
            pivot = a[j] - multiplier * above[j - 1]
        pivots[k] = pivot
    return pivots


def khop_lu(matrix: Tridiagonal, hops: int) -> TridiagonalLU:
    r"""LU factors of a tridiagonal matrix, restarted ``hops`` rows back for every row.

    The pivot of row k comes from rows k - hops, ..., k of A alone. With g_k = q_k u_k of the
    semiseparable family its relative error is g_k / (g_{k-hops-1} + ... + g_{k-1}), and 0 where
    the window reaches row 0. ``hops = n - 1`` gives the exact factors.

    Parameters
    ----------
    matrix : Tridiagonal
        Diagonals of A.
    hops : int
        Rows seen before row k; at least 0.

    Returns
    -------
    TridiagonalLU
        The approximate factors.

    Raises
    ------
    MatrixError
        If ``hops`` is negative.
    BreakdownError
        If a window's pivot is zero or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import khop_lu
    >>> from precondbench.matrices import Tridiagonal
    >>> A = Tridiagonal(np.full(2, -4.0), np.full(3, 4.0), np.full(2, 1.0))
    >>> khop_lu(A, 0).pivots, khop_lu(A, 2).pivots
    (array([4., 4., 4.]), array([4. , 5. , 4.8]))
    """
    if hops < 0:
        raise MatrixError(f"hops is {hops}; it must be 0 or more")
    pivots: NDArray[np.float64] = _lu_window_pivots(
        matrix.subdiagonal, matrix.diagonal, matrix.superdiagonal, hops
    )
    bad = np.flatnonzero(~(np.isfinite(pivots) & (pivots != 0.0)))
    if bad.size:
        raise BreakdownError(
            f"the {hops}-hop window of row {bad[0]} has a pivot that is zero or not finite",
            int(bad[0]),
        )
    return TridiagonalLU(matrix.subdiagonal / pivots[:-1], pivots, matrix.superdiagonal.copy())
