"""k-hop oracles: the elimination of a tridiagonal matrix, restarted k rows back for every row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel, whole_number
from precondbench.errors import BreakdownError
from precondbench.matrices import Diagonals


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


def khop_factor(matrix: Diagonals, hops: int) -> Diagonals:
    r"""Factors of a tridiagonal matrix, restarted ``hops`` rows back for every row.

    The Cholesky factor of a symmetric matrix, the LU factors of a general one. The pivot of row
    k comes from rows k - hops, ..., k of A alone. For the semiseparable family its relative error
    is g_k / (g_{k-hops-1} + ... + g_{k-1}) with g_k = u_k^2, or q_k u_k for LU factors, and 0
    where the window reaches row 0. ``hops = n - 1`` gives the exact factors.

    Parameters
    ----------
    matrix : Diagonals
        Of A.
    hops : int
        Rows seen before row k; at least 0.

    Returns
    -------
    Diagonals
        The approximate factors.

    Raises
    ------
    ConfigurationError
        If ``hops`` is not an integer of 0 or more.
    BreakdownError
        If a window's pivot is not positive (a symmetric A is not positive definite), or, for a
        general matrix, is zero or not finite.

    Examples
    --------
    >>> from precondbench.factors import khop_factor
    >>> from precondbench.matrices import poisson_1d
    >>> khop_factor(poisson_1d(4), 0).diagonal.round(4)
    array([1.4142, 1.4142, 1.4142, 1.4142])
    >>> khop_factor(poisson_1d(4), 3).diagonal.round(4)
    array([1.4142, 1.2247, 1.1547, 1.118 ])
    """
    # A window never holds more rows than there are.
    hops = min(whole_number("hops", hops), matrix.diagonal.size)
    below, above = matrix.subdiagonal, matrix.superdiagonal
    pivots: NDArray[np.float64]
    if above is None:
        pivots = _window_pivots(matrix.diagonal, below, hops)
        bad, fault = np.flatnonzero(~(pivots > 0)), "not positive"
    else:
        pivots = _lu_window_pivots(below, matrix.diagonal, above, hops)
        bad, fault = np.flatnonzero(~(np.isfinite(pivots) & (pivots != 0.0))), "zero or not finite"
    if bad.size:
        raise BreakdownError(
            f"the {hops}-hop window of row {bad[0]} has a pivot that is {fault}", int(bad[0])
        )
    if above is None:
        diagonal = np.sqrt(pivots)
        return Diagonals(diagonal, below / diagonal[:-1])
    return Diagonals(pivots, below / pivots[:-1], above.copy())
