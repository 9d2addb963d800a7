"""A strip for each track on the first page: how far the best are from the target."""

from __future__ import annotations

import math

from markupsafe import Markup

from precondbench.leaderboard.site_charts import KIND_SHAPES
from precondbench.leaderboard.site_format import number
from precondbench.leaderboard.standings import IC0, INVK, Standing
from precondbench.leaderboard.svg import Drawing, Point, Scale, place_labels

__all__ = ["draw_strip"]

TIMES = "\N{MULTIPLICATION SIGN}"
_WIDTH, _AXIS, _HEIGHT = 340.0, 68.0, 92.0
_LEFT, _RIGHT = 10.0, 330.0


def draw_strip(standing: Standing, name: str) -> Markup | None:
    """Draw the best of each kind on an axis of times the iterations of the target.

    Parameters
    ----------
    standing : Standing
        A track.
    name : str
        Identifier, unique on the page.

    Returns
    -------
    markupsafe.Markup or None
        None if there is nothing to draw.
    """
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
    x = Scale(low, high, _LEFT, _RIGHT)
    drawing = Drawing(_WIDTH, _HEIGHT)
    drawing.line(_LEFT, _AXIS, _RIGHT, _AXIS, "axis")
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
    place_labels(drawing, points, 0.0, _WIDTH, _AXIS)
    described = "; ".join(point.tip for point in points)
    return drawing.svg(
        name, f"{standing.track.title}: times the iterations of the target", described
    )
