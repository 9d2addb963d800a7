"""Measure setup and solve of methods on one problem, one core, one method after the other."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from precondbench._internal import PeakMemory, one_core, processor_name
from precondbench.errors import CostError
from precondbench.factors import LowerPattern, factor_values
from precondbench.leaderboard.timing.methods import Contender, DirectSolver, check_direct
from precondbench.leaderboard.timing.problems import TimedProblem, timed_problem, warm_problem
from precondbench.leaderboard.timing.times import Counted, TimedRow, Times
from precondbench.leaderboard.timing.work import Work, work_of_step
from precondbench.matrices import UniformStream
from precondbench.quality import MAXITER, Pair, Refusal, SymmetricProblem, rounded, set_up
from precondbench.solvers import LANES, Preconditioner, Status

Found = TypeVar("Found")
Vectors = NDArray[np.float64]
Progress = Callable[[str], Any]
# Right-hand sides are drawn from this stream, the same for every method.
_SIDES = 20261201
# Of a direct solver, whose answer has no tolerance of its own.
_RESIDUAL = 1e-6
_PACKAGES = ("precondbench", "numpy", "scipy", "numba", "torch", "pyamg", "scikit-sparse")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    sides : tuple of int
        Numbers of right-hand sides.
    repeats : int
        Times that every method is set up and solves; methods take turns.
    most_seconds : float
        Of a solve. More right-hand sides than that allows are not solved: their time is that of
        those before, in proportion, since they are solved one block after the other. A block that
        takes longer is solved to the end once; repeats take as many steps of it as the time allows,
        and the time of all steps is in proportion. Where one side alone takes longer, a block of
        several is taken to need as many steps, and as few of them are measured.
    least_seconds : float
        What takes less, a setup or a solve, is done again until so much time has passed, and the
        shortest time counts.
    """

    sides: tuple[int, ...] = (1, 10, 100)
    repeats: int = 3
    most_seconds: float = 60.0
    least_seconds: float = 0.3


@dataclass
class _Measured:
    """What repeats have found for one method."""

    setup: list[float] = field(default_factory=list)
    solve: dict[int, list[float]] = field(default_factory=dict)
    measured: dict[int, int] = field(default_factory=dict)
    # Right-hand sides of a block that took too long -> its steps, and those that the time allows.
    cut: dict[int, tuple[int, int]] = field(default_factory=dict)
    peak: int | None = None
    setup_work: Work | None = None
    step_work: Work | None = None
    status: Status = Status.INVALID
    iterations: int | None = None
    reason: str = ""


def time_methods(
    name: str,
    contenders: Sequence[Contender],
    effort: Effort | None = None,
    progress: Progress | None = None,
) -> Times:
    """Measure methods on a problem, on one core.

    Kernels are compiled on a small system first. Then all methods are measured one after the
    other, and all of them again for each repeat. A solve stops at a relative residual of 1e-8, or
    after 10,000 iterations, as everywhere.

    Parameters
    ----------
    name : str
        ``<family>-<rows>``, or ``<group>/<matrix>`` of the SuiteSparse collection.
    contenders : sequence of Contender
        The methods, with different names.
    effort : Effort, optional
        How much is measured.
    progress : callable, optional
        Told the name of each method before it is measured.

    Returns
    -------
    Times
        Seconds and memory of each method, and where they were measured.
    """
    effort = effort or Effort()
    problem = timed_problem(name)
    found = {one.name: _Measured() for one in contenders}
    with one_core():
        small = warm_problem(problem)
        system = SymmetricProblem.of(_pair(small))
        for one in contenders:
            if one.warm is not None:
                one.warm(small.A)
            _measure(small, system, one, Effort((1, LANES), 1, math.inf, 0.0), _Measured())
        system = SymmetricProblem.of(_pair(problem))
        for _ in range(effort.repeats):
            for one in contenders:
                if progress is not None:
                    progress(one.name)
                _measure(problem, system, one, effort, found[one.name])
    rows = [_row(one, found[one.name]) for one in contenders]
    return Times(
        problem=problem.name,
        rows_of_matrix=problem.A.shape[0],
        entries=int(problem.A.nnz),
        digest=problem.digest,
        machine=processor_name(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        versions={name: known for name in _PACKAGES if (known := _version(name))},
        date=datetime.now(UTC).date().isoformat(),
        repeats=effort.repeats,
        rows=rows,
    )


def _pair(problem: TimedProblem) -> Pair:
    return Pair(problem.name, problem.A, None)


def _measure(
    problem: TimedProblem,
    system: SymmetricProblem,
    one: Contender,
    effort: Effort,
    found: _Measured,
) -> None:
    """Set a method up and solve with it, once; what has failed is not tried again."""
    if found.reason or (found.setup and found.status is not Status.CONVERGED):
        return
    if one.kind == "direct" and not found.setup:
        try:
            check_direct(system.matrix)
        except CostError as error:
            found.reason = str(error)
            return

    def prepare() -> tuple[Any, Any, LowerPattern | None]:
        given = prepared = set_up(one.method, _pair(problem), problem.context)
        pattern = None
        if issparse(given):
            pattern, given = factor_values(given)
        elif not (isinstance(given, (Refusal, DirectSolver)) or callable(given)):
            given = system.place(given)
        return prepared, given, pattern

    memory = PeakMemory()
    (prepared, given, pattern), seconds = _timed(prepare, effort.least_seconds)
    if pattern is not None:
        # As sparse as the factor is; scores place it on tril(A).
        system = SymmetricProblem(problem.A, pattern, problem.name)
    reason = given.reason if isinstance(given, Refusal) else ""
    if not reason and not isinstance(given, DirectSolver):
        reason = system.unusable(given)
    if reason:
        found.reason = reason
        return
    if not found.setup:
        found.setup_work = one.work(problem.A, prepared) if one.work else None
        if not isinstance(given, DirectSolver):
            found.step_work = work_of_step(system, given)
    found.setup.append(seconds)
    solver = _Solver(problem, system, given, effort)
    # Seconds of the last block of right-hand sides, and how many were solved with it.
    block, solved = 0.0, 0
    for sides in sorted(effort.sides):
        blocks = math.ceil(sides / solver.lanes)
        too_long = blocks * block > effort.most_seconds
        measured = sides
        if too_long:
            measured = solver.lanes * max(1, int(effort.most_seconds / block))
        if measured != solved:
            block = solver.seconds_of_a_block(measured, found)
        if found.status is not Status.CONVERGED:
            break
        found.solve.setdefault(sides, []).append(block * blocks)
        found.measured[sides] = solved = measured
        if sides == min(effort.sides) and (peak := memory.bytes) is not None:
            found.peak = max(peak, found.peak or 0)


def _timed(run: Callable[[], Found], least_seconds: float) -> tuple[Found, float]:
    """Return the last result, and the shortest time of as many runs as that takes."""
    shortest, passed = math.inf, 0.0
    while True:
        start = perf_counter()
        found = run()
        seconds = perf_counter() - start
        shortest, passed = min(shortest, seconds), passed + seconds
        if passed >= least_seconds:
            return found, shortest
        del found  # Two at once would count as memory.


@dataclass(frozen=True)
class _Solver:
    """What a method has prepared for a problem, and the time that a solve may take."""

    problem: TimedProblem
    system: SymmetricProblem
    given: Any
    effort: Effort

    @property
    def lanes(self) -> int:
        """Right-hand sides of a block."""
        return LANES if isinstance(self.given, (np.ndarray, Preconditioner)) else 1

    def seconds_of_a_block(self, count: int, found: _Measured) -> float:
        """Solve for so many right-hand sides, and note how that ended."""
        b = UniformStream(_SIDES).uniform(self.system.matrix.shape[0] * count, -1.0, 1.0)
        b = np.ascontiguousarray(b.reshape(count, -1).T)
        alone = found.cut.get(1)
        if alone and count <= self.lanes and count not in found.cut:
            found.cut[count] = alone[0], max(1, alone[1] // count)
        steps, taken = found.cut.get(count, (MAXITER, MAXITER))
        if isinstance(self.given, DirectSolver):
            x, seconds = _timed(partial(self.given.solve, b), self.effort.least_seconds)
            residual = np.linalg.norm(self.problem.A @ x - b, axis=0) / np.linalg.norm(b, axis=0)
            good = bool(np.all(residual <= _RESIDUAL))
            found.status = Status.CONVERGED if good else Status.STAGNATED
            return seconds / count
        solve = partial(self.system.solve_sides, self.given, b, taken)
        result, seconds = _timed(solve, self.effort.least_seconds)
        if count in found.cut:
            return seconds * steps / taken
        failed = [status for status in result.status if status is not Status.CONVERGED]
        found.status = failed[0] if failed else Status.CONVERGED
        found.iterations = result.iterations[0]
        if count <= self.lanes and seconds > self.effort.most_seconds:
            steps = max(result.iterations)
            found.cut[count] = steps, max(1, int(steps * self.effort.most_seconds / seconds))
        return seconds / math.ceil(count / self.lanes)


def _row(one: Contender, found: _Measured) -> TimedRow:
    solved = found.status is Status.CONVERGED
    return TimedRow(
        method=one.name,
        kind=one.kind,
        status=found.status.value,
        reason=found.reason,
        iterations=found.iterations,
        setup=[_seconds(value) for value in found.setup],
        solve={
            str(sides): [_seconds(value) for value in values]
            for sides, values in found.solve.items()
            if solved
        },
        measured={str(sides): count for sides, count in found.measured.items() if solved},
        peak_bytes=found.peak,
        setup_work=_counted(found.setup_work),
        step_work=_counted(found.step_work),
    )


def _counted(work: Work | None) -> Counted | None:
    return None if work is None else Counted(**asdict(work))


def _seconds(value: float) -> float:
    """Four digits; no clock gives more."""
    return float(rounded(value, 4))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
