"""IC(0) of a shifted matrix, for those whose own IC(0) does not exist."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array, tril

from precondbench.errors import BreakdownError
from precondbench.factors.ic0 import ic0_values
from precondbench.factors.pattern import lower_pattern
from precondbench.matrices.checks import check_spd_candidate

__all__ = ["shifted_ic0"]

FIRST, LAST = -20, 20


def shifted_ic0(A: Any) -> tuple[csr_array, float]:
    """IC(0) of A + alpha diag(A) with the smallest alpha that succeeds.

    alpha is 0 or the first of 2^-20, 2^-19, ... without a breakdown (Manteuffel 1980 shifts
    so; Lin and More 1999 double). Powers of two keep ``shifted_ic0(D A D)`` equal to
    ``D shifted_ic0(A)`` to the bit when D holds powers of two.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).

    Returns
    -------
    L : scipy.sparse.csr_array
        Lower triangular on the pattern of tril(A), float64, columns sorted.
    alpha : float
        The shift.

    Raises
    ------
    MatrixError
        If A cannot be used.
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
    lower = csr_array(tril(matrix, format="csr"))
    pattern = lower_pattern(lower)
    values = np.asarray(lower.data, dtype=np.float64)
    diagonal = pattern.indptr[1:] - 1
    for alpha in (0.0, *(2.0**k for k in range(FIRST, LAST + 1))):
        shifted = values.copy()
        shifted[diagonal] += alpha * values[diagonal]
        factor, column = ic0_values(pattern, shifted)
        if column < 0:
            return pattern.csr(factor), alpha
    raise BreakdownError(
        f"IC(0) breaks down at column {column} even with A + 2^{LAST} diag(A); check that A is "
        "positive definite",
        column,
    )
