"""Shared functions of the scripts that generate pages: paths, results, tables, marked parts."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from precondbench.leaderboard import Leaderboard
    from precondbench.leaderboard.board import Standing
    from precondbench.leaderboard.timing.times import TimedRow, Times

DOCS = Path(__file__).parent
ROOT = DOCS.parent
RESULTS = ROOT / "benchmarks" / "results"
LEADERBOARD = ROOT / "leaderboard"

if importlib.util.find_spec("paper") is None:
    # The scripts are started by path, so only their own folder is on the import path.
    sys.path.append(str(ROOT))


@cache
def committed_board() -> Leaderboard:
    """Return the committed leaderboard, which takes seconds to read."""
    from precondbench.leaderboard.entries import read_leaderboard

    return read_leaderboard(LEADERBOARD)


@cache
def committed_standings() -> tuple[Standing, ...]:
    """Return its tracks, ranked."""
    from precondbench.leaderboard import standings_of

    return tuple(standings_of(committed_board()))


def large_families() -> list[Standing]:
    """Return its tracks of ``test_large`` of all families."""
    return [
        standing
        for standing in committed_standings()
        if standing.track.kind == "parametric" and standing.track.split == "test_large"
    ]


def mean_over_families(entry: str) -> float | None:
    """Return the geometric mean of a row over `large_families`; None where one has no such row."""
    rows = [standing.by_id.get(entry) for standing in large_families()]
    scores = [row.score.mean for row in rows if row is not None]
    return geometric_mean(scores) if len(scores) == len(rows) else None


def multigrid_times() -> Iterator[tuple[Times, TimedRow, TimedRow]]:
    """Yield times of problems that LearnedMultigrid solves, its row and the fastest of the others.

    Others are classical and direct methods, for one right-hand side.
    """
    from precondbench.leaderboard.timing.times import all_times

    for times in all_times(LEADERBOARD):
        fastest = times.fastest(1)
        for row in times.rows:
            if row.method.endswith(":LearnedMultigrid") and row.solve and fastest is not None:
                yield times, row, fastest


def stored(name: str) -> Any:
    """Return the content of a JSON file in benchmarks/results."""
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """Return a Markdown table; columns after the first ``words`` contain numbers."""
    lines = [header, [*["---"] * words, *["---:"] * (len(header) - words)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def paragraph(text: str, first: str = "") -> str:
    """Return text in lines of at most 120 characters; lines after the first are indented.

    Formulas, code and numbers with a minus sign are not broken, so that no line looks like an item
    of a list.
    """
    kept = re.sub(
        r"\$[^$]+\$|`[^`]+`|\bn = |\b\d+ (?=%)| [-+] \S+",
        lambda found: found[0].replace(" ", "\0"),
        text,
    )
    lines = textwrap.wrap(
        kept,
        120,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines).replace("\0", " ")


def bullets(texts: Iterable[str]) -> str:
    """Return a list, one item a text; empty texts are left out."""
    return "\n".join(paragraph(text, "- ") for text in texts if text)


def listed(items: Iterable[str], word: str = "and") -> str:
    """Return "a", "a and b" or "a, b and c"; "none" of no items."""
    *others, last = list(items) or ["none"]
    return f"{', '.join(others)} {word} {last}" if others else last


def short(value: float) -> str:
    """Return a number with three digits, or all those before the point."""
    if value == 0 or 0.01 <= abs(value) < 1_000_000:
        return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:.1e}"


def span(values: Iterable[float]) -> str:
    """Return the extremes of numbers as "x to y", or the number if they look the same."""
    values = list(values)
    least, most = short(min(values)), short(max(values))
    return least if least == most else f"{least} to {most}"


def counted(count: int, of: int, what: str = "") -> str:
    """Return "all 3 sets", "2 of 3 sets" or "none of 3 sets"."""
    share = f"all {of}" if count == of else f"{count or 'none'} of {of}"
    return f"{share} {what}".rstrip()


def with_parts(page: str, parts: Mapping[str, str]) -> str:
    """Return the page with the text between ``<!-- mark -->`` and ``<!-- end of mark -->`` new."""
    for mark, text in parts.items():
        start, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
        head, found, rest = page.partition(start)
        assert found, mark
        _, found, tail = rest.partition(end)
        assert found, mark
        page = f"{head}{start}{text}\n{end}{tail}"
    return page


def rewrite(path: Path, parts: Mapping[str, str]) -> None:
    """Replace parts of a page."""
    text = with_parts(path.read_text(encoding="utf-8"), parts)
    path.write_text(text, encoding="utf-8")
