"""Make docs/suitesparse.md and its figure from version 1.0 of the real benchmark.

    python docs/make_suitesparse_page.py

Needs the data: a mirror (PRECONDBENCH_MIRROR) or the collection (PRECONDBENCH_SUITESPARSE).
"""

from __future__ import annotations

from collections import Counter

from making import DOCS
from paper.figures import draw_invk_against_ic0, five_outcomes
from precondbench.recipes import obtain_shard, release_plans
from precondbench.shards import load_manifest, read_shard

# Outcomes of the manifest that the page words differently.
SHOWN = {"too dear": "too expensive"}


def all_facts() -> list[dict[str, object]]:
    """Facts of every released matrix, by size."""
    rows = []
    for plan in release_plans():
        shard = read_shard(obtain_shard(plan.dataset, plan.version, plan.configuration, plan.split))
        for i in range(len(shard)):
            record = shard.record(i)
            rows.append(
                {"name": record.name, "n": record.n, "nnz": record.nnz, "split": plan.split}
                | dict(record.facts)
            )
    return sorted(rows, key=lambda row: (row["n"], row["name"]))


def cell(value: object) -> str:
    """Format a number for the table."""
    if isinstance(value, float):
        return "-" if value != value else f"{value:.3g}"
    return str(value)


def iterations(row: dict[str, object], method: str) -> str:
    """Iterations, or how the solve failed."""
    count = row[f"iterations_{method}"]
    return str(count) if count != -1 else str(row[f"status_{method}"])


def main() -> None:
    """Write the page and the figure."""
    rows = all_facts()
    sources = load_manifest().sources
    outcomes = Counter(source.outcome for source in sources)
    neither = outcomes["neither label converges"]
    draw_invk_against_ic0(rows, neither, DOCS / "figures" / "invk-against-ic0.svg")
    lines = [
        "# SuiteSparseInvK 1.0, matrix by matrix",
        "",
        "<!-- Made by docs/make_suitesparse_page.py; do not edit. -->",
        "",
        "[data.md](data.md) describes how the data are built, and [protocol.md](protocol.md) how a",
        "solve is judged.",
        "",
        f"The collection's index of 8 October 2020 marks {len(sources)} real matrices with",
        "n < 50,000 as symmetric positive definite. Their outcomes:",
        "",
        "| outcome | matrices |",
        "| --- | ---: |",
        *(f"| {SHOWN.get(name, name)} | {count} |" for name, count in outcomes.most_common()),
        "",
        "Matrices that are *not verified* were not available when this version was built;",
        "`precondbench build unverified` builds them and prints a report. Matrices are *too",
        "expensive* if their factor is nearly dense and needs more than 1e11 operations.",
        "",
        "## Inv-K against IC(0)",
        "",
        "The table repeats Figure 2 of the paper for the matrices that were built and those where",
        "neither factor converges. The relative residual is 1e-8, with at most 10,000 steps and a",
        "check of the true residual; a winner needs 5 % fewer iterations.",
        "",
        "| case | matrices | share |",
        "| --- | ---: | ---: |",
    ]
    counted = five_outcomes(rows, neither)
    total = sum(counted.values())
    lines += [f"| {case} | {count} | {count / total:.0%} |" for case, count in counted.items()]
    lines += [
        "",
        "![Iterations with Inv-K against iterations with IC(0)](figures/invk-against-ic0.svg)",
        "",
        "## Every matrix",
        "",
        "The table shows the iterations with each preconditioner (or how the solve failed),",
        "n log K of L^T A^-1 L, and an estimate of the condition number of A in the 1-norm, after",
        "scaling by powers of two to a diagonal of order one.",
        "",
        "| matrix | n | entries of L | split | none | Jacobi | IC(0) | Inv-K | n log K, IC(0) |"
        " n log K, Inv-K | winner | condition |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |",
    ]
    for row in rows:
        cells = [
            row["name"], row["n"], row["nnz"], row["split"],
            *(iterations(row, method) for method in ("none", "jacobi", "ic0", "invk")),
            row["n_log_k_ic0"], row["n_log_k_invk"], row["winner"], row["condition_scaled"],
        ]  # fmt: skip
        lines.append("| " + " | ".join(cell(value) for value in cells) + " |")
    lines += ["", "## Excluded matrices", "", "| matrix | n | outcome |", "| --- | ---: | --- |"]
    for source in sources:
        if source.outcome != "built":
            outcome = SHOWN.get(source.outcome, source.outcome)
            lines.append(f"| {source.group}/{source.name} | {source.n} | {outcome} |")
    (DOCS / "suitesparse.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
