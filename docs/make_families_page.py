"""Update the tables of docs/families.md.

    python docs/make_families_page.py

Reads the entries of the tracks of families in leaderboard/, and what benchmarks/late_epochs.py,
benchmarks/precorrector_case.py and benchmarks/build_families.py write to benchmarks/results.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from typing import Any

from making import (
    DOCS,
    bullets,
    committed_standings,
    counted,
    listed,
    markdown_table,
    paragraph,
    span,
    stored,
    with_parts,
)
from precondbench.leaderboard.board import Standing
from precondbench.leaderboard.scoring.ranking import RankedRow
from precondbench.recipes import PARAMETRIC, select_plans

PAGE = DOCS / "families.md"
SIZES = ("test", "test_large", "test_huge")
COLUMNS = {
    "none": "none",
    "jacobi": "Jacobi",
    "ic-0": "IC(0)",
    "mic-0-w-0-97": "MIC(0), 0.97",
    "mic-0-tuned": "MIC(0), tuned",
    "inv-k": "Inv-K",
    "smoothed-aggregation-amg": "AMG",
}
FACTORS = {"ic-0": "IC(0)", "inv-k": "Inv-K", "mic-0-tuned": "MIC(0)"}
# Two rows whose means differ by less are called a tie.
MARGIN = 0.05


def tracks() -> dict[str, list[Standing]]:
    """Tracks of families by split."""
    found: dict[str, list[Standing]] = {}
    for standing in committed_standings():
        if standing.track.kind == "parametric":
            found.setdefault(standing.track.split, []).append(standing)
    return found


def mean_iterations(standing: Standing, entry: str) -> float | None:
    """Geometric mean over the matrices, failures at the limit; None without a row that works."""
    row = standing.by_id.get(entry)
    if row is None or row.solved.mean == 0.0:
        return None
    return statistics.geometric_mean(
        [max(count, 1) for seed in row.evaluations for count in seed.penalised_iterations]
    )


def _cell(standing: Standing, entry: str) -> str:
    mean = mean_iterations(standing, entry)
    if mean is None:
        return "-"
    solved = standing.by_id[entry].solved.mean
    share = "" if solved == 1.0 else f" ({100 * solved:.0f} %)"
    return f"{mean:.0f}{share}"


def classical(found: dict[str, list[Standing]]) -> str:
    """One table a size: mean iterations of classical methods by family."""
    parts = []
    for split in filter(found.get, SIZES):
        rows = []
        for standing in found[split]:
            sizes = [matrix.n for matrix in standing.track.matrices]
            cells = [_cell(standing, entry) for entry in COLUMNS]
            name, mean = f"`{standing.track.configuration}`", f"{statistics.fmean(sizes):,.0f}"
            rows.append([name, str(len(sizes)), mean, *cells])
        header = [f"`{split}`", "matrices", "mean n", *COLUMNS.values()]
        parts.append(markdown_table(header, rows))
    return "\n\n".join(parts)


def winners(found: dict[str, list[Standing]]) -> str:
    """Say for each size which factor on tril(A) needs the fewest iterations on which family."""
    lines = []
    for split in filter(found.get, SIZES):
        best: dict[str, list[str]] = {}
        amg: Counter[bool] = Counter()
        for standing in found[split]:
            means: dict[str, Any] = {
                entry: mean
                for entry in FACTORS
                if (mean := mean_iterations(standing, entry)) is not None
            }
            if not means:
                continue
            least = min(means.values())
            first = [FACTORS[e] for e, mean in means.items() if mean <= (1 + MARGIN) * least]
            best.setdefault(" and ".join(first), []).append(f"`{standing.track.configuration}`")
            multigrid = mean_iterations(standing, "smoothed-aggregation-amg")
            amg[multigrid is not None and multigrid < least] += 1
        said = "; ".join(f"{names} on {listed(families)}" for names, families in best.items())
        lines.append(
            f"`{split}`: of the factors on tril(A) the fewest iterations need {said}. A V-cycle of "
            f"AMG, which reads more numbers, needs fewer still on {amg[True]} of "
            f"{amg.total()} families."
        )
    return bullets(lines)


def _progress(training: str | None, what: str) -> str:
    """Extremes over the seeds of a number in the text that says how a row was trained."""
    return span(map(float, re.findall(what, training or "")))


def learned_rows(found: dict[str, list[Standing]]) -> dict[tuple[str, str], dict[str, RankedRow]]:
    """Learned rows by family and method, and by split, of what has a row on ``test``."""
    rows: dict[tuple[str, str], dict[str, RankedRow]] = {}
    for split, standings in found.items():
        for standing in standings:
            for row in standing.rows:
                if row.entry.kind == "learned":
                    key = (standing.track.configuration, row.entry.method)
                    rows.setdefault(key, {})[split] = row
    return {key: of_splits for key, of_splits in rows.items() if "test" in of_splits}


def learned(found: dict[str, list[Standing]]) -> str:
    """Ratios of learned rows on each split, and of their starts and classical factors on test."""
    others = [split for split in found if split != "test"]
    on_test = {standing.track.configuration: standing for standing in found["test"]}
    lines = []
    for (family, method), rows in learned_rows(found).items():
        row, standing = rows["test"], on_test[family]
        start = None if row.gain is None else row.interval.mean - row.gain.mean
        cells = [
            f"{row.interval.mean:.2f} ({row.interval.low:.2f} to {row.interval.high:.2f})",
            "" if start is None else f"{start:.2f}",
            *(_ratio(standing, entry) for entry in FACTORS),
            *(f"{rows[split].interval.mean:.2f}" if split in rows else "" for split in others),
        ]
        said = row.entry.training
        best, epochs, steps = (
            _progress(said, what) for what in (r"best epoch (\d+)", r"(\d+) epochs", r"(\d+) steps")
        )
        words = [f"`{family}`", method, str(len(row.evaluations)), f"{best} of {epochs}", steps]
        lines.append(words + cells)
    header = ["family", "method", "seeds", "best epoch", "steps", "`test`", "start"]
    header += [*FACTORS.values(), *(f"`{split}`" for split in others)]
    return markdown_table(header, lines, words=2)


def _ratio(standing: Standing, entry: str) -> str:
    row = standing.by_id.get(entry)
    return "" if row is None or row.solved.mean == 0.0 else f"{row.interval.mean:.2f}"


def lessons(found: dict[str, list[Standing]]) -> str:
    """Say of each learned method what it needs fewer iterations than, and where."""
    on_test = {standing.track.configuration: standing for standing in found["test"]}
    of_method: dict[str, dict[str, dict[str, RankedRow]]] = {}
    for (family, method), rows in learned_rows(found).items():
        of_method.setdefault(method, {})[family] = rows
    lines = []
    for method, families in of_method.items():
        said = [f"{method}: on `test` it is ahead of its start on {_ahead_of_start(families)}"]
        for entry, name in FACTORS.items():
            known = {f: on_test[f].by_id[entry] for f in families if entry in on_test[f].by_id}
            ahead = [
                f"`{family}`"
                for family, row in known.items()
                if families[family]["test"].interval.high < row.interval.low
            ]
            said.append(f"of {name} on {listed(ahead)}")
        text = ", ".join(said) + " (intervals apart)."
        for split in found:
            both = [rows for rows in families.values() if split in rows and split != "test"]
            if both:
                change = statistics.geometric_mean(
                    [rows[split].interval.mean / rows["test"].interval.mean for rows in both]
                )
                text += f" Its ratio on `{split}` is {change:.2f} times that on `test`"
                text += f" (geometric mean of {len(both)})." if len(both) > 1 else "."
        lines.append(text)
    return bullets(lines)


def late_epochs() -> str:
    """By how much the last epochs lowered the loss, where a network was trained longest."""
    runs = [row for row in stored("late_epochs.json") if "MessagePassing" in row["model"]]
    longest = max(row["epochs"] for row in runs)
    chosen = [row for row in runs if row["epochs"] == longest]
    families = list(dict.fromkeys(row["data"].removeprefix("parametric-1.0-") for row in chosen))
    lowered = span(100 * row["lowered"] for row in chosen)
    return paragraph(
        f"The best epoch of `MessagePassingMLP` is often one of its last. On "
        f"{listed(f'`{family}`' for family in families)} the last {longest // 5} of {longest} "
        f"epochs lowered the loss on `val` by {lowered} %."
    )


def _ahead_of_start(families: dict[str, dict[str, RankedRow]]) -> str:
    gains = [rows["test"].gain for rows in families.values()]
    ahead = sum(gain is not None and gain.high < 0 for gain in gains)
    if len(gains) == 1:
        return f"`{next(iter(families))}`" if ahead else "none"
    return counted(ahead, len(gains), "families")


def precorrector() -> str:
    """Iterations on PreCorrector's data beside those that it publishes."""
    case = stored("precorrector_case.json")
    theirs, ours, published = case["mean"]["absolute"], case["mean"]["relative"], case["published"]
    rows = [
        [name, _count(theirs[name]), _count(ours[name]), _count(published.get(name))]
        for name in theirs
    ]
    rows += [[name, "", "", _count(count)] for name, count in published.items() if name not in ours]
    table = markdown_table(["method", "their rule", "rule of this benchmark", "published"], rows)
    ic, learned = published["IC(0)"], published["PreCorrector"]
    best = min((name for name in theirs if name.startswith("MIC")), key=lambda name: theirs[name])
    fewer = {name: f"{100 - 100 * theirs[name] / theirs['IC(0)']:.0f} %" for name in theirs}
    text = paragraph(
        f"Means over {len(case['draws'])} draws. Under their rule IC(0) needs "
        f"{theirs['IC(0)'] / ic:.2f} times the published iterations. Of those of IC(0) "
        f"PreCorrector takes off {100 - 100 * learned / ic:.0f} %, Inv-K {fewer['Inv-K']} "
        f"and {best} {fewer[best]}."
    )
    return f"{table}\n\n{text}"


def _count(mean: float | None) -> str:
    return "" if mean is None else f"{mean:,.0f}"


def splits() -> str:
    """Matrices of each split of each family, and about how many rows they have."""
    plans = select_plans(PARAMETRIC)
    names = list(dict.fromkeys(plan.split for plan in plans))
    rows: dict[str, dict[str, str]] = {}
    for plan in plans:
        # All families together list theirs, most of which are alike.
        recipe = plan.recipe.get("families", [plan.recipe])[0]
        sizes = [f"{n:,}" for n in recipe["rows"]]
        text = f"{plan.count:,} ({', '.join(sizes)})"
        rows.setdefault(plan.configuration, {})[plan.split] = text
    lines = [[f"`{name}`", *(row.get(split, "") for split in names)] for name, row in rows.items()]
    return markdown_table(["matrices (rows, about)", *(f"`{split}`" for split in names)], lines)


def building() -> str:
    """Time to build all families, and to open what is trained on."""
    measured = stored("build_families.json")
    families = measured["families"].values()
    megabytes, seconds, memory = (
        span(family[key] for family in families) for key in ("megabytes", "open_seconds", "open_mb")
    )
    return paragraph(
        f"`precondbench build splits parametric --jobs {measured['jobs']}` builds all of them from "
        f"nothing in {measured['seconds'] / 60:.0f} minutes ({measured['jobs']} cores of "
        f"{measured['machine']}). A family takes {megabytes} MB; `train` is opened in {seconds} s, "
        f"by a process of {memory} MB (`benchmarks/build_families.py`)."
    )


def filled(page: str) -> str:
    """Return the page with its parts."""
    found = tracks()
    parts = {
        "splits": splits(),
        "building": building(),
        "PreCorrector's data": precorrector(),
        "classical": classical(found),
        "winners": winners(found),
        "learned": learned(found),
        "late epochs": late_epochs(),
        "lessons": lessons(found),
    }
    return with_parts(page, parts)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
