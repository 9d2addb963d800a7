"""IC(0) and its variants: incomplete Cholesky on a pattern, with shifts where it breaks down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.errors import BreakdownError
from precondbench.factors.patterns.triangular import LowerPattern, lower_triangle


@kernel
def _ic0(indptr, indices, values):  # type: ignore[no-untyped-def]
    """Turn tril(A) into L, row by row, in place; the column of breakdown or -1."""
    n = indptr.size - 1
    work = np.zeros(n, np.float64)
    for i in range(n):
        start = indptr[i]
        last = indptr[i + 1] - 1
        pivot = values[last]
        for p in range(start, last):
            # Unsigned, so that nothing is computed for indices from the end.
            k = np.uint32(indices[p])
            # Row i is scattered as it is made, so L_i . L_k is a walk along row k.
            total = values[p]
            q = indptr[k]
            end = indptr[k + np.uint32(1)] - 1
            while q < end:
                total -= values[q] * work[np.uint32(indices[q])]
                q += 1
            entry = total / values[end]
            values[p] = entry
            work[k] = entry
            pivot -= entry * entry
        for p in range(start, last):
            work[np.uint32(indices[p])] = 0.0
        if not (pivot > 0.0 and pivot < np.inf):
            return i
        values[last] = np.sqrt(pivot)
    return -1


def ic0_values(
    pattern: LowerPattern, a: NDArray[np.float64], overwrite_a: bool = False
) -> tuple[NDArray[np.float64], int]:
    """IC(0) from tril(A) on a pattern: values in CSR order, and the column of breakdown or -1."""
    values = a if overwrite_a else a.copy()
    return values, int(_ic0(pattern.indptr, pattern.indices, values))


def broken_down(name: str, column: int, advice: str) -> BreakdownError:
    """Error for an incomplete Cholesky factorisation that met a pivot that is not positive."""
    message = f"{name} broke down: the pivot of column {column} is not positive; {advice}"
    return BreakdownError(message, int(column))


def _on_pattern(A: Any, pattern: Any, name: str, advice: str) -> csr_array:
    wanted, a, _ = lower_triangle(A, pattern)
    values, column = ic0_values(wanted, a, overwrite_a=True)
    if column >= 0:
        raise broken_down(name, column, advice)
    return wanted.csr(values)


def ic0(A: Any) -> csr_array:
    """Incomplete Cholesky factor without fill-in.

    L has the pattern of tril(A) and (L L^T)_ij = A_ij on it (Meijerink and van der Vorst
    1977). It may not exist although A is positive definite (Kershaw 1978).

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).

    Returns
    -------
    scipy.sparse.csr_array
        L, lower triangular, float64, columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If a pivot is not positive; ``column`` is its column.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import BreakdownError, ic0
    >>> L = ic0(np.array([[4.0, 2.0], [2.0, 5.0]]))
    >>> L.toarray()
    array([[2., 0.],
           [1., 2.]])
    >>> kershaw = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])
    >>> try:
    ...     ic0(kershaw)
    ... except BreakdownError as error:
    ...     print(error.column)
    3
    """
    return _on_pattern(
        A,
        None,
        "IC(0)",
        "shift the diagonal (A + alpha diag(A)), reorder, or use invk, which exists for every SPD "
        "matrix",
    )


def incomplete_cholesky(A: Any, pattern: Any) -> csr_array:
    """Incomplete Cholesky factor on a given pattern.

    (L L^T)_ij = A_ij on the pattern; IC(k) with :func:`precondbench.factors.level_of_fill`.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    pattern : LowerPattern, sparse array or array_like
        Lower triangular with the whole diagonal; entries of A outside it are dropped.

    Returns
    -------
    scipy.sparse.csr_array
        L, lower triangular, float64, columns sorted (diagonal last in a row).

    Raises
    ------
    MatrixError
        If A or the pattern cannot be used.
    BreakdownError
        If a pivot is not positive; carries the column.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import incomplete_cholesky, level_of_fill
    >>> from precondbench.matrices import formula_matrix
    >>> A = formula_matrix("HB/gr_30_30")
    >>> for level in (0, 1, 2):
    ...     L = incomplete_cholesky(A, level_of_fill(A, level))
    ...     print(level, f"{abs(L @ L.T - A).max():.2f}")
    0 0.23
    1 0.11
    2 0.06
    """
    return _on_pattern(
        A,
        pattern,
        "incomplete Cholesky",
        "shift the diagonal, take a larger pattern, or use invk, which exists on every pattern",
    )


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
    wanted, a, _ = lower_triangle(A, pattern)
    return smallest_shift("IC(0)", wanted, a, lambda values: ic0_values(wanted, values, True))


def smallest_shift(
    name: str,
    pattern: LowerPattern,
    values: NDArray[np.float64],
    factorise: Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], int]],
) -> tuple[csr_array, float]:
    """Return the factor of A + alpha diag(A) with the smallest alpha without a breakdown."""
    diagonal = pattern.diagonal
    for alpha in (0.0, *(2.0**k for k in range(FIRST, LAST + 1))):
        shifted = values.copy()
        shifted[diagonal] += alpha * values[diagonal]
        factor, column = factorise(shifted)
        if column < 0:
            return pattern.csr(factor), alpha
    raise BreakdownError(
        f"{name} breaks down at column {column} even with A + 2^{LAST} diag(A); check that A is "
        "positive definite",
        column,
    )
