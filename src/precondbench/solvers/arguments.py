"""Checks of what a user gives to a solver: right-hand sides, limits and preconditioners."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array, issparse
from scipy.sparse.linalg import aslinearoperator

from precondbench._internal import real_number, whole_number
from precondbench.errors import MatrixError
from precondbench.matrices import check_finite, real_matrix, square_matrix
from precondbench.solvers.lanes import multiply
from precondbench.solvers.solves import Apply, Vector

# Counters of compiled code are 64-bit integers.
MOST_STEPS = 2**62


def check_arguments(
    matrix: csr_array, b: ArrayLike, rtol: float, maxiter: int, restart: int = 1
) -> tuple[Vector, float, int, int]:
    """Check what every solver takes; returns b as a new float64 (n, 1), and the three numbers.

    b is what NumPy or torch makes an array of real numbers of, shape (n,) or (n, 1).
    """
    rtol = real_number("rtol", rtol)
    maxiter = min(whole_number("maxiter", maxiter), MOST_STEPS)
    restart = min(whole_number("restart", restart, least=1), MOST_STEPS)
    n = matrix.shape[0]
    given = real_matrix(b, "b")
    if issparse(given):
        raise MatrixError("b is sparse; give b.toarray()")
    if given.shape not in ((n,), (n, 1)):
        raise MatrixError(f"b has shape {given.shape}; A has {n} rows: give shape ({n},)")
    rhs = np.array(given, dtype=np.float64).reshape(n, 1)
    if not np.all(np.isfinite(rhs)):
        raise MatrixError("b is not finite; remove NaN and infinity")
    return rhs, rtol, maxiter, restart


def check_operator(matrix: csr_array, M: Any, *factors: Any, flexible: bool = False) -> Apply:
    """Check a preconditioner given instead of factors; returns the function r -> M r.

    M is a LinearOperator or what ``aslinearoperator`` makes one of, or a sparse or dense matrix,
    which is multiplied in a fixed order, or, for a flexible solver, a function.
    """
    if any(factor is not None for factor in factors):
        raise MatrixError("a factor and M are both given; a solve has one preconditioner")
    operator = not issparse(M) and hasattr(M, "matvec")
    if callable(M) and not operator:
        if flexible:
            return partial(function_result, M)
        n = matrix.shape[0]
        raise MatrixError(
            "M is a function; give scipy.sparse.linalg.LinearOperator"
            f"(({n}, {n}), matvec=M, dtype=float), or flexible=True if it is not linear"
        )
    if not operator:
        return _product(matrix, M)
    try:
        linear = aslinearoperator(M)
    except (AttributeError, TypeError) as error:
        raise MatrixError(f"M cannot be used as a LinearOperator: {error}") from None
    if linear.shape != matrix.shape:
        raise MatrixError(f"A has shape {matrix.shape}, M has {linear.shape}")
    _check_real(linear.dtype)

    def apply(r: Vector) -> Vector:
        z = np.asarray(linear.matvec(r))
        _check_real(z.dtype)
        return z

    return apply


def function_result(function: Callable[[Vector], Any], r: Vector) -> Vector:
    """Return what a function r -> z gives: real numbers, as many as r has."""
    z = np.asarray(function(r))
    _check_real(z.dtype)
    if z.size != r.size:
        raise MatrixError(
            f"M is a function that returns shape {z.shape} for r of shape {r.shape}; return the "
            "shape of r"
        )
    result: Vector = z.reshape(r.shape)
    return result


def check_fixed(flexible: bool) -> None:
    """Refuse the flexible form of a solve whose preconditioner cannot vary."""
    if flexible:
        raise MatrixError("flexible is for a preconditioner M; give M, or leave it out")


def _product(matrix: csr_array, M: Any) -> Apply:
    given = square_matrix(M, "M")
    if given.shape != matrix.shape:
        raise MatrixError(f"A has shape {matrix.shape}, M has {given.shape}")
    full = csr_array(given, copy=True)
    full.sum_duplicates()
    check_finite(full, "M")
    arrays = full.indptr, full.indices, full.data

    def apply(r: Vector) -> Vector:
        x = np.array(r, dtype=np.float64).reshape(-1, 1)
        out = np.empty_like(x)
        multiply((0.0,), arrays, x, out)
        z: NDArray[np.float64] = out[:, 0]
        return z

    return apply


def _check_real(dtype: np.dtype[Any] | None) -> None:
    if dtype is not None and dtype.kind not in "fiub":
        raise MatrixError(f"M has entries of type {dtype}; give an operator of real numbers")
