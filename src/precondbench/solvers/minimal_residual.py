"""Restarted GMRES in a fixed order of operations.

The benchmark compares LU factors of general matrices by this solver.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import csr_array, issparse, tril, triu

from precondbench._internal import kernel
from precondbench.errors import MatrixError
from precondbench.factors import LUPattern, lu_pattern
from precondbench.matrices import check_general
from precondbench.solvers.arguments import check_arguments, check_fixed, check_operator
from precondbench.solvers.lanes import (
    accumulate,
    difference,
    dot,
    moved,
    multiply,
    no_sums,
    put,
    ratio,
    residual,
    row,
    total,
)
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
    forward,
    lu_triangles,
)

RESTART = 50
# Rows of the table of numbers of each side, and of the table of counts.
NORM, RESIDUAL, BEFORE, DIVISOR = range(4)
CODE, ITERATIONS, STEPS, IN_CYCLE = range(4)


@kernel
def _project(zero, w, a, v, following):  # type: ignore[no-untyped-def]
    """Take a v from w; return the product of w with the following vector."""
    minus_a = difference(zero, a)
    sums = no_sums(zero)
    n = w.shape[0]
    for i in range(n):
        put(w, i, moved(row(zero, w, i), minus_a, row(zero, v, i)))
        sums = accumulate(sums, row(zero, w, i), row(zero, following, i))
    return total(sums, n)


@kernel
def _set_quotient(zero, v, u, d):  # type: ignore[no-untyped-def]
    """Overwrite v by u / d, and by 0 in lanes where d is 0."""
    for i in range(v.shape[0]):
        put(v, i, ratio(row(zero, u, i), d))


@kernel
def _rotate(h, rotations, g, j, below):  # type: ignore[no-untyped-def]
    """Rotate column j of h, with ``below`` under it, and g; return |residual|, -1 on breakdown."""
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
    return abs(g[j + 1])


@kernel
def _start(zero, b, length):  # type: ignore[no-untyped-def]
    """Allocate the state of the sides: vectors, small tables, numbers, counts.

    Code 0 stands for converged, 1 for not yet, 2 for a breakdown.
    """
    n, lanes = b.shape
    vectors = (np.zeros((n, lanes)), b.copy(), np.zeros((n, lanes)))
    tables = (
        np.zeros((lanes, length + 1, length)),
        np.zeros((lanes, length, 2)),
        np.zeros((lanes, length + 1)),
    )
    numbers = np.zeros((4, lanes))
    put(numbers, NORM, dot(zero, b, b))
    counts = np.zeros((4, lanes), np.int64)
    for k in range(lanes):
        numbers[NORM, k] = np.sqrt(numbers[NORM, k])
        numbers[BEFORE, k] = np.inf
        counts[CODE, k] = 0 if numbers[NORM, k] == 0.0 else 1
    numbers[RESIDUAL] = numbers[NORM]
    return vectors, tables, numbers, counts


@kernel
def _begin_cycle(zero, basis, vectors, tables, numbers, counts):  # type: ignore[no-untyped-def]
    """Start a cycle at the residual of each side that goes on; return whether any does."""
    _, r, _ = vectors
    _, _, g = tables
    for k in range(counts.shape[1]):
        counts[STEPS, k] = 0
        size = numbers[RESIDUAL, k]
        # A cycle that gains nothing would be repeated for ever.
        if counts[CODE, k] == 1 and not (0.0 < size < numbers[BEFORE, k]):
            counts[CODE, k] = 0 if size == 0.0 else 2
        counts[IN_CYCLE, k] = counts[CODE, k] == 1
        numbers[DIVISOR, k] = size if counts[CODE, k] == 1 else 0.0
        g[k] = 0.0
        g[k, 0] = size
    _set_quotient(zero, basis[0], r, row(zero, numbers, DIVISOR))
    return np.any(counts[CODE] == 1)


@kernel
def _extend(zero, matrix, basis, j, z, vectors, tables, numbers, counts, rtol):  # type: ignore[no-untyped-def]
    """Add A z to the basis (modified Gram-Schmidt); return whether any side goes on."""
    _, _, w = vectors
    h, rotations, g = tables
    multiply(zero, matrix, z, w)
    t = dot(zero, w, basis[0])
    for i in range(j + 1):
        for k in range(counts.shape[1]):
            h[k, i, j] = t[k]
        t = _project(zero, w, t, basis[i], basis[i + 1] if i < j else w)
    for k in range(counts.shape[1]):
        below = np.sqrt(t[k])
        numbers[DIVISOR, k] = 0.0
        if counts[CODE, k] == 1:
            counts[ITERATIONS, k] += 1
            estimate = _rotate(h[k], rotations[k], g[k], j, below)
            if not (0.0 <= estimate < np.inf):
                counts[CODE, k] = 2
            else:
                counts[STEPS, k] = j + 1
                if estimate <= rtol * numbers[NORM, k]:
                    counts[CODE, k] = 0
                else:
                    numbers[DIVISOR, k] = below
    _set_quotient(zero, basis[j + 1], w, row(zero, numbers, DIVISOR))
    return np.any(counts[CODE] == 1)


@kernel
def _combination(zero, basis, tables, counts, out):  # type: ignore[no-untyped-def]
    """Overwrite out by V y with R y = g, the steps of this cycle of each side."""
    h, _, g = tables
    most = np.max(counts[STEPS])
    y = np.zeros((most, counts.shape[1]))
    for k in range(counts.shape[1]):
        for i in range(counts[STEPS, k] - 1, -1, -1):
            t = g[k, i]
            for j in range(i + 1, counts[STEPS, k]):
                t -= h[k, i, j] * y[j, k]
            y[i, k] = t / h[k, i, i]
    out[:] = 0.0
    for i in range(most):
        v = basis[i]
        a = row(zero, y, i)
        for t in range(out.shape[0]):
            put(out, t, moved(row(zero, out, t), a, row(zero, v, t)))


@kernel
def _end_cycle(zero, matrix, b, z, vectors, numbers, counts):  # type: ignore[no-untyped-def]
    """Add z to x and compute the true residual, of the sides of this cycle."""
    x, r, _ = vectors
    for k in range(counts.shape[1]):
        if counts[STEPS, k] > 0:
            for i in range(x.shape[0]):
                x[i, k] += z[i, k]
    t = residual(zero, matrix, x, b, r)
    for k in range(counts.shape[1]):
        if counts[IN_CYCLE, k]:
            numbers[BEFORE, k] = numbers[RESIDUAL, k]
            numbers[RESIDUAL, k] = np.sqrt(t[k])


@kernel
def _finish(vectors, numbers, counts):  # type: ignore[no-untyped-def]
    """Return x, iterations, codes and true relative residuals."""
    residuals = np.zeros(counts.shape[1])
    for k in range(counts.shape[1]):
        if numbers[NORM, k] > 0.0:
            residuals[k] = numbers[RESIDUAL, k] / numbers[NORM, k]
    return vectors[0], counts[ITERATIONS], counts[CODE], residuals


@kernel
def _gmres(  # type: ignore[no-untyped-def]
    zero, matrix, lower, upper, preconditioned, b, rtol, maxiter, length
):
    """Restarted GMRES in lockstep; a side that has ended goes on with zeros."""
    vectors, tables, numbers, counts = _start(zero, b, length)
    basis = np.empty((length + 1, *b.shape))
    z = np.empty(b.shape)
    step = 0
    while step < maxiter and _begin_cycle(zero, basis, vectors, tables, numbers, counts):
        j = 0
        going = True
        while going and j < length and step < maxiter:
            if preconditioned:
                forward(zero, lower, basis[j], z)
                backward(zero, upper, z, z)
            else:
                z[:] = basis[j]
            going = _extend(zero, matrix, basis, j, z, vectors, tables, numbers, counts, rtol)
            j += 1
            step += 1
        _combination(zero, basis, tables, counts, z)
        if preconditioned:
            forward(zero, lower, z, z)
            backward(zero, upper, z, z)
        _end_cycle(zero, matrix, b, z, vectors, numbers, counts)
    return _finish(vectors, numbers, counts)


def _stepwise(
    zero: tuple[float, ...],
    matrix: Any,
    b: Vector,
    preconditioned: Apply,
    rtol: float,
    maxiter: int,
    length: int,
    flexible: bool,
    residuals: Residuals | None,
) -> Part:
    """Take the steps of ``_gmres`` for one side outside compiled code; the bits are the same."""
    vectors, tables, numbers, counts = _start(zero, b, length)
    state = vectors, tables, numbers, counts
    basis = np.empty((length + 1, *b.shape))
    applied = np.empty((length, *b.shape)) if flexible else basis
    if residuals is not None:
        residuals.add(float(counts[CODE, 0]))
    step = 0
    while step < maxiter and _begin_cycle(zero, basis, *state):
        j = 0
        going = True
        while going and j < length and step < maxiter:
            z = preconditioned(basis[j])
            if flexible:
                applied[j] = z
            going = _extend(zero, matrix, basis, j, z, *state, float(rtol))
            j += 1
            step += 1
            if residuals is not None:
                # A step that breaks down has no residual.
                known = counts[STEPS, 0] == j
                residuals.add(abs(tables[2][0, j]) / numbers[NORM, 0] if known else np.nan)
        z = np.empty(b.shape)
        _combination(zero, applied, tables, counts, z)
        z = z if flexible else preconditioned(z)
        _end_cycle(zero, matrix, b, z, vectors, numbers, counts)
    part: Part = _finish(vectors, numbers, counts)
    return part


def _by_factors(zero: tuple[float, ...], triangles: Triangles | None) -> Apply:
    def preconditioned(r: Vector) -> Vector:
        if triangles is None:
            return r.copy()
        z = np.empty(r.shape)
        forward(zero, triangles[0], r, z)
        backward(zero, triangles[1], z, z)
        return z

    return preconditioned


def gmres_values(
    matrix: csr_array,
    b: Vector,
    pattern: LUPattern | None,
    values: Vector | None,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    restart: int = RESTART,
    residuals: Residuals | None = None,
) -> SidesResult:
    """:func:`gmres` for b of shape (n, s) on checked input: L and U on a pattern, or None.

    ``residuals`` are those of the first side, which then must be the only one.
    """
    triangles = None
    if pattern is not None and values is not None:
        triangles = lu_triangles(pattern, values)
    system = System(matrix, b)
    length = min(restart, b.shape[0])
    parts = [
        _gmres(
            zero, system.matrix, *(triangles or NO_TRIANGLES), triangles is not None, block,
            float(rtol), int(maxiter), length,
        )
        if residuals is None
        else _stepwise(
            zero, system.matrix, block, _by_factors(zero, triangles), rtol, maxiter, length, False,
            residuals,
        )
        for zero, block in system.blocks()
    ]  # fmt: skip
    return gathered(system, parts, rtol)


def gmres_operator(
    matrix: csr_array,
    b: Vector,
    apply: Apply,
    rtol: float = 1e-8,
    maxiter: int = 10_000,
    restart: int = RESTART,
    flexible: bool = False,
    residuals: Residuals | None = None,
) -> SidesResult:
    """:func:`gmres` with a function r -> M r, for b of shape (n, s), one side after the other."""
    system = System(matrix, b)
    length = min(restart, b.shape[0])
    parts = [
        _stepwise(
            zero, system.matrix, block, Scaled(apply), rtol, maxiter, length, flexible, residuals
        )
        for zero, block in system.blocks(1)
    ]
    return gathered(system, parts, rtol)


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
    M: Any = None,
    flexible: bool = False,
    history: bool = False,
    callback: Callback | None = None,
) -> PCGResult:
    r"""Solve A x = b by restarted GMRES, preconditioned by L U from the right.

    Starts at x = 0 and minimises the residual of A (L U)^-1 y = b, which is that of A x = b.
    Modified Gram-Schmidt, Givens rotations; stops when the residual of the rotations satisfies
    ||r||_2 <= rtol ||b||_2. Sums run in a fixed order, so iterates have the same bits on
    every machine and with any number of threads. A, b and U are scaled by powers of two, so that
    their size does not matter.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real square matrix with every diagonal entry stored, shape (n, n).
    b : array_like
        Right-hand side, real, shape (n,) or (n, 1).
    L, U : sparse array, sparse matrix or array_like, optional
        Lower and upper triangular with non-zero diagonals; none means no preconditioning.
    rtol : float
        Relative tolerance, 0 or more.
    maxiter : int
        Largest number of steps, over all cycles, 0 or more.
    restart : int
        Steps of a cycle, 1 or more.
    M : LinearOperator, sparse array, sparse matrix, array_like or callable, optional
        Instead of L and U: close to A^-1, shape (n, n); if ``flexible``, also a function r -> z.
        It is applied to vectors of norm 1.
    flexible : bool
        With M: flexible GMRES (Saad 1993), for an M that is not linear or changes from step to
        step. For a fixed linear M it takes the same steps up to rounding, and stores twice as many
        vectors.
    history : bool
        Also return the relative residual of each step; the iterates have the same bits.
    callback : callable, optional
        Called as ``callback(step, residual)`` after each step, with its relative residual.

    Returns
    -------
    PCGResult
        Solution, iterations (products with A within cycles), status and true residual.

    Raises
    ------
    MatrixError
        If A, b, L, U or M cannot be used, factors and M are given, or ``flexible`` without M.
    ConfigurationError
        If ``rtol``, ``maxiter`` or ``restart`` is not such a number.

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
    rhs, rtol, maxiter, restart = check_arguments(matrix, b, rtol, maxiter, restart)
    if (L is None) != (U is None):
        raise MatrixError("give both L and U, or neither")
    residuals = Residuals.wanted(history, callback)
    if M is not None:
        apply = check_operator(matrix, M, L, U, flexible=flexible)
        found = gmres_operator(matrix, rhs, apply, rtol, maxiter, restart, flexible, residuals)
        return found.first(residuals, history)
    check_fixed(flexible)
    pattern, values = None, None
    if L is not None:
        together = unit_factors(L, U, matrix.shape[0])
        pattern, values = lu_pattern(together), together.data
    found = gmres_values(matrix, rhs, pattern, values, rtol, maxiter, restart, residuals)
    return found.first(residuals, history)
