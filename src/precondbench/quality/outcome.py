"""Limits of a solve by the protocol, and what comes of one prediction."""

from __future__ import annotations

from dataclasses import dataclass

from precondbench.solvers import Status

RTOL = 1e-8
MAXITER = 10_000


@dataclass(frozen=True)
class Refusal:
    """A prediction that cannot be used, which counts as a failure.

    Attributes
    ----------
    reason : str
        What is wrong with it.
    """

    reason: str


@dataclass(frozen=True)
class Outcome:
    """The end of one solve.

    Attributes
    ----------
    status : Status
        Converged, iteration limit, stagnated or invalid.
    iterations : int
        Steps taken; 0 when invalid.
    residual : float
        True relative residual at the end; NaN when invalid.
    reason : str
        Why it is invalid, else empty.
    """

    status: Status
    iterations: int
    residual: float
    reason: str = ""

    @property
    def solved(self) -> bool:
        """Whether the solve converged."""
        return self.status is Status.CONVERGED

    @property
    def penalised_iterations(self) -> int:
        """Iterations; the limit where the solve failed."""
        return self.iterations if self.solved else MAXITER


@dataclass(frozen=True)
class Row:
    """One matrix of an :class:`Evaluation`; its fields are that class's columns."""

    name: str
    n: int
    nnz: int
    status: str
    iterations: int
    target_iterations: int
    residual: float | None = None
    cosine: float | None = None
    log10_one_minus_cosine: float | None = None
    n_log_k: float | None = None
    reason: str = ""
    work: float | None = None

    @property
    def solved(self) -> bool:
        """Whether the solve converged."""
        return self.status == "converged"

    @property
    def penalised_iterations(self) -> int:
        """Iterations; the limit where the solve failed."""
        return self.iterations if self.solved else MAXITER
