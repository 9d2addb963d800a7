"""``precondbench export``: records as files of other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from precondbench.cli.options import AsJson, Config, Root, Version
from precondbench.cli.output import failing_clearly, print_json, print_table, progress_bar

__all__ = ["export"]


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
        from precondbench.build import BuildContext, newest_version, select_plans
        from precondbench.build.export import export_split

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
