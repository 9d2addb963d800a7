"""Kaporin's K-condition number of the preconditioned inverse, L^T A^-1 L."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, issparse

from precondbench.errors import MatrixError
from precondbench.factors import (
    LowerPattern,
    SelectedInverse,
    column_quadratic_forms,
    lower_pattern,
    scale_symmetrically,
    selected_inverse,
)
from precondbench.matrices import check_spd_candidate, power_of_two_scaling
from precondbench.matrices.checks import check_indices

__all__ = ["KCondition", "factor_values", "k_condition", "k_condition_values"]


@dataclass(frozen=True)
class KCondition:
    """K-condition number of L^T A^-1 L.

    Attributes
    ----------
    n_log_k : float
        n log K (natural logarithm), at least 0; additive over independent blocks.
    k : float
        K itself, at least 1.
    """

    n_log_k: float
    k: float


def factor_values(L: Any, name: str = "L") -> tuple[LowerPattern, NDArray[np.float64]]:
    """Split a lower-triangular factor into its checked pattern and its values.

    Raises
    ------
    MatrixError
        If L is not square, not lower triangular, lacks a diagonal entry, or is not finite.
    """
    full = csr_array(_real_matrix(L, name), dtype=np.float64, copy=True)
    full.sum_duplicates()
    pattern = lower_pattern(full)
    values = np.asarray(full.data, dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise MatrixError(f"{name} has {int(np.sum(~np.isfinite(values)))} entries not finite")
    if np.any(values[pattern.indptr[1:] - 1] == 0.0):
        row = int(np.flatnonzero(values[pattern.indptr[1:] - 1] == 0.0)[0])
        raise MatrixError(f"{name} is singular: diagonal entry {row} is zero")
    return pattern, values


def _real_matrix(L: Any, name: str) -> Any:
    if issparse(L):
        check_indices(L, name)
    else:
        try:
            L = np.asarray(L)
        except ValueError as error:
            raise MatrixError(f"{name} cannot be read as a matrix: {error}") from None
    if L.ndim != 2 or L.dtype.kind not in "fiub":
        raise MatrixError(
            f"{name} has {L.ndim} dimension(s) and entries of type {L.dtype}; give a matrix of "
            "real numbers"
        )
    return L


def k_condition_values(
    inverse: SelectedInverse, pattern: LowerPattern, values: NDArray[np.float64]
) -> KCondition:
    """K from a selected inverse that covers the pattern; see :func:`k_condition`."""
    forms = column_quadratic_forms(inverse, pattern, values)
    diagonal = np.abs(values[pattern.indptr[1:] - 1])
    n = pattern.n
    n_log_k = (
        n * float(np.log(np.sum(forms) / n))
        - 2.0 * float(np.sum(np.log(diagonal)))
        + inverse.log_determinant
    )
    # Rounding can leave a perfect factor at -1e-13.
    n_log_k = max(n_log_k, 0.0)
    with np.errstate(over="ignore"):
        return KCondition(n_log_k, float(np.exp(n_log_k / n)))


def k_condition(A: Any, L: Any) -> KCondition:
    r"""K-condition number of L^T A^-1 L: arithmetic over geometric mean of its eigenvalues.

    n log K = n log(trace(L^T A^-1 L) / n) - 2 sum_i log|L_ii| + log det A
    (eq. 3 of the paper; Kaporin 1994). No inverse is formed: the trace needs A^-1 between
    rows that share a column of L only.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    L : sparse array, sparse matrix or array_like
        Lower-triangular factor of any scale, shape (n, n).

    Returns
    -------
    KCondition
        ``n_log_k`` and ``k``; 0 and 1 when L L^T is a multiple of A.

    Raises
    ------
    MatrixError
        If A or L cannot be used.
    BreakdownError
        If A is not positive definite in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import k_condition
    >>> A = np.array([[2.0, 1.0], [1.0, 2.0]])
    >>> round(k_condition(A, np.linalg.cholesky(A)).k, 12)
    1.0
    >>> round(k_condition(A, np.eye(2)).k, 12)  # eigenvalues of A^-1: 1 and 1/3
    1.154700538379
    """
    matrix = check_spd_candidate(A, "A")
    pattern, values = factor_values(L)
    if pattern.n != matrix.shape[0]:
        raise MatrixError(f"A has {matrix.shape[0]} rows, L has {pattern.n}")
    scale = power_of_two_scaling(matrix.diagonal())
    inverse = selected_inverse(scale_symmetrically(matrix, scale), pattern)
    return k_condition_values(inverse, pattern, values * np.repeat(scale, np.diff(pattern.indptr)))
