"""Restarted GMRES in a fixed order of operations.

The benchmark compares LU factors of general matrices by this solver.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse, tril, triu
from scipy.sparse.linalg import LinearOperator

from precondbench._internal import kernel
from precondbench.errors import MatrixError
from precondbench.factors import LUPattern, lu_pattern, solve_lu
from precondbench.matrices import check_general
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

RESTART = 50


@kernel
def _norm(x):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(x.size):
        total += x[i] * x[i]
    return np.sqrt(total)


@kernel
def _residual(indptr, indices, data, x, b, out):  # type: ignore[no-untyped-def]
    """Overwrite out by b - A x; return its norm."""
    square = 0.0
    for i in range(x.size):
        total = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            total += data[p] * x[indices[p]]
        out[i] = b[i] - total
        square += out[i] * out[i]
    return np.sqrt(square)


@kernel
def _arnoldi(basis, j, w, h, rotations, g):  # type: ignore[no-untyped-def]
    """One step: orthogonalise w (modified Gram-Schmidt), rotate the new column of h.

    basis holds v_0 ... v_j by rows and receives v_{j+1}; column j of h receives the new
    column of R; g is the rotated right-hand side. Return |residual|, or -1.0 on breakdown.
    """
    n = w.size
    for i in range(j + 1):
        total = 0.0
        for t in range(n):
            total += w[t] * basis[i, t]
        h[i, j] = total
        for t in range(n):
            w[t] -= total * basis[i, t]
    below = _norm(w)
    for i in range(j):
        upper = rotations[i, 0] * h[i, j] + rotations[i, 1] * h[i + 1, j]
        h[i + 1, j] = rotations[i, 0] * h[i + 1, j] - rotations[i, 1] * h[i, j]
        h[i, j] = upper
    radius = np.sqrt(h[j, j] * h[j, j] + below * below)
    if not (radius > 0.0 and radius < np.inf):
        return -1.0
    rotations[j, 0] = h[j, j] / radius
    rotations[j, 1] = below / radius
    h[j, j] = radius
    g[j + 1] = -rotations[j, 1] * g[j]
    g[j] = rotations[j, 0] * g[j]
    if below > 0.0:
        for t in range(n):
            basis[j + 1, t] = w[t] / below
    return abs(g[j + 1])


@kernel
def _combination(basis, h, g, steps, out):  # type: ignore[no-untyped-def]
    """Overwrite out by V y with R y = g, the first ``steps`` rows of each."""
    y = np.empty(steps, np.float64)
    for i in range(steps - 1, -1, -1):
        total = g[i]
        for j in range(i + 1, steps):
            total -= h[i, j] * y[j]
        y[i] = total / h[i, i]
    for t in range(out.size):
        out[t] = 0.0
    for i in range(steps):
        for t in range(out.size):
            out[t] += y[i] * basis[i, t]


def gmres_operator(
    matrix: csr_array,
    b: Vector,
    apply: Apply,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    restart: int = RESTART,
) -> PCGResult:
    """:func:`gmres` with a function r -> M r, on checked input."""
    arrays = (matrix.indptr, matrix.indices, matrix.data)
    n = b.size
    x = np.zeros(n)
    norm_b = float(_norm(b))
    if norm_b == 0.0:
        return PCGResult(x, 0, Status.CONVERGED, 0.0)
    length = min(restart, n)
    basis = np.zeros((length + 1, n))
    h = np.zeros((length + 1, length))
    rotations = np.zeros((length, 2))
    r, w = b.copy(), np.empty(n)
    beta, before = norm_b, np.inf
    iterations = 0
    status = Status.ITERATION_LIMIT
    while status is Status.ITERATION_LIMIT and iterations < maxiter:
        # A cycle that gains nothing would be repeated for ever.
        if not (0.0 < beta < before):
            status = Status.CONVERGED if beta == 0.0 else Status.STAGNATED
            break
        basis[0] = r / beta
        g = np.zeros(length + 1)
        g[0] = beta
        steps = 0
        while steps < length and iterations < maxiter:
            z = np.ascontiguousarray(apply(basis[steps]), dtype=np.float64)
            multiply(*arrays, z, w)
            estimate = float(_arnoldi(basis, steps, w, h, rotations, g))
            iterations += 1
            if not 0.0 <= estimate < np.inf:
                status = Status.STAGNATED
                break
            steps += 1
            if estimate <= rtol * norm_b:
                status = Status.CONVERGED
                break
        if steps:
            _combination(basis, h, g, steps, w)
            with np.errstate(all="ignore"):  # what overflows shows in the residual
                x = x + apply(w.copy())
        before, beta = beta, float(_residual(*arrays, x, b, r))
    residual = float(_residual(*arrays, x, b, r)) / norm_b
    return finished(x, iterations, status, residual, rtol)


def gmres_values(
    matrix: csr_array,
    b: Vector,
    pattern: LUPattern | None,
    values: Vector | None,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    restart: int = RESTART,
) -> PCGResult:
    """:func:`gmres` on checked input: L and U stored together on a pattern, or None."""

    def apply(r: Vector) -> Vector:
        z = r.copy()
        if pattern is not None and values is not None:
            solve_lu(pattern.indptr, pattern.indices, pattern.diagonal, values, z)
        return z

    return gmres_operator(matrix, b, apply, rtol, maxiter, restart)


def unit_factors(L: Any, U: Any, n: int) -> csr_array:
    """Check L and U and store them together, L scaled to a unit diagonal: L D^-1 and D U."""
    lower = _factor(L, "L", n)
    upper = _factor(U, "U", n)
    if triu(lower, k=1).nnz or tril(upper, k=-1).nnz:
        which = "L reaches above" if triu(lower, k=1).nnz else "U reaches below"
        raise MatrixError(f"{which} the diagonal; give L lower and U upper triangular")
    d = lower.diagonal()
    if np.any(d != 1.0):
        upper.data = upper.data * np.repeat(d, np.diff(upper.indptr))
        lower.data = lower.data / d[lower.indices]
    together = csr_array(tril(lower, k=-1, format="csr") + upper)
    together.sort_indices()
    return together


def _factor(given: Any, name: str, n: int) -> csr_array:
    given = given if issparse(given) else np.asarray(given)
    if given.ndim != 2 or given.shape != (n, n):
        raise MatrixError(f"{name} has shape {given.shape}; A has {n} rows")
    factor = check_general(given, name)
    zero = np.flatnonzero(factor.diagonal() == 0.0)
    if zero.size:
        raise MatrixError(f"{name} is singular: diagonal entry {zero[0]} is zero")
    return factor


def gmres(
    A: Any,
    b: ArrayLike,
    L: Any = None,
    U: Any = None,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    *,
    restart: int = RESTART,
    M: LinearOperator | None = None,
) -> PCGResult:
    r"""Solve A x = b by restarted GMRES, preconditioned by L U from the right.

    Starts at x = 0 and minimises the residual of A (L U)^-1 y = b, which is that of A x = b.
    Modified Gram-Schmidt, Givens rotations; stops when the residual of the rotations satisfies
    ||r||_2 <= rtol ||b||_2. Sums run in a fixed order, so iterates have the same bits on
    every machine and with any number of threads.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real square matrix with every diagonal entry stored, shape (n, n).
    b : array_like
        Right-hand side, shape (n,).
    L, U : sparse array, sparse matrix or array_like, optional
        Lower and upper triangular with non-zero diagonals; none means no preconditioning.
    rtol : float
        Relative tolerance.
    maxiter : int
        Largest number of steps, over all cycles.
    restart : int
        Steps of a cycle.
    M : scipy.sparse.linalg.LinearOperator, optional
        Instead of L and U: close to A^-1, shape (n, n), linear.

    Returns
    -------
    PCGResult
        Solution, iterations (products with A within cycles), status and true residual.

    Raises
    ------
    MatrixError
        If A, b, L, U, M or ``restart`` cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import gmres, ilu0
    >>> A = np.array([[4.0, 1.0], [-2.0, 3.0]])
    >>> result = gmres(A, [1.0, 2.0], *ilu0(A))
    >>> result.iterations, str(result.status)
    (1, 'converged')
    """
    matrix = check_general(A, "A")
    rhs = check_arguments(matrix, b, rtol, maxiter)
    if restart < 1:
        raise MatrixError(f"restart is {restart}; a cycle has 1 step or more")
    if (L is None) != (U is None):
        raise MatrixError("give both L and U, or neither")
    if M is not None:
        apply = check_operator(matrix, M, L, U)
        return gmres_operator(matrix, rhs, apply, rtol, maxiter, restart)
    if L is None:
        return gmres_values(matrix, rhs, None, None, rtol, maxiter, restart)
    together = unit_factors(L, U, matrix.shape[0])
    return gmres_values(matrix, rhs, lu_pattern(together), together.data, rtol, maxiter, restart)
