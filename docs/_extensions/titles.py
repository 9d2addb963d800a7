"""Links that name a file, `[data.md](data.md#scaling)`, show the title of that page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

LINK = re.compile(r"\[(?:docs/)?(\w+)\.md\](\((?:\.\./|docs/)?\1\.md(?:#[\w-]+)?\))")


def name_targets(app: Any, page: str, source: list[str]) -> None:
    """Put titles into the links of a page."""

    def titled(link: re.Match[str]) -> str:
        path = Path(app.srcdir, f"{link[1]}.md")
        if not path.exists():
            return link[0]
        title = path.read_text(encoding="utf-8").partition("\n")[0]
        return f"[{title.removeprefix('# ')}]{link[2]}"

    source[0] = LINK.sub(titled, source[0])


def setup(app: Any) -> dict[str, bool]:
    """Work on pages as they are read."""
    app.connect("source-read", name_targets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
