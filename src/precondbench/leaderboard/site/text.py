"""How the site writes numbers, names in addresses, and Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable

from precondbench.leaderboard.scoring.intervals import Interval

DASH, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
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


def figure(value: float, real: bool) -> str:
    """Write a number that ranks: an area, or mean iterations."""
    return f"{value:.3f}" if real else number(value)


def signed(value: float, real: bool) -> str:
    """Write a difference of numbers that rank."""
    text = figure(abs(value), real)
    if float(text.replace(",", "")) == 0.0:
        return text
    return ("+" if value > 0 else MINUS) + text


def between(interval: Interval, real: bool) -> str:
    """Write the ends of an interval; empty if they are one, for want of families."""
    if interval.low == interval.high:
        return ""
    return f"[{figure(interval.low, real)}, {figure(interval.high, real)}]"


def signed_between(interval: Interval, real: bool) -> str:
    """Write a difference with its interval."""
    text = signed(interval.mean, real)
    if interval.low == interval.high:
        return text
    return f"{text} [{signed(interval.low, real)}, {signed(interval.high, real)}]"


def percent(share: float | None) -> str:
    """Write a share; 100 only if it is all."""
    if share is None:
        return DASH
    tenths = round(1000 * share)
    if share < 1.0:
        tenths = min(tenths, 999)
    text = f"{tenths / 10:.1f}".removesuffix(".0")
    return f"{text}\N{NO-BREAK SPACE}%"


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
