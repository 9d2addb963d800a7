"""IC(0) of a shifted matrix, for those whose own IC(0) does not exist."""

from __future__ import annotations

from typing import Any

from scipy.sparse import csr_array, tril

from precondbench.errors import BreakdownError
from precondbench.factors.ic0 import ic0_values
from precondbench.factors.pattern import lower_pattern, lower_values
from precondbench.matrices.checks import check_spd_candidate

__all__ = ["shifted_ic0"]

FIRST, LAST = -20, 20


def shifted_ic0(A: Any, pattern: Any = None) -> tuple[csr_array, float]:
    """IC(0) of A + alpha diag(A) with the smallest alpha that succeeds.

    alpha is 0 or the first of 2^-20, 2^-19, ... without a breakdown (Manteuffel 1980 shifts
    so; Lin and More 1999 double). Powers of two keep ``shifted_ic0(D A D)`` equal to
    ``D shifted_ic0(A)`` to the bit when D holds powers of two.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    pattern : LowerPattern, sparse array or array_like, optional
        Lower-triangular pattern with the whole diagonal; by default that of tril(A).

    Returns
    -------
    L : scipy.sparse.csr_array
        Lower triangular on the pattern, float64, columns sorted.
    alpha : float
        The shift.

    Raises
    ------
    MatrixError
        If A or the pattern cannot be used.
    BreakdownError
        If no shift up to 2^20 succeeds: A has an entry that is not finite after scaling.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import shifted_ic0
    >>> kershaw = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])
    >>> L, alpha = shifted_ic0(kershaw)
    >>> alpha
    0.25
    """
    matrix = check_spd_candidate(A, "A")
    wanted = lower_pattern(
        tril(matrix, format="csr") if pattern is None else pattern, matrix.shape[0]
    )
    values = lower_values(matrix, wanted)
    diagonal = wanted.indptr[1:] - 1
    for alpha in (0.0, *(2.0**k for k in range(FIRST, LAST + 1))):
        shifted = values.copy()
        shifted[diagonal] += alpha * values[diagonal]
        factor, column = ic0_values(wanted, shifted)
        if column < 0:
            return wanted.csr(factor), alpha
    raise BreakdownError(
        f"IC(0) breaks down at column {column} even with A + 2^{LAST} diag(A); check that A is "
        "positive definite",
        column,
    )
