"""``precondbench time``: time to a solution, measured and compared."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from precondbench.cli.output import (
    CHECK_FAILED,
    AsJson,
    Dask,
    print_json,
    print_table,
    progress_lines,
    say,
)

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from precondbench.leaderboard import Contender, Effort, Times


def time(
    problems: Annotated[
        list[str],
        typer.Argument(
            help="A family and its number of rows, diffusion-2d-10000, or a real matrix, HB/nos3."
        ),
    ],
    methods: Annotated[
        list[str] | None,
        typer.Option("--method", help="Classical method; may be repeated; by default all."),
    ] = None,
    entries: Annotated[
        list[str] | None,
        typer.Option("--entry", help="TRACK/ID of an entry with weights; may be repeated."),
    ] = None,
    code: Annotated[
        list[str] | None,
        typer.Option("--code", help="A method or function of your own, module:name or file:name."),
    ] = None,
    sides: Annotated[str, typer.Option(help="Numbers of right-hand sides.")] = "1,10,100",
    repeats: Annotated[int, typer.Option(help="Times that everything is measured.")] = 3,
    jobs: Annotated[
        int, typer.Option(help="Processes that count steps before times are measured.")
    ] = 1,
    device: Annotated[str, typer.Option(help="Where networks predict.")] = "cpu",
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Leaderboard that keeps the times.")
    ] = None,
    check: Annotated[
        float | None,
        typer.Option(
            metavar="BAND",
            help="Compare with the times of the folder: ratios to the fastest method may differ by "
            "this share, such as 0.5.",
        ),
    ] = None,
    dask: Dask = None,
    as_json: AsJson = False,
) -> None:
    """Measure setup and solve of methods, on one core and in one run."""
    from precondbench.errors import ConfigurationError
    from precondbench.leaderboard import (
        Effort,
        compared,
        read_times,
        time_methods,
        times_path,
        write_times,
    )
    from precondbench.recipes import open_executor

    if check is not None and folder is None:
        raise ConfigurationError("--check compares with the times of a folder; name it by --folder")
    contenders = _contenders(methods or [], entries or [], code or [], device)
    effort = Effort(_numbers(sides), repeats)
    differences: list[str] = []
    with open_executor(jobs, dask) as executor:
        if executor is None or not dask:
            found = (_timed(name, contenders, effort, executor) for name in problems)
        else:
            waiting = [executor.submit(time_methods, name, contenders, effort) for name in problems]
            found = (future.result() for future in waiting)
        for times in found:
            if as_json:
                print_json(times.model_dump(mode="json"))
            else:
                _print(times)
            if check is not None and folder is not None:
                stored = read_times(times_path(folder, times.problem))
                differences += compared(stored, times, check)
            elif folder is not None:
                say(f"wrote {write_times(folder, times)}")
    for difference in differences:
        typer.echo(difference, err=True)
    if differences:
        raise typer.Exit(CHECK_FAILED)


def _timed(
    name: str, contenders: list[Contender], effort: Effort, executor: Executor | None
) -> Times:
    from precondbench.leaderboard import time_methods

    done, total = count(), (1 + effort.repeats) * len(contenders)
    # No bar: the thread that draws it would take time from what is measured.
    show = progress_lines(f"timing {name},")
    return time_methods(
        name, contenders, effort, lambda method: show(next(done), total, method), executor
    )


def _contenders(
    methods: list[str], entries: list[str], code: list[str], device: str
) -> list[Contender]:
    from precondbench.leaderboard import (
        Contender,
        chosen,
        classical_contenders,
        load_entry_point,
        load_pretrained,
        trained_contender,
    )

    named = {name: load_entry_point(name) for name in code}
    own = {name: it() if isinstance(it, type) else it for name, it in named.items()}
    return [
        *chosen(classical_contenders(), methods),
        *(trained_contender(name, load_pretrained(name), device) for name in entries),
        *(
            # Of another kind only where it says so itself, as those of this library do.
            Contender(name, it, "learned" if getattr(it, "kind", "") == "learned" else "other")
            for name, it in own.items()
        ),
    ]


def _numbers(sides: str) -> tuple[int, ...]:
    from precondbench.errors import ConfigurationError

    words = sides.split(",")
    if not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        raise ConfigurationError(f"--sides is {sides!r}; give numbers, such as 1,10,100")
    return tuple(sorted({int(word) for word in words}))


def _print(times: Times) -> None:
    from precondbench.leaderboard import figures_of

    columns = ["method", "iterations", "setup s"]
    columns += [f"m = {sides}, s" for sides in times.sides]
    columns += [f"m = {sides}, ratio" for sides in times.sides]
    columns += ["spread", "faster than IC(0) from", "MB"]
    rows = [
        [
            one.row.method
            if one.row.status == "converged"
            else f"{one.row.method}: {one.row.reason or one.row.status}",
            one.row.iterations,
            one.setup,
            *one.seconds,
            *one.ratios,
            one.spread,
            one.break_even,
            None if one.row.peak_bytes is None else round(one.row.peak_bytes / 2**20),
        ]
        for one in figures_of(times, times.sides)
    ]
    title = f"{times.problem}: {times.rows_of_matrix:,} rows, {times.entries:,} entries"
    print_table(f"{title}; {times.machine}, one core", columns, rows)
