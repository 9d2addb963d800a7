"""Findings of docs/nonlocal.md on tridiagonal matrices, stated from the stored results."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from making import bullets, counted, listed, paragraph, short, span
from paper.numbers import FITTED

Row = dict[str, Any]
GRU, PASSING = ("BidirectionalGRU", 1, True), ("MessagePassingMLP", 7, True)


def _found(
    summaries: Iterable[Row], kind: tuple[str, int, bool], configuration: str, split: str = "test"
) -> Row | None:
    model, rounds, scaled = kind
    for row in summaries:
        same = (row["model"], row["rounds"], row["configuration"], row["split"]) == (
            model,
            rounds,
            configuration,
            split,
        )
        if same and ("scaling=unit-diagonal" in row["command"]) == scaled:
            return row
    return None


def _of(row: Row, key: str) -> str:
    return span((row[key]["min"], row[key]["max"]))


def scaling(summaries: Sequence[Row]) -> str:
    """Effect of the scaling on the same network, trained with the same loss."""
    pairs = {}
    for row in summaries:
        plain = _found(summaries, (row["model"], row["rounds"], False), row["configuration"])
        scaled = _found(summaries, (row["model"], row["rounds"], True), row["configuration"])
        if plain and scaled and plain["loss"] == scaled["loss"]:
            pairs[row["model"], row["rounds"], row["configuration"]] = plain, scaled
    return paragraph(
        "`--set scaling=unit-diagonal` selects this scaling for any model. Where the same network "
        "was trained both ways with the same loss, $1 - \\cos$ is "
        + listed(
            f"{_of(scaled, 'one_minus_cosine_mean')} instead of "
            f"{_of(plain, 'one_minus_cosine_mean')} on `{configuration}` (`{model}`-{rounds})"
            for (model, rounds, configuration), (plain, scaled) in pairs.items()
        )
        + " ([table](#uniform)). The scaling does not extend the reach of a model: rows beyond the "
        "window remain invisible."
    )


def tridiagonal(
    summaries: Sequence[Row], scales: Sequence[Row], configurations: Sequence[str]
) -> str:
    """Findings on tridiagonal matrices, as a list."""
    return bullets(
        (
            _state(summaries, configurations),
            _longer(summaries, scales, configurations),
            _effective_hops(summaries),
            _scan_and_cell(summaries, configurations),
            _sawtooth(summaries),
            f"*{listed(f'`{name}`' for name in sorted(FITTED))} are fitted, not learned by "
            "descent*: their coefficients come from least squares or a singular vector, do not "
            "depend on the seed, and are not ranked among learned models. They show that the "
            "recurrence of Cholesky can be identified when the right space is searched. General "
            "matrices have no such recurrence.",
        )
    )


def _state(summaries: Sequence[Row], configurations: Sequence[str]) -> str:
    state = {name: _found(summaries, GRU, name) for name in configurations}
    both = {
        name: (row, other)
        for name, row in state.items()
        if row and (other := _found(summaries, PASSING, name))
    }
    better = [
        name
        for name, (row, other) in both.items()
        if row["one_minus_cosine_mean"]["max"] < other["one_minus_cosine_mean"]["min"]
    ]
    some = next(row for row in state.values() if row)
    return (
        "*A state carried along the rows* (`BidirectionalGRU`, one layer, unit diagonal, "
        f"{some['parameters']:,} parameters, no knowledge of Cholesky) has a smaller "
        "$1 - \\cos$ than message passing with 7 blocks, trained with the same loss and scaling, "
        f"for every seed on {counted(len(better), len(both), 'sets')} where both were trained: "
        + listed(
            f"{_of(row, 'one_minus_cosine_mean')} and {_of(other, 'one_minus_cosine_mean')} on "
            f"`{name}`"
            for name, (row, other) in both.items()
        )
        + "."
    )


def _longer(summaries: Sequence[Row], scales: Sequence[Row], configurations: Sequence[str]) -> str:
    growth = {}
    for name in configurations:
        test, large = (_found(summaries, GRU, name, s) for s in ("test", "test_large"))
        if test and large:
            growth[name] = large["iterations_mean"]["mean"] / test["iterations_mean"]["mean"]
    solved = {
        (row["model"], row["configuration"]): row["solved"]
        for row in scales
        if row["model"] in ("BidirectionalGRU-1-unit-diagonal", "7-hop oracle")
    }
    fails = [
        f"{100 * share:.3g} % on `{name}`"
        for (model, name), share in solved.items()
        if model.startswith("BidirectionalGRU") and share < 1
    ]
    window = [share for (model, _), share in solved.items() if model == "7-hop oracle"]
    return (
        "*Longer matrices.* Between `test` and `test_large` the mean iterations of "
        "`BidirectionalGRU` "
        "grow by the factor "
        + listed(f"{short(value)} on `{name}`" for name, value in growth.items())
        + ". At $n = 1000$ it solves "
        + (listed(fails) if fails else "everything")
        + (" and everything on the other sets" if fails else "")
        + f"; a window of 7 rows solves {100 * min(window):.3g} % on every set."
    )


def _effective_hops(summaries: Sequence[Row]) -> str:
    rows = [r for r in summaries if (r["configuration"], r["split"]) == ("growth", "test")]
    rows.sort(key=lambda row: -row["effective_hops"]["mean"])
    return "*Effective hops on `growth`*, extremes over the seeds: " + (
        listed(
            f"{_of(row, 'effective_hops')} for `{row['model']}`-{row['rounds']}"
            + (" (fitted)" if row["model"] in FITTED else "")
            + (" (unit diagonal)" if "scaling=unit-diagonal" in row["command"] else "")
            for row in rows
        )
        + "."
    )


def _scan_and_cell(summaries: Sequence[Row], configurations: Sequence[str]) -> str:
    parts = []
    for name in configurations:
        rows = [
            _found(summaries, kind, name)
            for kind in (("MoebiusScan", 1, True), PASSING, ("MoebiusCell", 1, False))
        ]
        if all(rows):
            scan, passing, cell = (_of(row, "iterations_mean") for row in rows if row)
            parts.append(f"{scan} on `{name}` (message passing {passing}, fitted {cell})")
    return (
        "*A linear-fractional state trained by descent*, `MoebiusScan`, needs the following "
        f"iterations: {listed(parts)}. The same space searched by a singular value "
        "decomposition is `MoebiusCell`."
    )


def _sawtooth(summaries: Sequence[Row]) -> str:
    rows = [
        row
        for row in summaries
        if (row["configuration"], row["split"]) == ("sawtooth", "test_large")
        and row["model"] not in FITTED
    ]
    rows.sort(key=lambda row: row["iterations_mean"]["mean"])
    return "*On `sawtooth` at $n = 200$* models trained by descent need " + (
        listed(f"{_of(row, 'iterations_mean')} (`{row['model']}`)" for row in rows)
        + f" iterations, and solve at least {100 * min(r['solved']['min'] for r in rows):.3g} %."
    )


def responses(rows: Sequence[Row]) -> str:
    """What the far response shows; the two last sets have no columns in the table."""
    silent = sorted(
        {row["model"].partition("-")[0] for row in rows if row["gain"]["max"] == 0}
        - {row["model"].partition("-")[0] for row in rows if row["gain"]["max"] != 0}
    )
    none = [name for name in silent if not name.isdigit()]
    parts = []
    for name in ("uniform", "sawtooth"):
        mine = [
            row
            for row in rows
            if row["configuration"] == name
            and row["gain"]["max"] != 0
            and row["model"].partition("-")[0] not in FITTED
        ]
        parts.append(
            f"on `{name}` the error of the others is "
            + listed(f"{short(row['error']['mean'])} (`{row['model']}`)" for row in mine)
        )
    return paragraph(
        f"{listed(f'`{name}`' for name in none)} and the window of 7 rows have no response at all, "
        "as their reach implies. On `uniform` and `sawtooth` the true response is small: "
        f"{'; '.join(parts)}. An error above 1 means that the model adds noise that is larger than "
        "the response. The figures are in `benchmarks/results/far_response.json`."
    )


def curriculum(rows: Sequence[Row]) -> str:
    """Sets on which each variant is better for every seed than the first of its configuration."""
    first, *others = rows
    parts = []
    for row in others:
        better = [
            f"n = {n}"
            for n, values in row["iterations"].items()
            if statistics.fmean(values) < statistics.fmean(first["iterations"][n])
        ]
        parts.append(f"*{row['variant']}* has a smaller mean over the seeds at {listed(better)}")
    seeds = len(first["seeds"])
    return paragraph(
        f"Compared with *{first['variant']}* alone, {listed(parts)}. With {seeds} seeds and their "
        "spread these are observations, not a ranking. The rows of the tables above use neither "
        "technique, because all of them follow the same protocol."
    )


def scan(rows: Sequence[Row]) -> str:
    """Speed of the scan relative to the loop, at the largest size of both."""
    both = [row for row in rows if "loop_over_scan" in row]
    n = max(row["n"] for row in both)
    forward, gradient = (
        next(r["loop_over_scan"] for r in both if (r["n"], r["gradient"]) == (n, wanted))
        for wanted in (False, True)
    )
    return paragraph(
        "`MoebiusScan` and `MoebiusCell` take $\\log_2 n$ steps of fixed work per element instead "
        f"of $n$ steps. On one core at n = {n:,} the loop takes {forward:.0f} times as long as the "
        f"scan in the forward pass, and {gradient:.0f} times with the gradient. The scan has not "
        "been measured on a GPU yet."
    )
