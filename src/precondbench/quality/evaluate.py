"""Score predictions on a dataset by what the solver does with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from precondbench.errors import BreakdownError, PredictionError
from precondbench.factors import scale_symmetrically, selected_inverse
from precondbench.matrices import check_spd_candidate
from precondbench.quality.cosine import one_minus_cosine
from precondbench.quality.hops import HopLadder
from precondbench.quality.kcondition import factor_values, k_condition_values
from precondbench.quality.pair import PairSource
from precondbench.quality.predictions import Predictions, check_cover, prediction_for
from precondbench.quality.protocol import MAXITER, ScoringSystem

__all__ = ["Evaluation", "Row", "evaluate"]


@dataclass(frozen=True)
class Row:
    """One matrix in an :class:`Evaluation`.

    Attributes
    ----------
    name : str
        Name of the matrix.
    n, nnz : int
        Rows, and entries of tril(A).
    status : str
        ``converged``, ``iteration-limit``, ``stagnated`` or ``invalid``.
    iterations : int
        PCG steps taken; 0 when invalid.
    target_iterations : int
        Steps with the target factor; 10000 if it fails.
    residual : float or None
        True relative residual at the end.
    cosine : float or None
        Cosine with the target.
    log10_one_minus_cosine : float or None
        log10(1 - cosine), at least -32.
    n_log_k : float or None
        n log K(L^T A^-1 L), natural logarithm.
    reason : str
        Why it is invalid.
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

    @property
    def solved(self) -> bool:
        """Whether the solve converged."""
        return self.status == "converged"

    @property
    def penalised_iterations(self) -> int:
        """Iterations; the limit where the solve failed."""
        return self.iterations if self.solved else MAXITER


@dataclass(frozen=True)
class Evaluation:
    """Per-matrix outcomes and their summary.

    Attributes
    ----------
    rows : list of Row
        One a matrix, in the dataset's order.
    summary : dict
        ``matrices``, ``solved`` (share), ``iterations_mean`` and ``iterations_median``
        (failures at the limit of 10000), ``ratio_to_target`` (geometric mean of iterations
        over the target's, failures at the limit), ``cosine_mean`` (over valid predictions),
        ``log10_one_minus_cosine_median``, ``n_log_k_median``, and, on tridiagonal sets,
        ``effective_hops``.
    """

    rows: list[Row]
    summary: dict[str, float | int | None] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dictionaries, for JSON."""
        return {"summary": dict(self.summary), "rows": [asdict(row) for row in self.rows]}


def evaluate(
    dataset: PairSource,
    predictions: Predictions,
    *,
    log_k: bool = True,
    ladder: HopLadder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score predicted factors by cosine, n log K, PCG iterations and effective hops.

    Parameters
    ----------
    dataset : PairSource
        Anything with ``len`` and ``pair(i)``: a precondbench dataset, or your own.
    predictions : mapping, sequence or callable
        name -> values or L; or a list of those in the dataset's order; or a function A -> L.
        Values are on the pattern of tril(A) by rows, diagonal last in each row; L is any
        lower-triangular matrix inside that pattern.
    log_k : bool
        Also compute n log K, which costs a factorisation of each matrix.
    ladder : HopLadder, optional
        k-hop oracles of this dataset, to share their cost between calls.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    Evaluation
        Rows and summary. A failure is a row with its reason, never an exception.

    Raises
    ------
    PredictionError
        If predictions do not fit the dataset: wrong count, names or lengths.

    Examples
    --------
    >>> from precondbench import Pair, evaluate, ic0
    >>> from precondbench.matrices import poisson_1d, symmetric_csr
    >>> class One:
    ...     def __len__(self):
    ...         return 1
    ...     def pair(self, index):
    ...         A = symmetric_csr(poisson_1d(30))
    ...         return Pair("poisson", A, ic0(A))
    >>> result = evaluate(One(), ic0)
    >>> result.rows[0].iterations, result.summary["effective_hops"]
    (1, 29.0)
    """
    count = len(dataset)
    if count == 0:
        raise PredictionError("the dataset is empty; there is nothing to score")
    if not callable(predictions):
        check_cover(predictions, [dataset.pair(i).name for i in range(count)])
    rows: list[Row] = []
    matrices: list[csr_array] = []
    for i in range(count):
        row, matrix = _score(dataset, predictions, i, log_k)
        rows.append(row)
        matrices.append(matrix)
        if progress is not None:
            progress(i + 1, count)
    summary = summarise(rows)
    if ladder is None:
        ladder = HopLadder.where_defined(matrices)
    if ladder is not None:
        mean = float(np.mean([row.penalised_iterations for row in rows]))
        summary["effective_hops"] = ladder.effective_hops(mean)
    return Evaluation(rows, summary)


def _score(
    dataset: PairSource, predictions: Predictions, index: int, log_k: bool
) -> tuple[Row, csr_array]:
    pair = dataset.pair(index)
    matrix = check_spd_candidate(pair.A, pair.name)
    pattern, target = factor_values(pair.L, f"{pair.name} target")
    system = ScoringSystem(matrix)
    goal = system.solve(pattern, target)
    target_iterations = goal.iterations if goal.solved else MAXITER
    values, reason = prediction_for(predictions, index, pair, pattern)
    n, nnz = pattern.n, pattern.nnz
    if values is None:
        row = Row(pair.name, n, nnz, "invalid", 0, target_iterations, reason=reason)
        return row, matrix
    outcome = system.solve(pattern, values)
    if outcome.reason:
        row = Row(pair.name, n, nnz, "invalid", 0, target_iterations, reason=outcome.reason)
        return row, matrix
    distance = one_minus_cosine(_positive_columns(pattern.indptr, pattern.indices, values), target)
    n_log_k = None
    if log_k:
        try:
            inverse = selected_inverse(scale_symmetrically(matrix, system.scale), pattern)
            n_log_k = k_condition_values(inverse, pattern, system.scaled(pattern, values)).n_log_k
        except BreakdownError:
            # A itself is not positive definite in double precision: K is not computable.
            n_log_k = None
    row = Row(
        pair.name,
        n,
        nnz,
        str(outcome.status),
        outcome.iterations,
        target_iterations,
        outcome.residual,
        1.0 - distance,
        float(np.log10(max(distance, 1e-32))),
        n_log_k if n_log_k is None or np.isfinite(n_log_k) else None,
    )
    return row, matrix


def _positive_columns(indptr: Any, indices: Any, values: Any) -> Any:
    """Flip columns with a negative diagonal entry: L L^T is the same, the cosine is not."""
    diagonal = values[indptr[1:] - 1]
    return values * np.where(diagonal < 0, -1.0, 1.0)[indices]


def summarise(rows: list[Row]) -> dict[str, float | int | None]:
    """Aggregate rows; see :class:`Evaluation`."""
    counts = np.array([row.penalised_iterations for row in rows], dtype=np.float64)
    targets = np.array([row.target_iterations for row in rows], dtype=np.float64)

    def over(statistic: Callable[[Any], Any], values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(statistic(known)) if known else None

    # An immediate answer (0 steps) would have no logarithm.
    ratio = np.log(np.maximum(counts, 1.0)) - np.log(np.maximum(targets, 1.0))
    return {
        "matrices": len(rows),
        "solved": float(np.mean([row.solved for row in rows])),
        "iterations_mean": float(np.mean(counts)),
        "iterations_median": float(np.median(counts)),
        "ratio_to_target": float(np.exp(np.mean(ratio))),
        "cosine_mean": over(np.mean, [row.cosine for row in rows]),
        "log10_one_minus_cosine_median": over(
            np.median, [row.log10_one_minus_cosine for row in rows]
        ),
        "n_log_k_median": over(np.median, [row.n_log_k for row in rows]),
    }
