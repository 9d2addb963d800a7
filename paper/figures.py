"""Figures of the paper from stored results, and additional figures about solver iterations."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from paper.drawing import new_figure, save_figure
from paper.model_figures import Panel, draw_against_ceiling, draw_by_rounds
from paper.numbers import (
    diagonal_changes,
    invk_against_ic0,
    protocol_summaries,
    read_invk_against_ic0,
    twin_ceilings,
)
from precondbench.recipes import MARGIN, SUITESPARSE, SYNTHETIC, SYNTHETIC_VERSION
from precondbench.recipes import RELEASE_VERSION as SUITESPARSE_VERSION

FORMATS = ("svg", "png")
NON_LOCAL_SETS = ("twin", "growth", "hard", "sawtooth")
COSINE = (
    Panel("cosine_mean", "mean cosine"),
    Panel("one_minus_cosine_mean", "1 - cosine (better above)", True, True),
)
ITERATIONS = (Panel("iterations_mean", "mean PCG iterations (better below)", True),)
HOPS = (Panel("effective_hops", "effective hops (better above)"),)
RATIO = (Panel("ratio_to_target", "PCG iterations over the target's", True),)
_MODIFIED, _ALL_FAIL = "MIC(0) or shifted IC(0) needs fewer than both", "all fail"
_CASES = (
    "IC(0) fails, Inv-K converges",
    "Inv-K needs fewer iterations",
    "tie",
    "IC(0) needs fewer iterations",
    "both fail",
)
# Distinguished by shape and by a colour-blind safe colour.
_MARKS = (
    ("v", "#cc79a7"),
    ("D", "#009e73"),
    ("o", "#56b4e9"),
    ("s", "#8c8c8c"),
    ("^", "#d55e00"),
    ("x", "#000000"),
)
_CASE_MARKS = dict(zip((_MODIFIED, *_CASES), _MARKS, strict=True)) | {_ALL_FAIL: _MARKS[-1]}
_NO_RUNS = "there are no results of runs by the protocol on {}"


@dataclass(frozen=True)
class DrawnFigures:
    """Files written, and for each figure that was not drawn the reason."""

    files: list[Path] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def draw_diagonal_changes(path: str | Path, n: int = 50) -> None:
    """Draw Figure 1: the change of L_kk against k, 1D Poisson left, Theorem 2.1 right."""
    figure, (left, right) = new_figure(8.4, 3.4, 2)
    changes = diagonal_changes(n)
    k = np.arange(1, n + 1)
    right.sharey(left)
    for axes, name, title in (
        (left, "poisson", "1D Poisson, tridiag(-1, 2, -1)"),
        (right, "theorem 2.1", "Theorem 2.1, $L_{kk} = 1/k$, $L_{k+1,k} = 1$"),
    ):
        axes.loglog(k, changes[name], "o-", color="#0072b2", markersize=3, linewidth=1.0)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("row k")
        axes.grid(visible=True, which="major", alpha=0.3)
    left.loglog(k, 0.25 / k**2.0, "--", color="#555555", linewidth=1.0)
    left.annotate("$1 / (4 k^2)$", (4, 0.25 / 16), xytext=(-6, -4), textcoords="offset points",
                  ha="right", va="top", color="#555555")  # fmt: skip
    right.axhline(1.0, linestyle="--", color="#555555", linewidth=1.0)
    # Last, because every curve on a logarithmic axis sets its ticks again.
    for axes in (left, right):
        axes.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
        axes.minorticks_off()
    left.set_ylabel("change of $L_{kk}$ when 1 is added to $A_{11}$")
    save_figure(figure, Path(path))


def five_outcomes(facts: Sequence[Mapping[str, Any]], neither: int) -> dict[str, int]:
    """Count the cases of Figure 2, with ties apart; where neither converges, no facts are given."""
    return _counted(_CASES, map(_case, facts), neither)


def six_outcomes(facts: Sequence[Mapping[str, Any]], unsolved: int) -> dict[str, int]:
    """Count the cases of Figure 2 and one more: labels of version 2.0 better than both by 5 %."""
    cases = (_MODIFIED, *_CASES[:-1], _ALL_FAIL)
    return _counted(cases, map(_case_of_four, facts), unsolved)


def _counted(cases: Sequence[str], found: Iterable[str], none: int) -> dict[str, int]:
    counts = Counter(found)
    return {case: counts[case] for case in cases[:-1]} | {cases[-1]: none}


def _case(row: Mapping[str, Any]) -> str:
    """Return which of the cases a matrix is, of those that one of the two solves."""
    if row["iterations_ic0"] == -1:
        return _CASES[0]
    return {"inv-k": _CASES[1], "tie": _CASES[2]}.get(row["winner"], _CASES[3])


def _case_of_four(row: Mapping[str, Any]) -> str:
    ic0, invk, mic0, shifted = (
        math.inf if row[f"iterations_{name}"] == -1 else row[f"iterations_{name}"]
        for name in ("ic0", "invk", "mic0", "ic0_shifted")
    )
    if min(mic0, shifted) < (1 - MARGIN) * min(ic0, invk):
        return _MODIFIED
    less, more = (1 - MARGIN) * ic0, (1 - MARGIN) * invk
    winner = "inv-k" if invk < less else "ic0" if ic0 < more else "tie"
    return _case({**row, "winner": winner})


def draw_invk_against_ic0(
    facts: Sequence[Mapping[str, Any]], neither: int, path: str | Path
) -> None:
    """Draw iterations with Inv-K against iterations with IC(0); failures are on the margin."""
    _draw_cases(facts, map(_case, facts), five_outcomes(facts, neither), path)


def draw_four_labels(facts: Sequence[Mapping[str, Any]], unsolved: int, path: str | Path) -> None:
    """Draw Figure 2 for the labels of version 2.0, with six outcomes."""
    _draw_cases(facts, map(_case_of_four, facts), six_outcomes(facts, unsolved), path)


def _draw_cases(
    facts: Sequence[Mapping[str, Any]],
    cases: Iterable[str],
    counts: Mapping[str, int],
    path: str | Path,
) -> None:
    figure, axes = new_figure(6.0, 5.0)
    margin = 20_000.0
    points: dict[str, list[tuple[float, float]]] = {case: [] for case in counts}
    for row, case in zip(facts, cases, strict=True):
        ic0, invk = float(row["iterations_ic0"]), float(row["iterations_invk"])
        points[case].append((ic0 if ic0 != -1 else margin, invk if invk != -1 else margin))
    for case, count in counts.items():
        mark, colour = _CASE_MARKS[case]
        x, y = zip(*points[case], strict=True) if points[case] else ((), ())
        axes.loglog(x, y, mark, color=colour, markersize=5, alpha=0.85, label=f"{case}: {count}")
    axes.plot([1, 1e4], [1, 1e4], color="black", linewidth=0.6)
    axes.axvline(margin, color="black", linewidth=0.4, linestyle=":")
    axes.set_xlim(0.7, 1.5 * margin)
    axes.set_ylim(0.7, 1.5 * margin)
    axes.set_xlabel("PCG iterations with IC(0); failures at the right")
    axes.set_ylabel("PCG iterations with Inv-K")
    axes.grid(visible=True, alpha=0.2)
    axes.legend(frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(0.95, 0.0))
    save_figure(figure, Path(path))


def draw_paper_figures(
    rows: Sequence[Mapping[str, Any]],
    out: str | Path,
    *,
    root: str | Path | None = None,
    stored_iterations: str | Path | None = None,
    formats: Sequence[str] = FORMATS,
) -> DrawnFigures:
    """Draw every figure of the paper for which there are numbers, and additional figures.

    Equal rows give equal files. ``figure1``: change of the diagonal of L. ``figure2``: Inv-K
    against IC(0). ``figure3``: cosine by model and depth on uniform tridiagonal matrices, with
    ``-iterations``, ``-hops`` and ``-twin``: sets that no local rule can solve. ``figure4``: the
    same for real matrices, with ``-iterations`` relative to the target factor.
    ``stored_iterations`` is a JSON file of :func:`invk_against_ic0`, for a machine whose cache
    lacks the real benchmark.
    """
    out = Path(out)
    drawn = DrawnFigures()

    def draw(name: str, function: Any) -> None:
        for suffix in formats:
            function(path=out / f"{name}.{suffix}")
            drawn.files.append(out / f"{name}.{suffix}")

    draw("figure1", draw_diagonal_changes)
    facts = invk_against_ic0(root)
    if facts is None and stored_iterations is not None and Path(stored_iterations).is_file():
        facts = read_invk_against_ic0(stored_iterations)
    if facts is None:
        drawn.left_out["figure2"] = (
            "SuiteSparseInvK 1.0 is not in the cache, and there is no file invk_against_ic0.json "
            "beside the results"
        )
    else:
        draw("figure2", partial(draw_invk_against_ic0, facts["matrices"], facts["neither"]))
    for name, data, panels in _figures_by_rounds():
        summaries = protocol_summaries(rows, *data)
        if any(row[panel.measure] is not None for row in summaries for panel in panels):
            title = f"{data[0]} {data[1]}, {data[2]}, {data[3]} split"
            draw(name, partial(draw_by_rounds, summaries, panels, title))
        else:
            drawn.left_out[name] = _NO_RUNS.format("/".join(data))
    sets = {
        name: protocol_summaries(rows, SYNTHETIC, SYNTHETIC_VERSION, name, "test")
        for name in NON_LOCAL_SETS
    }
    sets = {name: summaries for name, summaries in sets.items() if summaries}
    if sets:
        found = twin_ceilings([row for summaries in sets.values() for row in summaries], root)
        ceilings = {(name, rounds): value for (name, _, rounds), value in found.items()}
        draw("figure3-twin", partial(draw_against_ceiling, sets, ceilings))
    else:
        drawn.left_out["figure3-twin"] = _NO_RUNS.format(f"the sets {', '.join(NON_LOCAL_SETS)}")
    return drawn


def _figures_by_rounds() -> list[tuple[str, tuple[str, str, str, str], tuple[Panel, ...]]]:
    uniform = (SYNTHETIC, SYNTHETIC_VERSION, "uniform", "test")
    real = (SUITESPARSE, SUITESPARSE_VERSION, "tril", "test")
    return [
        ("figure3", uniform, COSINE),
        ("figure3-iterations", uniform, ITERATIONS),
        ("figure3-hops", uniform, HOPS),
        ("figure4", real, COSINE),
        ("figure4-iterations", real, RATIO),
    ]
