"""Update the tables of docs/nonlocal.md.

    python docs/make_nonlocal_page.py

Reads the committed leaderboard and, from benchmarks/results, nonlocal.jsonl (`precondbench results`
on the runs of benchmarks/nonlocal_grid.toml and nonlocal_real_grid.toml), far_response.json,
size_generalisation.json, headroom.json and curriculum.json (from the benchmarks of these names).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from typing import Any

from making import DOCS, LEADERBOARD, RESULTS, markdown_table, stored, with_parts
from precondbench.leaderboard import read_results, summarise_results

PAGE = DOCS / "nonlocal.md"
ENTRIES = LEADERBOARD / "entries"

Row = dict[str, Any]
CONFIGURATIONS = ("uniform", "twin", "growth", "sawtooth", "hard")
ORDER = (
    "DivisionCell",
    "MonomialCell",
    "MoebiusCell",
    "BidirectionalGRU",
    "EliminationSweep",
    "MoebiusScan",
    "PatchNetwork",
    "MessagePassingMLP",
)
REAL = "suitesparse-invk-1.0-tril-test"
# Entries of the board of real test matrices, in the order of the table.
ON_THE_BOARD = (
    "ic-0",
    "ic-0-smallest-shift",
    "local-patch-inv-k-k-1",
    "local-patch-inv-k-k-3",
    "inv-k",
    "correctedpatch-4-rounds-unit-diagonal",
    "learnedelimination-3-rounds-unit-diagonal",
    "correctedic0-4-rounds-unit-diagonal",
    "learnedclosure-3-rounds-unit-diagonal",
    "chowpatel-6-rounds-unit-diagonal",
    "messagepassingmlp-4-rounds-unit-diagonal",
    "messagepassingmlp-4-rounds",
    "neuralif-3-rounds-unit-diagonal",
    "lifactor-3-rounds-unit-diagonal",
    "eliminationsweep-2-rounds-unit-diagonal",
)
TARGET = "inv-k"


def _number(value: float) -> str:
    if value == 0 or 0.01 <= abs(value) < 10_000:
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


def _spread(found: Row | None) -> str:
    """Mean over the seeds, and the extremes where they differ."""
    if found is None:
        return ""
    mean, least, most = (_number(found[key]) for key in ("mean", "min", "max"))
    return mean if least == most else f"{mean} ({least} to {most})"


def _name(model: str, rounds: int, scaled: bool) -> str:
    return f"{model}-{rounds}{', unit diagonal' if scaled else ''}"


def _folder(name: str) -> str:
    """Name of a model from the name of its folder of runs."""
    model, rounds, *scaling = name.split("-", 2)
    return _name(model, int(rounds), bool(scaling)) if rounds.isdigit() else name


def _rank(model: str) -> tuple[int, str]:
    return (ORDER.index(model) if model in ORDER else len(ORDER), model)


def _is_scaled(summary: Row) -> bool:
    return "scaling=unit-diagonal" in summary["command"]


def tridiagonal_table(summaries: Iterable[Row], configuration: str) -> str:
    """Test split and larger matrices, one line per model."""
    mine = [s for s in summaries if s["configuration"] == configuration]
    kinds = sorted(
        {(s["model"], s["rounds"], _is_scaled(s)) for s in mine},
        key=lambda kind: (*_rank(kind[0]), kind[1:]),
    )
    lines = []
    for kind in kinds:
        test, large = (
            next(
                s
                for s in mine
                if s["split"] == split and (s["model"], s["rounds"], _is_scaled(s)) == kind
            )
            for split in ("test", "test_large")
        )
        lines.append(
            [
                _name(*kind),
                f"{test['parameters']:,}",
                _spread(test["one_minus_cosine_mean"]),
                _spread(test["iterations_mean"]),
                _spread(test["effective_hops"]),
                _spread(large["iterations_mean"]),
                f"{100 * large['solved']['mean']:.4g} %",
                f"{test['seconds']['mean']:,.0f}",
            ]
        )
    head = ["model", "parameters", "1 - cosine", "iterations", "effective hops"]
    return markdown_table([*head, "larger: iterations", "solved", "seconds"], lines)


def response_table(rows: list[Row]) -> str:
    """Gain and error of the far response, one line per model, two columns per configuration."""
    shown = ("growth", "twin")
    models = list(dict.fromkeys(row["model"] for row in rows if row["configuration"] in shown))
    models.sort(key=lambda name: (*_rank(name.partition("-")[0]), name))
    lines = []
    for model in models:
        cells = []
        for configuration in shown:
            found = [r for r in rows if (r["model"], r["configuration"]) == (model, configuration)]
            cells += [_spread(found[0][key]) if found else "" for key in ("gain", "error")]
        lines.append([_folder(model), *cells])
    head = [f"`{c}`, {what}" for c in shown for what in ("gain", "error")]
    return markdown_table(["model", *head], lines)


def size_table(rows: list[Row]) -> str:
    """Iterations at n = 1000, one line a model, one column a configuration."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    models.sort(key=lambda name: (*_rank(name.partition("-")[0]), name))
    lines = []
    for model in models:
        cells = []
        for configuration in CONFIGURATIONS:
            found = [r for r in rows if (r["model"], r["configuration"]) == (model, configuration)]
            cell = ""
            if found:
                cell = _number(found[0]["iterations"]["mean"])
                if found[0]["solved"] < 1:
                    cell += f" ({100 * found[0]['solved']:.3g} % solved)"
            cells.append(cell)
        lines.append([_folder(model), *cells])
    return markdown_table(["model", *(f"`{c}`" for c in CONFIGURATIONS)], lines)


def entry(name: str) -> Row | None:
    """Entry of the board of real test matrices."""
    path = ENTRIES / REAL / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def ratio_to_target(name: str) -> list[float]:
    """Median iterations over those of Inv-K, on what was solved, one number a seed."""
    found, target = entry(name), entry(TARGET)
    assert found is not None
    assert target is not None
    ratios = []
    for seed in found["seeds"]:
        solved = [status == "converged" for status in seed["status"]]
        ours, theirs = (
            statistics.median(count for count, ok in zip(counts, solved, strict=True) if ok)
            for counts in (seed["iterations"], target["seeds"][0]["iterations"])
        )
        ratios.append(ours / theirs)
    return ratios


def share_solved(name: str) -> list[float]:
    """Share of matrices solved, one number a seed."""
    found = entry(name)
    assert found is not None
    return [
        sum(status == "converged" for status in seed["status"]) / len(seed["status"])
        for seed in found["seeds"]
    ]


def _of_seeds(values: list[float], scale: float = 1.0, end: str = "") -> str:
    least, most = (f"{scale * value:.3g}" for value in (min(values), max(values)))
    return least + end if least == most else f"{least} to {most}{end}"


def real_table() -> str:
    """One line a method on the real test matrices."""
    lines = []
    for name in ON_THE_BOARD:
        found = entry(name)
        if found is None:
            continue
        means = []
        for seed in found["seeds"]:
            counts = [
                count if status == "converged" else 10_000
                for count, status in zip(seed["iterations"], seed["status"], strict=True)
            ]
            means.append(statistics.fmean(counts))
        lines.append(
            [
                found["method"],
                "" if found["parameters"] is None else f"{found['parameters']:,}",
                _of_seeds(share_solved(name), 100, " %"),
                _of_seeds(means),
                _of_seeds(ratio_to_target(name)),
            ]
        )
    return markdown_table(
        ["method", "parameters", "solved", "mean iterations", "median, over Inv-K's"], lines
    )


def curriculum_table(rows: list[Row]) -> str:
    """Mean iterations at three sizes, one line per variant, extremes over the seeds."""
    lines = []
    for row in rows:
        cells = [_of_seeds(values) for values in row["iterations"].values()]
        lines.append([f"`{row['configuration']}`", row["variant"], *cells])
    sizes = [f"n = {n}" for n in rows[0]["iterations"]]
    return markdown_table(["configuration", "trained on", *sizes], lines, words=2)


# Numerator and denominator of the ratios of n log K.
HEADROOM = (
    ("shifted-ic0, columns scaled at best", "shifted-ic0"),
    ("local-patch-1, columns scaled at best", "local-patch-1"),
    ("local-patch-3, columns scaled at best", "local-patch-3"),
    ("1 hops, closed by 0.5", "1 hops, open"),
    ("1 hops, closed by 1", "1 hops, open"),
    ("2 hops, open", "1 hops, open"),
    ("2 hops, closed by 0.5", "2 hops, open"),
    ("2 hops, closed by 1", "2 hops, open"),
    ("3 hops, open", "2 hops, open"),
)


def headroom_table(rows: list[Row]) -> str:
    """Median and quartiles of n log K relative to the initial factor, one column per split."""
    splits = list(dict.fromkeys(row["split"] for row in rows))
    found = {(row["split"], row["factor"]): row["n_log_k"] for row in rows}
    hard = {
        split: [name for name, value in found[split, "1 hops, open"].items() if value > 1]
        for split in splits
    }
    lines = []
    for better, start in HEADROOM:
        cells = []
        for split in splits:
            ratios = [
                found[split, better][name] / found[split, start][name] for name in hard[split]
            ]
            low, middle, high = (f"{q:.2f}" for q in statistics.quantiles(ratios, n=4))
            cells.append(f"{middle} ({low} to {high})")
        lines.append([better, start, *cells])
    head = [f"{split}, {len(hard[split])} matrices" for split in splits]
    return markdown_table(["factor", "over", *head], lines, words=2)


def commands(summaries: Iterable[Row]) -> str:
    """The command that trains each row, including its seeds."""
    found = sorted(
        {s["command"] for s in summaries if s["split"] == "test"},
        key=lambda command: (command.split()[2], command),
    )
    return "\n".join(["```text", *found, "```"])


def filled(page: str) -> str:
    """Return the page with updated tables."""
    summaries = summarise_results(read_results(RESULTS / "nonlocal.jsonl"))
    pieces = {name: tridiagonal_table(summaries, name) for name in CONFIGURATIONS}
    pieces |= {
        "response": response_table(stored("far_response.json")),
        "sizes": size_table(stored("size_generalisation.json")),
        "real": real_table(),
        "headroom": headroom_table(stored("headroom.json")),
        "curriculum": curriculum_table(stored("curriculum.json")),
        "commands": commands(summaries),
    }
    return with_parts(page, pieces)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
