"""Preconditioned conjugate gradients in a fixed order of operations.

The benchmark compares factors of symmetric positive definite matrices by this solver.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench._internal import kernel
from precondbench.errors import MatrixError
from precondbench.factors import LowerPattern, factor_values, solve_factored
from precondbench.matrices import check_spd_candidate
from precondbench.solvers.solves import (
    Apply,
    PCGResult,
    Status,
    Vector,
    check_arguments,
    check_operator,
    finished,
    multiply,
)

CODES = (Status.CONVERGED, Status.ITERATION_LIMIT, Status.STAGNATED)


@kernel
def _dot(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


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
    b: Vector,
    pattern: LowerPattern | None,
    values: Vector | None,
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
    return finished(x, iterations, CODES[code], residual, rtol)


def pcg_operator(
    matrix: csr_array, b: Vector, apply: Apply, rtol: float = 1e-8, maxiter: int = 10_000
) -> PCGResult:
    """:func:`pcg` with a function r -> M r: the steps of the kernel in the same order."""
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
    return finished(x, iterations, status, np.sqrt(_distance(b, q)) / norm_b, rtol)


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
    rhs = check_arguments(matrix, b, rtol, maxiter)
    if M is not None:
        return pcg_operator(matrix, rhs, check_operator(matrix, M, L), rtol, maxiter)
    if L is None:
        return pcg_values(matrix, rhs, None, None, rtol, maxiter)
    pattern, values = factor_values(L)
    if pattern.n != matrix.shape[0]:
        raise MatrixError(f"A has {matrix.shape[0]} rows, L has {pattern.n}")
    return pcg_values(matrix, rhs, pattern, values, rtol, maxiter)
