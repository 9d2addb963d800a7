"""``precondbench build``: splits from their recipes, or a mirror of real matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from precondbench.cli.output import (
    CHECK_FAILED,
    failing_clearly,
    print_json,
    print_table,
    progress_bar,
    say,
)

__all__ = ["build"]

Root = Annotated[Path | None, typer.Option("--root", help="Cache folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def build(
    dataset: Annotated[str, typer.Argument(help="synthetic-tridiag or suitesparse-invk.")],
    config: Annotated[str | None, typer.Option(help="Only this configuration.")] = None,
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Rebuild in memory and compare with the manifest.")
    ] = False,
    source: Annotated[
        str | None,
        typer.Option(help="Mirror of the SuiteSparse collection: build from its matrices."),
    ] = None,
    max_n: Annotated[int, typer.Option(help="With --source: largest matrix.")] = 5000,
    out: Annotated[Path | None, typer.Option(help="With --source: shard to write.")] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Build splits from their recipes, or factor a mirror of the SuiteSparse collection."""
    with failing_clearly():
        from precondbench.build import select_plans

        if source is not None:
            if dataset != "suitesparse-invk":
                raise typer.BadParameter("only suitesparse-invk is built from a mirror")
            _build_collection(source, max_n, out, root, json)
        elif check:
            _check(select_plans(dataset, None, config, split), root, json)
        else:
            _build(select_plans(dataset, None, config, split), root, json)


def _build(plans: list[Any], root: Path | None, json: bool) -> None:
    from precondbench.build import obtain_shard

    rows = []
    for plan in plans:
        with progress_bar(plan.path_name) as update:
            path = obtain_shard(
                plan.dataset, plan.version, plan.configuration, plan.split, root, update
            )
        rows.append({"split": plan.path_name, "records": plan.count, "path": str(path)})
    if json:
        print_json(rows)
    else:
        table = [(row["split"], row["records"], row["path"]) for row in rows]
        print_table("In the cache", ("split", "records", "path"), table)


def _check(plans: list[Any], root: Path | None, json: bool) -> None:
    from precondbench.build import check_plan
    from precondbench.shards.manifest import load_manifest

    manifest = load_manifest()
    results = []
    for plan in plans:
        with progress_bar(plan.path_name) as update:
            results.append(check_plan(plan, manifest, root, update))
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


def _build_collection(
    source: str, max_n: int, out: Path | None, root: Path | None, json: bool
) -> None:
    from precondbench.build.collection_shard import build_collection_shard
    from precondbench.matrices import Collection
    from precondbench.shards.cache import cache_root

    folder = cache_root(root)
    collection = Collection(source, cache=folder / "collection")
    with progress_bar("factoring") as update:
        path, digest, results = build_collection_shard(
            collection, max_n, out, folder, lambda done, total, name: update(done, total, name)
        )
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
        f"SuiteSparse matrices with n <= {max_n}",
        ("matrix", "outcome", "PCG iterations and winner, or why"),
        [(r.name, r.outcome, r.detail) for r in results],
    )
    counts: dict[str, int] = {}
    for result in results:
        winner = result.facts.get("winner", "") if result.outcome == "built" else ""
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
        if winner:
            counts[f"winner {winner}"] = counts.get(f"winner {winner}", 0) + 1
    print_table("Outcomes", ("outcome", "matrices"), sorted(counts.items()))
    if path:
        say(f"wrote {path}")
        say(f"content digest {digest}")
