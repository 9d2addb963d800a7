"""Preconditioned conjugate gradients in a fixed order of operations: the judge of every factor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench._internal import kernel
from precondbench.errors import MatrixError
from precondbench.factors import LowerPattern, factor_values, solve_factored
from precondbench.matrices import check_spd_candidate

# The recurrence residual may drift from the true one; beyond this factor the answer is wrong.
DRIFT_LIMIT = 100.0


class Status(StrEnum):
    """How a solve ended."""

    CONVERGED = "converged"
    """The recurrence residual met the tolerance and the true one is within 100 times of it."""
    ITERATION_LIMIT = "iteration-limit"
    """``maxiter`` steps were not enough."""
    STAGNATED = "stagnated"
    """The recurrence broke down, or its residual lost touch with the true one."""
    INVALID = "invalid"
    """There was nothing to solve with: the factor is missing, not finite or singular."""


@dataclass(frozen=True)
class PCGResult:
    """Outcome of :func:`pcg`.

    Attributes
    ----------
    x : numpy.ndarray
        float64 (n,): the last iterate.
    iterations : int
        Steps taken.
    status : Status
        How it ended; ``result.status == "converged"`` is the test to use.
    residual : float
        True relative residual ||b - A x|| / ||b||.
    """

    x: NDArray[np.float64]
    iterations: int
    status: Status
    residual: float


@kernel
def _dot(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@kernel
def multiply(indptr, indices, data, x, out):  # type: ignore[no-untyped-def]
    """Write A x to ``out``."""
    for i in range(x.size):
        total = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            total += data[p] * x[indices[p]]
        out[i] = total


@kernel
def _advance(alpha, p, q, x, r):  # type: ignore[no-untyped-def]
    """Add alpha p to x, take alpha q from r; return the square of r."""
    square = 0.0
    for i in range(x.size):
        x[i] += alpha * p[i]
        r[i] -= alpha * q[i]
        square += r[i] * r[i]
    return square


@kernel
def _turn(beta, z, p):  # type: ignore[no-untyped-def]
    for i in range(p.size):
        p[i] = z[i] + beta * p[i]


@kernel
def _distance(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(x.size):
        total += (x[i] - y[i]) * (x[i] - y[i])
    return total


@kernel
def _pcg(  # type: ignore[no-untyped-def]
    a_indptr, a_indices, a_data, l_indptr, l_indices, factor, preconditioned, b, rtol, maxiter
):
    """Hestenes and Stiefel; code 0 converged, 1 iteration limit, 2 breakdown."""
    n = b.size
    x = np.zeros(n)
    r = b.copy()
    z = r.copy()
    q = np.empty(n)
    norm_b = np.sqrt(_dot(b, b))
    if norm_b == 0.0:
        return x, 0, 0, 0.0
    if preconditioned:
        solve_factored(l_indptr, l_indices, factor, z)
    p = z.copy()
    rho = _dot(r, z)
    iterations = 0
    code = 1
    while iterations < maxiter:
        multiply(a_indptr, a_indices, a_data, p, q)
        curvature = _dot(p, q)
        if not (curvature > 0.0 and curvature < np.inf and rho > 0.0 and rho < np.inf):
            code = 2
            break
        alpha = rho / curvature
        square = _advance(alpha, p, q, x, r)
        iterations += 1
        if np.sqrt(square) <= rtol * norm_b:
            code = 0
            break
        for i in range(n):
            z[i] = r[i]
        if preconditioned:
            solve_factored(l_indptr, l_indices, factor, z)
        following = _dot(r, z)
        _turn(following / rho, z, p)
        rho = following
    multiply(a_indptr, a_indices, a_data, x, q)
    return x, iterations, code, np.sqrt(_distance(b, q)) / norm_b


def pcg_values(
    matrix: csr_array,
    b: NDArray[np.float64],
    pattern: LowerPattern | None,
    values: NDArray[np.float64] | None,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
) -> PCGResult:
    """:func:`pcg` on checked input: a sorted CSR matrix and factor values on a pattern."""
    if pattern is None or values is None:
        nothing = np.zeros(0, dtype=np.int64)
        arguments = (nothing, nothing.astype(np.int32), np.zeros(0), False)
    else:
        arguments = (pattern.indptr, pattern.indices, values, True)
    x, iterations, code, residual = _pcg(
        matrix.indptr, matrix.indices, matrix.data, *arguments, b, float(rtol), int(maxiter)
    )
    if code == 1:
        status = Status.ITERATION_LIMIT
    elif code == 0 and residual <= DRIFT_LIMIT * rtol:
        status = Status.CONVERGED
    else:
        status = Status.STAGNATED
    return PCGResult(x, int(iterations), status, float(residual))


def pcg_operator(
    matrix: csr_array,
    b: NDArray[np.float64],
    apply: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    rtol: float = 1e-8,
    maxiter: int = 10_000,
) -> PCGResult:
    """:func:`pcg` with a function r -> M r; the steps of the kernel, in the same order."""
    x = np.zeros(b.size)
    norm_b = float(np.sqrt(_dot(b, b)))
    if norm_b == 0.0:
        return PCGResult(x, 0, Status.CONVERGED, 0.0)
    r = b.copy()
    q = np.empty(b.size)
    z = apply(r)
    p = z.copy()
    rho = _dot(r, z)
    status = Status.ITERATION_LIMIT
    iterations = 0
    while iterations < maxiter:
        multiply(matrix.indptr, matrix.indices, matrix.data, p, q)
        curvature = _dot(p, q)
        if not (0.0 < curvature < np.inf and 0.0 < rho < np.inf):
            status = Status.STAGNATED
            break
        square = _advance(rho / curvature, p, q, x, r)
        iterations += 1
        if np.sqrt(square) <= rtol * norm_b:
            status = Status.CONVERGED
            break
        z = apply(r)
        following = _dot(r, z)
        _turn(following / rho, z, p)
        rho = following
    multiply(matrix.indptr, matrix.indices, matrix.data, x, q)
    residual = float(np.sqrt(_distance(b, q)) / norm_b)
    if status is Status.CONVERGED and not residual <= DRIFT_LIMIT * rtol:
        status = Status.STAGNATED
    return PCGResult(x, iterations, status, residual)


def pcg(
    A: Any,
    b: ArrayLike,
    L: Any = None,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    *,
    M: LinearOperator | None = None,
) -> PCGResult:
    r"""Solve A x = b by conjugate gradients, preconditioned by L L^T.

    Starts at x = 0 and stops when the recurrence residual satisfies
    ||r||_2 <= rtol ||b||_2. The operator is L^-1 A L^-T, two triangular solves a step.
    Sums run in a fixed order, so iterates have the same bits on every machine and with any
    number of threads.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    b : array_like
        Right-hand side, shape (n,).
    L : sparse array, sparse matrix or array_like, optional
        Lower-triangular factor with a non-zero diagonal; none means no preconditioning.
    rtol : float
        Relative tolerance.
    maxiter : int
        Largest number of steps.
    M : scipy.sparse.linalg.LinearOperator, optional
        Instead of L: symmetric positive definite, close to A^-1, shape (n, n).

    Returns
    -------
    PCGResult
        Solution, iterations, status and true residual.

    Raises
    ------
    MatrixError
        If A, b, L or M cannot be used, or both L and M are given.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import ic0, pcg
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> result = pcg(A, [1.0, 2.0], ic0(A))
    >>> result.iterations, str(result.status)
    (1, 'converged')
    """
    matrix = check_spd_candidate(A, "A")
    rhs = _right_hand_side(b)
    if not (np.isfinite(rtol) and rtol >= 0 and maxiter >= 0):
        raise MatrixError(f"rtol is {rtol} and maxiter {maxiter}; both must be 0 or more")
    if rhs.shape != (matrix.shape[0],):
        raise MatrixError(f"b has shape {rhs.shape}; A has {matrix.shape[0]} rows")
    if not np.all(np.isfinite(rhs)):
        raise MatrixError("b is not finite; remove NaN and infinity")
    if M is not None:
        if L is not None:
            raise MatrixError("L and M are both given; a solve has one preconditioner")
        if M.shape != matrix.shape:
            raise MatrixError(f"A has shape {matrix.shape}, M has {M.shape}")
        return pcg_operator(matrix, rhs, M.matvec, rtol, maxiter)
    if L is None:
        return pcg_values(matrix, rhs, None, None, rtol, maxiter)
    pattern, values = factor_values(L)
    if pattern.n != matrix.shape[0]:
        raise MatrixError(f"A has {matrix.shape[0]} rows, L has {pattern.n}")
    return pcg_values(matrix, rhs, pattern, values, rtol, maxiter)


def _right_hand_side(b: ArrayLike) -> NDArray[np.float64]:
    """Copy b as float64; MatrixError for what is no vector of real numbers."""
    try:
        given = np.asarray(b)
    except ValueError as error:
        raise MatrixError(f"b cannot be read as a vector: {error}") from None
    if given.dtype.kind not in "fiub":
        raise MatrixError(f"b has entries of type {given.dtype}; give real numbers")
    return given.astype(np.float64)
