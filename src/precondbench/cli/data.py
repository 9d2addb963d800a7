"""``precondbench list | info | verify``: what data there is."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from precondbench.cli.output import (
    CHECK_FAILED,
    AsJson,
    Config,
    Root,
    Version,
    failing_clearly,
    print_json,
    print_table,
    progress_bar,
    say,
)


def _target(plan: Any, manifest: Any, root: Path | None) -> tuple[Path, str, str | None]:
    from precondbench.shards import cache_root, shard_path

    names = (plan.dataset, plan.version, plan.configuration, plan.split)
    entry = manifest.split(*names)
    path = shard_path(cache_root(root), *names, entry.content_digest)
    return path, entry.content_digest, entry.facts_digest


def list_splits(
    dataset: Annotated[str | None, typer.Argument(help="Only this dataset.")] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """List every split: its size, its digest, and whether it is in the cache."""
    with failing_clearly():
        from precondbench.recipes import select_plans
        from precondbench.shards import load_manifest

        manifest = load_manifest()
        rows = []
        for plan in select_plans(dataset):
            path, digest, _ = _target(plan, manifest, root)
            rows.append(
                {
                    "dataset": plan.dataset,
                    "version": plan.version,
                    "configuration": plan.configuration,
                    "split": plan.split,
                    "records": plan.count,
                    "digest": digest,
                    "cached": path.is_file(),
                }
            )
        if json:
            print_json(rows)
            return
        print_table(
            "Splits",
            ("dataset", "version", "configuration", "split", "records", "digest", "cached"),
            [
                (
                    *(
                        row[key]
                        for key in ("dataset", "version", "configuration", "split", "records")
                    ),
                    str(row["digest"])[:12],
                    "yes" if row["cached"] else "no",
                )
                for row in rows
            ],
        )


def info(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset.")],
    config: Annotated[str | None, typer.Option(help="Configuration.")] = None,
    split: Annotated[str | None, typer.Option(help="Split; with it, every matrix.")] = None,
    version: Version = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Show what a dataset holds; with --split, one line a matrix (built if need be)."""
    with failing_clearly():
        from precondbench.recipes import newest_version, obtain_shard, select_plans
        from precondbench.shards import load_manifest, read_shard

        plans = select_plans(dataset, version or newest_version(dataset), config, split)
        manifest = load_manifest()
        if split is None:
            entry = manifest.datasets[dataset][plans[0].version]
            summary = {
                "dataset": dataset,
                "version": plans[0].version,
                "description": entry.description,
                "licence": entry.licence,
                "reproducible": entry.reproducible,
                "splits": {plan.path_name: plan.recipe for plan in plans},
            }
            if json:
                print_json(summary)
                return
            say(f"{dataset} {plans[0].version}: {entry.description}")
            say(f"licence {entry.licence}, reproducible {entry.reproducible}")
            counts = [(plan.configuration, plan.split, plan.count) for plan in plans]
            print_table("Splits", ("configuration", "split", "records"), counts)
            return
        matrices = []
        for plan in plans:
            path = obtain_shard(plan.dataset, plan.version, plan.configuration, plan.split, root)
            shard = read_shard(path)
            for i in range(len(shard)):
                record = shard.record(i)
                matrices.append(
                    {"name": record.name, "n": record.n, "nnz": record.nnz, **record.facts}
                )
        if json:
            print_json(matrices)
            return
        columns = [
            key
            for key in (
                "name",
                "n",
                "nnz",
                "iterations_none",
                "iterations_ic0",
                "iterations_invk",
                "n_log_k_invk",
                "winner",
                "breakdown_column",
                "attempts",
            )
            if any(key in row for row in matrices)
        ]
        rows = [tuple(row.get(key) for key in columns) for row in matrices]
        print_table(f"{dataset} {split}", columns, rows)


def verify(
    target: Annotated[
        str | None, typer.Argument(help="A dataset, or a .h5 file; by default all.")
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Recompute the digest of every record.")
    ] = False,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Check cached shards, or any shard file, against format and digests."""
    with failing_clearly():
        from precondbench.errors import MissingDataError, ShardError
        from precondbench.recipes import select_plans
        from precondbench.shards import load_manifest, read_shard

        checks: list[tuple[Path, str | None, str | None]] = []
        if target is not None and target.endswith(".h5"):
            checks.append((Path(target), None, None))
        else:
            manifest = load_manifest()
            for plan in select_plans(target):
                cached = _target(plan, manifest, root)
                if cached[0].is_file():
                    checks.append(cached)
            if not checks:
                raise MissingDataError(
                    "nothing is in the cache; run 'precondbench build synthetic-tridiag' first"
                )
        rows: list[dict[str, Any]] = []
        for path, digest, facts in checks:
            try:
                shard = read_shard(path)
                if digest is not None and shard.content_digest != digest:
                    raise ShardError(f"content digest {shard.content_digest}, not {digest}")
                if deep and facts is not None and shard.facts_digest() != facts:
                    raise ShardError("facts (iterations, winners, ...) differ from the manifest's")
                if deep:
                    shard.verify()
                rows.append({"path": str(path), "ok": True, "fault": ""})
            except ShardError as error:
                rows.append({"path": str(path), "ok": False, "fault": str(error)})
        if json:
            print_json(rows)
        else:
            print_table(
                "Checked by digest of every record" if deep else "Checked by header",
                ("shard", "ok", "fault"),
                [(row["path"], "yes" if row["ok"] else "NO", row["fault"]) for row in rows],
            )
        if not all(row["ok"] for row in rows):
            raise typer.Exit(CHECK_FAILED)


class Format(StrEnum):
    """Formats of the command line."""

    MTX = "mtx"
    NPZ = "npz"
    BINSPARSE = "binsparse"


def export(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset.")],
    split: Annotated[str, typer.Option(help="Split.")],
    to: Annotated[Format, typer.Option(help="Matrix Market, SciPy's npz, or Binsparse.")],
    out: Annotated[Path, typer.Option(help="Folder to write into.")],
    config: Config = None,
    version: Version = None,
    label: Annotated[
        list[str] | None, typer.Option(help="Only this factor; may be repeated.")
    ] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Write A and L of every record of a split, unscaled and to the bit."""
    with failing_clearly():
        from precondbench.recipes import BuildContext, export_split, newest_version, select_plans

        exports = []
        for plan in select_plans(dataset, version or newest_version(dataset), config, split):
            with progress_bar(plan.path_name) as update:
                context = BuildContext(root=root)
                done = export_split(
                    plan, out, to.value, labels=label, context=context, progress=update
                )
            exports.append((plan, done))
        if json:
            print_json(
                [
                    {
                        "split": plan.path_name,
                        "folder": str(done.folder),
                        "files": [str(file) for file in done.files],
                        "missing": done.missing,
                    }
                    for plan, done in exports
                ]
            )
            return
        print_table(
            "Written",
            ("split", "records", "files", "factors that do not exist", "folder"),
            [
                (plan.path_name, plan.count, len(done.files), len(done.missing), str(done.folder))
                for plan, done in exports
            ],
        )
