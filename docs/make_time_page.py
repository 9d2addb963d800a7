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
from precondbench.baselines import model_names
from precondbench.leaderboard import GPU, Times, fitted_model
from precondbench.leaderboard.timing.measure import CLOSE
from precondbench.leaderboard.timing.times import TimedRow, all_times

PAGE = DOCS / "time.md"
# Whose step is written out for a core and for a GPU.
SHOWN = ("none", "Jacobi", "IC(0)", "IC(0) after minimum degree", "FSAI", "SPAI")
SHOWN = (*SHOWN, "Chebyshev polynomial", "smoothed-aggregation AMG")


def fastest() -> str:
    """The fastest method of each problem and number of right-hand sides, and how far others are."""
    problems = all_times(LEADERBOARD)
    counts = problems[0].sides
    lines = [
        [
            times.problem,
            *(_winner(times, sides) for sides in counts),
            *(_closest(times, sides) for sides in counts),
        ]
        for times in problems
    ]
    header = ["problem", *(f"fastest, m = {m}" for m in counts)]
    header += [f"best learned, m = {m}" for m in counts]
    return f"{markdown_table(header, lines, len(header))}\n\n{_sentences(problems)}"


def _winner(times: Times, sides: int) -> str:
    best = times.fastest(sides)
    return f"{best.method}, {short(best.seconds(sides))} s" if best else "none"


def _learned(times: Times, sides: int) -> list[tuple[float, str]]:
    """Ratios of learned rows that solved the problem, and the names of their models."""
    ratios = times.ratios(sides)
    found = [(ratios[row.method], row.method) for row in times.rows if row.kind == "learned"]
    return sorted((ratio, _model_of(name)) for ratio, name in found if math.isfinite(ratio))


def _model_of(method: str) -> str:
    """The model of an entry, TRACK/ID, or of code, MODULE:NAME, as it is written."""
    if ":" in method:
        return method.rpartition(":")[2]
    first = method.rpartition("/")[2].partition("-")[0]
    return next((name for name in model_names() if name.lower() == first), first)


def _closest(times: Times, sides: int) -> str:
    learned = _learned(times, sides)
    return f"{learned[0][1]}, {learned[0][0]:.2f} times" if learned else "-"


def _sentences(problems: Sequence[Times]) -> str:
    texts = []
    for sides in problems[0].sides:
        winners: dict[str, list[str]] = {}
        for times in problems:
            best = times.fastest(sides)
            if best is not None:
                winners.setdefault(best.method, []).append(times.problem)
        parts = [
            f"{method} on {listed(names)}"
            for method, names in sorted(winners.items(), key=lambda item: -len(item[1]))
        ]
        texts.append(f"{sides} right-hand side{'s' * (sides > 1)}: {'; '.join(parts)}.")
    found = [
        (ratio, name, times.problem, sides)
        for times in problems
        for sides in times.sides
        for ratio, name in _learned(times, sides)
    ]
    if found:
        best, name, problem, sides = min(found)
        texts.append(
            f"Learned rows take {span(ratio for ratio, *_ in found)} times as long as the fastest "
            f"classical or direct method. Closest is {name} on {problem} with {sides} right-hand "
            f"side{'s' * (sides > 1)}, {best:.2f} times."
        )
    return bullets(texts)


def repeats() -> str:
    """How far the two least times of a method differ."""
    problems = all_times(LEADERBOARD)
    apart = {
        (times.problem, row.method, sides): row.agreement(sides)
        for times in problems
        for row in times.rows
        for sides in times.sides
        if math.isfinite(row.agreement(sides))
    }
    close = sum(share <= CLOSE for share in apart.values())
    worst = sorted(apart, key=lambda key: -apart[key])[:3]
    machines = listed(sorted({times.machine for times in problems}))
    named = listed(
        f"{name} on {problem} ({apart[problem, name, m]:.0%})" for problem, name, m in worst
    )
    return paragraph(
        f"Measured on {machines}. The two least times of setup and solve are at most {CLOSE:.0%} "
        f"apart in {counted(close, len(apart))} cases; farthest apart are {named}."
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
    off = [
        (ratio, method, problem)
        for method, ratios in found["predicted_over_measured"].items()
        for problem, ratio in ratios.items()
    ]
    farthest = sorted(off, key=lambda one: -abs(math.log(one[0])))[:4]
    named = listed(f"{method} on {problem} ({ratio:.2g})" for ratio, method, problem in farthest)
    worst = paragraph(f"Farthest off, predicted over measured: {named}.")
    return f"{paragraph(text)}\n\n{markdown_table(header, lines)}\n\n{worst}"


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


def _extremes(ratios: Sequence[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def filled(page: str) -> str:
    """Return the page with its measured parts."""
    parts = (fastest, repeats, model, gpu)
    return with_parts(page, {part.__name__: part() for part in parts})


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
