"""``precondbench download | release | cite``: from a mirror, to a mirror, and whom to thank."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from precondbench.cli.output import (
    AsJson,
    Config,
    Root,
    Split,
    Version,
    failing_clearly,
    print_json,
    print_table,
    progress_bar,
    say,
)


def download(
    dataset: Annotated[str, typer.Argument(help="Name of a dataset.")],
    config: Config = None,
    split: Split = None,
    version: Version = None,
    mirror: Annotated[
        str | None, typer.Option(help="Only from here: http(s)://..., a folder, or doi:...")
    ] = None,
    root: Root = None,
    json: AsJson = False,
) -> None:
    """Bring splits from a mirror into the cache; nothing is built here.

    Mirrors: the one in PRECONDBENCH_MIRROR, then those of the manifest. Every file is checked
    against the digests of this library.
    """
    with failing_clearly():
        from precondbench.errors import MissingDataError
        from precondbench.recipes import newest_version, select_plans
        from precondbench.shards import Offers, load_manifest

        offers = Offers(load_manifest(), None if mirror is None else [mirror])
        rows = []
        for plan in select_plans(dataset, version or newest_version(dataset), config, split):
            reasons: list[str] = []
            with progress_bar(plan.path_name) as update:
                path = offers.fetch(
                    plan.dataset,
                    plan.version,
                    plan.configuration,
                    plan.split,
                    root,
                    # In KiB: the numbers of a 64 MiB file stay readable.
                    progress=lambda done, total, update=update: update(  # type: ignore[misc]
                        done >> 10, total >> 10, "KiB"
                    ),
                    reasons=reasons,
                )
            if path is None:
                raise MissingDataError(
                    f"no mirror gave {plan.path_name}: {'; '.join(reasons)}. To build it here, "
                    f"run 'precondbench build {dataset} --version {plan.version}'"
                )
            rows.append({"split": plan.path_name, "records": plan.count, "path": str(path)})
        if json:
            print_json(rows)
        else:
            table = [(row["split"], row["records"], row["path"]) for row in rows]
            print_table("In the cache", ("split", "records", "path"), table)


def release(
    folder: Annotated[Path, typer.Argument(help="Folder to write; a new one, as a rule.")],
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
    """Write a folder for any static host: shards, manifest, checksums, cards, metadata.

    Published files never change: a folder that holds other content is refused.
    """
    with failing_clearly():
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
    """Print BibTeX: the data, the paper it follows, and every source matrix."""
    with failing_clearly():
        from precondbench.recipes import cite as entries
        from precondbench.shards import load_manifest

        typer.echo(entries(load_manifest(), dataset), nl=False)
