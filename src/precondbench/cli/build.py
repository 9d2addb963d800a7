"""``precondbench build``: splits from their recipes, or a mirror of real matrices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from precondbench.cli.output import (
    CHECK_FAILED,
    AsJson,
    Config,
    LogLevel,
    Root,
    Split,
    Version,
    failing_clearly,
    log_to_stderr,
    print_json,
    print_table,
    progress_bar,
    say,
)

_LOG = logging.getLogger("precondbench.recipes")


def build(
    ctx: typer.Context,
    dataset: Annotated[
        str, typer.Argument(help="Name of a dataset, as 'precondbench list' prints it.")
    ],
    config: Config = None,
    split: Split = None,
    version: Version = None,
    check: Annotated[
        bool, typer.Option("--check", help="Rebuild in memory and compare with the manifest.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(help="Mirror of the SuiteSparse collection, folder or URL."),
    ] = None,
    max_n: Annotated[
        int | None,
        typer.Option(help="Factor all SPD matrices of the mirror up to this size, instead."),
    ] = None,
    unverified: Annotated[
        bool,
        typer.Option("--unverified", help="Try the candidates that version 1.0 lacks, instead."),
    ] = False,
    jobs: Annotated[int, typer.Option(help="Processes on this machine.")] = 1,
    dask: Annotated[str | None, typer.Option(help="Address of a Dask scheduler.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="With --max-n, --unverified or --config large: shard to write."),
    ] = None,
    max_memory: Annotated[
        float | None,
        typer.Option(
            help="With --config large: GB that one matrix may take; by default 90 % "
            "of what is free."
        ),
    ] = None,
    min_n: Annotated[
        int | None, typer.Option(help="With --config large: smallest size; by default 50,000.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --config large: estimate time and memory, and stop."),
    ] = False,
    update_manifest: Annotated[
        Path | None,
        typer.Option(help="For maintainers: write the digests of what is built to this file."),
    ] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Build splits from their recipes, or factor a mirror of the SuiteSparse collection.

    An interrupted build goes on where it was when it is started again.
    """
    with failing_clearly():
        from precondbench.errors import ConfigurationError
        from precondbench.recipes import (
            LARGE,
            BuildContext,
            dataset_spec,
            dataset_specs,
            open_executor,
            select_plans,
        )

        spec = dataset_spec(dataset)
        large = config == LARGE and spec.from_collection
        if large and ctx.find_root().params["log_level"] is None:
            # What a large matrix will cost is said before work on it starts.
            log_to_stderr(LogLevel.WARNING if json else LogLevel.INFO)
        if not large and (max_memory is not None or min_n is not None or dry_run):
            raise typer.BadParameter("--max-memory, --min-n, --dry-run go with --config large")
        for option, number in (("max-n", max_n), ("min-n", min_n), ("max-memory", max_memory)):
            if number is not None and not 0 < number < float("inf"):
                raise ConfigurationError(f"--{option} is {number}; give a number above 0")
        collecting = max_n is not None or unverified or large
        if (collecting or source is not None) and not spec.from_collection:
            names = " and ".join(spec.name for spec in dataset_specs() if spec.from_collection)
            raise typer.BadParameter(f"only {names} is built from a mirror")
        if not collecting:
            plans = select_plans(dataset, version or spec.newest, config, split)
        with open_executor(jobs, dask) as executor, progress_bar(dataset) as update:
            context = BuildContext(source, root, executor, update)
            if large:
                limit = None if max_memory is None else int(max_memory * 1e9)
                report: Callable[[], None] = _build_large(context, limit, min_n, dry_run, out, json)
            elif collecting:
                report = _build_collection(context, max_n, out, json)
            elif update_manifest is not None:
                report = _update_manifest(dataset, plans, context, update_manifest)
            elif check:
                report = _check(plans, context, json)
            else:
                report = _build(plans, context, json)
        report()


def _build(plans: list[Any], context: Any, json: bool) -> Callable[[], None]:
    from precondbench.recipes import obtain_shard

    rows = []
    for plan in plans:
        names = (plan.dataset, plan.version, plan.configuration, plan.split)
        path = obtain_shard(*names, context=context)
        rows.append({"split": plan.path_name, "records": plan.count, "path": str(path)})

    def report() -> None:
        if json:
            print_json(rows)
        else:
            table = [(row["split"], row["records"], row["path"]) for row in rows]
            print_table("In the cache", ("split", "records", "path"), table)

    return report


def _check(plans: list[Any], context: Any, json: bool) -> Callable[[], None]:
    from precondbench.recipes import check_plan
    from precondbench.shards import load_manifest

    manifest = load_manifest()
    results = [check_plan(plan, manifest, context) for plan in plans]

    def report() -> None:
        if json:
            print_json(
                [
                    {
                        "split": result.plan.path_name,
                        "agrees": result.agrees,
                        "digest": result.digest,
                        "expected": result.expected,
                        "first_difference": result.first_difference,
                    }
                    for result in results
                ]
            )
        else:
            print_table(
                "Rebuilt and compared with the manifest",
                ("split", "digest", "agrees", "first difference"),
                [
                    (
                        result.plan.path_name,
                        result.digest[:12],
                        "yes" if result.agrees else "NO",
                        result.first_difference,
                    )
                    for result in results
                ],
            )
        if not all(result.agrees for result in results):
            raise typer.Exit(CHECK_FAILED)

    return report


def _update_manifest(
    dataset: str, plans: list[Any], context: Any, path: Path
) -> Callable[[], None]:
    from precondbench.recipes import updated_manifest
    from precondbench.shards import load_manifest, save_manifest

    manifest = updated_manifest(load_manifest(), dataset, plans, context)
    save_manifest(manifest, path)
    return lambda: say(f"wrote {path}")


def _build_collection(
    context: Any, max_n: int | None, out: Path | None, json: bool
) -> Callable[[], None]:
    from precondbench.datasets import local_shard
    from precondbench.recipes import build_collection_shard, mirror_entries, unverified_entries

    entries = unverified_entries() if max_n is None else mirror_entries(context, max_n)
    what = "unverified" if max_n is None else f"max{max_n}"
    target = out or local_shard(what, context.folder)
    return _collection_report(*build_collection_shard(entries, context, target), json)


def _build_large(
    context: Any,
    max_bytes: int | None,
    min_n: int | None,
    dry_run: bool,
    out: Path | None,
    json: bool,
) -> Callable[[], None]:
    from precondbench.datasets import local_shard
    from precondbench.recipes import FROM_ROWS, build_large, plan_large

    announce = _LOG.info
    plans = plan_large(context, max_bytes, FROM_ROWS if min_n is None else min_n, announce)
    planned = [plan.forecast for plan in plans if plan.outcome == "planned"]
    seconds = sum(forecast.seconds for forecast in planned if forecast is not None)
    most = max((forecast.bytes for forecast in planned if forecast is not None), default=0)
    announce(
        f"{len(planned)} of {len(plans)} matrices are to be factored: about {seconds / 60:,.0f} "
        f"minutes of one core, at most {most / 1e9:.2g} GB at a time"
    )
    if not dry_run:
        target = out or local_shard("large", context.folder)
        return _collection_report(*build_large(plans, context, target), json)

    def report() -> None:
        rows = [
            {
                "name": plan.entry.full_name,
                "n": plan.entry.rows,
                "nnz": plan.entry.nnz,
                "outcome": plan.outcome,
                "detail": plan.detail,
                "seconds": plan.forecast.seconds if plan.forecast else None,
                "bytes": plan.forecast.bytes if plan.forecast else None,
            }
            for plan in plans
        ]
        if json:
            print_json({"matrices": rows, "seconds": seconds, "bytes": most})
        else:
            table = [(row["name"], f"{row['n']:,}", row["outcome"], row["detail"]) for row in rows]
            print_table("Large matrices", ("matrix", "n", "outcome", "detail"), table)

    return report


def _collection_report(
    path: Path | None, digest: str | None, results: list[Any], json: bool
) -> Callable[[], None]:
    from precondbench.recipes import outcome_counts

    def report() -> None:
        if json:
            print_json(
                {
                    "path": str(path) if path else None,
                    "digest": digest,
                    "matrices": [
                        {"name": r.name, "outcome": r.outcome, "detail": r.detail, **r.facts}
                        for r in results
                    ],
                }
            )
            return
        print_table(
            "SuiteSparse matrices",
            ("matrix", "outcome", "PCG iterations and winner, or why"),
            [(r.name, r.outcome, r.detail) for r in results],
        )
        print_table("Outcomes", ("outcome", "matrices"), outcome_counts(results))
        if path:
            say(f"wrote {path}")
            say(f"content digest {digest}")

    return report
