"""A method in a confined process of its own, one for each matrix."""

from __future__ import annotations

import platform
import sys
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import LinearOperator

import precondbench
from precondbench._internal import first_problem
from precondbench.errors import ConfigurationError, RunError, SubmissionError
from precondbench.leaderboard.running.confinement import can_confine
from precondbench.leaderboard.running.process import Limits, Process
from precondbench.leaderboard.running.program import CODE, WEIGHTS, Program, pack_program
from precondbench.leaderboard.running.wire import Kind, arrays_frame, arrays_of
from precondbench.quality import Context
from precondbench.shards import cache_root

Vector = NDArray[np.float64]
# What a solver is told with a system. Facts of a record that are left out say how classical
# methods fare, how hard the system is, or what it was drawn from.
TOLD = ("unknowns", "near_null_space", "h", "dt", "step")
_LEAST_ANSWER = 2**20
_FORMS = {
    Kind.NOTHING: "factor",
    Kind.VALUES: "factor",
    Kind.LOWER: "factor",
    Kind.PAIR: "factor",
    Kind.OPERATOR: "operator",
    Kind.FUNCTION: "operator",
}


@dataclass(frozen=True)
class Running:
    """How methods are run on this machine.

    Attributes
    ----------
    limits : Limits
        Of time, memory and files.
    python : str or None
        An interpreter with the environment of the method; None for the one that runs.
    unconfined : bool
        Run even where the kernel cannot confine the process.
    """

    limits: Limits = field(default_factory=Limits)
    python: str | None = None
    unconfined: bool = False


def read_limits(assignments: Iterable[str]) -> Limits:
    """Return limits, some of them written as ``key=value``.

    >>> read_limits(["setup=5", "memory=2e9"]).setup
    5.0
    """
    found: dict[str, Any] = {}
    for assignment in assignments:
        name, _, value = assignment.partition("=")
        kinds = {one.name: type(getattr(Limits(), one.name)) for one in fields(Limits)}
        try:
            found[name] = kinds[name](float(value))
        except (KeyError, ValueError, OverflowError):
            raise ConfigurationError(
                f"--limit {assignment}: write it as key=number; known keys: {', '.join(kinds)}"
            ) from None
    return Limits(**found)


class RunMethod:
    """A method that is run in a process of its own; made by :func:`run_method`.

    Parameters
    ----------
    folder : path-like
        With ``code`` and ``weights`` as a submission has them.
    program : Program
        What is run.
    seed : int
        Whose weights it gets.
    running : Running
        How it is run.

    Raises
    ------
    ConfigurationError
        If the kernel cannot confine the process.
    """

    # What it gives may not fit the matrix, which is an outcome.
    untrusted = True

    def __init__(
        self,
        folder: str | Path,
        program: Program,
        seed: int = 0,
        running: Running | None = None,
    ) -> None:
        running = running or Running()
        if sys.platform != "linux":
            raise ConfigurationError(f"{program.entry} cannot be run here; code is run on Linux")
        here = ".".join(platform.python_version_tuple()[:2])
        if running.python is None and program.python != here:
            raise ConfigurationError(
                f"{program.entry} is for Python {program.python}, this is {here}; name an "
                "interpreter that has its environment"
            )
        missing = can_confine()
        if missing and not running.unconfined:
            raise ConfigurationError(
                f"{program.entry} cannot be confined here: {missing}; run it on Linux 6.2 or "
                "newer, or, if you trust its code, unconfined"
            )
        labels = cache_root().resolve()
        for place in (sys.prefix, sys.base_prefix, Path(precondbench.__file__).parents[1]):
            if labels.is_relative_to(Path(place).resolve()):
                raise ConfigurationError(
                    f"the cache {labels} lies in {place}, which a method that is run may read; "
                    "set PRECONDBENCH_CACHE to another place"
                )
        self.program = program
        self.key = program.key(seed)
        self._folder = Path(folder).resolve()
        self._seed = seed
        self._limits = running.limits
        self._python = running.python or sys.executable
        self._confined = not missing
        self._end: float | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Copies in other processes of this machine have one time together.
        self._start()
        return vars(self)

    def setup(self, A: csr_array, context: Context) -> Any:
        """Return the factor, or an operator or a function that asks the process.

        Raises
        ------
        RunError
            With the reason, whatever it is that the process does.
        """
        now = monotonic()
        end = self._start()
        if now >= end:
            raise RunError(f"the time of all matrices, {self._limits.total:g} s, was over")
        late = f"setup took more than {self._limits.setup:g} s"
        if end < now + self._limits.setup:
            late = f"the time of all matrices, {self._limits.total:g} s, was over"
        deadline = min(end, now + self._limits.setup)
        process = Process(self._python, self._limits, self._job(A, context), deadline, late)
        try:
            most = max(_LEAST_ANSWER, 64 * (A.nnz + A.shape[0]))
            kind, payload = process.receive(deadline, late, most)
            if kind not in _FORMS:
                raise RunError("the process sent another answer than a preconditioner")
            if kind is not Kind.NOTHING and _FORMS[kind] != self.program.form:
                raise RunError(
                    f"the method returned a {_FORMS[kind]}, the entry states the form "
                    f"{self.program.form}"
                )
            arrays = _arrays(kind, payload, process)
            if _FORMS[kind] == "factor":
                process.close()
                return _factor(kind, arrays, A.shape)
            entries = _count(arrays)
            left = min(self._limits.solve, end - monotonic())
            make = RunOperator if kind is Kind.OPERATOR else RunFunction
            return make(_Applied(process, left, A.shape[0]), A.shape[0], entries)
        except BaseException:
            process.close()
            raise

    def _start(self) -> float:
        if self._end is None:
            self._end = monotonic() + self._limits.total
        return self._end

    def _job(self, A: csr_array, context: Context) -> dict[str, Any]:
        code, weights = self._folder / CODE, self._folder / WEIGHTS / f"seed-{self._seed}"
        has_weights = str(self._seed) in self.program.weights
        package = Path(precondbench.__file__).parent
        return {
            "entry": self.program.entry,
            "code": str(code),
            "readable": [str(code), str(package), *([str(weights)] if has_weights else [])],
            **({"weights": str(weights)} if has_weights else {}),
            "matrix": (A.data, A.indices, A.indptr),
            "facts": {name: context.facts[name] for name in TOLD if name in context.facts},
            "geometry": dict(context.geometry),
            "earlier": [(B.data, B.indices, B.indptr) for B in context.earlier],
            "confined": self._confined,
        }


class _Applied:
    """Applications of what a process keeps, within the time of a solve."""

    def __init__(self, process: Process, seconds: float, n: int) -> None:
        self._process = process
        self._seconds = self._left = seconds
        self._most = 64 + 8 * n
        self._size = n
        self.close = weakref.finalize(self, process.close)

    def __call__(self, r: Any) -> Vector:
        start = monotonic()
        late = f"the solve took more than {self._seconds:g} s of the method"
        content = arrays_frame(Kind.RESIDUAL, [r])
        kind, payload = self._process.exchange(content, start + self._left, late, self._most)
        self._left -= monotonic() - start
        if kind is not Kind.RESULT:
            raise self._process.failure("the process sent another answer than a vector")
        (z,) = _arrays(kind, payload, self._process)
        if z.size != self._size:
            raise self._process.failure(f"the process sent {z.size} numbers for {self._size}")
        return z


class RunOperator(LinearOperator):  # type: ignore[misc]
    """A linear operator in a process of its own."""

    def __init__(self, applied: _Applied, n: int, entries: int | None) -> None:
        super().__init__(np.dtype(np.float64), (n, n))
        self._applied = applied
        self.entries = entries

    def _matvec(self, x: Vector) -> Vector:
        return self._applied(x)

    def close(self) -> None:
        """End the process."""
        self._applied.close()


class RunFunction:
    """A function r -> z in a process of its own."""

    def __init__(self, applied: _Applied, n: int, entries: int | None) -> None:
        self._applied = applied
        self.entries = entries

    def __call__(self, r: Vector) -> Vector:
        """Return z."""
        return self._applied(r)

    def close(self) -> None:
        """End the process."""
        self._applied.close()


def run_method(
    entry: str,
    code: str | Path,
    *,
    weights: str | Path | None = None,
    form: str = "factor",
    limits: Limits | None = None,
    python: str | None = None,
    unconfined: bool = False,
) -> RunMethod:
    """Run a method in a confined process of its own, as the leaderboard does.

    Parameters
    ----------
    entry : str
        ``module:name`` of a method, of a class of methods, or of a function A -> M.
    code : path-like
        A module (one file) or a folder, from which modules are imported; it is copied.
    weights : path-like, optional
        File or folder that the process finds in the folder ``weights``.
    form : {"factor", "operator"}
        What the method returns: a factor, or an operator or a function.
    limits : Limits, optional
        Of time, memory and files.
    python : str, optional
        An interpreter with the environment of the method; by default the one that runs.
    unconfined : bool
        Run even where the kernel cannot confine the process.

    Returns
    -------
    RunMethod
        A method for ``precondbench.evaluate``; its attribute ``key`` is what an entry binds
        right-hand sides to.

    Raises
    ------
    SubmissionError
        If code or weights cannot be packed.
    ConfigurationError
        If the kernel cannot confine the process.

    Examples
    --------
    >>> from pathlib import Path
    >>> from precondbench import SyntheticTridiag, evaluate
    >>> from precondbench.leaderboard import run_method
    >>> _ = Path("scaled.py").write_text('''
    ... from scipy.sparse import diags_array
    ... def jacobi(A):
    ...     return diags_array(A.diagonal() ** 0.5)
    ... ''')
    >>> data = SyntheticTridiag(split="test", config="twin")[:1]
    >>> method = run_method("scaled:jacobi", "scaled.py", unconfined=True)
    >>> evaluate(data, method, key=method.key).rows[0].status
    'converged'
    """
    # Kept as long as the method.
    kept = tempfile.TemporaryDirectory(prefix="precondbench-code-")
    try:
        given = [] if weights is None else [weights]
        content = pack_program(entry, code, kept.name, weights=given, form=form)
        running = Running(limits or Limits(), python, unconfined)
        method = RunMethod(kept.name, Program.model_validate(content), running=running)
    except BaseException as error:
        kept.cleanup()
        if isinstance(error, ValidationError):
            raise SubmissionError(f"the method is wrong at {first_problem(error)}") from None
        raise
    weakref.finalize(method, kept.cleanup)
    return method


def _arrays(kind: Kind, payload: bytes, process: Process) -> list[NDArray[Any]]:
    try:
        return arrays_of(kind, payload)
    except ValueError as error:
        raise process.failure(f"the process sent what cannot be read: {error}") from None


def _factor(kind: Kind, arrays: list[NDArray[Any]], shape: tuple[int, int]) -> Any:
    """Return values, L, (L, U) or None from the arrays that a process sent."""
    if kind is Kind.VALUES:
        return arrays[0]
    factors = tuple(_sparse(arrays[i : i + 3], shape) for i in range(0, len(arrays), 3))
    return factors if kind is Kind.PAIR else factors[0] if factors else None


def _sparse(triplets: Sequence[NDArray[Any]], shape: tuple[int, int]) -> coo_array:
    rows, columns, data = triplets
    if not rows.size == columns.size == data.size:
        raise RunError("the method sent rows, columns and values of different lengths")
    for places, count in zip((rows, columns), shape, strict=True):
        if places.size and not (places.min() >= 0 and places.max() < count):
            raise RunError(f"the method sent an entry outside of a matrix of shape {shape}")
    return coo_array((data, (rows, columns)), shape=shape)


def _count(arrays: list[NDArray[Any]]) -> int | None:
    """Return how many numbers an application reads, None where that is not known."""
    count = int(arrays[0][0]) if arrays[0].size == 1 else -2
    if not -1 <= count < 2**53:
        raise RunError("the attribute entries is no count; give a whole number, 0 or more")
    return None if count < 0 else count
