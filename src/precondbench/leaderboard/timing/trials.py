"""Set a method up and solve once, to know how it ends and how many steps it needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from precondbench.errors import CostError
from precondbench.factors import factor_values
from precondbench.leaderboard.timing.methods import Contender, DirectSolver, check_direct
from precondbench.leaderboard.timing.problems import TimedProblem, timed_problem
from precondbench.leaderboard.timing.work import Work, work_of_step
from precondbench.matrices import UniformStream
from precondbench.quality import MAXITER, Pair, Refusal, SymmetricProblem, set_up
from precondbench.solvers import LANES, Preconditioner, SidesResult, Status

Vectors = NDArray[np.float64]
# Right-hand sides are drawn from this stream, the same for every method.
_SIDES = 20261201
# Of a direct solver, whose answer has no tolerance of its own.
_RESIDUAL = 1e-6


@dataclass(frozen=True)
class Ready:
    """A method that has been set up for a problem.

    Attributes
    ----------
    system : SymmetricProblem
        The problem, on the pattern of the factor if it is one.
    given : object
        What to solve with, or a refusal.
    prepared : object
        What the setup of the method returned.
    """

    system: SymmetricProblem
    given: Any
    prepared: Any

    @classmethod
    def of(cls, one: Contender, problem: TimedProblem, system: SymmetricProblem) -> Ready:
        """Set the method up; everything here is a part of its time."""
        given = prepared = set_up(one.method, pair_of(problem), problem.context)
        if issparse(given):
            # As sparse as the factor is; scores place it on tril(A).
            pattern, given = factor_values(given)
            return cls(SymmetricProblem(problem.A, pattern, problem.name), given, prepared)
        if not (isinstance(given, (Refusal, DirectSolver)) or callable(given)):
            given = system.place(given)
        return cls(system, given, prepared)

    @property
    def direct(self) -> bool:
        """Whether it is a factorisation of A, which needs no steps."""
        return isinstance(self.given, DirectSolver)

    @property
    def lanes(self) -> int:
        """Right-hand sides of a block."""
        return LANES if isinstance(self.given, (np.ndarray, Preconditioner)) else 1

    @property
    def reason(self) -> str:
        """Why nothing can be solved with it, or an empty text."""
        if isinstance(self.given, Refusal):
            return self.given.reason
        return "" if self.direct else self.system.unusable(self.given)

    def sides(self, count: int) -> Vectors:
        """Return the first right-hand sides."""
        b = UniformStream(_SIDES).uniform(self.system.matrix.shape[0] * count, -1.0, 1.0)
        return np.ascontiguousarray(b.reshape(count, -1).T)

    def solve(self, b: Vectors, most: int = MAXITER) -> SidesResult:
        """Solve with PCG, in at most so many steps."""
        return self.system.solve_sides(self.given, b, most)


@dataclass(frozen=True)
class Trial:
    """What one solve has shown, by the size of its block of right-hand sides.

    Attributes
    ----------
    status : Status
        How it ended, or the first block that failed.
    reason : str
        Why there was nothing to solve with.
    iterations : int or None
        Of the first right-hand side; None for a direct solver.
    steps : dict
        Steps of a block. Where one side alone took long, a block of several is taken to need as
        many.
    seconds : dict
        About how long it took.
    setup_work, step_work : Work or None
        Counted, where the structure is known.
    """

    status: Status = Status.INVALID
    reason: str = ""
    iterations: int | None = None
    steps: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    setup_work: Work | None = None
    step_work: Work | None = None


def pair_of(problem: TimedProblem) -> Pair:
    """Return the system as methods are given it, without a target."""
    return Pair(problem.name, problem.A, None)


def trial_of(name: str, one: Contender, sides: Sequence[int], most_seconds: float) -> Trial:
    """Solve a named problem once, also in a process of its own."""
    problem, system = _problem(name)
    return trial(one, problem, system, sides, most_seconds)


@lru_cache(maxsize=1)
def _problem(name: str) -> tuple[TimedProblem, SymmetricProblem]:
    problem = timed_problem(name)
    return problem, SymmetricProblem.of(pair_of(problem))


def trial(
    one: Contender,
    problem: TimedProblem,
    system: SymmetricProblem,
    sides: Sequence[int],
    most_seconds: float,
) -> Trial:
    """Solve once with a method for each size of block, from the smallest.

    Parameters
    ----------
    one : Contender
        The method.
    problem : TimedProblem
        The problem.
    system : SymmetricProblem
        The same, checked.
    sides : sequence of int
        Numbers of right-hand sides.
    most_seconds : float
        If one side takes longer, no block of several is solved.
    """
    if one.factors:
        try:
            check_direct(system.matrix)
        except CostError as error:
            return Trial(reason=str(error))
    ready = Ready.of(one, problem, system)
    if ready.reason:
        return Trial(reason=ready.reason)
    setup_work = one.work(problem.A, ready.prepared) if one.work else None
    if ready.direct:
        b = ready.sides(1)
        start = perf_counter()
        x = ready.given.solve(b)
        seconds = perf_counter() - start
        residual = np.linalg.norm(problem.A @ x - b) / np.linalg.norm(b)
        status = Status.CONVERGED if residual <= _RESIDUAL else Status.STAGNATED
        return Trial(status, seconds={1: seconds}, setup_work=setup_work)
    found = partial(Trial, setup_work=setup_work, step_work=work_of_step(ready.system, ready.given))
    iterations, steps, took = None, dict[int, int](), dict[int, float]()
    for width in sorted({min(count, ready.lanes) for count in sides}):
        if steps and min(took.values()) > most_seconds:
            steps[width], took[width] = max(steps.values()), math.inf
            continue
        b = ready.sides(width)
        start = perf_counter()
        result = ready.solve(b)
        took[width], steps[width] = perf_counter() - start, max(result.iterations)
        if iterations is None:
            iterations = result.iterations[0]
        failed = [status for status in result.status if status is not Status.CONVERGED]
        if failed:
            return found(failed[0], iterations=iterations)
    return found(Status.CONVERGED, iterations=iterations, steps=steps, seconds=took)
