"""Update the tables and figures in the prose of docs/benchmarks.md.

    python docs/make_benchmarks_page.py

Reads invk_and_pcg.json, invk_scaling.json, loading.json, training.json, startup.json, paths.json
and scoring.json in benchmarks/results, which the benchmarks of these names write.
"""

from __future__ import annotations

import math
from typing import Any

from making import DOCS, listed, markdown_table, paragraph, short, span, stored, with_parts

PAGE = DOCS / "benchmarks.md"
Row = dict[str, Any]
METHODS = ("dense", "blocked", "simplicial", "supernodal")
# Exponents of nested dissection (George 1973): operations, entries of the factor.
THEORY = {"2D": ("1.5", "n log n"), "3D": ("2", "4/3")}
# Accuracy above which `invk` warns.
DOUBTFUL = 1e-4


def _seconds(value: float) -> str:
    return f"{value:.2g}" if value < 1 else f"{value:.3g}"


def _at_most(value: float) -> str:
    """One digit, rounded up."""
    power = 10.0 ** math.floor(math.log10(value)) if value else 1.0
    return f"{math.ceil(value / power) * power:.0e}"


def dense_table(rows: list[Row]) -> str:
    """Inv-K against the dense inverse: times, memory and ratios."""
    lines = []
    for row in rows:
        dense = ["", ""]
        ratios = ["", ""]
        if "dense_seconds" in row:
            dense = [_seconds(row["dense_seconds"]), f"{row['dense_extra_mb']:,.0f}"]
            ratios = [f"{row['time_ratio']:.0f}x", f"{row['memory_ratio']:.0f}x"]
        ours = [_seconds(row["seconds"]), short(row["extra_mb"])]
        lines.append([f"{row['n']:,}", *dense, *ours, *ratios])
    head = ["n", "dense, s", "dense, MB", "precondbench, s", "precondbench, MB", "time", "memory"]
    return markdown_table(head, lines, words=0)


def _grids(rows: list[Row]) -> dict[tuple[str, int], dict[str, Row]]:
    """(problem, n) -> method -> measurement, by size."""
    found: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        found.setdefault((row["problem"], row["n"]), {})[row["method"]] = row
    return dict(sorted(found.items()))


def scaling_table(rows: list[Row]) -> str:
    """Seconds of processor time by problem, size and method, and memory of the sparse methods."""
    lines = []
    for (problem, n), found in _grids(rows).items():
        seconds = [_seconds(found[m]["cpu_seconds"]) if m in found else "" for m in METHODS]
        ratio = f"{found['blocked']['time_over_supernodal']:.0f}x" if "blocked" in found else ""
        memory = [f"{found[m]['extra_mb']:,.0f}" if m in found else "" for m in METHODS[2:]]
        lines.append([problem, f"{n:,}", *seconds, ratio, *memory])
    head = ["", "n", *(f"{method}, s" for method in METHODS), "blocked over supernodal"]
    return markdown_table([*head, "simplicial, MB", "supernodal, MB"], lines)


def scaling_findings(rows: list[Row]) -> str:
    """Largest ratio of each method to the supernodal one in 3D."""
    parts = []
    for method in METHODS[:3]:
        of_method = [r for r in rows if (r["problem"], r["method"]) == ("3D", method)]
        largest = max(of_method, key=lambda row: int(row["n"]))
        parts.append(
            f"the {method} method takes {largest['time_over_supernodal']:.0f} times as long at "
            f"n = {largest['n']:,}"
        )
    errors = [row["residual"] for row in rows if "residual" in row]
    diagonals = [row["diagonal_error"] for row in rows if "diagonal_error" in row]
    return paragraph(
        f"Compared with the supernodal method on 3D problems, {listed(parts)}. The residual "
        f"|(A Z)_ii - 1| was at most {_at_most(max(errors))} throughout, and diag(L^T A^-1 L) - 1, "
        f"computed at six columns by refined solves, at most {_at_most(max(diagonals))}."
    )


def exponents_table(exponents: dict[str, dict[str, float]]) -> str:
    """Fitted exponents beside those of nested dissection."""
    lines = []
    for problem, (operations, entries) in THEORY.items():
        fitted = exponents[f"{problem} simplicial"]
        seconds = [f"{exponents[f'{problem} {method}']['seconds']:.2f}" for method in METHODS]
        lines.append(
            [
                problem,
                f"{fitted['operations']:.2f}",
                operations,
                f"{fitted['entries']:.2f}",
                entries,
                *seconds,
                f"{exponents[f'{problem} supernodal']['memory']:.2f}",
            ]
        )
    head = ["", "operations", "theory", "entries of the factor", "theory"]
    head += [f"{method}, s" for method in METHODS]
    return markdown_table([*head, "supernodal, MB"], lines)


def real_findings(results: Row) -> str:
    """Time and accuracy on real matrices."""
    dear, real = results["trefethen"], results["real"]
    methods = [row["method"] for row in real]
    names = [f"`{row['problem']}`" for row in dear]
    doubtful = [f"`{row['name']}`" for row in real if row["residual"] > DOUBTFUL]
    return "\n\n".join(
        (
            paragraph(
                f"{listed(names)} have nearly dense factors (up to "
                f"{max(row['entries'] for row in dear) / 1e6:.0f} million numbers). They took "
                f"{span(row['cpu_seconds'] for row in dear)} s of processor time each, and "
                f"{span(row['extra_mb'] / 1000 for row in dear)} GB of memory."
            ),
            paragraph(
                f"The other {len(real)} real matrices of a partial mirror, with n up to "
                f"{max(row['n'] for row in real):,}, took "
                f"{sum(row['cpu_seconds'] for row in real):.0f} s of processor time together, "
                "including the accuracy check by solves. The simplicial method was used for "
                f"{methods.count('simplicial')} of them and the supernodal method for "
                f"{methods.count('supernodal')}. Residuals exceed {DOUBTFUL:.0e} for "
                f"{listed(doubtful)}; there `invk` issues a warning. The error of the diagonal at "
                f"six columns is at most "
                f"{_at_most(max(row['diagonal_error'] for row in real))} for all."
            ),
        )
    )


def pcg_findings(row: Row) -> str:
    """Conjugate gradients beside SciPy's."""
    same = (
        f"{row['iterations']} iterations in both cases"
        if row["iterations"] == row["scipy_iterations"]
        else f"{row['iterations']} and {row['scipy_iterations']} iterations"
    )
    return paragraph(
        f"The same script: IC(0) on the 5-point Laplacian with n = {row['n']:,}, to a relative "
        "residual of 1e-8. SciPy's `cg` with two `spsolve_triangular` per step takes "
        f"{row['scipy_seconds']:.2f} s and the kernel of this library {row['seconds']:.2f} s "
        f"({row['time_ratio']:.1f}x), with {same}."
    )


def loading_table(found: Row) -> str:
    """Milliseconds to load a split."""
    ours = found["ours, ms"]
    rows = {
        "precondbench, from the shard each time": ours,
        "standard PyG, from the shard: read records into a list, convert, collate, save, load": (
            found["stock cold, ms"]
        ),
        "standard PyG, from a list of SciPy pairs in memory": found["stock cold, list given, ms"],
        "standard PyG, reading back its processed file": found["stock warm, ms"],
    }
    lines = [[name, short(value), f"{value / ours:.2g}x"] for name, value in rows.items()]
    return markdown_table(["method", "ms", "relative"], lines)


def training_table(loops: list[Row]) -> str:
    """Steps a second of four loops."""
    lines = [
        [
            row["model"],
            f"{row['n']:,}",
            *(f"{value:.3g}" for value in row["steps_per_second"].values()),
            f"{row['ours_over_stock']:.1f}x",
            f"{row['compiled_over_stock']:.1f}x",
        ]
        for row in loops
    ]
    head = ["steps a second", "n", "precondbench", "the same, compiled"]
    head += ["standard loop, precondbench network", "standard", "speed-up", "speed-up, compiled"]
    return markdown_table(head, lines)


def losses(loops: list[Row]) -> str:
    """Largest difference of the losses of the last epoch."""
    differences = [
        max(row["loss_in_last_epoch"].values()) - min(row["loss_in_last_epoch"].values())
        for row in loops
    ]
    return paragraph(
        "All four loops start from the same weights and use the same batches; in the last epoch "
        f"their losses differ by at most {_at_most(max(differences))}."
    )


def compiled_table(rows: list[Row]) -> str:
    """Milliseconds a step by default, compiled, and of three seeds stacked."""
    lines = []
    for row in rows:
        plain = row["milliseconds_a_step"]
        compiled = row["milliseconds_a_step_compiled"]
        stacked = row["milliseconds_a_step_of_three_seeds_stacked"]
        lines.append(
            [
                row["model"],
                f"{plain:.1f}",
                f"{compiled:.1f} ({plain / compiled:.1f}x)",
                f"{stacked:.1f} ({3 * plain / stacked:.2f}x a seed)",
            ]
        )
    head = ["milliseconds per step", "default", "`torch.compile`"]
    return markdown_table([*head, "three seeds stacked by `vmap`"], lines)


def scoring_findings(results: Row) -> str:
    """Seconds to score a submission, and of its parts."""
    rows = list(results.values())
    names = list(rows[0]["parts"])
    return paragraph(
        f"Scoring the real test split ({rows[0]['matrices']} matrices, {rows[0]['seeds']} seeds of "
        "one submission, one right-hand side) takes "
        + listed(
            f"{span(row['seconds'][key] for row in rows)} s with {count}"
            for key, count in (("1 processes", "one process"), ("2 processes", "two"))
        )
        + " on the same two cores while other work was running. The parts in one process, in "
        "seconds: "
        + listed(f"{name} {span(row['parts'][name] for row in rows)}" for name in names)
        + "."
    )


def libraries(found: dict[str, Any]) -> str:
    """Ratios of times to those of compiled libraries, or of memory traffic."""
    solve = found["solve"]
    rows = [
        ("step of PCG with IC(0), one of four sides", "copying as many bytes", solve["n"],
         solve["lockstep_side_over_traffic"]),
        ("step of PCG with IC(0), one side alone", "copying as many bytes", solve["n"],
         solve["one_side_over_traffic"]),
        ("step of PCG with IC(0), one of four sides", "SciPy's `cg` with ilupp, one side",
         solve["n"], 1 / solve["scipy_over_lockstep_side"]),
    ]  # fmt: skip
    for n, row in found["incomplete"].items():
        rows += [
            ("IC(0), checks included", "`IChol0` of ilupp", int(n), row["ic0_over_ilupp"]),
            ("MIC(0), checks included", "`IChol0` of ilupp", int(n), row["mic0_over_ilupp"]),
        ]
    for blas, cases in found["inv-k"].items():
        for case, row in cases.items():
            grid, n = case.split()
            what = f"Inv-K with its accuracy check, {grid}, one thread"
            other = f"CHOLMOD with {blas}: order and factor"
            rows.append((what, other, int(n), row["one_thread_over_cholmod"]))
    lines = [[what, other, f"{n:,}", f"{ratio:.2f}"] for what, other, n, ratio in rows]
    inverse = [row for cases in found["inv-k"].values() for row in cases.values()]
    return (
        markdown_table(["what", "against", "n", "ratio of times"], lines, words=2)
        + "\n\n"
        + paragraph(
            f"Here: {found['machine']}, one thread, medians of one run. Checking A and copying its "
            "lower triangle take "
            f"{span(100 * row['check_share'] for row in found['incomplete'].values())} % of the "
            "time of IC(0). The accuracy check of "
            f"Inv-K takes {span(100 * row['check_share'] for row in inverse)} % of its time, and "
            f"two threads are {span(row['one_thread_over_two'] for row in inverse)} times as fast. "
            "Selecting the inverse takes twice the multiply-adds of the factorisation before it."
        )
    )


def start_up(rows: list[Row]) -> str:
    """Seconds of commands that compute nothing."""
    lines = [
        [f"`{row['command']}`", *(f"{row[key]:.2f}" for key in ("seconds", "least", "most"))]
        for row in rows
    ]
    return markdown_table(["command", "median, s", "least", "most"], lines)


def paths(rows: list[Row]) -> str:
    """Lines and seconds of the examples of two pages."""
    return markdown_table(
        ["page", "lines", "first time, s", "afterwards, s"],
        [
            [f"[{row['page']}]({row['page']})", str(row["lines"])]
            + [short(row["seconds"][turn]) for turn in ("first", "second")]
            for row in rows
        ],
    )


def filled(page: str) -> str:
    """Return the page with updated tables and figures."""
    invk, scaling = stored("invk_and_pcg.json"), stored("invk_scaling.json")
    training = stored("training.json")
    return with_parts(
        page,
        {
            "dense": dense_table(invk["invk"]),
            "grids": scaling_table(scaling["grids"]),
            "grids findings": scaling_findings(scaling["grids"]),
            "exponents": exponents_table(scaling["exponents"]),
            "real": real_findings(scaling),
            "pcg": pcg_findings(invk["pcg"]),
            "loading": loading_table(stored("loading.json")),
            "training": training_table(training["loops"]),
            "losses": losses(training["loops"]),
            "compiled": compiled_table(training["compiled"]),
            "libraries": libraries(stored("compiled_libraries.json")),
            "start-up": start_up(stored("startup.json")),
            "paths": paths(stored("paths.json")),
            "scoring": scoring_findings(stored("scoring.json")),
        },
    )


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
