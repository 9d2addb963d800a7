"""Measures of a factor: its cosine with a target, and the K-condition number."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array
from scipy.sparse.linalg import eigsh

from precondbench.errors import AccuracyWarning, MatrixError, PredictionError
from precondbench.factors import (
    LowerPattern,
    SelectedInverse,
    column_quadratic_forms,
    extended_quadratic_forms,
    factor_values,
    scale_symmetrically,
    selected_inverse,
)
from precondbench.matrices import check_spd_candidate, power_of_two_scaling

# Up to this order all eigenvalues are computed, in less time than two.
DENSE = 1000
# Relative accuracy of the largest eigenvalue of a larger matrix.
_DIGITS = 1e-8
# Above this error a warning is given.
INACCURATE = 1e-4


def _unit(values: ArrayLike, name: str) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    # Dividing by the largest entry first keeps the sum of squares within range.
    largest = float(np.max(np.abs(vector))) if vector.size else 0.0
    if not (largest > 0.0 and np.isfinite(largest)):
        raise PredictionError(f"{name} must be finite and not all zero to have a cosine")
    scaled = vector / largest
    unit: NDArray[np.float64] = scaled / np.sqrt(np.sum(scaled * scaled))
    return unit


def spectrum_ends(A: Any) -> tuple[float, float]:
    """Smallest and largest eigenvalue of a symmetric positive definite matrix.

    By LAPACK up to n = 1,000, else by ARPACK: the largest to a relative 1e-8, the smallest with
    SuperLU.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).

    Returns
    -------
    tuple of float
        The two eigenvalues.

    Raises
    ------
    MatrixError
        If A fails a check of :func:`precondbench.matrices.check_spd_candidate`.

    Examples
    --------
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.quality import spectrum_ends
    >>> low, high = spectrum_ends(tridiagonal_csr(poisson_1d(2)))
    >>> round(low, 12), round(high, 12)
    (1.0, 3.0)
    """
    matrix = check_spd_candidate(A, "A")
    if matrix.shape[0] <= DENSE:
        values = np.linalg.eigvalsh(matrix.toarray())
        return float(values[0]), float(values[-1])
    # Orthogonal to no eigenvector, which a smooth vector may be.
    first = np.random.default_rng(0).standard_normal(matrix.shape[0])
    # Large eigenvalues lie close together: more vectors, and digits that can be had.
    high = eigsh(matrix, 1, which="LA", v0=first, ncv=64, tol=_DIGITS, return_eigenvectors=False)
    low = eigsh(csc_array(matrix), 1, sigma=0.0, v0=first, return_eigenvectors=False)
    return float(low[0]), float(high[0])


def cosine(predicted: ArrayLike, target: ArrayLike) -> float:
    """Cosine of the angle between two factors, taken as vectors of their entries.

    Parameters
    ----------
    predicted, target : array_like
        Values on one pattern, shape (nnz,).

    Returns
    -------
    float
        In [-1, 1]; 1 when they agree up to a positive scale.

    Raises
    ------
    PredictionError
        If the lengths differ, or a vector is zero or not finite.

    Examples
    --------
    >>> from precondbench.quality import cosine
    >>> cosine([1.0, 2.0], [2.0, 4.0])
    1.0
    """
    return 1.0 - one_minus_cosine(predicted, target)


def one_minus_cosine(predicted: ArrayLike, target: ArrayLike) -> float:
    """1 - cosine without cancellation: half the squared distance of the unit vectors.

    Parameters
    ----------
    predicted, target : array_like
        Vectors of one length.

    Returns
    -------
    float
        Between 0 and 2.

    Examples
    --------
    >>> from precondbench.quality import one_minus_cosine
    >>> f"{one_minus_cosine([1.0, 1e-9], [1.0, 0.0]):.1e}"
    '5.0e-19'
    """
    p = _unit(predicted, "predicted values")
    t = _unit(target, "target values")
    if p.shape != t.shape:
        raise PredictionError(f"predicted {p.shape} and target {t.shape} differ in length")
    difference = p - t
    return min(2.0, 0.5 * float(np.sum(difference * difference)))


class KCondition(NamedTuple):
    """K-condition number of L^T A^-1 L; see :func:`k_condition`."""

    n_log_k: float
    k: float


def k_condition_values(
    inverse: SelectedInverse,
    pattern: LowerPattern,
    values: NDArray[np.float64],
    exponents: NDArray[np.int64] | None = None,
) -> KCondition:
    """K from a selected inverse that covers the pattern; see :func:`k_condition`.

    ``exponents`` are those of powers of two by which the rows of L are still to be multiplied.
    """
    # K does not depend on the scale of L: its largest entry is brought to order one, so that
    # nothing overflows and no square of what counts underflows.
    fractions, powers = np.frexp(values)
    if exponents is not None:
        powers = powers + np.repeat(exponents, np.diff(pattern.indptr))
    # Zeros have the power 0, which says nothing.
    powers = powers - np.max(powers[fractions != 0.0], initial=np.iinfo(np.int32).min)
    small = np.ldexp(fractions, powers)
    where = pattern.diagonal
    n = pattern.n
    extended = inverse.extended
    if extended is None:
        forms = column_quadratic_forms(inverse, pattern, small)
        log_determinant = np.array([inverse.log_determinant])
    else:
        forms = extended_quadratic_forms(extended, pattern, small)
        log_determinant = extended.log_pivots
    with np.errstate(all="ignore"):  # Values that are not finite give a K that is none.
        trace = n * np.log([np.sum(forms) / n])
        diagonal = np.log(np.abs(fractions[where])) + powers[where] * math.log(2.0)
        terms = np.concatenate([trace, -2.0 * diagonal, log_determinant])
        # Large terms cancel.
        n_log_k = math.fsum(terms) if np.all(np.isfinite(terms)) else float(np.sum(terms))
    if extended is None and not inverse.error <= INACCURATE:
        warnings.warn(
            f"K has few correct digits: its relative error may be {inverse.error:.0e}, the matrix "
            "is too ill-conditioned for double precision and too large for more digits",
            AccuracyWarning,
            stacklevel=2,
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
        ``n_log_k``, n log K (natural logarithm), additive over independent blocks; and ``k``, K
        itself. They are at least 0 and 1, and equal that when L L^T is a multiple of A.

    Raises
    ------
    MatrixError
        If A or L cannot be used.
    BreakdownError
        If A is not positive definite.

    Warns
    -----
    AccuracyWarning
        If A is so ill-conditioned that K may have fewer than about four correct digits. Where
        double precision has too few digits, 32 digits are used, unless the factorisation takes
        more than 1e8 operations: only then is there a warning.

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
    # frexp gives powers of two as 1/2 times the next one.
    exponents = np.frexp(scale)[1].astype(np.int64) - 1
    return k_condition_values(inverse, pattern, values, exponents)
