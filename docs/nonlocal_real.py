"""Findings of docs/nonlocal.md on real matrices, stated from the stored results of protocol 1."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from making import counted, listed, paragraph, short, span

Row = dict[str, Any]
FAILED = 10_000
TOLERANCE = 1e-8
# Learned models that do not start from a factor computed by a formula.
FROM_NOTHING = ("NeuralIF", "LiFactor", "MessagePassingMLP", "EliminationSweep", "ChowPatel")


def penalised(entry: Row) -> list[list[int]]:
    """Iterations by matrix of every seed; a failure counts as 10,000."""
    return [
        [
            count if status == "converged" else FAILED
            for count, status in zip(seed["iterations"], seed["status"], strict=True)
        ]
        for seed in entry["seeds"]
    ]


def solved(entry: Row) -> list[float]:
    """Share of matrices solved, one number a seed."""
    return [
        sum(status == "converged" for status in seed["status"]) / len(seed["status"])
        for seed in entry["seeds"]
    ]


def ratios(entry: Row, target: Row) -> list[float]:
    """Geometric mean of the iterations relative to the target's, one number a seed."""
    (base,) = penalised(target)
    return [
        statistics.geometric_mean(
            max(count, 1) / max(other, 1) for count, other in zip(counts, base, strict=True)
        )
        for counts in penalised(entry)
    ]


def above_tolerance(entry: Row) -> int:
    """Most matrices of a seed that count as solved with a true residual above the tolerance."""
    return max(
        sum(
            status == "converged" and residual > TOLERANCE
            for status, residual in zip(seed["status"], seed["residual"], strict=True)
        )
        for seed in entry["seeds"]
    )


def real(board: Row, learned: Sequence[Row]) -> str:
    """Findings on the real test matrices, each from the outcomes of protocol 1."""
    entries = {entry["id"]: entry for entry in board["entries"]}
    target = entries["inv-k"]
    models = [entry for entry in entries.values() if entry["kind"] == "learned"]
    return "\n\n".join(
        (
            paragraph(_residuals(board)),
            paragraph(_against_none(entries, models)),
            paragraph(_against_the_formula(entries, models, target)),
            paragraph(_from_nothing(models, target)),
            paragraph(_best_epochs(learned)),
            paragraph(_elimination(entries, len(board["matrices"]))),
        )
    )


def _residuals(board: Row) -> str:
    found = [
        (residual, name)
        for entry in board["entries"]
        for seed in entry["seeds"]
        for name, status, residual in zip(
            board["matrices"], seed["status"], seed["residual"], strict=True
        )
        if status == "converged" and residual > TOLERANCE
    ]
    if not found:
        return ""
    names = sorted({name for _, name in found})
    return (
        "Conjugate gradients stop when the residual of their recurrence reaches $10^{-8}$. The "
        "true residual, computed afterwards, may be larger where the matrix is ill-conditioned; "
        "up to $10^{-6}$ the solve counts as converged ([protocol](protocol.md)). The last column "
        "counts the matrices that were solved with a true residual above $10^{-8}$, for the seed "
        f"with most of them. They are {listed(f'`{name}`' for name in names)}; the largest "
        f"residual is {short(max(found)[0])}."
    )


def _names(models: Iterable[Row]) -> str:
    return listed(entry["method"] for entry in models)


def _against_none(entries: Mapping[str, Row], models: Sequence[Row]) -> str:
    (none,), (ic0,) = solved(entries["none"]), solved(entries["ic-0"])
    more = [entry for entry in models if min(solved(entry)) > none]
    fewer = [entry for entry in models if min(solved(entry)) < none]
    text = (
        f"IC(0) solves {100 * ic0:.3g} %, and no preconditioner at all "
        f"{100 * none:.3g} %, which is the share to exceed. For every seed it is exceeded "
        f"by {counted(len(more), len(models), 'learned rows')} ({_names(more)})."
    )
    if fewer:
        text += f" With some seed, {_names(fewer)} solves fewer."
    return text


def _against_the_formula(entries: Mapping[str, Row], models: Sequence[Row], target: Row) -> str:
    patch, corrected = (
        entries[name] for name in ("local-patch-inv-k-k-3", "correctedpatch-4-rounds-unit-diagonal")
    )
    (base,) = ratios(patch, target)
    better = [entry for entry in models if max(ratios(entry, target)) < base]
    (sweep,) = ratios(entries["symmetric-gauss-seidel"], target)
    worse = [entry for entry in models if min(ratios(entry, target)) > sweep]
    return (
        "Local-patch Inv-K with 3 hops is a formula, the one from which `CorrectedPatch` starts. "
        f"It needs {short(base)} times the iterations of Inv-K, and `CorrectedPatch` after "
        f"training {span(ratios(corrected, target))} times. Fewer than this formula, for every "
        f"seed, {'need' if len(better) != 1 else 'needs'} "
        f"{counted(len(better), len(models), 'learned rows')}"
        + (f" ({_names(better)})" if better else "")
        + f". Symmetric Gauss-Seidel needs {short(sweep)} times the iterations of Inv-K; for every "
        f"seed more {'need' if len(worse) != 1 else 'needs'} "
        f"{counted(len(worse), len(models), 'learned rows')}."
    )


def _from_nothing(models: Sequence[Row], target: Row) -> str:
    mine = [e for e in models if e["method"].partition(" (")[0] in FROM_NOTHING]
    mine.sort(key=lambda entry: statistics.fmean(ratios(entry, target)))
    return (
        "Iterations relative to Inv-K of models that do not start from a factor, in the order of "
        "their means: "
        + listed(f"{entry['method']} {span(ratios(entry, target))}" for entry in mine)
        + ". Intervals of neighbouring rows that overlap do not separate them."
    )


def _best_epochs(learned: Sequence[Row]) -> str:
    early = [row for row in learned if row["best_epoch"]["min"] <= 0.1 * row["max_epochs"]]
    late = [row for row in learned if row["best_epoch"]["max"] > 0.9 * row["max_epochs"]]
    return (
        f"Training is short: {counted(len(late), len(learned), 'learned rows')} have their best "
        "epoch in the last tenth of the maximum for some seed, so that more steps might help "
        f"({listed(row['model'] for row in late)}); {len(early)} have it in the first tenth for "
        f"some seed ({listed(row['model'] for row in early)}): later epochs do "
        "not lower the loss on the validation matrices, which are of other families."
    )


def _elimination(entries: Mapping[str, Row], matrices: int) -> str:
    elimination = penalised(entries["learnedelimination-3-rounds-unit-diagonal"])
    (patch,) = penalised(entries["local-patch-inv-k-k-3"])
    by_matrix = list(zip(*elimination, strict=True))
    fewer = sum(max(own) < other for own, other in zip(by_matrix, patch, strict=True))
    more = sum(min(own) > other for own, other in zip(by_matrix, patch, strict=True))
    return (
        "`LearnedElimination`, with fill-in up to level 2 as memory, needs fewer iterations than "
        f"the patch with 3 hops on {fewer} of {matrices} matrices for every seed, and more on "
        f"{more}."
    )


def headroom(rows: Sequence[Row]) -> str:
    """What one more hop, a constant closure and the best scaling of columns change in n log K."""
    found = {(row["split"], row["factor"]): row["n_log_k"] for row in rows}
    splits = list(dict.fromkeys(row["split"] for row in rows))

    def changes(better: str, start: str, split: str) -> dict[str, float]:
        hard = [name for name, value in found[split, "1 hops, open"].items() if value > 1]
        return {n: found[split, better][n] / found[split, start][n] for n in hard}

    def medians(better: str, start: str) -> str:
        return listed(
            f"{100 * (1 - statistics.median(changes(better, start, split).values())):.0f} % "
            f"({split})"
            for split in splits
        )

    closed = {
        name: value
        for split in splits
        for name, value in changes("1 hops, closed by 0.5", "1 hops, open", split).items()
    }
    unmoved = sum(value > 0.99 for value in closed.values())
    most = sorted(closed, key=closed.__getitem__)[:3]
    return paragraph(
        "In the median, a second hop lowers n log K by "
        f"{medians('2 hops, open', '1 hops, open')}, a constant closure of the first by half "
        f"lowers it by {medians('1 hops, closed by 0.5', '1 hops, open')}, and the best scaling of "
        "columns of a patch with 3 hops, which is computed from $A^{-1}$, by "
        f"{medians('local-patch-3, columns scaled at best', 'local-patch-3')}. The closure "
        "lowers it most on "
        f"{listed(f'`{n}` (to {closed[n]:.2f})' for n in most)}, and by less than "
        "1 % "
        f"on {unmoved} of {len(closed)} matrices: what lies beyond a boundary couples its nodes to "
        "each other, which a diagonal cannot represent."
    )
