"""Limits of a solve by the protocol, and the outcome of one matrix."""

from __future__ import annotations

from dataclasses import dataclass

from precondbench.solvers import Status

RTOL = 1e-8
MAXITER = 10_000


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
    """One matrix of an :class:`Evaluation`.

    Attributes
    ----------
    name : str
        Name of the matrix.
    n, nnz : int
        Rows, and entries of the pattern: tril(A), or all of a non-symmetric A.
    status : str
        ``converged``, ``iteration-limit``, ``stagnated`` or ``invalid``.
    iterations : int
        Steps of PCG (non-symmetric: GMRES) taken; 0 when invalid.
    target_iterations : int
        Steps with the target factor; 10000 if it fails.
    residual : float or None
        True relative residual at the end.
    cosine : float or None
        Cosine with the target.
    log10_one_minus_cosine : float or None
        log10(1 - cosine), at least -32.
    n_log_k : float or None
        n log K(L^T A^-1 L), natural logarithm; none for non-symmetric matrices.
    reason : str
        Why it is invalid.
    work : float or None
        Stored numbers that one application of the preconditioner reads, over those of a factor
        on the pattern; for an operator that does not say, None.
    """

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
