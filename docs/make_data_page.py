"""Update the tables of locality and of folds in docs/data.md.

    python docs/make_data_page.py

Reads benchmarks/results/locality.json, which benchmarks/locality.py writes, and the manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from making import DOCS, markdown_table, stored, with_parts
from precondbench.recipes import FOLDED_VERSION, FOLDS, fold_splits
from precondbench.recipes.suitesparse import UNSOLVED
from precondbench.shards import SourceEntry, load_manifest

PAGE = DOCS / "data.md"


def locality_table(rows: list[dict[str, Any]]) -> str:
    """Condition, iterations of the k-hop oracles and two cosines, one line per kind and size."""
    hops = list(rows[0]["iterations"])
    shown = (hops[0], "8")
    lines = []
    for row in rows:
        name, _, matrix = row["configuration"].partition(", ")
        power, _, exponent = f"{row['condition_median']:.0e}".partition("e+")
        lines.append(
            [
                f"`{name}`" + (f", ${matrix}$" if matrix else ""),
                str(row["n"]),
                f"{power}e{int(exponent)}",
                *(f"{row['iterations'][k]:.1f}" for k in hops),
                *(f"{row['cosine'][k]:.4f}" for k in shown),
            ]
        )
    head = ["configuration", "rows", "cond", *(f"{k} hop{'s' * (k != '1')}" for k in hops)]
    return markdown_table([*head, *(f"cosine, {k}" for k in shown)], lines)


def folds_table(sources: Sequence[SourceEntry]) -> str:
    """Matrices and families of every fold, one line each, and the largest families of its test."""
    families = {source.full_name: source.family for source in sources}
    lines = []
    for fold in range(FOLDS):
        splits = fold_splits(fold)
        tested = Counter(families[name] for name in splits["test"])
        largest = [f"`{family}` {count}" for family, count in tested.most_common(4)]
        counts = [str(len(splits[split])) for split in ("train", "val", "test")]
        lines.append([str(fold), *counts, str(len(tested)), ", ".join(largest)])
    head = ["fold", "train", "val", "test", "families tested", "the largest, with their matrices"]
    return markdown_table(head, lines)


def folds_text(sources: Sequence[SourceEntry]) -> str:
    """How many candidates there are, and what became of them."""
    outcomes = Counter(source.outcome for source in sources)
    seen = sum(outcomes.values()) - outcomes["not verified"]
    named = ", ".join(source.full_name for source in sources if source.outcome == UNSOLVED)
    rows = max(source.n or 0 for source in sources if source.outcome == "built")
    return (
        f"The index marks {len(sources)} real matrices of all sizes as symmetric positive "
        f"definite; {seen} were available.\n"
        f"Of these {outcomes['built']} are in split `all`, with up to {rows:,} rows, "
        f"{outcomes[UNSOLVED]} in split `unsolved`\n"
        f"({named}); {outcomes['diagonal']} are diagonal and {outcomes['duplicate']} equal to "
        "another one."
    )


def filled(page: str) -> str:
    """Return the page with updated tables."""
    sources = load_manifest().sources_of(FOLDED_VERSION)
    built = [source for source in sources if source.outcome == "built"]
    return with_parts(
        page,
        {
            "locality": locality_table(stored("locality.json")),
            "folds text": folds_text(sources),
            "folds": folds_table(built),
        },
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
