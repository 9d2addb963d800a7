"""Score predictions on a dataset by what the solver does with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, partial
from math import inf
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import ConfigurationError, PrecondbenchError, PredictionError
from precondbench.quality.context import Context
from precondbench.quality.display import draw_profile, table_html, table_text
from precondbench.quality.locality import HopLadder
from precondbench.quality.method import (
    Closing,
    Predictions,
    check_cover,
    context_of,
    covers_all,
    prediction_of,
    set_up,
)
from precondbench.quality.outcome import REFERENCE, Row
from precondbench.quality.pair import Pair, PairSource, pair_source
from precondbench.quality.problem import Problem, problem_of
from precondbench.quality.values import Refusal, values_digest


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Outcomes of one method on the matrices of a dataset, by columns, and their summary.

    Every column is a tuple with one item a matrix, in the dataset's order; ``rows`` has them
    matrix by matrix, ``to_pandas()`` as a table. Printed, it shows the summary.

    Attributes
    ----------
    name : tuple of str
        Names of the matrices.
    n, nnz : tuple of int
        Rows, and entries of the pattern: tril(A), or all of a non-symmetric A.
    status : tuple of str
        ``converged``, ``iteration-limit``, ``stagnated`` or ``invalid``.
    iterations : tuple of int
        Steps of PCG (non-symmetric: GMRES) taken for the right-hand side that needs the most; 0
        when invalid.
    sides : tuple of tuple of int
        Iterations for each of the four right-hand sides; 10000 where one fails.
    target_iterations : tuple of int
        Steps with the target factor; 10000 if it fails.
    residual : tuple of (float or None)
        True relative residual at the end, the largest of the four.
    cosine, log10_one_minus_cosine : tuple of (float or None)
        Cosine with the target, and log10(1 - cosine), at least -32.
    n_log_k : tuple of (float or None)
        n log K(L^T A^-1 L), natural logarithm; none for non-symmetric matrices.
    condition : tuple of (float or None)
        Condition number of L^-1 A L^-T from the Lanczos coefficients of PCG; none for GMRES.
    reason : tuple of str
        Why it is invalid, else empty.
    work : tuple of (float or None)
        Stored numbers that one application of the preconditioner reads, over those of a factor
        on the pattern; None for an operator that does not say.
    summary : dict
        ``matrices``, ``solved`` (share), ``iterations_mean`` and ``iterations_median``
        (failures at the limit of 10000), ``ratio_to_target`` (geometric mean of iterations
        over the target's, failures at the limit), ``cosine_mean`` (over valid predictions),
        ``log10_one_minus_cosine_median``, ``n_log_k_median``, ``work_median``, and, on
        tridiagonal sets, ``effective_hops``.
    seed : int or None
        Seed of the method, where it has one.
    key : str
        What three of the four right-hand sides are bound to: the digest of the predictions, or
        ``"reference"``.
    """

    name: tuple[str, ...]
    n: tuple[int, ...]
    nnz: tuple[int, ...]
    status: tuple[str, ...]
    iterations: tuple[int, ...]
    sides: tuple[tuple[int, ...], ...]
    target_iterations: tuple[int, ...]
    residual: tuple[float | None, ...]
    cosine: tuple[float | None, ...]
    log10_one_minus_cosine: tuple[float | None, ...]
    n_log_k: tuple[float | None, ...]
    condition: tuple[float | None, ...]
    reason: tuple[str, ...]
    work: tuple[float | None, ...]
    summary: dict[str, float | int | None] = field(default_factory=dict)
    seed: int | None = None
    key: str = REFERENCE

    @classmethod
    def of(cls, rows: Sequence[Row], ladder: HopLadder | None = None, key: str = REFERENCE) -> Self:
        """Return rows as columns, with their summary."""
        columns: dict[str, Any] = {
            name: tuple(getattr(row, name) for row in rows) for name in COLUMNS
        }
        found = cls(**columns, key=key)
        return replace(found, summary=_summary(found, ladder))

    @cached_property
    def rows(self) -> list[Row]:
        """The outcomes, matrix by matrix."""
        columns = (getattr(self, name) for name in COLUMNS)
        return [Row(*values) for values in zip(*columns, strict=True)]

    @property
    def solved(self) -> tuple[bool, ...]:
        """Whether each solve converged."""
        return tuple(row.solved for row in self.rows)

    @property
    def penalised_iterations(self) -> tuple[int, ...]:
        """Iterations; the limit where a solve failed."""
        return tuple(row.penalised_iterations for row in self.rows)

    @property
    def uneven(self) -> tuple[bool, ...]:
        """Whether one right-hand side needs more than twice the iterations of another."""
        return tuple(row.uneven for row in self.rows)

    @property
    def ratios(self) -> tuple[float, ...]:
        """Iterations over those of the target, both at least 1; infinite for a failure."""
        return tuple(
            max(row.iterations, 1) / max(row.target_iterations, 1) if row.solved else inf
            for row in self.rows
        )

    @property
    def penalised_ratios(self) -> tuple[float, ...]:
        """Iterations, the limit for a failure, over those of the target, both at least 1."""
        return tuple(
            max(row.penalised_iterations, 1) / max(row.target_iterations, 1) for row in self.rows
        )

    @property
    def one_minus_cosine_mean(self) -> float | None:
        """Mean of 1 - cosine over valid predictions, without cancellation."""
        known = [10.0**value for value in self.log10_one_minus_cosine if value is not None]
        return float(np.mean(known)) if known else None

    def rounded(self, digits: int) -> Self:
        """Return the evaluation with floats rounded to so many significant digits."""
        columns: dict[str, Any] = {
            name: tuple(rounded(value, digits) for value in getattr(self, name)) for name in COLUMNS
        }
        summary = {key: rounded(value, digits) for key, value in self.summary.items()}
        return replace(self, **columns, summary=summary)

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists and dictionaries, for JSON."""
        return {"summary": dict(self.summary), "rows": [asdict(row) for row in self.rows]}

    def to_pandas(self) -> Any:
        """Return a table with one row a matrix, indexed by name.

        Returns
        -------
        pandas.DataFrame
            The columns of this object; ``sides`` holds tuples.

        Raises
        ------
        ConfigurationError
            If pandas is not installed.
        """
        try:
            from pandas import DataFrame
        except ImportError:
            raise ConfigurationError(
                "to_pandas needs the package pandas: pip install pandas"
            ) from None
        return DataFrame({name: getattr(self, name) for name in COLUMNS}).set_index("name")

    def plot(self, ax: Any = None, *, label: str | None = None) -> Any:
        """Draw the performance profile: the share solved within each multiple of the target.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw, to compare several; by default a new figure.
        label : str, optional
            Name of the curve in a legend.

        Returns
        -------
        matplotlib.axes.Axes
            The axes.

        Raises
        ------
        ConfigurationError
            If matplotlib is not installed.
        """
        return draw_profile(self.ratios, ax, label)

    def __repr__(self) -> str:
        return table_text(*self._shown())

    def _repr_html_(self) -> str:
        """Show a table in a notebook."""
        return table_html(*self._shown())

    def _shown(self) -> tuple[str, dict[str, str]]:
        """A caption and the numbers of the summary with their units."""
        count, summary = len(self.name), self.summary
        least, most = min(self.n), max(self.n)
        caption = f"Evaluation of {count} {'matrix' if count == 1 else 'matrices'}, n = {least}"
        if least < most:
            caption += f" to {most}"
        failed = [row for row in self.rows if not row.solved]
        rows = {"solved": f"{count - len(failed)} of {count}"}
        if failed:
            first = failed[0]
            rows["first failure"] = f"{first.name}: {first.status} {first.reason}".rstrip()
        rows["iterations"] = (
            f"{summary['iterations_mean']:.5g} (mean), {summary['iterations_median']:.5g} (median)"
        )
        for key, (name, statistic) in _SHOWN.items():
            value = summary.get(key)
            if value is not None:
                # Rounding errors around 0 differ between machines.
                rows[name] = f"{round(value, 9) + 0.0:.5g}{statistic}"
        return caption, rows


COLUMNS = tuple(column.name for column in fields(Row))
# Key of a summary -> what it is called, and which statistic it is.
_SHOWN = {
    "ratio_to_target": ("over the target's", " (geometric mean)"),
    "cosine_mean": ("cosine", " (mean)"),
    "log10_one_minus_cosine_median": ("log10(1 - cosine)", " (median)"),
    "n_log_k_median": ("n log K", " (median)"),
    "work_median": ("work of a step", " (median, in factors on the pattern)"),
    "effective_hops": ("effective hops", ""),
}


def rounded(value: Any, digits: int) -> Any:
    """Round a float to significant digits; other values are returned as they are.

    The last bits of a logarithm or a mean differ from one machine to another, so published
    numbers are rounded: what is equal compares equal.
    """
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def evaluate(
    dataset: PairSource | Sequence[Pair],
    predictions: Predictions,
    *,
    key: str | None = None,
    log_k: bool = True,
    ladder: HopLadder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score predicted factors by cosine, n log K, PCG iterations and effective hops.

    Parameters
    ----------
    dataset : dataset, or sequence of Pair
        A dataset of this library, a list of pairs, or anything with ``len`` and ``pair(i)``.
    predictions : mapping, sequence, callable or Method
        name -> values or L; or a list of those in the dataset's order; or a function A -> L; or
        a :class:`Method`. Values are on the pattern of tril(A) by rows, diagonal last in each
        row; L is any lower-triangular matrix inside that pattern. In place of L an operator M,
        close to A^-1, is solved with in the same way (``scipy.sparse.linalg.LinearOperator``);
        it has no cosine and no n log K, and neither has a function r -> z that a function of A or
        a method returns, which is solved with by flexible PCG. Where A is not symmetric, values
        are on the pattern of A as ILU(0) leaves them, or a tuple (L, U), and the solver is GMRES
        (docs/nonsymmetric.md).
    key : str, optional
        What three of the four right-hand sides of each matrix are bound to, see docs/protocol.md.
        By default the digest of all predictions, or ``"reference"`` for a function or a method.
    log_k : bool
        Also compute n log K, which costs a factorisation of each matrix.
    ladder : HopLadder, optional
        k-hop oracles of this dataset, to share their cost between calls.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    Evaluation
        Outcomes and summary. A failure is a row with its reason, never an exception.

    Raises
    ------
    PredictionError
        If predictions do not fit the dataset (wrong count, names or lengths), or it is none.

    Examples
    --------
    >>> from precondbench import Pair, evaluate, ic0
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(30))
    >>> result = evaluate([Pair("poisson", A, ic0(A))], ic0)
    >>> result.iterations, result.rows[0].status, result.summary["effective_hops"]
    ((1,), 'converged', 29.0)
    >>> result
    Evaluation of 1 matrix, n = 30
      solved             1 of 1
      iterations         1 (mean), 1 (median)
      over the target's  1 (geometric mean)
      cosine             1 (mean)
      log10(1 - cosine)  -32 (median)
      n log K            0 (median)
      work of a step     1 (median, in factors on the pattern)
      effective hops     29
    """
    keys = {} if key is None else {"": key}
    found = evaluate_many(
        dataset, {"": predictions}, keys=keys, log_k=log_k, ladder=ladder, progress=progress
    )
    return found[""]


def evaluate_many(
    dataset: PairSource | Sequence[Pair],
    methods: Mapping[str, Predictions],
    *,
    keys: Mapping[str, str] | None = None,
    log_k: bool = True,
    ladder: HopLadder | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Evaluation]:
    """Score several methods on one dataset; what they share is computed once a matrix.

    Parameters
    ----------
    dataset : dataset, or sequence of Pair
        As for :func:`evaluate`.
    methods : mapping
        Name of a method -> its predictions, each as for :func:`evaluate`.
    keys : mapping, optional
        Name of a method -> what its right-hand sides are bound to; those that are not named have
        the key that :func:`evaluate` gives them.
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
    dataset = pair_source(dataset)
    count = len(dataset)
    if count == 0:
        raise PredictionError("the dataset is empty; there is nothing to score")
    parts = [given for given in methods.values() if not covers_all(given)]
    if parts:
        names = [dataset.pair(i).name for i in range(count)]
        for predictions in parts:
            check_cover(predictions, names)
    rows: dict[str, list[Row]] = {name: [] for name in methods}
    bound = {
        name: (keys or {}).get(name) or _key_of(dataset, given) for name, given in methods.items()
    }
    run = map if executor is None else executor.map
    arguments = (_items(dataset, methods, bound, i) for i in range(count))
    for done, scored in enumerate(run(partial(_score_matrix, log_k=log_k), arguments), start=1):
        for name, row in scored.items():
            rows[name].append(row)
        if progress is not None:
            progress(done, count)
    if ladder is None:
        ladder = HopLadder.where_defined(dataset.pair(i) for i in range(count))
    return {name: Evaluation.of(found, ladder, bound[name]) for name, found in rows.items()}


def _key_of(dataset: PairSource, predictions: Predictions) -> str:
    """Digest of all values; ``reference`` where there are functions or operators among them."""
    if covers_all(predictions):
        return REFERENCE
    parts = []
    for i in range(len(dataset)):
        pair = dataset.pair(i)
        given = prediction_of(predictions, i, pair.name)
        if covers_all(given) or isinstance(given, LinearOperator):
            return REFERENCE
        parts.append(_as_values(given, problem_of(pair)))
    return values_digest(np.concatenate(parts))


def _as_values(given: Any, problem: Problem) -> NDArray[np.float64]:
    """Values as a file of predictions holds them: NaN for a failure."""
    placed = None if given is None else problem.place(given)
    return placed if isinstance(placed, np.ndarray) else np.full(problem.pattern.nnz, np.nan)


# Everything that scores one matrix: the pair, its context, and by name what is given and its key.
_Item = tuple[Pair, Context, dict[str, tuple[Any, str]]]


def _items(
    dataset: PairSource, methods: Mapping[str, Predictions], keys: Mapping[str, str], index: int
) -> _Item:
    pair = dataset.pair(index)
    given = {
        name: (prediction_of(predictions, index, pair.name), keys[name])
        for name, predictions in methods.items()
    }
    return pair, context_of(dataset, index, pair.name), given


def _score_matrix(item: _Item, log_k: bool) -> dict[str, Row]:
    pair, context, given = item
    problem = problem_of(pair)
    return {
        name: _score_one(problem, one, set_up(one, pair, context), key, log_k)
        for name, (one, key) in given.items()
    }


def _score_one(problem: Problem, method: Any, prepared: Any, key: str, log_k: bool) -> Row:
    try:
        return problem.score(prepared, key, log_k)
    except PrecondbenchError as error:
        # What does not fit the matrix is a mistake of the caller, unless it may be anything.
        if not getattr(method, "untrusted", False):
            raise
        return problem.score(Refusal(str(error)), key, log_k)
    finally:
        # What lives in a process of its own is ended with the solve.
        if isinstance(prepared, Closing):
            prepared.close()


def _summary(found: Evaluation, ladder: HopLadder | None) -> dict[str, float | int | None]:
    counts = np.array(found.penalised_iterations, dtype=np.float64)
    targets = np.array(found.target_iterations, dtype=np.float64)

    def over(statistic: Callable[[Any], Any], values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return float(statistic(known)) if known else None

    # An immediate answer (0 steps) would have no logarithm.
    ratio = np.log(np.maximum(counts, 1.0)) - np.log(np.maximum(targets, 1.0))
    summary: dict[str, float | int | None] = {
        "matrices": len(found.name),
        "solved": float(np.mean(found.solved)),
        "iterations_mean": float(np.mean(counts)),
        "iterations_median": float(np.median(counts)),
        "ratio_to_target": float(np.exp(np.mean(ratio))),
        "cosine_mean": over(np.mean, found.cosine),
        "log10_one_minus_cosine_median": over(np.median, found.log10_one_minus_cosine),
        "n_log_k_median": over(np.median, found.n_log_k),
        "work_median": over(np.median, found.work),
    }
    if ladder is not None:
        summary["effective_hops"] = ladder.effective_hops(float(np.mean(counts)))
    return summary
