"""Scores of several methods on one dataset, ready to print or to draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from precondbench.quality import Evaluation, PairSource, Predictions, evaluate_many

# key of a summary -> heading
COLUMNS: dict[str, str] = {
    "solved": "solved",
    "iterations_mean": "iterations",
    "effective_hops": "effective hops",
    "cosine_mean": "cosine",
    "log10_one_minus_cosine_median": "log10(1-cos)",
    "n_log_k_median": "n log K",
}


@dataclass(frozen=True)
class Board:
    """Methods on one dataset, best first.

    Attributes
    ----------
    title : str
        What was scored.
    evaluations : dict of str to Evaluation
        By method, fewest mean iterations first (failures count 10,000).
    kinds : dict of str to str
        ``oracle``, ``classical`` or ``learned``, by method.
    """

    title: str
    evaluations: dict[str, Evaluation]
    kinds: dict[str, str] = field(default_factory=dict)

    def rows(self) -> list[tuple[Any, ...]]:
        """Method, kind, and one value a column of ``COLUMNS``."""
        return [
            (name, self.kinds.get(name, ""), *(result.summary.get(key) for key in COLUMNS))
            for name, result in self.evaluations.items()
        ]

    def headings(self) -> tuple[str, ...]:
        """Headings of :meth:`rows`."""
        return ("method", "kind", *COLUMNS.values())

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, for JSON."""
        return {
            "title": self.title,
            "methods": [
                {
                    "method": name,
                    "kind": self.kinds.get(name, ""),
                    **{key: result.summary.get(key) for key in COLUMNS},
                }
                for name, result in self.evaluations.items()
            ],
        }


def score_methods(
    title: str,
    dataset: PairSource,
    methods: Mapping[str, tuple[str, Predictions]],
    *,
    log_k: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Board:
    """Evaluate every method and rank by mean iterations.

    Parameters
    ----------
    title : str
        Heading of the board.
    dataset : PairSource
        What to score on.
    methods : mapping
        name -> (kind, predictions).
    log_k : bool
        Also compute n log K.
    progress : callable, optional
        Called as ``progress(done, total)`` after each matrix.

    Returns
    -------
    Board
        Ranked.
    """
    predictions = {name: given for name, (_, given) in methods.items()}
    results = evaluate_many(dataset, predictions, log_k=log_k, progress=progress)

    def rank(item: tuple[str, Evaluation]) -> float:
        return float(item[1].summary["iterations_mean"] or 0.0)

    return Board(
        title,
        dict(sorted(results.items(), key=rank)),
        {name: kind for name, (kind, _) in methods.items()},
    )


REAL_COLUMNS = (
    "matrix",
    "n",
    "none",
    "Jacobi",
    "IC(0)",
    "Inv-K",
    "n log K, IC(0)",
    "n log K, Inv-K",
    "winner",
)


def real_rows(dataset: Any) -> list[tuple[Any, ...]]:
    """Rows of ``REAL_COLUMNS`` from the facts that a real dataset's shard holds."""
    rows = []
    for i in range(len(dataset)):
        facts = dataset.facts(i)

        def iterations(method: str, facts: Mapping[str, Any] = facts) -> int | str:
            count = facts[f"iterations_{method}"]
            return count if count != -1 else str(facts[f"status_{method}"])

        rows.append(
            (
                dataset.names[i],
                int(dataset.pair(i).A.shape[0]),
                *(iterations(method) for method in ("none", "jacobi", "ic0", "invk")),
                facts["n_log_k_ic0"],
                facts["n_log_k_invk"],
                facts["winner"],
            )
        )
    return rows
