"""Two models side by side, with the spread of their seeds, and how a sentence says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = [
    "Summary",
    "best_depth",
    "caution",
    "compared",
    "describe",
    "is_above",
    "relation",
    "times",
]

# Of summarise_results, with both measures of the cosine.
Summary = Mapping[str, Any]
# Models closer than this, relative to 1 - cosine, are level whatever their seeds say.
LEVEL = 0.01


def best_depth(summaries: Sequence[Summary], model: str, rounds: set[int] | None = None) -> Summary:
    """Return the summary of a model at the depth, of those given, with the largest mean cosine."""
    candidates = [
        row
        for row in summaries
        if row["model"] == model and (rounds is None or row["rounds"] in rounds)
    ]
    return max(candidates, key=lambda row: float(row["cosine_mean"]["mean"]))


def compared(
    summaries: Sequence[Summary], first: str, second: str
) -> tuple[Summary, Summary] | None:
    """Two models, each at its best among the depths beyond one block that both have.

    Parameters
    ----------
    summaries : sequence of mapping
        Of one split.
    first, second : str
        Names of models.

    Returns
    -------
    tuple or None
        Summaries of the two, in this order; None if they share no such depth. With one block no
        message is passed before the edges are decoded, and all models are alike.
    """
    depths = [
        {row["rounds"] for row in summaries if row["model"] == model and row["rounds"] > 1}
        for model in (first, second)
    ]
    common = depths[0] & depths[1]
    if not common:
        return None
    return best_depth(summaries, first, common), best_depth(summaries, second, common)


def is_above(first: Summary, second: Summary) -> bool:
    """Whether every seed of one is better than all of the other, and 1 - cosine by over 1 %."""
    a, b = first["one_minus_cosine_mean"], second["one_minus_cosine_mean"]
    return bool(a["max"] < b["min"] and a["mean"] < (1 - LEVEL) * b["mean"])


def relation(first: Summary, second: Summary) -> str:
    """Say "above", "below" or "level with"."""
    if is_above(first, second):
        return "above"
    return "below" if is_above(second, first) else "level with"


def describe(row: Summary) -> str:
    """Say what a model is, how long it was trained, and what its cosine is."""
    cosine, seeds = row["cosine_mean"], len(row["seeds"])
    spread = f"{cosine['min']:.5f} to {cosine['max']:.5f}, {seeds} seeds" if seeds > 1 else "1 seed"
    blocks = "1 block" if row["rounds"] == 1 else f"{row['rounds']} blocks"
    return (
        f"{row['model']} ({blocks}, {row['max_epochs']} epochs) has a mean cosine of "
        f"{cosine['mean']:.5f} ({spread})"
    )


def times(better: Summary, worse: Summary) -> str:
    """Say how many times as large 1 - cosine of the second is as that of the first."""
    ratio = worse["one_minus_cosine_mean"]["mean"] / better["one_minus_cosine_mean"]["mean"]
    return f"{ratio:.3g} times" if ratio >= 1.1 or ratio <= 0.9 else f"{ratio:.4f} times"


def caution(rows: Sequence[Summary]) -> str:
    """Return a sentence to append where models were not trained equally long, else nothing."""
    if len({row["max_epochs"] for row in rows}) == 1:
        return ""
    return " The models compared were not asked for the same number of epochs."
