"""How the site writes numbers, names in addresses, and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from precondbench.leaderboard.scoring.ranking import Spread

DASH = "\N{EN DASH}"
_LONGEST_SLUG = 100


def number(value: float | int | None) -> str:
    """Write a number as short as a reader needs it; nothing is a dash."""
    if value is None:
        return DASH
    size = abs(value)
    if value == int(value) or size >= 99.95:
        return f"{value:,.0f}"
    if size >= 9.995:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.095 else f"{value:.2g}"


def percent(share: float | None) -> str:
    """Write a share; 100 only if it is all."""
    if share is None:
        return DASH
    tenths = round(1000 * share)
    if share < 1.0:
        tenths = min(tenths, 999)
    text = f"{tenths / 10:.1f}".removesuffix(".0")
    return f"{text}\N{NO-BREAK SPACE}%"


def span(spread: Spread | None, digits: int = 2) -> str:
    """Write the smallest and largest value over seeds; empty if they are one."""
    if spread is None or spread.low == spread.high:
        return ""
    return f"{spread.low:,.{digits}f}{DASH}{spread.high:,.{digits}f}"


def safe_link(address: str | None) -> str | None:
    """Return an address that may stand in a link: http or https, or None."""
    if address is None or re.match(r"https?://[^\s\"'<>\\]+\Z", address) is None:
        return None
    return address


def slugs(names: Iterable[str]) -> dict[str, str]:
    """Make names of files: lower-case letters, digits and hyphens, no two alike."""
    taken: set[str] = set()
    result: dict[str, str] = {}
    for name in names:
        words = re.findall(r"[a-z0-9]+", name.lower())
        slug = stem = "-".join(words)[:_LONGEST_SLUG].strip("-") or "matrix"
        count = 1
        while slug in taken:
            count += 1
            slug = f"{stem}-{count}"
        taken.add(slug)
        result[name] = slug
    return result


def markdown(text: str) -> str:
    """Escape text for a cell of a Markdown table: nothing in it is a mark, a link or HTML."""
    flat = " ".join(text.split())
    flat = re.sub(r"([\\`*_\[\]|~:@$!])", r"\\\1", flat)
    # Renderers make links of bare addresses, too.
    flat = re.sub(r"(?i)(www)\.", r"\1\\.", flat)
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
