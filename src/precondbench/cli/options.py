"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["AsJson", "Config", "Root", "Split", "Version"]

Root = Annotated[Path | None, typer.Option("--root", help="Cache folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Config = Annotated[str | None, typer.Option(help="Only this configuration.")]
Split = Annotated[str | None, typer.Option(help="Only this split.")]
Version = Annotated[str | None, typer.Option(help="By default the newest.")]
