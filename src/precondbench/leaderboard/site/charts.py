"""Charts of the site: performance profiles, cosine against iterations, hops, spy plots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from precondbench.leaderboard.board import IC0, INVK, Standing
from precondbench.leaderboard.entries import MatrixInfo, Track
from precondbench.leaderboard.scoring.intervals import SPAN
from precondbench.leaderboard.scoring.ranking import RankedRow, profile, shares_within
from precondbench.leaderboard.site.svg import (
    SHAPES,
    Drawing,
    LogScale,
    Point,
    Scale,
    decade_ticks,
    place_labels,
)
from precondbench.leaderboard.site.text import number

KIND_SHAPES = {
    "learned": "circle",
    "fitted": "diamond",
    "classical": "square",
    "oracle": "triangle",
}
# Entries hold cosines with 12 digits: what is closer to the target is drawn as this close.
CLOSEST = 1e-12
_WIDTH, _HEIGHT = 420.0, 330.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 410.0, 20.0, 282.0


@dataclass(frozen=True)
class Curve:
    """An entry of the legend of a chart of curves."""

    row: RankedRow
    style: str
    shape: str

    @property
    def swatch(self) -> Markup:
        """A short piece of the curve with its mark."""
        return Markup(
            '<svg class="swatch" viewBox="-14 -6 28 12" aria-hidden="true">'
            '<path class="curve {0}" d="M-14 0H14"/><path class="mark {0}" d="{1}"/></svg>'
        ).format(self.style, SHAPES[self.shape])


def curves_of(rows: Sequence[RankedRow]) -> list[Curve]:
    """Give each row, eight at most, a colour, a dash and a shape of its own."""
    return [
        Curve(row, f"s{place}", shape)
        for place, (row, shape) in enumerate(zip(rows, SHAPES, strict=False), 1)
    ]


def draw_profiles(curves: Sequence[Curve]) -> Markup:
    """Draw performance profiles; the caller writes the legend."""
    x = Scale(-SPAN, SPAN, _LEFT, _RIGHT)
    y = Scale(0.0, 1.0, _BOTTOM, _TOP)
    drawing = Drawing(_WIDTH, _HEIGHT)
    for power in range(-4, 5):
        label = str(2**power) if power >= 0 else f"1/{2**-power}"
        _tick_below(drawing, x(power), label)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        _tick_left(drawing, y(share), f"{100 * share:.0f} %")
    drawing.line(x(0), _TOP, x(0), _BOTTOM, "reference")
    drawing.text(x(0), _TOP - 7, "target", "note")
    # The best is drawn last, on top.
    for curve in reversed(curves):
        drawing.path(_steps(curve.row, x, y), f"curve {curve.style}")
        marks = range(-4, 5)
        for power, share in zip(marks, shares_within(curve.row.ratios), strict=True):
            if share == 0.0:
                continue
            drawing.mark(
                Point(
                    x(power),
                    y(share),
                    "",
                    curve.shape,
                    f"mark {curve.style}",
                    f"{curve.row.entry.method}: {100 * share:.0f} % within {number(2.0**power)} "
                    "times the iterations of the target",
                )
            )
    _titles(drawing, "iterations relative to those of the target, at most", "share of matrices")
    return drawing.svg(
        "profile",
        "Performance profiles",
        "For each method, the share of matrices solved within a given multiple of the iterations "
        "of the target; higher curves are better. The table below contains the same numbers.",
    )


def _steps(row: RankedRow, x: Scale, y: Scale) -> list[tuple[float, float]]:
    points = [(x(-SPAN), y(shares_within(row.ratios, [2.0**-SPAN])[0]))]
    for tau, share in profile(row.ratios):
        if abs(math.log2(tau)) <= SPAN:
            points += [(x(math.log2(tau)), points[-1][1]), (x(math.log2(tau)), y(share))]
    return [*points, (_RIGHT, points[-1][1])]


def draw_cosine(track: Track, rows: Sequence[RankedRow]) -> Markup | None:
    """Draw iterations against 1 - cosine, and ceilings of local models; None without cosines."""
    known = [
        (row, max(1.0 - row.cosine_mean.mean, CLOSEST), row.iterations_mean.mean)
        for row in rows
        if row.cosine_mean is not None
    ]
    if not known:
        return None
    ceilings = {
        int(columns): max(1.0 - cosine, CLOSEST)
        for columns, cosine in (track.ceilings or {}).items()
    }
    distances = [distance for _, distance, _ in known] + list(ceilings.values())
    ranked = [distance for row, distance, _ in known if row.rank is not None]
    # Oracles that are exact would leave no room for the others: they stand on the border.
    closest = max(min(distances) / 3, min(ranked + list(ceilings.values()), default=0.0) / 30)
    # Better is to the right, as on the figures of docs/.
    x = LogScale(closest, max(max(distances) * 1.5, 10 * closest), _RIGHT, _LEFT)
    y = _iteration_axis([steps for _, _, steps in known])
    drawing = Drawing(_WIDTH, _HEIGHT)
    for tick in decade_ticks(x.low, x.high):
        if tick in _POWERS:
            _tick_below(drawing, x(tick), _POWERS[tick])
    _iteration_ticks(drawing, y)
    for columns, distance in ceilings.items():
        drawing.line(x(distance), _TOP, x(distance), _BOTTOM, "ceiling")
        if columns in (min(ceilings), max(ceilings)):
            anchor = "end" if columns == min(ceilings) else "start"
            drawing.text(x(distance), _TOP - 7, str(columns), "note", anchor)
    points = [
        _entry_point(row, x(distance), y(steps), f"1 - cosine {distance:.2g}")
        for row, distance, steps in known
    ]
    _draw_points(drawing, points)
    _titles(drawing, "1 - cosine with the target (better to the right)", "mean iterations")
    return drawing.svg(
        "cosine",
        "Cosine against iterations",
        "One mark for each method with a cosine: one minus its mean cosine with the target, and "
        "its mean iterations. The board holds both numbers.",
    )


def draw_ladder(track: Track, rows: Sequence[RankedRow]) -> Markup | None:
    """Draw iterations of k-hop oracles, and entries at their hops; None without oracles."""
    if not track.ladder:
        return None
    rungs = sorted((int(hops), steps) for hops, steps in track.ladder.items())
    shown = [
        (row, row.effective_hops.mean)
        for row in rows
        if row.effective_hops is not None and row.entry.kind != "oracle"
    ]
    most = max([float(rungs[-1][0]), 1.0])
    x = Scale(0.0, math.log2(1 + most) + 0.3, _LEFT + 12, _RIGHT)
    y = _iteration_axis([s for _, s in rungs] + [row.iterations_mean.mean for row, _ in shown])
    drawing = Drawing(_WIDTH, _HEIGHT)
    _iteration_ticks(drawing, y)
    for hops, _ in rungs:
        _tick_below(drawing, x(math.log2(1 + hops)), str(hops))
    corners = [(x(math.log2(1 + hops)), y(steps)) for hops, steps in rungs]
    drawing.path(corners, "curve ladder")
    for (hops, steps), (across, down) in zip(rungs, corners, strict=True):
        tip = f"{hops}-hop oracle: {number(steps)} iterations"
        drawing.mark(Point(across, down, "", "triangle", "mark oracle", tip))
    points = [
        _entry_point(
            row, x(math.log2(1 + hops)), y(row.iterations_mean.mean), f"{hops:.2g} effective hops"
        )
        for row, hops in shown
    ]
    _draw_points(drawing, points)
    _titles(drawing, "rows that the oracle looks back, or effective hops", "mean iterations")
    return drawing.svg(
        "ladder",
        "Iterations of the k-hop oracles",
        "Mean iterations of the oracles that see k rows back, and every ranked entry at its "
        "effective hops. The tables hold the same numbers.",
    )


def draw_spy(matrix: MatrixInfo) -> Markup | None:
    """Draw the pattern of a matrix from its rows of digits; None if there are none."""
    if not matrix.density:
        return None
    size, rows = 320.0, len(matrix.density)
    drawing = Drawing(size + 2, size + 2)
    high = size / rows
    for place, digits in enumerate(matrix.density):
        wide = size / len(digits)
        start = 0
        while start < len(digits):
            stop = start + 1
            while stop < len(digits) and digits[stop] == digits[start]:
                stop += 1
            if digits[start] != "0":
                drawing.box(
                    1 + start * wide,
                    1 + place * high,
                    (stop - start) * wide,
                    high,
                    f"d{digits[start]}",
                )
            start = stop
    drawing.box(1, 1, size, size, "frame")
    return drawing.svg(
        "spy",
        f"Pattern of {matrix.name}",
        f"Where the entries of the matrix lie, on a grid of {rows} by {rows} cells: the "
        f"stronger, the fuller. {matrix.n} rows, {matrix.nnz} entries in the lower triangle.",
    )


_POWERS = {
    10.0**power: f"1e{power}" if power < -2 else f"{10.0**power:g}" for power in range(-14, 2)
}


def _iteration_axis(steps: Sequence[float]) -> LogScale:
    return LogScale(max(min(steps), 0.7) / 1.4, max(max(steps), 1.0) * 1.6, _BOTTOM, _TOP)


def _iteration_ticks(drawing: Drawing, y: LogScale) -> None:
    for tick in decade_ticks(y.low, y.high):
        _tick_left(drawing, y(tick), f"{tick:g}")


def _entry_point(row: RankedRow, x: float, y: float, measure: str) -> Point:
    kind = row.entry.kind
    tip = f"{row.entry.method} ({kind}): {measure}, {number(row.iterations_mean.mean)} iterations"
    return Point(x, y, row.entry.method, KIND_SHAPES[kind], f"mark {kind}", tip)


def _draw_points(drawing: Drawing, points: Sequence[Point]) -> None:
    # The best are drawn last, on top, and are the first to get their names.
    for point in reversed(points):
        drawing.mark(point)
    place_labels(drawing, points, _LEFT - 2, _RIGHT + 8, _BOTTOM - 2)


def _tick_below(drawing: Drawing, x: float, label: str) -> None:
    drawing.line(x, _TOP, x, _BOTTOM, "grid")
    drawing.text(x, _BOTTOM + 17, label, "tick")


def _tick_left(drawing: Drawing, y: float, label: str) -> None:
    drawing.line(_LEFT, y, _RIGHT, y, "grid")
    drawing.text(_LEFT - 6, y + 4, label, "tick", "end")


def _titles(drawing: Drawing, below: str, left: str) -> None:
    drawing.text((_LEFT + _RIGHT) / 2, _HEIGHT - 8, below, "axis-title")
    drawing.text(11, (_TOP + _BOTTOM) / 2, left, "axis-title", turn=-90)


TIMES = "\N{MULTIPLICATION SIGN}"
_STRIP_WIDTH, _AXIS, _STRIP_HEIGHT = 340.0, 68.0, 92.0
_STRIP_LEFT, _STRIP_RIGHT = 10.0, 330.0


def draw_strip(standing: Standing, name: str) -> Markup | None:
    """Draw the best of each kind on an axis of iterations over the target's, if there are any."""
    rows = [standing.best_learned, standing.best_classical]
    if standing.real:
        rows += [standing.by_id.get(INVK), standing.by_id.get(IC0)]
    # Each row once, in this order.
    shown = {row.entry.id: row for row in rows if row is not None}
    times = {key: standing.against_target(row) for key, row in shown.items()}
    powers = {key: math.log2(value) for key, value in times.items() if value is not None}
    if not powers:
        return None
    low = math.floor(min(*powers.values(), -0.5)) - 0.3
    high = math.ceil(max(*powers.values(), 1.5)) + 0.3
    x = Scale(low, high, _STRIP_LEFT, _STRIP_RIGHT)
    drawing = Drawing(_STRIP_WIDTH, _STRIP_HEIGHT)
    drawing.line(_STRIP_LEFT, _AXIS, _STRIP_RIGHT, _AXIS, "axis")
    first, last = math.ceil(low), math.floor(high)
    stride = 1 if last - first <= 8 else 2
    for power in range(first, last + 1):
        if power % stride == 0:
            label = TIMES + (str(2**power) if power >= 0 else f"1/{2**-power}")
            drawing.line(x(power), _AXIS - 3, x(power), _AXIS + 3, "axis")
            drawing.text(x(power), _AXIS + 18, label, "tick")
    drawing.line(x(0), 4, x(0), _AXIS, "reference")
    points = []
    for key, exact in powers.items():
        entry = shown[key].entry
        tip = f"{entry.method}: {number(2.0**exact)} times the iterations of the target"
        style = f"mark {entry.kind}"
        points.append(
            Point(x(exact), _AXIS - 14, entry.method, KIND_SHAPES[entry.kind], style, tip)
        )
    for point in reversed(points):
        drawing.mark(point)
    place_labels(drawing, points, 0.0, _STRIP_WIDTH, _AXIS)
    described = "; ".join(point.tip for point in points)
    return drawing.svg(
        name, f"{standing.track.title}: times the iterations of the target", described
    )
