"""Update the measured parts of docs/time.md.

    python docs/make_time_page.py

Reads the times of the leaderboard, which `precondbench time ... --folder leaderboard` writes, and
benchmarks/results/cost_model.json, which benchmarks/cost_model.py writes from them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from making import (
    DOCS,
    LEADERBOARD,
    bullets,
    counted,
    listed,
    markdown_table,
    paragraph,
    short,
    span,
    stored,
    with_parts,
)
from precondbench.leaderboard import GPU, Times, fitted_model
from precondbench.leaderboard.timing.times import COMPARED, TimedRow, all_times

PAGE = DOCS / "time.md"
# Two repeats of one time agree if they differ by less.
CLOSE = 0.1
# Whose step is written out for a core and for a GPU.
SHOWN = ("none", "Jacobi", "IC(0)", "IC(0) after minimum degree", "FSAI", "SPAI")
SHOWN = (*SHOWN, "Chebyshev polynomial", "smoothed-aggregation AMG")


def fastest() -> str:
    """The fastest method of each problem and number of right-hand sides, and how far others are."""
    problems = all_times(LEADERBOARD)
    lines = []
    for times in problems:
        for sides in times.sides:
            ordered = sorted(
                (row for row in times.rows if row.kind in COMPARED),
                key=lambda row: row.seconds(sides),
            )
            ratios = times.ratios(sides)
            learned = [row.method for row in times.rows if row.kind == "learned"]
            best = min(learned, key=lambda name: ratios[name], default="")
            lines.append(
                [
                    times.problem,
                    f"{sides}",
                    f"{ordered[0].method}, {short(ordered[0].seconds(sides))} s",
                    f"{ordered[1].method}, {_times(ratios[ordered[1].method])}",
                    _times(ratios["IC(0)"]),
                    f"{best}, {_times(ratios[best])}" if best else "-",
                ]
            )
    header = ["problem", "sides", "fastest", "second, ratio", "IC(0), ratio"]
    header.append("best learned, ratio")
    return f"{markdown_table(header, lines, 6)}\n\n{_sentences(problems)}"


def _sentences(problems: Sequence[Times]) -> str:
    texts = []
    for sides in problems[0].sides:
        winners: dict[str, list[str]] = {}
        for times in problems:
            best = times.fastest(sides)
            if best is not None:
                winners.setdefault(best.method, []).append(times.problem)
        parts = [
            f"{method} on {listed(sorted(names))}"
            for method, names in sorted(winners.items(), key=lambda item: -len(item[1]))
        ]
        texts.append(f"{sides} right-hand side{'s' * (sides > 1)}: {'; '.join(parts)}.")
    found = [
        (times.ratios(sides)[row.method], row.method, times.problem, sides)
        for times in problems
        for row in times.rows
        if row.kind == "learned"
        for sides in times.sides
        if math.isfinite(times.ratios(sides)[row.method])
    ]
    if found:
        best, name, problem, sides = min(found)
        ratios = span(ratio for ratio, *_ in found)
        texts.append(
            f"Learned rows take {ratios} times as long as the fastest method; closest is {name} on "
            f"{problem}, {sides} right-hand side{'s' * (sides > 1)}, with {_times(best)}."
        )
    return bullets(texts)


def repeats() -> str:
    """How far repeats of one time differ."""
    problems = all_times(LEADERBOARD)
    spreads = {
        (times.problem, row.method, sides): row.spread(sides)
        for times in problems
        for row in times.rows
        for sides in times.sides
        if math.isfinite(row.spread(sides))
    }
    close = sum(spread <= CLOSE for spread in spreads.values())
    worst = sorted(spreads, key=lambda key: -spreads[key])[:3]
    machines = listed(sorted({times.machine for times in problems}))
    named = listed(
        f"{name} on {problem} ({spreads[problem, name, m]:.0%})" for problem, name, m in worst
    )
    return paragraph(
        f"Measured on {machines}, {span(times.repeats for times in problems)} repeats: "
        f"{counted(close, len(spreads))} times of setup and solve differ by at most {CLOSE:.0%} "
        f"between repeats; farthest apart are {named}."
    )


def model() -> str:
    """What the cost model explains, and where it fails."""
    found = stored("cost_model.json")
    r2, factors = found["r2"], found["typical_factor"]
    lines = [
        [
            method,
            f"{factor:.2f}",
            _extremes(list(found["predicted_over_measured"][method].values())),
        ]
        for method, factor in sorted(factors.items(), key=lambda item: item[1])
    ]
    text = (
        f"Fitted to {found['problems']} problems and {len(factors)} methods on {found['machine']}, "
        f"the model explains {r2['step']:.1%} of the variance of the logarithm of the seconds of a "
        f"step ($R^2$), {r2['setup']:.1%} of that of setups, and {r2['total']:.1%} of that of both "
        "together for one right-hand side. By method, the typical factor between prediction and "
        "measurement, and the range of predicted over measured:"
    )
    header = ["method", "typical factor", "predicted over measured"]
    return f"{paragraph(text)}\n\n{markdown_table(header, lines)}"


def gpu() -> str:
    """Steps of one problem on a core, by the model and measured, and on a GPU, by its figures."""
    times = max(all_times(LEADERBOARD), key=lambda times: times.rows_of_matrix)
    rows = {row.method: row for row in times.rows}
    core = fitted_model()
    lines = []
    for name in SHOWN:
        row = rows.get(name)
        if row is None or row.step_work is None:
            continue
        one, other = core.step.seconds(row.step_work), GPU.step.seconds(row.step_work)
        lines.append(
            [
                name,
                f"{row.step_work.levels:,}",
                _ms(one),
                _ms(_step(row)),
                _ms(other),
                short(one / other),
            ]
        )
    header = [
        "a step of PCG with",
        "levels",
        "core, model ms",
        "core, measured ms",
        "GPU, model ms",
        "gain",
    ]
    return f"{paragraph(f'On {times.problem}:')}\n\n{markdown_table(header, lines)}"


def _step(row: TimedRow) -> float:
    return min(row.solve["1"]) / row.iterations if row.iterations and "1" in row.solve else math.nan


def _ms(seconds: float) -> str:
    return "-" if math.isnan(seconds) else short(1e3 * seconds)


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if math.isfinite(ratio) else "failed"


def _extremes(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def filled(page: str) -> str:
    """Return the page with its measured parts."""
    parts = (fastest, repeats, model, gpu)
    return with_parts(page, {part.__name__: part() for part in parts})


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
