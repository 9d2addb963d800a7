"""Drawing inline SVG that takes its colours from the page: scales, marks, labels, escaped text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

# Outlines of marks around (0, 0), distinguishable without colour.
SHAPES: dict[str, str] = {
    "circle": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "square": "M-3.6-3.6h7.2v7.2h-7.2z",
    "triangle": "M0-4.8L4.5 3.4H-4.5z",
    "diamond": "M0-5L4.4 0L0 5L-4.4 0z",
    "wedge": "M0 4.8L4.5-3.4H-4.5z",
    "bar": "M-1.6-5h3.2v10h-3.2z",
    "plus": "M-1.4-5h2.8v3.6h3.6v2.8h-3.6v3.6h-2.8v-3.6h-3.6v-2.8h3.6z",
    "flag": "M-4-4.5L4.5 0L-4 4.5z",
}
_CHARACTER, _HEIGHT = 5.7, 13.0
_LONGEST = 28


@dataclass(frozen=True)
class Scale:
    """A linear map from data to drawing; outside values land on the border."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, 0.0), 1.0) * (self.stop - self.start)


class LogScale(Scale):
    """The same on a logarithmic axis; its ends are given as data."""

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value."""
        low, high = math.log10(self.low), math.log10(self.high)
        return Scale(low, high, self.start, self.stop)(math.log10(max(value, self.low)))


def decade_ticks(low: float, high: float) -> list[float]:
    """Ticks of a logarithmic axis: powers of ten, with 2 and 5 between them if there are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if high <= 10**2.5 * low else (1,)
    stride = max(1, math.ceil((last - first) / 7))
    ticks = [s * 10.0**p for p in range(first, last + 1) for s in steps if p % stride == 0]
    return [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]


@dataclass(frozen=True)
class Point:
    """A mark with a name, in coordinates of the drawing."""

    x: float
    y: float
    name: str
    shape: str
    style: str
    tip: str = ""


class Drawing:
    """Parts of an SVG, in order; every text is escaped."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._parts: list[Markup] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, style: str) -> None:
        """Draw a straight line of a CSS class."""
        self._parts.append(
            Markup('<path class="{}" d="M{} {}L{} {}"/>').format(
                style, *map(_number, (x1, y1, x2, y2))
            )
        )

    def path(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Draw a polyline of a CSS class."""
        steps = "L".join(f"{_number(x)} {_number(y)}" for x, y in points)
        self._parts.append(Markup('<path class="{}" d="M{}"/>').format(style, steps))

    def box(self, x: float, y: float, width: float, height: float, style: str) -> None:
        """Draw a rectangle of a CSS class."""
        self._parts.append(
            Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
                style, *map(_number, (x, y, width, height))
            )
        )

    def text(
        self, x: float, y: float, text: str, style: str = "", anchor: str = "middle", turn: int = 0
    ) -> None:
        """Write text; ``turn`` in degrees."""
        turned = Markup(' transform="rotate({} {} {})"').format(turn, _number(x), _number(y))
        self._parts.append(
            Markup('<text class="{}" x="{}" y="{}" text-anchor="{}"{}>{}</text>').format(
                style, _number(x), _number(y), anchor, turned if turn else "", text
            )
        )

    def mark(self, point: Point) -> None:
        """Draw a mark with a tooltip."""
        self._parts.append(
            Markup('<path class="{}" transform="translate({} {})" d="{}">{}</path>').format(
                point.style,
                _number(point.x),
                _number(point.y),
                SHAPES[point.shape],
                Markup("<title>{}</title>").format(point.tip) if point.tip else "",
            )
        )

    def svg(self, name: str, title: str, description: str) -> Markup:
        """Return the element; title and description are for screen readers."""
        return Markup(
            '<svg class="chart" role="img" viewBox="0 0 {0} {1}" aria-labelledby="{2}-title '
            '{2}-text"><title id="{2}-title">{3}</title><desc id="{2}-text">{4}</desc>{5}</svg>'
        ).format(
            _number(self.width),
            _number(self.height),
            name,
            title,
            description,
            Markup("").join(self._parts),
        )


def place_labels(
    drawing: Drawing, points: Sequence[Point], left: float, right: float, bottom: float
) -> None:
    """Write names beside marks, the first points first; a name that does not fit is left out."""
    taken = [(p.x - 6, p.y - 6, p.x + 6, p.y + 6) for p in points]
    for point in points:
        text = point.name if len(point.name) <= _LONGEST else point.name[: _LONGEST - 1] + "…"
        width = _CHARACTER * len(text)
        for begin, base in _places(point, width, left, right):
            room = (begin, base - _HEIGHT + 3, begin + width, base + 3)
            inside = room[0] >= left and room[1] >= 0 and room[2] <= right and room[3] <= bottom
            high = base < point.y - 15
            leader = (point.x - 1, base + 3, point.x + 1, point.y - 7)
            needed = [room, leader] if high else [room]
            if inside and not any(_overlap(a, b) for a in needed for b in taken):
                taken += needed
                if high:
                    drawing.line(point.x, point.y - 6, point.x, base + 3, "axis")
                drawing.text(begin, base, text, "name", "start")
                break


def _places(point: Point, width: float, left: float, right: float) -> list[tuple[float, float]]:
    """Where a name may begin: beside its mark, then over and under it, then higher up."""
    over = min(max(point.x - width / 2, left), right - width)
    return [
        (point.x + 8, point.y + 4),
        (point.x - 8 - width, point.y + 4),
        (over, point.y - 9),
        (over, point.y + 17),
        (over, point.y - 23),
        (over, point.y - 37),
    ]


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
