"""Update the tables of docs/learning.md.

    python docs/make_learning_page.py

Reads benchmarks/results/one_model.json, one_model_20261201.json, formulas.json and multigrid.json,
which the benchmarks of these names write, one_model_earlier.json, which holds those of earlier
versions, and the times of the leaderboard.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from making import (
    DOCS,
    bullets,
    large_families,
    listed,
    markdown_table,
    mean_over_families,
    multigrid_times,
    paragraph,
    short,
    span,
    stored,
    with_parts,
)
from precondbench.leaderboard.board import Standing

PAGE = DOCS / "learning.md"
_CLASSICAL = {"ic0": "IC(0)", "ic0_shifted": "IC(0), smallest shift", "invk": "Inv-K"}


def _formula(name: str) -> str:
    if name in _CLASSICAL:
        return _CLASSICAL[name]
    return f"MIC(0), w = {int(name.removeprefix('mic_')) / 1000:g}"


def _seeds(ratios: dict[str, float]) -> list[float]:
    return [ratio for name, ratio in ratios.items() if name.startswith("seed ")]


def _mean(ratios: Iterable[float]) -> float:
    return float(np.exp(np.mean(np.log(list(ratios)))))


def _worst(by_family: dict[str, dict[str, float]]) -> tuple[str, dict[str, float]]:
    """The hardest family, and the worst seed on every one."""
    worst = {family: max(_seeds(ratios)) for family, ratios in by_family.items()}
    return max(worst, key=lambda family: worst[family]), worst


def training() -> str:
    """How far training went."""
    runs = stored("one_model.json")["training"].values()
    steps = span(run["steps"] / run["epochs"] for run in runs)
    return paragraph(
        f"Parameters: {span(run['parameters'] for run in runs)}. The best epoch of the seeds is "
        f"{listed(str(run['best_epoch']) for run in runs)} of "
        f"{span(run['epochs'] for run in runs)}, each of {steps} steps."
    )


def large(content: Any) -> str:
    """The model on large matrices of every family, beside single formulas."""
    lines = []
    for family, ratios in content["summary"]["by_family"].items():
        of = content["families"][family]
        taken = Counter(name for seed in of["seeds"].values() for name in seed["taken"])
        lines.append(
            [
                f"`{family}`",
                f"{of['rows']:,}",
                f"{of['matrices']}",
                *_ratios(ratios),
                listed(f"{name}" for name, _ in taken.most_common(2)),
            ]
        )
    lines.append(["all", "", "", *_ratios(content["summary"]["all"]), ""])
    header = ["matrices", "rows, about", "number", "IC(0)", "IC(0), smallest shift", "Inv-K"]
    header += ["best single MIC(0)", "`LearnedChoice`, seeds", "what it takes most"]
    return markdown_table(header, lines)


def _ratios(ratios: dict[str, float]) -> list[str]:
    best = min((name for name in ratios if name.startswith("mic_")), key=lambda name: ratios[name])
    classical = [f"{ratios[name]:.2f}" for name in ("ic0", "ic0_shifted", "invk")]
    return [*classical, f"{ratios[best]:.2f} ({_formula(best)})", span(_seeds(ratios))]


def _findings(content: Any) -> list[str]:
    """What the table says in sentences."""
    ratios, means = content["summary"]["by_family"], content["summary"]["all"]
    hardest, worst = _worst(ratios)
    below = [family for family, ratio in worst.items() if ratio < 1.0]
    single = {name: ratio for name, ratio in means.items() if not name.startswith("seed ")}
    best = min(single, key=lambda name: single[name])
    others = [
        _mean(found[name] for family, found in ratios.items() if family != "random-spd")
        for name in means
        if name.startswith("seed ")
    ]
    return [
        f"Geometric mean over families: {span(_seeds(means))} times hindsight best, by seed; "
        f"without `random-spd`, where IC(0) with a shift is far ahead of all that hindsight "
        f"chooses from, {span(others)}. The best single formula, {_formula(best)}, needs "
        f"{single[best]:.2f} times.",
        "Over the fewest iterations of the boards, for which IC(0) with a shift counts, the "
        f"mean is {span(content['summary']['over_board'].values())}.",
        f"Worst family: `{hardest}`, {worst[hardest]:.2f} times with the worst seed. Ahead of "
        f"hindsight with every seed: {listed(f'`{family}`' for family in below)}.",
    ]


CHOICE = "learnedchoice-1-round"
FACTORS = {"ic-0": "IC(0)", "inv-k": "Inv-K", "mic-0-tuned": "MIC(0), tuned"}
# The part of the best factor that counts as a margin in what is said.
MARGIN = 0.9


def _boards() -> dict[str, Standing]:
    """Tracks of large matrices by family."""
    return {standing.track.configuration: standing for standing in large_families()}


def on_boards() -> str:
    """The row of LearnedChoice on the tracks of large matrices, beside other factors."""
    lines = []
    for family, standing in _boards().items():
        row = standing.by_id[CHOICE]
        matrices = standing.track.matrices
        lines.append(
            [
                f"`{family}`",
                str(len(matrices)),
                f"{np.mean([matrix.n for matrix in matrices]):,.0f}",
                *(f"{standing.by_id[name].interval.mean:.2f}" for name in FACTORS),
                _with_interval(row.interval),
                f"{row.interval.mean - row.gain.mean:.2f}" if row.gain else "",
            ]
        )
    header = ["`test_large`", "matrices", "mean n", *FACTORS.values()]
    return markdown_table([*header, "`LearnedChoice`", "its start"], lines)


def _with_interval(interval: Any) -> str:
    return f"{interval.mean:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def boards_findings() -> str:
    """What these rows say, with three seeds and intervals."""
    boards = _boards()
    rows = {family: standing.by_id[CHOICE].interval for family, standing in boards.items()}
    ahead = [f for f, i in rows.items() if i.high < 1.0]
    far = [f for f in ahead if rows[f].mean <= MARGIN]
    behind = [f for f, i in rows.items() if i.low > 1.0]
    diffusion = boards["diffusion-2d"]
    fewer = listed(
        f"{100 * (1 - rows['diffusion-2d'].mean / diffusion.by_id[name].interval.mean):.0f} % "
        f"fewer than {said}"
        for name, said in FACTORS.items()
    )
    return bullets(
        [
            f"Below the best of those factors, matrix by matrix, with its interval below 1: "
            f"{listed(f'`{family}`' for family in ahead)}; by a tenth of it or more: "
            f"{listed(f'`{family}`' for family in far)}. Above it: "
            f"{listed(f'`{family}`' for family in behind)}.",
            f"On `diffusion-2d` it needs {fewer}.",
            f"Geometric mean over families: {mean_over_families(CHOICE):.3f}; "
            + listed(f"{said} {mean_over_families(name):.2f}" for name, said in FACTORS.items())
            + ".",
        ]
    )


def _earlier() -> list[str]:
    """Versions before, on the same matrices."""
    lines = []
    for version in stored("one_model_earlier.json"):
        summary = version["summary"]
        hardest, worst = _worst(summary["by_family"])
        lines.append(
            f"An earlier version, with {version['version']}, was measured on the same matrices: "
            f"{span(_seeds(summary['all']))} times hindsight best, and up to {worst[hardest]:.2f} "
            f"times on `{hardest}`."
        )
    return lines


def formulas() -> str:
    """Every formula by itself on validation matrices."""
    content = stored("formulas.json")
    names = [name for name in next(iter(content.values())) if not name.startswith("LearnedChoice")]
    lines = [
        [
            f"`{family}`",
            *(f"{found[name]:.2f}" for name in names),
            span(ratio for name, ratio in found.items() if name.startswith("LearnedChoice")),
        ]
        for family, found in content.items()
    ]
    turned = list(zip(*([["formula", *names, "`LearnedChoice`, seeds"], *lines]), strict=True))
    return markdown_table(turned[0], turned[1:])


def formulas_findings() -> str:
    """The formula that is best alone, and what choosing gives."""
    content = stored("formulas.json")

    def mean(name: str) -> float:
        return _mean(found[name] for found in content.values())

    first: dict[str, Any] = next(iter(content.values()))
    chosen = [name for name in first if name.startswith("LearnedChoice")]
    single = [name for name in first if name not in (*chosen, "the best of them", "IC(0)")]
    best = min(single, key=mean)
    return paragraph(
        f"Geometric mean over families: {best}, the best of them alone, {mean(best):.2f}; the "
        f"best for each matrix {mean('the best of them'):.2f}; `LearnedChoice` "
        f"{span(map(mean, chosen))}."
    )


def multigrid() -> str:
    """Work of fixed and chosen parameters, over the best of each matrix."""
    found = stored("multigrid.json")["train"]["validation"]
    lines = [
        [
            "all" if family == "all" else f"`{family}`",
            f"{ratios['default']:.2f}",
            f"{ratios['fixed']:.2f}",
            span(_of_seeds(ratios)),
            span(ratio / ratios["default"] for ratio in _of_seeds(ratios)),
        ]
        for family, ratios in found.items()
    ]
    lines.append(lines.pop(0))
    header = ["matrices", "PyAMG's defaults", "best fixed", "`LearnedMultigrid`, seeds"]
    return markdown_table([*header, "over defaults, seeds"], lines)


def _of_seeds(ratios: dict[str, float]) -> list[float]:
    return [ratio for name, ratio in ratios.items() if name.isdecimal()]


def multigrid_training() -> str:
    """How far its training went, and what one choice for all matrices is."""
    found = stored("multigrid.json")["train"]
    train, validation = found["matrices"]
    steps = listed(str(seed["best_step"]) for seed in found["seeds"])
    name, threshold, weight = found["parameters"]
    return paragraph(
        f"Trained on {train} matrices, with {validation} for validation; the best steps of the "
        f"seeds are {steps}. The candidate that is best if all matrices get the same has the "
        f"{name} measure, threshold {threshold:g} and weight {weight:.3g}."
    )


def multigrid_seconds() -> str:
    """Seconds of setup and one solve, beside defaults and the fastest of the others."""
    lines, ahead = [], []
    for times, ours, fastest in multigrid_times():
        default = next(row for row in times.rows if row.method == "smoothed-aggregation AMG")
        lines.append(
            [
                times.problem,
                f"{default.iterations}",
                f"{ours.iterations}",
                *(short(row.seconds(1)) for row in (default, ours, fastest)),
                fastest.method,
                f"{ours.seconds(1) / fastest.seconds(1):.2f}",
            ]
        )
        if ours.seconds(1) < fastest.seconds(1):
            ahead.append(times.problem)
    header = ["problem", "iterations, defaults", "iterations, learned", "defaults, s", "learned, s"]
    return (
        markdown_table([*header, "fastest, s", "which", "learned over fastest"], lines)
        + "\n\n"
        + paragraph(f"It takes less time than all of those methods on {listed(ahead)}.")
    )


def filled(page: str) -> str:
    """Return the page with its parts."""
    drawn, again = stored("one_model.json"), stored("one_model_20261201.json")
    return with_parts(
        page,
        {
            "training": training(),
            "large": large(drawn),
            "large findings": bullets([*_findings(drawn), *_earlier()]),
            "boards": on_boards(),
            "boards findings": boards_findings(),
            "confirmed": large(again),
            "confirmed findings": bullets(_findings(again)),
            "formulas": formulas(),
            "formulas findings": formulas_findings(),
            "multigrid training": multigrid_training(),
            "multigrid": multigrid(),
            "multigrid seconds": multigrid_seconds(),
        },
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
