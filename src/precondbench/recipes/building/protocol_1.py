"""The solve by which versions ``1.0`` and ``sample`` of the real data were labelled.

Their facts (iterations, status, winner) have a published digest, so they stay what protocol 1 gave:
one right-hand side, and conjugate gradients in the order of operations of version 0.1.0. Scores are
those of the current protocol, in the package ``quality``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.quality import MAXITER, RTOL, Outcome, SymmetricProblem
from precondbench.solvers import Status

_DRIFT = 100.0  # Factor by which the true residual may exceed the tolerance.


@kernel
def _dot(x, y):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(x.size):
        total += x[i] * y[i]
    return total


@kernel
def _multiply(indptr, indices, data, x, out):  # type: ignore[no-untyped-def]
    """Write A x to ``out``."""
    for i in range(x.size):
        total = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            total += data[p] * x[indices[p]]
        out[i] = total


@kernel
def _substitute(indptr, indices, factor, x):  # type: ignore[no-untyped-def]
    """Overwrite x by (L L^T)^-1 x; L by rows, the diagonal last in each."""
    for i in range(x.size):
        last = indptr[i + 1] - 1
        total = x[i]
        for p in range(indptr[i], last):
            total -= factor[p] * x[indices[p]]
        x[i] = total / factor[last]
    for i in range(x.size - 1, -1, -1):
        last = indptr[i + 1] - 1
        x[i] /= factor[last]
        for p in range(indptr[i], last):
            x[indices[p]] -= factor[p] * x[i]


@kernel
def _pcg(  # type: ignore[no-untyped-def]
    a_indptr, a_indices, a_data, l_indptr, l_indices, factor, b, rtol, maxiter
):
    """Hestenes and Stiefel; code 0 converged, 1 iteration limit, 2 breakdown."""
    n = b.size
    preconditioned = factor.size > 0
    x, r, z, q = np.zeros(n), b.copy(), b.copy(), np.empty(n)
    norm_b = np.sqrt(_dot(b, b))
    if preconditioned:
        _substitute(l_indptr, l_indices, factor, z)
    p = z.copy()
    rho = _dot(r, z)
    iterations, code = 0, 1
    while iterations < maxiter:
        _multiply(a_indptr, a_indices, a_data, p, q)
        curvature = _dot(p, q)
        if not (curvature > 0.0 and curvature < np.inf and rho > 0.0 and rho < np.inf):
            code = 2
            break
        alpha = rho / curvature
        square = 0.0
        for i in range(n):
            x[i] += alpha * p[i]
            r[i] -= alpha * q[i]
            square += r[i] * r[i]
        iterations += 1
        if np.sqrt(square) <= rtol * norm_b:
            code = 0
            break
        z[:] = r
        if preconditioned:
            _substitute(l_indptr, l_indices, factor, z)
        following = _dot(r, z)
        beta = following / rho
        for i in range(n):
            p[i] = z[i] + beta * p[i]
        rho = following
    _multiply(a_indptr, a_indices, a_data, x, q)
    square = 0.0
    for i in range(n):
        square += (b[i] - q[i]) * (b[i] - q[i])
    return iterations, code, np.sqrt(square) / norm_b


def solve_by_protocol_1(problem: SymmetricProblem, values: NDArray[np.float64] | None) -> Outcome:
    """Solve with values of a factor of the unscaled matrix, or with no preconditioner."""
    pattern, matrix = problem.pattern, problem.matrix
    factor = np.zeros(0) if values is None else problem.scaled(values)
    if not np.all(np.isfinite(factor)) or (factor.size and np.any(factor[pattern.diagonal] == 0)):
        return Outcome(Status.INVALID, 0, (MAXITER,), np.nan)
    iterations, code, residual = _pcg(
        matrix.indptr, matrix.indices, matrix.data, pattern.indptr, pattern.indices, factor,
        np.ascontiguousarray(problem.sides()[:, 0]), RTOL, MAXITER,
    )  # fmt: skip
    status = (Status.CONVERGED, Status.ITERATION_LIMIT, Status.STAGNATED)[code]
    if status is Status.CONVERGED and not residual <= _DRIFT * RTOL:
        status = Status.STAGNATED
    return Outcome(status, iterations, (iterations,), residual)
