"""Preconditioned conjugate gradients in a fixed order of operations.

The benchmark compares factors of symmetric positive definite matrices by this solver.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.errors import MatrixError
from precondbench.factors import LowerPattern, factor_values
from precondbench.matrices import check_spd_candidate
from precondbench.solvers.arguments import check_arguments, check_fixed, check_operator
from precondbench.solvers.lanes import (
    accumulate,
    difference,
    dot,
    dot_backwards,
    moved,
    multiply,
    no_sums,
    put,
    residual,
    row,
    total,
)
from precondbench.solvers.ritz import condition_number
from precondbench.solvers.solves import (
    Apply,
    Callback,
    Part,
    PCGResult,
    Residuals,
    Scaled,
    SidesResult,
    System,
    Vector,
    gathered,
)
from precondbench.solvers.substitution import (
    NO_TRIANGLES,
    Triangles,
    backward,
    centred,
    forward,
    lower_triangles,
)

# Rows of the table of numbers of each side.
NORM, RHO, ALPHA, FOLLOWING, BETA = range(5)


@kernel
def _combine(zero, a, u, v):  # type: ignore[no-untyped-def]
    """Overwrite v by u + a v."""
    for i in range(v.shape[0]):
        put(v, i, moved(row(zero, u, i), a, row(zero, v, i)))


@kernel
def _advance(zero, alpha, p, q, x, r):  # type: ignore[no-untyped-def]
    """Add alpha p to x, take alpha q from r; return the square of r."""
    minus_alpha = difference(zero, alpha)
    sums = no_sums(zero)
    n = x.shape[0]
    for i in range(n):
        put(x, i, moved(row(zero, x, i), alpha, row(zero, p, i)))
        t = moved(row(zero, r, i), minus_alpha, row(zero, q, i))
        put(r, i, t)
        sums = accumulate(sums, t, t)
    return total(sums, n)


@kernel
def _start(zero, b):  # type: ignore[no-untyped-def]
    """Allocate the state of the sides: vectors, numbers, codes, iterations.

    Code 0 stands for converged, 1 for not yet, 2 for a breakdown.
    """
    n, lanes = b.shape
    vectors = (np.zeros((n, lanes)), b.copy(), b.copy(), np.zeros((n, lanes)), np.zeros((n, lanes)))
    numbers = np.zeros((5, lanes))
    codes = np.ones(lanes, np.int64)
    put(numbers, FOLLOWING, dot(zero, b, b))
    for k in range(lanes):
        numbers[RHO, k] = numbers[FOLLOWING, k]
        numbers[NORM, k] = np.sqrt(numbers[FOLLOWING, k])
        if numbers[NORM, k] == 0.0:
            codes[k] = 0
    return vectors, numbers, codes, np.zeros(lanes, np.int64)


@kernel
def _end(vectors, codes, k, code):  # type: ignore[no-untyped-def]
    """Keep x of side k; its lane goes on with zeros, which are as fast as other numbers."""
    x, r, p, q, found = vectors
    codes[k] = code
    for i in range(x.shape[0]):
        found[i, k] = x[i, k]
        x[i, k] = 0.0
        r[i, k] = 0.0
        p[i, k] = 0.0
        q[i, k] = 0.0


@kernel
def _step(zero, matrix, vectors, numbers, codes, iterations, rtol):  # type: ignore[no-untyped-def]
    """Take a step of each side that has not ended; return whether any goes on."""
    x, r, p, q, _ = vectors
    put(numbers, ALPHA, multiply(zero, matrix, p, q))
    for k in range(codes.size):
        curvature, rho = numbers[ALPHA, k], numbers[RHO, k]
        numbers[ALPHA, k] = 0.0
        if codes[k] == 1:
            if 0.0 < curvature < np.inf and 0.0 < rho < np.inf:
                numbers[ALPHA, k] = rho / curvature
                iterations[k] += 1
            else:
                _end(vectors, codes, k, 2)
    if not np.any(codes == 1):
        return False
    put(numbers, FOLLOWING, _advance(zero, row(zero, numbers, ALPHA), p, q, x, r))
    for k in range(codes.size):
        if codes[k] == 1 and np.sqrt(numbers[FOLLOWING, k]) <= rtol * numbers[NORM, k]:
            _end(vectors, codes, k, 0)
    return np.any(codes == 1)


@kernel
def _turn(zero, z, vectors, numbers, codes):  # type: ignore[no-untyped-def]
    """Set beta to BETA / RHO, p to z + beta p, and RHO to FOLLOWING."""
    _, _, p, _, _ = vectors
    for k in range(codes.size):
        going = codes[k] == 1
        numbers[BETA, k] = numbers[BETA, k] / numbers[RHO, k] if going else 0.0
        numbers[RHO, k] = numbers[FOLLOWING, k]
    _combine(zero, row(zero, numbers, BETA), z, p)


@kernel
def _finish(zero, matrix, b, vectors, numbers, codes, iterations):  # type: ignore[no-untyped-def]
    """Return x, iterations, codes and true relative residuals."""
    x, r, _, _, found = vectors
    for k in range(codes.size):
        if codes[k] == 1:
            found[:, k] = x[:, k]
    put(numbers, FOLLOWING, residual(zero, matrix, found, b, r))
    residuals = np.zeros(codes.size)
    for k in range(codes.size):
        if numbers[NORM, k] > 0.0:
            residuals[k] = np.sqrt(numbers[FOLLOWING, k]) / numbers[NORM, k]
    return found, iterations, codes, residuals


@kernel
def _longer(history):  # type: ignore[no-untyped-def]
    """Copy a table to one of twice as many rows."""
    result = np.zeros((2 * history.shape[0], history.shape[1]))
    result[: history.shape[0]] = history
    return result


@kernel
def _pcg(  # type: ignore[no-untyped-def]
    zero, matrix, lower, upper, preconditioned, b, rtol, maxiter
):
    """Hestenes and Stiefel in lockstep; also return alpha and beta of each step."""
    vectors, numbers, codes, iterations = _start(zero, b)
    r, p = vectors[1], vectors[2]
    z = b.copy()
    if preconditioned:
        forward(zero, lower, r, z)
        put(numbers, RHO, backward(zero, upper, z, r))
        p[:] = z
    alphas, betas = np.zeros((64, codes.size)), np.zeros((64, codes.size))
    going = np.any(codes == 1)
    step = 0
    while going and step < maxiter:
        going = _step(zero, matrix, vectors, numbers, codes, iterations, rtol)
        if step == alphas.shape[0]:
            alphas, betas = _longer(alphas), _longer(betas)
        alphas[step] = numbers[ALPHA]
        if going:
            if preconditioned:
                forward(zero, lower, r, z)
                put(numbers, FOLLOWING, backward(zero, upper, z, r))
            else:
                z[:] = r
            numbers[BETA] = numbers[FOLLOWING]
            _turn(zero, z, vectors, numbers, codes)
            betas[step] = numbers[BETA]
        step += 1
    return _finish(zero, matrix, b, vectors, numbers, codes, iterations), alphas, betas


# A function of r that returns z = M r and r^T z.
Preconditioned = Callable[[Vector], tuple[Vector, Any]]


def _stepwise(
    zero: tuple[float, ...],
    matrix: Any,
    b: Vector,
    preconditioned: Preconditioned,
    rtol: float,
    maxiter: int,
    flexible: bool,
    residuals: Residuals | None,
) -> tuple[Part, tuple[Vector, Vector, NDArray[np.int64]]]:
    """Take the steps of ``_pcg`` outside compiled code; the bits are the same."""
    vectors, numbers, codes, iterations = _start(zero, b)
    r, p = vectors[1], vectors[2]
    history: list[tuple[Vector, Vector]] = []
    going = bool(np.any(codes == 1))
    if residuals is not None:
        residuals.add(float(going))
    if going:
        p[:], numbers[RHO] = preconditioned(r)
    while going and len(history) < maxiter:
        before = r.copy()
        going = _step(zero, matrix, vectors, numbers, codes, iterations, float(rtol))
        alpha = numbers[ALPHA].copy()
        if residuals is not None and iterations[0] == len(residuals.values):
            residuals.add(np.sqrt(numbers[FOLLOWING, 0]) / numbers[NORM, 0])
        if going:
            z, numbers[FOLLOWING] = preconditioned(r)
            numbers[BETA] = numbers[FOLLOWING]
            if flexible:
                numbers[BETA] -= dot_backwards(zero, z, before)
            _turn(zero, z, vectors, numbers, codes)
        history.append((alpha, numbers[BETA].copy()))
    part = _finish(zero, matrix, b, vectors, numbers, codes, iterations)
    alphas, betas = np.array(history).reshape(-1, 2, codes.size).transpose(1, 0, 2)
    return part, (alphas, betas, iterations)


def _by_factors(zero: tuple[float, ...], triangles: Triangles | None) -> Preconditioned:
    def preconditioned(r: Vector) -> tuple[Vector, Any]:
        if triangles is None:
            return r.copy(), dot(zero, r, r)
        z = np.empty(r.shape)
        forward(zero, triangles[0], r, z)
        return z, backward(zero, triangles[1], z, r)

    return preconditioned


def _by_operator(zero: tuple[float, ...], apply: Apply, columns: bool) -> Preconditioned:
    scaled = Scaled(apply, columns)

    def preconditioned(r: Vector) -> tuple[Vector, Any]:
        z = scaled(r)
        return z, dot_backwards(zero, z, r)

    return preconditioned


def pcg_values(
    matrix: csr_array,
    b: Vector,
    pattern: LowerPattern | None,
    values: Vector | None,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    residuals: Residuals | None = None,
) -> SidesResult:
    """:func:`pcg` for b of shape (n, s) on checked input: sorted CSR, values on a pattern.

    ``residuals`` are those of the first side, which then must be the only one.
    """
    triangles = None
    if pattern is not None and values is not None:
        triangles = lower_triangles(pattern, centred(values, pattern.diagonal))
    system = System(matrix, b)
    parts, coefficients = [], []
    for zero, block in system.blocks():
        if residuals is not None:
            part, history = _stepwise(
                zero, system.matrix, block, _by_factors(zero, triangles), rtol, maxiter, False,
                residuals,
            )  # fmt: skip
        else:
            part, alphas, betas = _pcg(
                zero, system.matrix, *(triangles or NO_TRIANGLES), triangles is not None, block,
                float(rtol), int(maxiter),
            )  # fmt: skip
            history = alphas, betas, part[1]
        parts.append(part)
        coefficients.append(history)
    return gathered(system, parts, rtol, condition_number(coefficients))


def pcg_operator(
    matrix: csr_array,
    b: Vector,
    apply: Apply,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    flexible: bool = False,
    residuals: Residuals | None = None,
    lanes: int = 1,
) -> SidesResult:
    """:func:`pcg` with a function r -> M r, for b of shape (n, s).

    One side after the other; or, with ``LANES`` lanes, in lockstep with a function of r (n, lanes).
    """
    system = System(matrix, b)
    parts, coefficients = [], []
    for zero, block in system.blocks(lanes):
        part, history = _stepwise(
            zero, system.matrix, block, _by_operator(zero, apply, lanes > 1), rtol, maxiter,
            flexible, residuals,
        )  # fmt: skip
        parts.append(part)
        coefficients.append(history)
    condition = None if flexible else condition_number(coefficients)
    return gathered(system, parts, rtol, condition)


def pcg(
    A: Any,
    b: ArrayLike,
    L: Any = None,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    *,
    M: Any = None,
    flexible: bool = False,
    history: bool = False,
    callback: Callback | None = None,
) -> PCGResult:
    r"""Solve A x = b by conjugate gradients, preconditioned by L L^T.

    Starts at x = 0 and stops when the recurrence residual satisfies
    ||r||_2 <= rtol ||b||_2. The operator is L^-1 A L^-T, two triangular solves a step.
    Sums run in a fixed order, so iterates have the same bits on every machine and with any
    number of threads. A, b and L are scaled by powers of two, so that their size does not matter.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    b : array_like
        Right-hand side, real, shape (n,) or (n, 1).
    L : sparse array, sparse matrix or array_like, optional
        Lower-triangular factor with a non-zero diagonal; none means no preconditioning.
    rtol : float
        Relative tolerance, 0 or more.
    maxiter : int
        Largest number of steps, 0 or more.
    M : LinearOperator, sparse array, sparse matrix, array_like or callable, optional
        Instead of L: symmetric positive definite, close to A^-1, shape (n, n); if ``flexible``,
        also a function r -> z. It is applied to residuals of a scaled b, whose largest entry is
        in [0.5, 1).
    flexible : bool
        With M: flexible conjugate gradients in the form of Polak and Ribiere (Notay 2000),
        beta = z_new^T (r_new - r) / z^T r, for an M that is not linear or changes from step to
        step. For a fixed linear M it takes the same steps up to rounding, and stores one vector
        more.
    history : bool
        Also return the relative residual of each step; the iterates have the same bits.
    callback : callable, optional
        Called as ``callback(step, residual)`` after each step, with its relative residual.

    Returns
    -------
    PCGResult
        Solution, iterations, status and true residual.

    Raises
    ------
    MatrixError
        If A, b, L or M cannot be used, both L and M are given, or ``flexible`` without M.
    ConfigurationError
        If ``rtol`` or ``maxiter`` is not such a number.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import ic0, pcg
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> result = pcg(A, [1.0, 2.0], ic0(A))
    >>> result.iterations, str(result.status)
    (1, 'converged')
    >>> pcg(A, [1.0, 2.0], M=np.linalg.inv(A), flexible=True).iterations
    1
    """
    matrix = check_spd_candidate(A, "A")
    rhs, rtol, maxiter, _ = check_arguments(matrix, b, rtol, maxiter)
    residuals = Residuals.wanted(history, callback)
    if M is not None:
        apply = check_operator(matrix, M, L, flexible=flexible)
        found = pcg_operator(matrix, rhs, apply, rtol, maxiter, flexible, residuals)
        return found.first(residuals, history)
    check_fixed(flexible)
    pattern, values = (None, None) if L is None else factor_values(L)
    if pattern is not None and pattern.n != matrix.shape[0]:
        raise MatrixError(f"A has {matrix.shape[0]} rows, L has {pattern.n}")
    found = pcg_values(matrix, rhs, pattern, values, rtol, maxiter, residuals)
    return found.first(residuals, history)
