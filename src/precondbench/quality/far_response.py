"""What becomes of a change of one entry of A in far rows of L, beside what should."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import MatrixError
from precondbench.factors import ic0
from precondbench.quality.hops import tridiagonal_part

__all__ = ["FarResponse", "far_response"]


@dataclass(frozen=True)
class FarResponse:
    """Response of a method to a change of A_11 in rows beyond some distance.

    Attributes
    ----------
    gain : numpy.ndarray
        float64 (matrices,): length of the method's response along the true one, over the
        length of the true one; 1 is right, 0 no response.
    error : numpy.ndarray
        float64 (matrices,): relative error of the response in the 2-norm; 0 is right, 1 as bad
        as none.
    """

    gain: NDArray[np.float64]
    error: NDArray[np.float64]


def far_response(
    matrices: Iterable[csr_array],
    factor: Callable[[csr_array], Any],
    *,
    rows: int = 8,
    change: float = 1.0,
) -> FarResponse:
    """Add a number to A_11 of tridiagonal matrices and compare the changes of L in far rows.

    A method that looks back fewer rows than ``rows`` has no response at all. The true response is
    that of the exact factor, which IC(0) is on tridiagonal matrices.

    Parameters
    ----------
    matrices : iterable of scipy.sparse.csr_array
        Tridiagonal SPD matrices with more than ``rows`` + 1 rows.
    factor : callable
        Maps A to a lower-triangular factor, for example ``partial(predict_factor, model)``.
    rows : int
        Rows 1 to ``rows`` + 1 are left out: only entries L_ii and L_(i,i-1) further away count.
    change : float
        What is added to A_11; positive, so that A stays positive definite.

    Returns
    -------
    FarResponse
        One number a matrix.

    Raises
    ------
    MatrixError
        If a matrix is not tridiagonal or too small, or the change is not positive.

    Examples
    --------
    >>> from functools import partial
    >>> from precondbench import ic0
    >>> from precondbench.matrices import poisson_1d, symmetric_csr
    >>> from precondbench.quality import far_response
    >>> far_response([symmetric_csr(poisson_1d(30))], ic0).gain
    array([1.])
    """
    if not change > 0:
        raise MatrixError(f"change is {change}; it must be positive")
    gains, errors = [], []
    for A in matrices:
        n = tridiagonal_part(A).n
        if n < rows + 2:
            raise MatrixError(f"a matrix has {n} rows; {rows + 2} or more are needed")
        changed = A.copy()
        changed.data[0] += change
        true, found = (_far(method(changed), method(A), rows) for method in (ic0, factor))
        size = np.linalg.norm(true)
        gains.append(found @ true / size**2)
        errors.append(np.linalg.norm(found - true) / size)
    return FarResponse(np.array(gains), np.array(errors))


def _far(after: Any, before: Any, rows: int) -> NDArray[np.float64]:
    difference = csr_array(after) - csr_array(before)
    return np.concatenate([difference.diagonal()[rows + 1 :], difference.diagonal(-1)[rows + 1 :]])
