"""Numbers and shares in the prose of a page that no maker wrote.

    python docs/unsourced.py [PAGE ...]

A number in README.md or in a page of results is either written by a maker, between its marks, or a
definition: text of docs/definitions.toml, such as a size of a dataset or a limit of the protocol.
Code, formulas with letters, headings, references, years and versions are not looked at.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from making import DOCS, ROOT

# Pages whose numbers are all made or defined.
PAGES = (
    "README.md",
    *(
        f"docs/{name}.md"
        for name in (
            "benchmarks",
            "classical",
            "findings",
            "index",
            "nonlocal",
            "nonsymmetric",
            "patterns",
            "results",
            "study",
            "suitesparse",
            "twins",
            "why",
        )
    ),
)
DEFINITIONS = DOCS / "definitions.toml"

_MADE = re.compile(r"^<!-- (?P<mark>[^>]+) -->\n.*?^<!-- end of (?P=mark) -->$", re.S | re.M)
_FENCE = re.compile(r"^```.*?^```$", re.S | re.M)
_SKIPPED = (
    re.compile(r"^#+ References.*?(?=^#|\Z)", re.S | re.M),
    re.compile(r"^#+ .*$", re.M),
    re.compile(r"<!--.*?-->", re.S),
    re.compile(r"`[^`]*`"),
    re.compile(r"!\[[^]]*\]\([^)]*\)|\]\([^)]*\)|https?://\S+"),
    re.compile(r"^\d+\. ", re.M),
)
_FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.S)
_COMMAND = re.compile(r"\\(?:approx|cdot|dots|ge|le|times)\b")
_KINDS = re.compile(
    r"\b(?:18|19|20)\d\d\b"  # years
    r"|\b(?:version|[Pp]rotocol|Theorem|Lemma|Proposition|Figure|Python) \d+(?:\.\d+)*"
    r"|\bAlgorithm \d+|\b[nkKw] = \d[\d,]*(?:, \d[\d,]*)*"
    r"|\b[A-Z]+\(\d+\)|\b[23]D\b|\bApache-2\.0|\bCC-BY-4\.0|\bSuiteSparseInvK 1\.0"
    r"|\b(?:level|row|column) \d+\b|\b\d+-(?:point|norm|hop)\b|\bdouble precision"
    r"|uniform on \$\[-?[\d.]+, [\d.]+\)\$(?:, on \$\[-?[\d.]+, [\d.]+\)\$)*"
)
_NUMBER = re.compile(
    r"\S*\d\S*|\b(?:hal(?:f|ves)|thirds?|quarters?|twice|double[sd]?|doubling|tenth)\b"
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|several|many) times\b"
)


def prose(page: str) -> str:
    """Return the text of a page in one line: without made parts, code, formulas and references."""

    def numbers_only(formula: re.Match[str]) -> str:
        # A formula with a letter states a law or a size; one without is a number.
        bare = _COMMAND.sub("", formula[0])
        return " " if re.search("[a-zA-Z]", bare) else formula[0]

    page = _FORMULA.sub(numbers_only, _FENCE.sub(" ", _MADE.sub("", page)))
    for pattern in _SKIPPED:
        page = pattern.sub(" ", page)
    return " ".join(page.split())


def unsourced(page: str, definitions: Sequence[str]) -> list[str]:
    """Return every number that is neither made nor part of a definition, with its line."""
    text = prose(page)
    for fragment in sorted(definitions, key=len, reverse=True):
        text = text.replace(fragment, " ")
    text = _KINDS.sub(" ", text)
    return [
        f"{found[0]}: ...{text[max(0, found.start() - 50) : found.end() + 40]}..."
        for found in _NUMBER.finditer(text)
    ]


def definitions_of(page: str) -> list[str]:
    """Return the definitions that may stand in a page."""
    found = tomllib.loads(DEFINITIONS.read_text(encoding="utf-8"))
    return [*found["everywhere"], *found.get(Path(page).stem, [])]


def main(arguments: Sequence[str]) -> int:
    """Print what is unsourced."""
    count = 0
    for page in arguments or PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for line in unsourced(text, definitions_of(page)):
            sys.stdout.write(f"{page}: {line}\n")
            count += 1
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
