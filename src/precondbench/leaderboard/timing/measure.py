"""Measure setup and solve of methods on one problem, one core, one method after the other."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any, TypeVar

from precondbench._internal import PeakMemory, one_core, processor_name
from precondbench.leaderboard.timing.methods import Contender
from precondbench.leaderboard.timing.problems import TimedProblem, timed_problem, warm_problem
from precondbench.leaderboard.timing.times import Counted, TimedRow, Times
from precondbench.leaderboard.timing.trials import Ready, Trial, pair_of, trial, trial_of
from precondbench.leaderboard.timing.work import Work
from precondbench.quality import SymmetricProblem, rounded
from precondbench.solvers import LANES, Status

Found = TypeVar("Found")
Progress = Callable[[str], Any]
# Of what is measured the shortest of at least so many runs counts; a cut solve takes so many steps.
_RUNS, _STEPS = 3, 20
# The two least times of a method agree if they differ by at most this share.
CLOSE = 0.1
_PACKAGES = ("precondbench", "numpy", "scipy", "numba", "torch", "pyamg", "scikit-sparse")


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    sides : tuple of int
        Numbers of right-hand sides. What is measured is one block of them, as many as are solved at
        once; the time of all blocks is in proportion.
    repeats : int
        Times that every method is set up and solves; methods take turns. Of several, a method whose
        two least times differ by more than a tenth is measured again, at most as often once more.
    most_seconds : float
        Before anything is measured, a block of each size is solved once to count its steps. Where
        one side alone takes longer than this, several are taken to need as many steps.
    least_seconds : float
        A setup or solve is measured again until so much time has passed, and the shortest counts.
        Of a solve that takes longer than a third of it only some steps are measured, at least 20,
        and the time of all steps is in proportion.
    """

    sides: tuple[int, ...] = (1, 10, 100)
    repeats: int = 3
    most_seconds: float = 10.0
    least_seconds: float = 0.5


@dataclass
class _Measured:
    """What repeats have found for one method."""

    setup: list[float] = field(default_factory=list)
    solve: dict[int, list[float]] = field(default_factory=dict)
    measured: dict[int, int] = field(default_factory=dict)
    peak: int | None = None


def time_methods(
    name: str,
    contenders: Sequence[Contender],
    effort: Effort | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> Times:
    """Measure methods on a problem, on one core.

    Kernels are compiled on a small system first, and every method solves the problem once, to count
    its steps. Then all methods are measured one after the other, and all of them again for each
    repeat. A solve stops at a relative residual of 1e-8, or after 10,000 iterations, as everywhere.

    Parameters
    ----------
    name : str
        ``<family>-<rows>``, or ``<group>/<matrix>`` of the SuiteSparse collection.
    contenders : sequence of Contender
        The methods, with different names.
    effort : Effort, optional
        How much is measured.
    progress : callable, optional
        Told the name of each method before it is tried, and before each time it is measured.
    executor : concurrent.futures.Executor, optional
        Processes that count the steps of classical, direct and learned methods, by default this
        one. Times are always measured here.

    Returns
    -------
    Times
        Seconds and memory of each method, and where they were measured.
    """
    effort = effort or Effort()
    tell = progress or _nothing
    problem = timed_problem(name)
    found = {one.name: _Measured() for one in contenders}
    with one_core():
        small = warm_problem(problem)
        system = SymmetricProblem.of(pair_of(small))
        for one in contenders:
            if one.warm is not None:
                one.warm(small.A)
            first = trial(one, small, system, (1, LANES), math.inf)
            _measure(small, system, one, first, Effort((1, LANES), 1, math.inf, 0.0), _Measured())
    system = SymmetricProblem.of(pair_of(problem))
    trials = _trials(problem, system, contenders, effort, tell, executor)
    with one_core():
        for _ in range(effort.repeats):
            for one in contenders:
                tell(one.name)
                _measure(problem, system, one, trials[one.name], effort, found[one.name])
        for _ in range(effort.repeats if effort.repeats > 1 else 0):
            for one in contenders:
                if _differ(_row(one, trials[one.name], found[one.name])):
                    _measure(problem, system, one, trials[one.name], effort, found[one.name])
    rows = [_row(one, trials[one.name], found[one.name]) for one in contenders]
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


def _nothing(method: str) -> None:
    """Tell nobody."""


def _differ(row: TimedRow) -> bool:
    """Whether the two least times of a method are too far apart."""
    return any(row.agreement(int(sides)) > CLOSE for sides in row.solve)


def _trials(
    problem: TimedProblem,
    system: SymmetricProblem,
    contenders: Sequence[Contender],
    effort: Effort,
    tell: Progress,
    executor: Executor | None,
) -> dict[str, Trial]:
    """Solve once with every method; code of a user, which others cannot import, in this process."""
    waiting = {
        one.name: executor.submit(trial_of, problem.name, one, effort.sides, effort.most_seconds)
        for one in contenders
        if executor is not None and one.kind != "other"
    }
    found = {}
    for one in contenders:
        tell(one.name)
        if one.name in waiting:
            found[one.name] = waiting[one.name].result()
        else:
            found[one.name] = trial(one, problem, system, effort.sides, effort.most_seconds)
    return found


def _measure(
    problem: TimedProblem,
    system: SymmetricProblem,
    one: Contender,
    known: Trial,
    effort: Effort,
    found: _Measured,
) -> None:
    """Set a method up and solve with it, once; what failed is set up only."""
    if known.reason:
        return
    memory = PeakMemory()
    ready, seconds = _timed(partial(Ready.of, one, problem, system), effort.least_seconds)
    if ready.reason:
        return
    found.setup.append(seconds)
    if known.status is not Status.CONVERGED:
        return
    blocks: dict[int, float] = {}
    for sides in sorted(effort.sides):
        width = _width(ready, known, sides, effort)
        if width not in blocks:
            blocks[width] = _seconds_of_a_block(ready, known, width, effort)
        count = sides / width if ready.direct else math.ceil(sides / width)
        found.solve.setdefault(sides, []).append(blocks[width] * count)
        found.measured[sides] = width
        if sides == min(effort.sides) and (peak := memory.bytes) is not None:
            found.peak = max(peak, found.peak or 0)


def _width(ready: Ready, known: Trial, sides: int, effort: Effort) -> int:
    """Right-hand sides of the block that is measured for so many."""
    if not ready.direct:
        return min(sides, ready.lanes)
    affordable = effort.most_seconds / max(known.seconds[1], 1e-9)
    return max(1, int(min(sides, affordable)))


def _seconds_of_a_block(ready: Ready, known: Trial, width: int, effort: Effort) -> float:
    b = ready.sides(width)
    if ready.direct:
        return _timed(partial(ready.given.solve, b), effort.least_seconds, _RUNS)[1]
    steps = known.steps[width]
    # A guess where several sides were not tried: in lockstep they take less.
    tried = min(known.seconds[width], width * known.seconds[min(known.seconds)])
    affordable = int(steps * effort.least_seconds / _RUNS / max(tried, 1e-9))
    taken = min(steps, max(affordable, _STEPS))
    seconds = _timed(partial(ready.solve, b, taken), effort.least_seconds, _RUNS)[1]
    # To start costs about as much as a step.
    return seconds * (steps + 1) / (taken + 1)


def _timed(
    run: Callable[[], Found], least_seconds: float, least_runs: int = 1
) -> tuple[Found, float]:
    """Return the last result, and the shortest time of as many runs as that takes."""
    shortest, passed, runs = math.inf, 0.0, 0
    while True:
        start = perf_counter()
        found = run()
        seconds = perf_counter() - start
        shortest, passed, runs = min(shortest, seconds), passed + seconds, runs + 1
        if passed >= least_seconds and runs >= least_runs:
            return found, shortest
        del found  # Two at once would count as memory.


def _row(one: Contender, known: Trial, found: _Measured) -> TimedRow:
    return TimedRow(
        method=one.name,
        kind=one.kind,
        status=known.status.value,
        reason=known.reason,
        iterations=known.iterations,
        setup=[_seconds(value) for value in found.setup],
        solve={
            str(sides): [_seconds(value) for value in values]
            for sides, values in found.solve.items()
        },
        measured={str(sides): count for sides, count in found.measured.items()},
        peak_bytes=found.peak,
        setup_work=_counted(known.setup_work),
        step_work=_counted(known.step_work),
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
