"""Score predictions on a dataset by what the solver does with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np

from precondbench.errors import PredictionError
from precondbench.quality.locality import HopLadder
from precondbench.quality.method import (
    Context,
    Predictions,
    check_cover,
    context_of,
    covers_all,
    prediction_of,
    set_up,
)
from precondbench.quality.outcome import Row
from precondbench.quality.pair import Pair, PairSource
from precondbench.quality.problem import problem_of


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
        ``log10_one_minus_cosine_median``, ``n_log_k_median``, ``work_median``, and, on
        tridiagonal sets, ``effective_hops``.
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
    predictions : mapping, sequence, callable or Method
        name -> values or L; or a list of those in the dataset's order; or a function A -> L; or
        a :class:`Method`. Values are on the pattern of tril(A) by rows, diagonal last in each
        row; L is any lower-triangular matrix inside that pattern. In place of L an operator M,
        close to A^-1, is solved with in the same way (``scipy.sparse.linalg.LinearOperator``);
        it has no cosine and no n log K. Where A is not symmetric, values are on the pattern of A
        as ILU(0) leaves them, or a tuple (L, U), and the solver is GMRES (docs/nonsymmetric.md).
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
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> class One:
    ...     def __len__(self):
    ...         return 1
    ...     def pair(self, index):
    ...         A = tridiagonal_csr(poisson_1d(30))
    ...         return Pair("poisson", A, ic0(A))
    >>> result = evaluate(One(), ic0)
    >>> result.rows[0].iterations, result.summary["effective_hops"]
    (1, 29.0)
    """
    return evaluate_many(dataset, {"": predictions}, log_k=log_k, ladder=ladder, progress=progress)[
        ""
    ]


def evaluate_many(
    dataset: PairSource,
    methods: Mapping[str, Predictions],
    *,
    log_k: bool = True,
    ladder: HopLadder | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Evaluation]:
    """Score several methods on one dataset; what they share is computed once a matrix.

    Parameters
    ----------
    dataset : PairSource
        As for :func:`evaluate`.
    methods : mapping
        Name of a method -> its predictions, each as for :func:`evaluate`.
    log_k : bool
        Also compute n log K.
    ladder : HopLadder, optional
        k-hop oracles of this dataset, to share their cost between calls.
    executor : concurrent.futures.Executor, optional
        Workers, one matrix at a time; functions A -> L must then be importable by name. The
        result does not depend on it.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    dict of str to Evaluation
        By name, in the order given.

    Raises
    ------
    PredictionError
        If predictions do not fit the dataset: wrong count, names or lengths.
    """
    count = len(dataset)
    if count == 0:
        raise PredictionError("the dataset is empty; there is nothing to score")
    parts = [given for given in methods.values() if not covers_all(given)]
    if parts:
        names = [dataset.pair(i).name for i in range(count)]
        for predictions in parts:
            check_cover(predictions, names)
    rows: dict[str, list[Row]] = {name: [] for name in methods}
    run = map if executor is None else executor.map
    arguments = (_items(dataset, methods, i) for i in range(count))
    for done, scored in enumerate(run(partial(_score_matrix, log_k=log_k), arguments), start=1):
        for name, row in scored.items():
            rows[name].append(row)
        if progress is not None:
            progress(done, count)
    if ladder is None:
        ladder = HopLadder.where_defined(dataset.pair(i) for i in range(count))
    return {name: Evaluation(found, summarise(found, ladder)) for name, found in rows.items()}


def _items(
    dataset: PairSource, methods: Mapping[str, Predictions], index: int
) -> tuple[Pair, Context, dict[str, Any]]:
    pair = dataset.pair(index)
    given = {
        name: prediction_of(predictions, index, pair.name) for name, predictions in methods.items()
    }
    return pair, context_of(dataset, index, pair.name), given


def _score_matrix(item: tuple[Pair, Context, dict[str, Any]], log_k: bool) -> dict[str, Row]:
    pair, context, given = item
    problem = problem_of(pair)
    return {name: problem.score(set_up(one, pair, context), log_k) for name, one in given.items()}


def summarise(rows: list[Row], ladder: HopLadder | None = None) -> dict[str, float | int | None]:
    """Aggregate rows; see :class:`Evaluation`."""
    counts = np.array([row.penalised_iterations for row in rows], dtype=np.float64)
    targets = np.array([row.target_iterations for row in rows], dtype=np.float64)

    def over(statistic: Callable[[Any], Any], values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(statistic(known)) if known else None

    # An immediate answer (0 steps) would have no logarithm.
    ratio = np.log(np.maximum(counts, 1.0)) - np.log(np.maximum(targets, 1.0))
    summary: dict[str, float | int | None] = {
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
        "work_median": over(np.median, [row.work for row in rows]),
    }
    if ladder is not None:
        summary["effective_hops"] = ladder.effective_hops(float(np.mean(counts)))
    return summary
