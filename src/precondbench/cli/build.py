"""``precondbench build``: splits from their recipes, or a mirror of real matrices."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from precondbench.cli.options import AsJson, Config, Root, Split, Version
from precondbench.cli.output import (
    CHECK_FAILED,
    failing_clearly,
    print_json,
    print_table,
    progress_bar,
    say,
)

__all__ = ["build"]


def build(
    dataset: Annotated[
        str, typer.Argument(help="synthetic-tridiag, synthetic-tridiag-lu or suitesparse-invk.")
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
        Path | None, typer.Option(help="With --max-n or --unverified: shard to write.")
    ] = None,
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
        from precondbench.build import BuildContext, newest_version, select_plans
        from precondbench.build.executors import open_executor

        # What a large matrix will cost is said before work on it starts.
        logging.basicConfig(format="%(message)s")
        logging.getLogger("precondbench").setLevel(logging.WARNING if json else logging.INFO)
        collecting = max_n is not None or unverified
        if (collecting or source is not None) and dataset != "suitesparse-invk":
            raise typer.BadParameter("only suitesparse-invk is built from a mirror")
        if not collecting:
            select_plans(dataset)
            plans = select_plans(dataset, version or newest_version(dataset), config, split)
        with open_executor(jobs, dask) as executor, progress_bar(dataset) as update:
            context = BuildContext(source, root, executor, update)
            if collecting:
                report: Callable[[], None] = _build_collection(context, max_n, out, json)
            elif update_manifest is not None:
                report = _update_manifest(dataset, plans, context, update_manifest)
            elif check:
                report = _check(plans, context, json)
            else:
                report = _build(plans, context, json)
        report()


def _build(plans: list[Any], context: Any, json: bool) -> Callable[[], None]:
    from precondbench.build import obtain_shard

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
    from precondbench.build import check_plan
    from precondbench.shards.manifest import load_manifest

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
    from precondbench.build.golden import updated_manifest
    from precondbench.shards.manifest import load_manifest, save_manifest

    manifest = updated_manifest(load_manifest(), dataset, plans, context)
    save_manifest(manifest, path)
    return lambda: say(f"wrote {path}")


def _build_collection(
    context: Any, max_n: int | None, out: Path | None, json: bool
) -> Callable[[], None]:
    from precondbench.build.collection_shard import (
        build_collection_shard,
        mirror_entries,
        outcome_counts,
        unverified_entries,
    )

    entries = unverified_entries() if max_n is None else mirror_entries(context, max_n)
    what = "unverified" if max_n is None else f"max{max_n}"
    target = out or context.folder / "local" / f"suitesparse-invk-{what}.h5"
    path, digest, results = build_collection_shard(entries, context, target)

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
