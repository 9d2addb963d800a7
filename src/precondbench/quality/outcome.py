"""How a solve ended, as an outcome of one problem and as a row of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass

from precondbench.solvers import Status

# Where a solve stops; a failure counts as MAXITER iterations.
RTOL = 1e-8
MAXITER = 10_000
# Right-hand sides of a matrix, and the key of those that reference methods share.
SIDES = 4
REFERENCE = "reference"
# Counts of one matrix that differ by more than this factor are marked.
UNEVEN = 2


class _Ended:
    """What an outcome and a row tell about the end of a solve."""

    status: str
    iterations: int
    sides: tuple[int, ...]

    @property
    def solved(self) -> bool:
        """Whether the solve converged for every right-hand side."""
        return self.status == Status.CONVERGED

    @property
    def penalised_iterations(self) -> int:
        """Iterations; the limit where the solve failed."""
        return self.iterations if self.solved else MAXITER

    @property
    def uneven(self) -> bool:
        """Whether one right-hand side needs more than twice the iterations of another."""
        return max(self.sides) > UNEVEN * max(min(self.sides), 1)


@dataclass(frozen=True)
class Outcome(_Ended):
    """The end of a solve; :meth:`Problem.solve` documents the fields."""

    status: Status
    iterations: int
    sides: tuple[int, ...]
    residual: float
    condition: float | None = None
    reason: str = ""

    @classmethod
    def invalid(cls, reason: str) -> Outcome:
        """There was nothing to solve with."""
        return cls(Status.INVALID, 0, (MAXITER,) * SIDES, float("nan"), reason=reason)


@dataclass(frozen=True)
class Row(_Ended):
    """One matrix of an :class:`Evaluation`; its fields are that class's columns."""

    name: str
    n: int
    nnz: int
    status: str
    iterations: int
    sides: tuple[int, ...]
    target_iterations: int
    residual: float | None = None
    cosine: float | None = None
    log10_one_minus_cosine: float | None = None
    n_log_k: float | None = None
    condition: float | None = None
    reason: str = ""
    work: float | None = None
