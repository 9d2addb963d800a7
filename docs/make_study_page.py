"""Update the tables and findings of docs/study.md and draw its figure.

    python docs/make_study_page.py

Reads solver_study.json, compensation.json and forecast.json in benchmarks/results, which the
benchmarks of these names write.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import study_findings
from making import DOCS, markdown_table, rewrite, stored, with_parts
from study_findings import break_even, total

PAGE = DOCS / "study.md"
FIGURE = DOCS / "figures" / "study.svg"

Row = dict[str, Any]
# Methods whose factor has no more entries than tril(A).
ON_TRIL = ("IC(0)", "Inv-K", "local patch, k = 1", "local patch, k = 2", "local patch, k = 3")
SIDES = (1, 10, 100)


def _names(rows: list[Row], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _of(rows: list[Row], problem: str, size: int) -> dict[str, Row]:
    return {r["method"]: r for r in rows if (r["problem"], r["size"]) == (problem, size)}


def _rows(found: dict[str, Row]) -> int:
    """Number of rows; a measurement that hit the time limit does not contain it."""
    return next(int(row["n"]) for row in found.values() if "n" in row)


def _seconds(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.3g}"


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    if row["status"] != "converged":
        return str(row["status"])
    done = f"{_seconds(row['setup_cpu'])} + {_seconds(row['solve_cpu'])}"
    return done if row["method"] == "direct Cholesky" else f"{done} ({row['iterations']:,})"


def problem_table(rows: list[Row], problem: str) -> str:
    """One line per method, one column per size: setup + solve, and iterations."""
    mine = [row for row in rows if row["problem"] == problem]
    sizes = _names(mine, "size")
    lines = [
        [method, *(_cell(_of(mine, problem, size).get(method)) for size in sizes)]
        for method in _names(mine, "method")
    ]
    real = [_rows(_of(mine, problem, size)) for size in sizes]
    return markdown_table(["method", *(f"n = {n:,}" for n in real)], lines)


def winners_table(rows: list[Row]) -> str:
    """Fastest methods for one or many right-hand sides, overall and on tril(A)."""
    lines = []
    for problem in _names(rows, "problem"):
        for size in _names(rows, "size"):
            found = _of(rows, problem, size)
            best = [min(found, key=lambda name: total(found[name], k)) for k in SIDES]
            kept = {name: found[name] for name in ON_TRIL}
            kept_best = [min(kept, key=lambda name: total(kept[name], k)) for k in SIDES]
            lines.append([problem, f"{_rows(found):,}", *best, *kept_best])
    sides = [f"{k} side{'s' if k > 1 else ''}" for k in SIDES]
    return markdown_table(
        ["problem", "n", *sides, *(f"tril(A), {side}" for side in sides)], lines, words=8
    )


def worth_table(rows: list[Row]) -> str:
    """Right-hand sides from which Inv-K is faster in total than another method."""
    others = ("IC(0)", "AMG", "direct Cholesky")
    lines = []
    for problem in _names(rows, "problem"):
        for size in _names(rows, "size"):
            found = _of(rows, problem, size)
            ours = found["Inv-K"]
            if ours["status"] != "converged":
                continue
            cells = [break_even(ours, found[other]) for other in others]
            lines.append([problem, f"{ours['n']:,}", *cells])
    return markdown_table(["problem", "n", *others], lines)


def memory_table(rows: list[Row]) -> str:
    """Peak memory beyond A, and entries of what is kept, of the largest size."""
    size = max(_names(rows, "size"))
    problems = _names(rows, "problem")
    lines = []
    for method in _names(rows, "method"):
        cells = []
        for problem in problems:
            row = _of(rows, problem, size)[method]
            if "extra_mb" in row:
                cells.append(f"{row['extra_mb']:,.0f} ({row['entries_over_tril']:.3g})")
            else:
                cells.append("" if row["status"] == "converged" else str(row["status"]))
        lines.append([method, *cells])
    return markdown_table(["method", *problems], lines)


def forecast_table(rows: list[Row]) -> str:
    """Forecast and measured seconds and memory, one line a matrix."""
    lines = [
        [
            f"{row['name']} points a side" if row["name"][1:3] == "D " else row["name"],
            f"{row['n']:,}",
            f"{row['operations']:.1e}",
            f"{row['forecast_seconds']:.2f}",
            f"{row['seconds']:.2f}",
            f"{row['forecast_mb']:,.0f}",
            f"{row['mb']:,.0f}",
        ]
        for row in rows
    ]
    names = ["seconds, forecast", "measured", "MB, forecast", "measured"]
    return markdown_table(["matrix", "n", "operations", *names], lines)


def compensation_table(rows: list[Row]) -> str:
    """Iterations of factors on tril(A), one line per problem and size."""
    methods = list(rows[0]["iterations"])
    lines = []
    for row in rows:
        counts = [row["iterations"][method] for method in methods]
        cells = ["fails" if count is None else f"{count:,}" for count in counts]
        lines.append([row["problem"], f"{row['n']:,}", *cells])
    return markdown_table(["problem", "n", *methods], lines)


def tables(results: dict[str, Any]) -> dict[str, str]:
    """Mark -> table."""
    rows = results["rows"]
    found = {problem.lower(): problem_table(rows, problem) for problem in _names(rows, "problem")}
    return found | {
        "summary": study_findings.summary(rows, stored("compensation.json")),
        "compensation": compensation_table(stored("compensation.json")),
        "winners": winners_table(rows),
        "worth": worth_table(rows),
        "memory": memory_table(rows),
        "forecasts": forecast_table(stored("forecast.json")),
    }


def filled(page: str) -> str:
    """Return the page with updated tables and findings."""
    return with_parts(page, tables(stored("solver_study.json")))


def draw(results: dict[str, Any], path: Path) -> None:
    """Seconds from A to one solution by n, a panel a problem."""
    from matplotlib.figure import Figure

    from paper.drawing import save_figure

    rows = results["rows"]
    problems = _names(rows, "problem")
    figure = Figure(figsize=(11, 6.5), layout="constrained")
    panels = figure.subplots(2, (len(problems) + 1) // 2).ravel()
    for panel, problem in zip(panels, problems, strict=False):
        for number, method in enumerate(_names(rows, "method")):
            mine = [r for r in rows if (r["problem"], r["method"]) == (problem, method)]
            mine = [r for r in mine if r["status"] == "converged"]
            panel.loglog(
                [r["n"] for r in mine],
                [total(r) for r in mine],
                marker="o^sd*vxP+"[number],
                markersize=4,
                linewidth=1.1,
                label=method,
            )
        panel.set_title(problem, fontsize=10)
        panel.set_xlabel("n")
        panel.set_ylabel("seconds of one core")
        panel.grid(visible=True, alpha=0.3)
    panels[0].legend(frameon=False, fontsize=7)
    save_figure(figure, path)


def main() -> None:
    """Rewrite the page and the figure."""
    results = stored("solver_study.json")
    rewrite(PAGE, tables(results))
    draw(results, FIGURE)


if __name__ == "__main__":
    main()
