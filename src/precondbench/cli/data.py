"""``precondbench list | info | verify | download | export | release | cite``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from precondbench.cli.output import (
    CHECK_FAILED,
    AsJson,
    Config,
    Dataset,
    Root,
    Split,
    Version,
    print_cached,
    print_json,
    print_rows,
    print_table,
    progress_bar,
    say,
)

if TYPE_CHECKING:
    from precondbench.recipes import SplitPlan

# Columns of ``info --split``: those that the matrices of a dataset have facts for.
_FACTS = [
    "name", "n", "nnz", "iterations_none", "iterations_ic0", "iterations_invk", "n_log_k_invk",
    "winner", "breakdown_column", "attempts",
]  # fmt: skip


def list_splits(
    dataset: Annotated[str | None, typer.Argument(help="Only this dataset.")] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """List all splits, and the state of each in the cache.

    States: cached; older (a good file of an older format); newer (of a format that this version
    cannot read); damaged. 'precondbench build' replaces the last two.
    """
    from precondbench.recipes import cached_splits, select_plans

    columns = ("dataset", "version", "configuration", "split", "records", "digest", "state")
    rows = []
    for found in cached_splits(select_plans(dataset), root):
        own = (found.plan.count, found.content_digest, str(found.examine()[0]))
        rows.append(dict(zip(columns, (*found.plan.names, *own), strict=True)))
    print_rows("Splits", rows, json, {name: name for name in columns})


def info(
    dataset: Dataset,
    config: Annotated[str | None, typer.Option(help="Configuration.")] = None,
    split: Annotated[str | None, typer.Option(help="Split; with it, every matrix.")] = None,
    version: Version = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Show what a dataset contains. With --split, list its matrices (built if needed)."""
    from precondbench.recipes import cached_splits, dataset_spec, select_plans
    from precondbench.shards import load_manifest

    plans = select_plans(dataset, version or dataset_spec(dataset).newest, config, split)
    if split is not None:
        _print_matrices(f"{dataset} {split}", plans, root, json)
        return
    entry = load_manifest().datasets[dataset][plans[0].version]
    if json:
        print_json(
            {
                "dataset": dataset,
                "version": plans[0].version,
                "description": entry.description,
                "licence": entry.licence,
                "reproducible": entry.reproducible,
                "splits": {plan.path_name: plan.recipe for plan in plans},
            }
        )
        return
    say(f"{dataset} {plans[0].version}: {entry.description}")
    say(f"licence {entry.licence}, reproducible {entry.reproducible}")
    rows = [
        (found.plan.configuration, found.plan.split, found.plan.count, _size(found.path))
        for found in cached_splits(plans, root)
    ]
    print_table("Splits", ("configuration", "split", "records", "MB in the cache"), rows)


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f}" if path.is_file() else ""


def _print_matrices(title: str, plans: list[SplitPlan], root: Path | None, json: bool) -> None:
    from precondbench.recipes import open_split

    matrices = []
    for plan in plans:
        shard = open_split(*plan.names, root)
        for record in map(shard.record, range(len(shard))):
            sizes = {"name": record.name, "n": record.n, "nnz": record.nnz}
            matrices.append({**sizes, **record.facts})
    if json:
        print_json(matrices)
        return
    columns = [key for key in _FACTS if any(key in row for row in matrices)]
    print_table(title, columns, [tuple(row.get(key) for key in columns) for row in matrices])


def verify(
    target: Annotated[
        str | None, typer.Argument(help="A dataset, or a .h5 file; by default all.")
    ] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also of files that were found good before.")
    ] = False,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Check cached shards, or a file, by the digest of every record.

    Of a file in the cache that was found good before only the bytes are compared, unless --deep is
    given. Exits with 1 if one is damaged. 'precondbench build check' builds splits again.
    """
    from precondbench.errors import MissingDataError
    from precondbench.recipes import cached_splits, file_fault, select_plans

    faults: dict[Path, str] = {}
    if target is not None and target.endswith(".h5"):
        faults[Path(target)] = file_fault(Path(target))
    else:
        for found in cached_splits(select_plans(target), root):
            if found.path.is_file():
                faults[found.path] = found.examine(again=deep)[1]
        if not faults:
            raise MissingDataError(
                "nothing is in the cache; run 'precondbench build DATASET' first"
            )
    rows = [{"path": str(path), "ok": not fault, "fault": fault} for path, fault in faults.items()]
    title = "Checked by digest of every record"
    print_rows(title, rows, json, {"path": "shard", "ok": "ok", "fault": "fault"})
    if any(faults.values()):
        raise typer.Exit(CHECK_FAILED)


def download(
    dataset: Dataset,
    config: Config = None,
    split: Split = None,
    version: Version = None,
    mirror: Annotated[
        str | None, typer.Option(help="Only from here: http(s)://..., a folder, or doi:...")
    ] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Download splits from a mirror into the cache.

    Mirrors: the one in PRECONDBENCH_MIRROR, then those of the manifest. Every file is checked
    against the digests of this library.
    """
    from precondbench.recipes import dataset_spec, download_split, select_plans
    from precondbench.shards import Offers, load_manifest

    offers = Offers(load_manifest(), None if mirror is None else [mirror])
    found = []
    for plan in select_plans(dataset, version or dataset_spec(dataset).newest, config, split):
        with progress_bar(plan.path_name) as update:

            def in_kib(done: int, total: int, update: Any = update) -> None:
                update(done >> 10, total >> 10, "KiB")

            found.append((plan, download_split(plan, offers, root, in_kib)))
    print_cached(found, json)


class Format(StrEnum):
    """Formats of exported matrices."""

    MTX = "mtx"
    NPZ = "npz"
    BINSPARSE = "binsparse"


def export(
    dataset: Dataset,
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
    """Write the matrices of a split to files. A and L are unscaled and exact to the bit."""
    from precondbench.recipes import BuildContext, dataset_spec, export_split, select_plans

    exports = []
    for plan in select_plans(dataset, version or dataset_spec(dataset).newest, config, split):
        with progress_bar(plan.path_name) as update:
            context = BuildContext(root=root)
            done = export_split(plan, out, to.value, labels=label, context=context, progress=update)
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


def release(
    folder: Annotated[Path, typer.Argument(help="Folder to write, usually a new one.")],
    dataset: Annotated[
        list[str] | None, typer.Option(help="Only this dataset; may be repeated.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Only this version.")] = None,
    config: Config = None,
    split: Split = None,
    base_url: Annotated[
        str | None, typer.Option(help="Where the folder will be found: http(s)://... or doi:...")
    ] = None,
    flat: Annotated[
        bool, typer.Option("--flat", help="No folders inside: for GitHub releases and Zenodo.")
    ] = False,
    date: Annotated[str | None, typer.Option(help="Day of publication, YYYY-MM-DD.")] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Write a folder of data for a static host.

    It contains shards, manifest, checksums, cards and metadata. Published files never change: a
    folder that holds other content is refused.
    """
    from precondbench.recipes import select_plans, write_release

    names: list[str | None] = list(dataset) if dataset else [None]
    plans = [plan for name in names for plan in select_plans(name, version, config, split)]
    with progress_bar("release") as update:
        result = write_release(
            folder, plans, base_url=base_url, flat=flat, date=date, root=root, progress=update
        )
    if json:
        print_json(
            {
                "folder": str(result.folder),
                "files": result.files,
                "croissant_checked": result.croissant_checked,
                "splits": {
                    split.plan.path_name: split.shard.model_dump() for split in result.splits
                },
            }
        )
        return
    print_table(
        f"Released into {result.folder}",
        ("split", "records", "file", "bytes"),
        [
            (split.plan.path_name, split.plan.count, split.shard.path, split.shard.bytes)
            for split in result.splits
        ],
    )
    if not result.croissant_checked:
        say("croissant.json was not validated: pip install 'precondbench[export]' does that")
    say(f"{len(result.files)} files; check a copy with 'sha256sum -c SHA256SUMS'")
    say(f"try it: PRECONDBENCH_MIRROR={result.folder} precondbench download ...")


def cite(
    dataset: Annotated[str | None, typer.Argument(help="By default all datasets.")] = None,
) -> None:
    """Print BibTeX entries for data, paper and source matrices."""
    from precondbench.recipes import cite as entries
    from precondbench.shards import load_manifest

    typer.echo(entries(load_manifest(), dataset), nl=False)
