"""Findings of docs/study.md, stated from the stored results."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from making import bullets, counted, short, span

Row = dict[str, Any]
INVK, IC0, AMG, DIRECT = "Inv-K", "IC(0)", "AMG", "direct Cholesky"
PATCHES = ("local patch, k = 1", "local patch, k = 2", "local patch, k = 3")


def total(row: Row, sides: int = 1) -> float:
    """Seconds of one core from A to ``sides`` solutions; infinite if there are none."""
    if row["status"] != "converged":
        return math.inf
    return float(row["setup_cpu"] + sides * row["solve_cpu"])


def break_even(ours: Row, other: Row) -> str:
    """Right-hand sides from which one method is faster in total than another."""
    if other["status"] != "converged":
        return str(other["status"])
    later, sooner = ours["setup_cpu"] - other["setup_cpu"], other["solve_cpu"] - ours["solve_cpu"]
    if sooner <= 0:
        return "never" if later >= 0 else f"up to {math.floor(later / sooner):,}"
    return f"{max(1, math.ceil(later / sooner)):,}"


class Study:
    """Measurements by problem, size and method."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = {(row["problem"], row["size"], row["method"]): row for row in rows}
        self.problems = list(dict.fromkeys(row["problem"] for row in rows))
        self.sizes = sorted({row["size"] for row in rows})

    def both(self, ours: str, other: str, problems: Iterable[str] | None = None) -> list[Any]:
        """Pairs of measurements of two methods that converged, in order of problem and size."""
        found = []
        for problem in self.problems if problems is None else problems:
            for size in self.sizes:
                pair = (self.rows[problem, size, ours], self.rows[problem, size, other])
                if all(row["status"] == "converged" for row in pair):
                    found.append(pair)
        return found

    def of_dimension(self, dimension: str) -> list[str]:
        """Problems in 2D or 3D."""
        return [problem for problem in self.problems if problem.endswith(dimension)]


def _by_problem(pairs: Iterable[Any], text: Callable[[Row, Row], str]) -> str:
    cells: dict[str, list[str]] = {}
    for ours, other in pairs:
        cells.setdefault(ours["problem"], []).append(text(ours, other))
    return "; ".join(f"{problem}: {', '.join(found)}" for problem, found in cells.items())


def _against_direct(study: Study) -> str:
    pairs = study.both(INVK, DIRECT)
    never = sum(break_even(*pair) == "never" for pair in pairs)
    fill = span(other["entries_over_tril"] for _, other in pairs)
    size = study.sizes[-1]
    memory = [
        ours["extra_mb"] / other["extra_mb"]
        for ours, other in study.both(INVK, IC0)
        if ours["size"] == size
    ]
    return (
        f"**Inv-K and a complete factorisation.** On {counted(never, len(pairs), 'matrices')} that "
        "both can factor, Inv-K is slower for every number of right-hand sides: it starts with the "
        "same elimination, then inverts, and still has to iterate. In return the factor has the "
        f"entries of $\\operatorname{{tril}}(A)$ instead of {fill} times as many. At a million "
        f"rows the peak memory is {span(memory)} times that of IC(0). Use CHOLMOD if it fits in "
        "memory."
    )


def _against_ic0(study: Study) -> str:
    def cell(ours: Row, other: Row) -> str:
        return break_even(ours, other)

    def ratio(dimension: str) -> str:
        pairs = study.both(INVK, IC0, study.of_dimension(dimension))
        return span(ours["iterations"] / other["iterations"] for ours, other in pairs)

    return (
        "**Inv-K and IC(0), which have the same entries.** Inv-K needs "
        f"{ratio('2D')} times the iterations in 2D, and {ratio('3D')} times in 3D. The number of "
        "right-hand sides from which its setup pays, by increasing n: "
        f"{_by_problem(study.both(INVK, IC0), cell)}. In 3D selected inversion is expensive"
        + (
            ", and at a million rows it does not fit."
            if all(
                study.rows[problem, study.sizes[-1], INVK]["status"] != "converged"
                for problem in study.of_dimension("3D")
            )
            else "."
        )
    )


def _against_amg(study: Study) -> str:
    pairs = study.both(INVK, AMG)
    return (
        "**Inv-K and AMG.** The number of right-hand sides from which Inv-K is faster, by "
        f"increasing n: {_by_problem(pairs, break_even)}."
    )


def _patches(study: Study) -> str:
    size = study.sizes[-1]
    saved, setups, pays = [], [], []
    for problem in study.of_dimension("3D"):
        base = study.rows[problem, size, IC0]
        for name in PATCHES:
            row = study.rows[problem, size, name]
            saved.append(100 * (1 - row["iterations"] / base["iterations"]))
            setups.append(row["setup_cpu"])
        sides = [break_even(study.rows[problem, size, name], base) for name in PATCHES]
        pays.append(f"{problem}: {', '.join(sides)}")
    flat = [
        ours["iterations"] / other["iterations"]
        for name in PATCHES
        for ours, other in study.both(name, IC0, ["anisotropic 2D"])
    ]
    return (
        "**Local patches.** For 3D problems with a million rows they can be computed: the setup "
        f"takes {span(setups)} seconds, and they need {span(saved)} % fewer iterations than IC(0). "
        "The number of right-hand sides from which they pay, for k = 1, 2, 3: "
        f"{'; '.join(pays)}. For anisotropy in 2D they need {span(flat)} times the iterations of "
        "IC(0), which is exact along the strong direction at any distance, while a patch is not."
    )


def best_modified(counts: dict[str, int | None]) -> tuple[str, float]:
    """Modified incomplete Cholesky with the relaxation that needs the fewest iterations."""
    found = {name: math.inf if n is None else n for name, n in counts.items() if "MIC" in name}
    name = min(found, key=found.__getitem__)
    return name, found[name]


def _room(compensation: Sequence[Row]) -> str:
    fewer = [
        row
        for row in compensation
        if best_modified(row["iterations"])[1] < row["iterations"]["Inv-K"]
    ]
    most = max(
        compensation,
        key=lambda row: row["iterations"]["Inv-K"] / best_modified(row["iterations"])[1],
    )
    name, count = best_modified(most["iterations"])
    winners = {
        min(
            row["iterations"],
            key=lambda method: (
                math.inf if row["iterations"][method] is None else row["iterations"][method]
            ),
        )
        for row in compensation
    }
    return (
        "**Room for a learned factor on $\\operatorname{tril}(A)$.** Such a factor costs as much "
        "to apply as IC(0), so it can save iterations only, and its setup has to be cheap. The "
        "iterations of Inv-K are no bound on what it can save: Inv-K minimises the K-condition "
        "number, not the iterations. Modified incomplete Cholesky, a formula on the same pattern, "
        "needs fewer iterations than Inv-K on "
        f"{counted(len(fewer), len(compensation), 'matrices')} with the best of "
        f"its relaxations; on {most['problem']} with n = {most['n']:,} {name} needs "
        f"{count:,.0f} iterations and Inv-K {most['iterations']['Inv-K']:,} "
        "([table](#modified-incomplete-cholesky)). The fewest iterations come from "
        f"{short(len(winners))} different methods, depending on the problem."
    )


def summary(rows: Sequence[Row], compensation: Sequence[Row]) -> str:
    """The findings, as a list."""
    study = Study(rows)
    return bullets(
        (
            _against_direct(study),
            _against_ic0(study),
            _against_amg(study),
            _patches(study),
            _room(compensation),
        )
    )
