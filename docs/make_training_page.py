"""Update the numbers of parameters in docs/training.md.

python docs/make_training_page.py
"""

from __future__ import annotations

import re

from making import DOCS
from precondbench.baselines import build_model

PAGE = DOCS / "training.md"
ROUNDS = 4


def filled(page: str) -> str:
    """Return the page with the number of parameters in the last cell of each model's row."""

    def row(found: re.Match[str]) -> str:
        parameters = build_model(found["name"], ROUNDS).parameter_count()
        return f"{found['row']}| {parameters:,} |"

    start, end = (page.index(mark) for mark in ("<!-- models -->", "<!-- end of models -->"))
    table = re.sub(
        r"^(?P<row>\| `(?P<name>\w+)` .*)\| [\d,]+ \|$", row, page[start:end], flags=re.MULTILINE
    )
    return page[:start] + table + page[end:]


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
