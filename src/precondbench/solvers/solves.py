"""What the solvers share: the outcome of a solve, checks of its arguments, products with A."""

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

Vector = NDArray[np.float64]
Apply = Callable[[Vector], Vector]

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
    """Outcome of :func:`pcg` or :func:`gmres`.

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

    x: Vector
    iterations: int
    status: Status
    residual: float


def finished(x: Vector, iterations: int, status: Status, residual: float, rtol: float) -> PCGResult:
    """Result of a solve; convergence counts only if the true residual confirms it."""
    if status is Status.CONVERGED and not residual <= DRIFT_LIMIT * rtol:
        status = Status.STAGNATED
    return PCGResult(x, int(iterations), status, float(residual))


def check_arguments(matrix: csr_array, b: ArrayLike, rtol: float, maxiter: int) -> Vector:
    """Check what every solver takes; returns b as a new float64 array."""
    n = matrix.shape[0]
    try:
        given = np.asarray(b)
    except ValueError as error:
        raise MatrixError(f"b cannot be read as a vector: {error}") from None
    if given.dtype.kind not in "fiub":
        raise MatrixError(f"b has entries of type {given.dtype}; give real numbers")
    if not (np.isfinite(rtol) and rtol >= 0 and maxiter >= 0):
        raise MatrixError(f"rtol is {rtol} and maxiter {maxiter}; both must be 0 or more")
    if given.shape != (n,):
        raise MatrixError(f"b has shape {given.shape}; A has {n} rows")
    rhs = given.astype(np.float64)
    if not np.all(np.isfinite(rhs)):
        raise MatrixError("b is not finite; remove NaN and infinity")
    return rhs


def check_operator(matrix: csr_array, M: LinearOperator, *factors: Any) -> Apply:
    """Check an operator given instead of factors; returns the function r -> M r."""
    if any(factor is not None for factor in factors):
        raise MatrixError("a factor and M are both given; a solve has one preconditioner")
    if M.shape != matrix.shape:
        raise MatrixError(f"A has shape {matrix.shape}, M has {M.shape}")
    apply: Apply = M.matvec
    return apply


@kernel
def multiply(indptr, indices, data, x, out):  # type: ignore[no-untyped-def]
    """Write A x to ``out``."""
    for i in range(x.size):
        total = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            total += data[p] * x[indices[p]]
        out[i] = total
