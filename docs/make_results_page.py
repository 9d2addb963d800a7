"""Update the tables, verdicts and figures of docs/results.md from stored results.

    python docs/make_results_page.py [--results benchmarks/results/baselines.jsonl] [--out docs]

Rows come from `precondbench results`; those stored are of protocol 1. If SuiteSparseInvK 1.0 is in
the cache, invk_against_ic0.json in the folder of the results is updated.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from making import DOCS, span, stored, with_parts
from making import RESULTS as STORED
from paper.__main__ import STORED_ITERATIONS, claims_markdown
from paper.claims import check_claims
from paper.figures import draw_paper_figures
from paper.model_figures import MODELS_OF_ALL_PAIRS, in_order
from paper.numbers import invk_against_ic0, steps_an_epoch, twin_ceilings
from precondbench._internal import replacing
from precondbench.leaderboard import options_of, read_results, summarise_results
from precondbench.recipes import dataset_spec

PAGE = DOCS / "results.md"
RESULTS = STORED / "baselines.jsonl"
DATA = ("dataset", "version", "configuration")
SPLITS = {"test": "test split", "test_large": "larger matrices, `test_large`"}
OF_TRAINING = ("parameters", "completed epochs", "seconds", "device")
# Options that every command has, or that do not affect results.
PROTOCOL_OPTIONS = (
    "config", "version", "model", "rounds", "epochs", "seeds", "device", "threads", "max_edges",
)  # fmt: skip
CAPTIONS = {
    "figure1": "Figure 1: change of the diagonal of L when 1 is added to the first entry of A",
    "figure2": "Figure 2: iterations with Inv-K against iterations with IC(0)",
    "figure3": "Figure 3: cosine by model and number of blocks",
    "figure3-iterations": "Figure 3, in iterations of the solver",
    "figure3-hops": "Figure 3, in effective hops",
    "figure3-twin": "Distance to the target, and the bound for local networks",
    "figure4": "Figure 4: cosine by model and number of blocks, real matrices",
    "figure4-iterations": "Figure 4, in iterations relative to the target factor",
}
SHOWN = {
    ("synthetic-tridiag", "uniform"): ("figure3", "figure3-iterations", "figure3-hops"),
    ("suitesparse-invk", "tril"): ("figure4", "figure4-iterations"),
}
HEADINGS = (
    "model", "blocks", "maximum epochs", "seeds", "cosine", "lowest to highest", "1 - cosine",
    "iterations", "solved", "effective hops", "n log K", "best epoch", "steps",
)  # fmt: skip
BEYOND_LOCAL = """\
## Sets that no local rule can solve

On sets of twins, a network of K blocks that sees one row further with each block has at most the
mean cosine given as the bound in the tables. [twins.md](twins.md) has the proof. The bound does not
hold for networks that attend to all nodes, and there is no bound for `sawtooth`.
"""


def number(value: float | None, form: str = ".4g") -> str:
    """Format a number for a table; a dash where there is none."""
    return "-" if value is None else format(value, form)


def settings(row: Mapping[str, Any]) -> str:
    """Settings that differ from the protocol."""
    options = options_of(row)
    usual = {"label": dataset_spec(row["dataset"]).labels[0], "batch_size": "8"}
    own = [
        f"{name.replace('_', ' ')} {value}".rstrip()
        for name, value in options.items()
        if name not in PROTOCOL_OPTIONS and usual.get(name) != value
    ]
    return f" ({', '.join(own)})" if own else ""


def table(
    summaries: Sequence[Mapping[str, Any]],
    bounds: Mapping[int, float],
    of_training: bool,
    sizes: Sequence[tuple[str, int]] = (),
) -> list[str]:
    """Lines of a table, one row per kind of run.

    Parameters
    ----------
    summaries : sequence of mapping
        Of one split.
    bounds : mapping
        rounds -> bound on the cosine of local networks; there is no such column if it is empty.
    of_training : bool
        Add columns about the training.
    sizes : sequence of (str, int)
        Split and number of rows of every real matrix.
    """
    headings = [
        *HEADINGS,
        *(["bound on the cosine"] if bounds else []),
        *(OF_TRAINING if of_training else ()),
    ]
    lines = [
        "| " + " | ".join(headings) + " |",
        "| --- |" + " ---: |" * (len(headings) - 1),
    ]
    for row in summaries:
        mean = {key: value["mean"] for key, value in row.items() if isinstance(value, dict)}
        cosine = row["cosine_mean"]
        cells = [
            row["model"] + settings(row),
            str(row["rounds"]),
            str(row["max_epochs"]),
            str(len(row["seeds"])),
            number(mean.get("cosine_mean"), ".5f"),
            "-" if cosine is None else f"{cosine['min']:.5f} to {cosine['max']:.5f}",
            number(mean.get("one_minus_cosine_mean"), ".2e"),
            number(mean["iterations_mean"]),
            f"{mean['solved']:.0%}",
            number(mean.get("effective_hops"), ".2f"),
            number(mean.get("n_log_k_median"), ".3g"),
            *best_epochs(row, sizes),
        ]
        if bounds:
            of_all_pairs = row["model"] in MODELS_OF_ALL_PAIRS
            cells.append(number(None if of_all_pairs else bounds.get(row["rounds"]), ".5f"))
        if of_training:
            cells += [
                str(row["parameters"]),
                number(mean["epochs"]),
                number(mean["seconds"], ".0f"),
                ", ".join(row["devices"]),
            ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def best_epochs(row: Mapping[str, Any], sizes: Sequence[tuple[str, int]]) -> list[str]:
    """Epoch whose weights were kept, and gradient steps up to it, over the seeds."""
    best = [row["best_epoch"][key] for key in ("min", "max")]
    steps = steps_an_epoch(row, sizes)
    return [span(best), "-" if steps is None else span(steps * epoch for epoch in best)]


def commands(summaries: Iterable[Mapping[str, Any]]) -> list[str]:
    """One command per kind of row; rows that differ only by model and rounds are one kind."""
    kinds: dict[str, str] = {}
    for row in summaries:
        kind = re.sub(r"(--model|--set rounds=|--seeds) ?\S+", "", row["command"])
        kinds.setdefault(kind, row["command"])
    return list(kinds.values())


def figure(name: str, drawn: set[str]) -> list[str]:
    """Lines that show a figure, if it was drawn."""
    return [f"![{CAPTIONS[name]}](figures/{name}.svg)", ""] if name in drawn else []


def section(
    names: tuple[str, str, str],
    summaries: Sequence[Mapping[str, Any]],
    ceilings: Mapping[tuple[str, str, int], float],
    drawn: set[str],
    sizes: Sequence[tuple[str, int]],
) -> list[str]:
    """Lines about one dataset: figures, one table per split, commands."""
    dataset, version, configuration = names
    lines = [f"## {dataset} {version}, {configuration}", ""]
    for name in SHOWN.get((dataset, configuration), ()):
        lines += figure(name, drawn)
    for split, title in SPLITS.items():
        rows = [row for row in summaries if row["split"] == split]
        if rows:
            order = in_order([row["model"] for row in rows])
            rows.sort(key=lambda row: (order.index(row["model"]), row["rounds"]))
            bounds = {
                rounds: value
                for (law, part, rounds), value in ceilings.items()
                if (law, part) == (configuration, split)
            }
            lines += [
                f"**{title[0].upper()}{title[1:]}**",
                "",
                *table(rows, bounds, split == "test", sizes),
                "",
            ]
    lines += [
        "One command for each kind of row; other rows differ in model, rounds or seeds:",
        "",
        "```text",
        *commands(summaries),
        "```",
        "",
    ]
    return lines


def parts(
    rows: Sequence[Mapping[str, Any]],
    ceilings: Mapping[tuple[str, str, int], float],
    drawn: set[str],
    sizes: Sequence[tuple[str, int]],
) -> dict[str, str]:
    """Mark -> text.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of results.
    ceilings : mapping
        Of ``twin_ceilings``.
    drawn : set of str
        Names of the existing figures.
    sizes : sequence of (str, int)
        Split and number of rows of every real matrix.
    """
    lines = []
    summaries = [row for row in summarise_results(rows) if row["split"] in SPLITS]
    if not summaries:
        lines += ["There are no results yet.", ""]
    for names, group in groupby(summaries, lambda row: tuple(row[key] for key in DATA)):
        lines += section(names, list(group), ceilings, drawn, sizes)
    if "figure3-twin" in drawn:
        lines += [BEYOND_LOCAL, *figure("figure3-twin", drawn)]
    return {
        "results": "\n".join(lines).rstrip(),
        "claims": "\n".join(claims_markdown(check_claims(rows, ceilings))),
        "figures": "\n".join(figure("figure1", drawn) + figure("figure2", drawn)).rstrip(),
    }


def filled(page: str, results: Path = RESULTS, drawn: set[str] | None = None) -> str:
    """Return the page with updated parts; the drawn figures are those of docs/figures if None."""
    rows = read_results(results)
    if drawn is None:
        drawn = {path.stem for path in (DOCS / "figures").glob("*.svg")}
    sizes = [(row["split"], row["n"]) for row in stored("invk_against_ic0.json")["matrices"]]
    return with_parts(page, parts(rows, twin_ceilings(rows), drawn, sizes))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the page and its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--out", type=Path, default=DOCS)
    options = parser.parse_args(arguments)
    iterations = options.results.with_name(STORED_ITERATIONS)
    if (facts := invk_against_ic0()) is not None:
        with replacing(iterations) as temporary:
            temporary.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    figures = draw_paper_figures(
        read_results(options.results),
        options.out / "figures",
        stored_iterations=iterations,
        formats=("svg",),
    )
    page = PAGE.read_text(encoding="utf-8")
    text = filled(page, options.results, {path.stem for path in figures.files})
    with replacing(options.out / PAGE.name) as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
