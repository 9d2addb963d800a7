"""Update the tables and the findings of docs/nonlocal.md.

    python docs/make_nonlocal_page.py

Reads, from benchmarks/results, nonlocal.jsonl (`precondbench results` on the runs of
benchmarks/nonlocal_grid.toml and nonlocal_real_grid.toml), baselines.jsonl, invk_against_ic0.json,
far_response.json, size_generalisation.json, headroom.json, curriculum.json, scan.json and
real_board_protocol_1.json (from the benchmarks of these names). All are results of protocol 1.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import nonlocal_findings
import nonlocal_real
from making import DOCS, RESULTS, markdown_table, short, span, stored, with_parts
from paper.numbers import FITTED, steps_an_epoch
from precondbench.leaderboard import read_results, summarise_results

PAGE = DOCS / "nonlocal.md"

Row = dict[str, Any]
CONFIGURATIONS = ("uniform", "twin", "growth", "sawtooth", "hard")
# Learned models, then those fitted by least squares.
ORDER = (
    "BidirectionalGRU",
    "EliminationSweep",
    "MoebiusScan",
    "PatchNetwork",
    "MessagePassingMLP",
    "7",
    "MoebiusCell",
    "MonomialCell",
    "DivisionCell",
)
# Entries of the board of real test matrices, in the order of the table.
ON_THE_BOARD = (
    "none",
    "jacobi",
    "symmetric-gauss-seidel",
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
    "mlp-4-rounds",
    "gatv2-4-rounds",
    "gen-4-rounds",
    "graphtransformer-4-rounds",
    "fastgraphtransformer-4-rounds",
    "neuralif-3-rounds-unit-diagonal",
    "lifactor-3-rounds-unit-diagonal",
    "eliminationsweep-2-rounds-unit-diagonal",
)


def _spread(found: Row | None) -> str:
    """Mean over the seeds, and the extremes where they differ."""
    if found is None:
        return ""
    mean, least, most = (short(found[key]) for key in ("mean", "min", "max"))
    return mean if least == most else f"{mean} ({least} to {most})"


def _name(model: str, rounds: int, scaled: bool) -> str:
    return f"{model}-{rounds}{', unit diagonal' if scaled else ''}"


def _folder(name: str) -> str:
    """Name of a model from the name of its folder of runs."""
    model, rounds, *scaling = name.split("-", 2)
    if not rounds.isdigit():
        return name
    return _name(model, int(rounds), bool(scaling)) + (", fitted" if model in FITTED else "")


def _rank(model: str) -> tuple[int, str]:
    return (ORDER.index(model) if model in ORDER else len(ORDER), model)


def _is_scaled(summary: Row) -> bool:
    return "scaling=unit-diagonal" in summary["command"]


def training_cells(summary: Row, sizes: Sequence[tuple[str, int]] = ()) -> list[str]:
    """Kind, best epoch of the maximum, and gradient steps up to the best epoch, over the seeds."""
    steps = steps_an_epoch(summary, sizes)
    if steps is None:
        return ["fitted", "-", "-"]
    best = [summary["best_epoch"][key] for key in ("min", "max")]
    return ["learned", f"{span(best)} of {summary['max_epochs']}", span(steps * k for k in best)]


def tridiagonal_table(summaries: Iterable[Row], configuration: str) -> str:
    """Test split and larger matrices, one line per model; fitted models are the last."""
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
                *training_cells(test),
                f"{test['parameters']:,}",
                _spread(test["one_minus_cosine_mean"]),
                _spread(test["iterations_mean"]),
                _spread(test["effective_hops"]),
                _spread(large["iterations_mean"]),
                f"{100 * large['solved']['mean']:.4g} %",
                f"{test['seconds']['mean']:,.0f}",
            ]
        )
    head = ["model", "kind", "best epoch", "steps", "parameters", "1 - cosine", "iterations"]
    head += ["effective hops", "larger: iterations", "larger: solved", "seconds"]
    return markdown_table(head, lines, words=2)


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
                cell = short(found[0]["iterations"]["mean"])
                if found[0]["solved"] < 1:
                    cell += f" ({100 * found[0]['solved']:.3g} % solved)"
            cells.append(cell)
        lines.append([_folder(model), *cells])
    return markdown_table(["model", *(f"`{c}`" for c in CONFIGURATIONS)], lines)


def model_of(entry: Row, summaries: Iterable[Row]) -> Row | None:
    """Summary of the runs of a learned entry."""
    model, _, rest = entry["method"].partition(" (")
    for found in summaries:
        same = (found["model"], found["configuration"]) == (model, "tril")
        same = same and rest.startswith(f"{found['rounds']} rounds")
        if same and ("unit-diagonal" in rest) == _is_scaled(found):
            return found
    return None


def real_table(board: Row, summaries: Sequence[Row], sizes: Sequence[tuple[str, int]]) -> str:
    """One line a method on the real test matrices, under protocol 1."""
    entries = {entry["id"]: entry for entry in board["entries"]}
    lines = []
    for name in ON_THE_BOARD:
        entry, target = entries[name], entries["inv-k"]
        found = model_of(entry, summaries) if entry["kind"] == "learned" else None
        training = ["", ""] if found is None else training_cells(found, sizes)[1:]
        lines.append(
            [
                entry["method"],
                entry["kind"],
                *training,
                "" if entry["parameters"] is None else f"{entry['parameters']:,}",
                _of_seeds(nonlocal_real.solved(entry), 100, " %"),
                span(map(statistics.fmean, nonlocal_real.penalised(entry))),
                span(nonlocal_real.ratios(entry, target)),
                str(nonlocal_real.above_tolerance(entry)),
            ]
        )
    head = ["method", "kind", "best epoch", "steps", "parameters", "solved", "mean iterations"]
    return markdown_table([*head, "relative to Inv-K", "residual above 1e-8"], lines, words=2)


def _of_seeds(values: list[float], scale: float = 1.0, end: str = "") -> str:
    return span(scale * value for value in values) + end


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
    """Return the page with updated tables and findings."""
    summaries = summarise_results(read_results(RESULTS / "nonlocal.jsonl"))
    learned = summaries + summarise_results(read_results(RESULTS / "baselines.jsonl"))
    learned = [summary for summary in learned if summary["split"] == "test"]
    sizes = [(row["split"], row["n"]) for row in stored("invk_against_ic0.json")["matrices"]]
    response, curriculum = stored("far_response.json"), stored("curriculum.json")
    scales, board = stored("size_generalisation.json"), stored("real_board_protocol_1.json")
    headroom = stored("headroom.json")
    pieces = {name: tridiagonal_table(summaries, name) for name in CONFIGURATIONS}
    pieces |= {
        "scaling": nonlocal_findings.scaling(summaries),
        "findings": nonlocal_findings.tridiagonal(summaries, scales, CONFIGURATIONS),
        "response": response_table(response),
        "responses": nonlocal_findings.responses(response),
        "sizes": size_table(scales),
        "real": real_table(board, learned, sizes),
        "real findings": nonlocal_real.real(
            board, [found for e in board["entries"] if (found := model_of(e, learned))]
        ),
        "headroom": headroom_table(headroom),
        "headroom findings": nonlocal_real.headroom(headroom),
        "curriculum": curriculum_table(curriculum),
        "curriculum findings": nonlocal_findings.curriculum(curriculum),
        "scan": nonlocal_findings.scan(stored("scan.json")["rows"]),
        "commands": commands(summaries),
    }
    return with_parts(page, pieces)


def main() -> None:
    """Rewrite the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
