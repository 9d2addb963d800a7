"""What the solvers share: scaled systems and outcomes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import ConfigurationError
from precondbench.solvers.lanes import LANES
from precondbench.solvers.substitution import middle_exponent

Vector = NDArray[np.float64]
Apply = Callable[[Vector], Vector]
Callback = Callable[[int, float], Any]

# The recurrence residual may drift from the true one; beyond this factor the answer is wrong.
DRIFT_LIMIT = 100.0


class Status(StrEnum):
    """How a solve ended."""

    CONVERGED = "converged"
    """The recurrence residual met the tolerance and the true one is within 100 times of it."""
    ITERATION_LIMIT = "iteration-limit"
    """``maxiter`` steps were not enough."""
    STAGNATED = "stagnated"
    """The recurrence broke down, its residual is not the true one, or x is out of range."""
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
    history : numpy.ndarray or None
        float64 (iterations + 1,), where it was asked for: ||r|| / ||b|| of the recurrence (GMRES:
        of the rotations) before the first step and after each.
    """

    x: Vector
    iterations: int
    status: Status
    residual: float
    history: Vector | None = None


class Residuals:
    """Relative residuals of a solve, step by step; a callback is told each as it comes."""

    def __init__(self, callback: Callback | None) -> None:
        self.values: list[float] = []
        self._callback = callback

    @classmethod
    def wanted(cls, history: bool, callback: Callback | None) -> Residuals | None:
        """Return a place for them, None where nobody asks: the solver then runs compiled."""
        if callback is not None and not callable(callback):
            raise ConfigurationError(
                f"callback is {callback!r}; give a function of the step and its residual"
            )
        return cls(callback) if history or callback is not None else None

    def add(self, value: float) -> None:
        """Take the residual of the next step."""
        self.values.append(float(value))
        if self._callback is not None and len(self.values) > 1:
            self._callback(len(self.values) - 1, self.values[-1])


@dataclass(frozen=True)
class SidesResult:
    """Outcome of a solve for several right-hand sides, each as if it were alone.

    Attributes
    ----------
    x : numpy.ndarray
        float64 (n, s): the last iterate of each side.
    iterations, status, residual : tuple
        As in :class:`PCGResult`, one for each side.
    condition : float or None
        Largest over smallest Ritz value of the preconditioned matrix, over all sides; None for
        GMRES, for a flexible solver, and where no step was taken.
    """

    x: Vector
    iterations: tuple[int, ...]
    status: tuple[Status, ...]
    residual: tuple[float, ...]
    condition: float | None = None

    def first(self, residuals: Residuals | None = None, history: bool = False) -> PCGResult:
        """Return the outcome of the first side, on request with its residuals."""
        return PCGResult(
            np.ascontiguousarray(self.x[:, 0]),
            self.iterations[0],
            self.status[0],
            self.residual[0],
            np.array(residuals.values) if residuals is not None and history else None,
        )


class System:
    """A x = b for several right-hand sides, scaled by powers of two so that norms stay in range.

    The range of the rows of A is centred on 1, and the largest entry of each b lies in [0.5, 1).
    Both are exact, as long as the entries of one b are within a factor of 2^1000 of each other.

    Attributes
    ----------
    matrix : tuple
        (indptr, indices, data) of the scaled A.
    b : numpy.ndarray
        Scaled right-hand sides, float64 (n, s).
    """

    def __init__(self, matrix: csr_array, b: Vector) -> None:
        size = np.maximum.reduceat(np.abs(matrix.data), matrix.indptr[:-1])
        middle = middle_exponent(size)
        data = matrix.data if middle == 0 else np.ldexp(matrix.data, -middle)
        self.matrix = (matrix.indptr, matrix.indices, np.ascontiguousarray(data, dtype=np.float64))
        _, exponents = np.frexp(np.max(np.abs(b), axis=0))
        self.b = np.ldexp(b, -exponents)
        self._exponents = exponents - middle

    def solution(self, x: Vector) -> Vector:
        """Return the solution of the system as it was given."""
        with np.errstate(all="ignore"):  # A solution out of range is infinite, and may be 0.
            result: Vector = np.ldexp(x, self._exponents)
        return result

    def blocks(self, most: int = LANES) -> Iterator[tuple[tuple[float, ...], Vector]]:
        """Yield the sides in blocks for a kernel, with a row of zeros; zero sides fill them up."""
        n, sides = self.b.shape
        for start in range(0, sides, most):
            part = self.b[:, start : start + most]
            lanes = 1 if part.shape[1] == 1 else LANES
            block = np.zeros((n, lanes))
            block[:, : part.shape[1]] = part
            yield (0.0,) * lanes, block


class Scaled:
    """M as a function of columns, times powers of two that bring its first results to 1.

    Takes and returns float64 (n, s); each side has its own power. PCG and GMRES do not notice a
    number in front of M, except where their sums would leave the range of float64.
    """

    def __init__(self, apply: Apply, columns: bool = False) -> None:
        self._apply = apply
        # Whether it takes (n, s); otherwise (n,), of one side.
        self._columns = columns
        self._exponents: NDArray[Any] | None = None

    def __call__(self, r: Vector) -> Vector:
        """Return M r."""
        with np.errstate(all="ignore"):  # What is not finite shows in the residual.
            given = r.copy() if self._columns else r[:, 0].copy()
            z = np.array(self._apply(given), dtype=np.float64).reshape(r.shape)
            if self._exponents is None:
                largest = np.max(np.abs(z), axis=0)
                _, exponents = np.frexp(largest)
                self._exponents = np.where(np.isfinite(largest), exponents, 0)
            return np.ldexp(z, -self._exponents) if np.any(self._exponents) else z


# What kernels return for the end of a side.
CODES = (Status.CONVERGED, Status.ITERATION_LIMIT, Status.STAGNATED)
Part = tuple[Vector, NDArray[np.int64], NDArray[np.int64], Vector]


def gathered(
    system: System, parts: list[Part], rtol: float, condition: float | None = None
) -> SidesResult:
    """Put blocks together: x, iterations, codes and residuals of the lanes of each."""
    sides = system.b.shape[1]
    x, iterations, codes, residuals = (
        np.concatenate(same, axis=-1)[..., :sides] for same in zip(*parts, strict=True)
    )
    solution = system.solution(x)
    # An answer that double precision cannot hold is none.
    lost = ~np.all(np.isfinite(solution), axis=0) | (np.any(x, axis=0) & ~np.any(solution, axis=0))
    residuals[lost] = np.inf
    return SidesResult(
        solution,
        tuple(map(int, iterations)),
        tuple(
            confirmed(CODES[code], end, rtol) for code, end in zip(codes, residuals, strict=True)
        ),
        tuple(map(float, residuals)),
        condition,
    )


def confirmed(status: Status, residual: float, rtol: float) -> Status:
    """Convergence counts only if the true residual confirms it."""
    if status is Status.CONVERGED and not residual <= DRIFT_LIMIT * rtol:
        return Status.STAGNATED
    return status
