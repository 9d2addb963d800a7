"""Numbers and shares in the prose of a page that no maker wrote.

    python docs/unsourced.py [PAGE ...]

A number in README.md or in a page of results is either written by a maker, between its marks, or a
definition: text of docs/definitions.toml, such as a size of a dataset or a limit of the protocol.
The words that makers put around numbers are held to the same.
Code, formulas with letters, headings, references, years and versions are not looked at.
"""

from __future__ import annotations

import ast
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
            "ledger",
            "index",
            "labels",
            "learning",
            "nonlocal",
            "nonsymmetric",
            "patterns",
            "results",
            "study",
            "suitesparse",
            "twins",
            "unsolved",
            "why",
        )
    ),
)
# Sources of sentences that makers write.
MAKERS = (
    *sorted(f"docs/{path.name}" for path in DOCS.glob("*_findings.py")),
    "docs/nonlocal_real.py",
    *sorted(f"docs/{path.name}" for path in DOCS.glob("make_*_page.py")),
    "paper/claims.py",
)
# Shorter texts are names, formats and cells of tables.
WORDS = 6
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
    r"|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|several|many) (?:times|minutes)\b"
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


def words_of(maker: str) -> list[str]:
    """Return the sentences in the source of a maker, without the values that are put in."""
    tree = ast.parse(maker)
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    texts = []
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)) and ast.get_docstring(
            node
        ):
            inside.add(id(node.body[0].value))  # type: ignore[attr-defined]
        if isinstance(node, ast.JoinedStr):
            texts.append(
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}"
                    for part in node.values
                )
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in inside
        ):
            texts.append(node.value)
    return [text for text in texts if len(text.split()) >= WORDS]


def definitions_of(page: str) -> list[str]:
    """Return the definitions that may stand in a page."""
    found = tomllib.loads(DEFINITIONS.read_text(encoding="utf-8"))
    name = "makers" if page.endswith(".py") else Path(page).stem
    return [*found["everywhere"], *found.get(name, [])]


def main(arguments: Sequence[str]) -> int:
    """Print what is unsourced."""
    count = 0
    for page in arguments or (*PAGES, *MAKERS):
        text = (ROOT / page).read_text(encoding="utf-8")
        texts = words_of(text) if page.endswith(".py") else [text]
        for line in (line for part in texts for line in unsourced(part, definitions_of(page))):
            sys.stdout.write(f"{page}: {line}\n")
            count += 1
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
