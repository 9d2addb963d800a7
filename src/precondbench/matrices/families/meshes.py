"""Diffusion on unstructured triangular meshes of random domains (family ``mesh-2d``).

A mesh is the Delaunay triangulation of a Poisson-disk sample: points are tried at random, by
Bridson's method from the boundary inwards, and kept if they are no closer to the others than the
wanted distance r. Neighbours on the boundary are at most 1.33 r apart, so no point lies in the
circle over a side of the boundary, every such side is an edge of the triangulation, and no angle
is small. SciPy (Qhull) gives the topology. Random points are in general position, so it is unique;
it is part of the digest of the matrix, by which another one would be noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import ConfigurationError
from precondbench.matrices.families.elements import (
    diffusion_matrix,
    free_part,
    mean_edge_length,
    node_means,
)
from precondbench.matrices.families.family import Parameter, ParametricFamily
from precondbench.matrices.families.fields import exponential, smooth_field
from precondbench.matrices.families.system import DiscreteSystem
from precondbench.matrices.random_bits import UniformStream

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Random tries around each point, and what they give: points per r^2 of area, and the part of a
# strip of width r along the boundary that stays without inner points.
_TRIES = 20
_DENSITY = 0.57
_STRIP = 0.55
# Distance of neighbours on the boundary over r.
_SPACING = 1.1
_CELLS = 4
_FEWEST = 50


class Domain(NamedTuple):
    """A polygon, with or without holes, in the square [-1, 1]^2, as the sides of its boundary."""

    corners: Floats
    sides: Integers
    fixed: NDArray[np.bool_]


class Mesh(NamedTuple):
    """A triangulation; ``fixed`` marks the nodes on sides with a Dirichlet condition."""

    points: Floats
    triangles: Integers
    fixed: NDArray[np.bool_]


def star_domain(stream: UniformStream, corners: int) -> Domain:
    """Draw a star-shaped polygon: corners at random distances from the centre, 0.6 to 1.

    Their directions divide the boundary of a square, which needs no sine or cosine.
    """
    place = np.arange(corners) + stream.uniform(corners, -0.15, 0.15)
    walked = (place * (8.0 / corners) + 8.0) % 8.0
    side = np.floor(walked / 2.0).astype(np.int64)
    along = walked - 2.0 * side - 1.0
    outwards = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    x = outwards[side, 0] - outwards[side, 1] * along
    y = outwards[side, 1] + outwards[side, 0] * along
    length = stream.uniform(corners, 0.6, 1.0) / np.sqrt(x * x + y * y)
    following = (np.arange(corners) + 1) % corners
    return Domain(
        np.stack((x * length, y * length), axis=1),
        np.stack((np.arange(corners), following), axis=1),
        _dirichlet(stream, corners),
    )


def rectilinear_domain(stream: UniformStream) -> Domain:
    """Draw a union of 8 or more cells of a 4 x 4 grid, with corners of 90 and 270 degrees.

    Cells are added at random next to others. Where two cells would touch in a corner only, the two
    beside them are added.
    """
    inside = np.zeros((_CELLS + 2, _CELLS + 2), dtype=bool)
    start = (stream.uniform(2) * _CELLS).astype(np.int64) + 1
    inside[start[0], start[1]] = True
    while np.count_nonzero(inside) < 8:
        near = np.zeros_like(inside)
        near[1:-1, 1:-1] = (
            inside[:-2, 1:-1] | inside[2:, 1:-1] | inside[1:-1, :-2] | inside[1:-1, 2:]
        ) & ~inside[1:-1, 1:-1]
        choices = np.argwhere(near)
        row, column = choices[int(stream.uniform(1)[0] * len(choices))]
        inside[row, column] = True
    while True:
        square = inside[:-1, :-1], inside[:-1, 1:], inside[1:, :-1], inside[1:, 1:]
        touching = (square[0] & square[3] & ~square[1] & ~square[2]) | (
            square[1] & square[2] & ~square[0] & ~square[3]
        )
        if not touching.any():
            break
        for row, column in np.argwhere(touching):
            inside[row : row + 2, column : column + 2] = True
    sides = []
    for row, column in np.argwhere(inside):
        # Corners of the cell, counted from the lower left one of the grid.
        low = (row - 1) * (_CELLS + 1) + column - 1
        for neighbour, side in (
            ((row - 1, column), (low, low + 1)),
            ((row, column + 1), (low + 1, low + _CELLS + 2)),
            ((row + 1, column), (low + _CELLS + 2, low + _CELLS + 1)),
            ((row, column - 1), (low + _CELLS + 1, low)),
        ):
            if not inside[neighbour]:
                sides.append(side)
    used, numbers = np.unique(np.array(sides), return_inverse=True)
    corners = np.stack((used % (_CELLS + 1), used // (_CELLS + 1)), axis=1) * (2.0 / _CELLS) - 1.0
    return Domain(corners, numbers.reshape(-1, 2), _dirichlet(stream, len(sides)))


def _dirichlet(stream: UniformStream, sides: int) -> NDArray[np.bool_]:
    """Half of the sides have a Dirichlet condition, the first one always."""
    fixed = stream.uniform(sides) < 0.5
    fixed[0] = True
    return fixed


def random_mesh(stream: UniformStream, domain: Domain, n: int, refinement: float) -> Mesh:
    """Triangulate a domain with about n nodes that are not fixed.

    Elements at one corner, drawn at random, are ``refinement`` times smaller than at a distance of
    1 from it and beyond; the size grows linearly in between. Nodes are numbered in strips of the
    largest size from below, each from the left to the right.
    """
    focus = domain.corners[int(stream.uniform(1)[0] * len(domain.corners))]
    finest = 1.0 / refinement
    r = _distance(domain, n, focus, finest)
    border, fixed = _border(stream, domain, r, focus, finest)
    room = n + n // 4 + 2 * len(border) + 100
    points, count = _poisson_disk(
        border, domain.corners, domain.sides, r, focus, finest,
        stream.uniform(2 * _TRIES * room), room,
    )  # fmt: skip
    points = points[:count]
    order = np.lexsort((points[:, 0], np.floor(points[:, 1] / r)))
    points = points[order]
    fixed = np.concatenate((fixed, np.zeros(count - len(border), dtype=bool)))[order]
    return Mesh(points, _triangles(points, domain), fixed)


def _distance(domain: Domain, n: int, focus: Floats, finest: float) -> float:
    """Return r far from the focus for about n nodes that are not fixed."""
    area = _scaled_area(domain.corners, domain.sides, focus, finest)
    length, free_length = 0.0, 0.0
    for (a, b), fixed in zip(domain.sides, domain.fixed, strict=True):
        middle = (domain.corners[a] + domain.corners[b]) * 0.5
        side = domain.corners[b] - domain.corners[a]
        scaled = float(np.sqrt(side[0] * side[0] + side[1] * side[1])) / float(
            _size(middle[0], middle[1], focus, finest)
        )
        length += scaled
        free_length += 0.0 if fixed else scaled
    # _DENSITY (area s^2 - _STRIP length s) + free_length s / _SPACING = n with s = 1 / r.
    linear = free_length / _SPACING - _DENSITY * _STRIP * length
    root = np.sqrt(linear * linear + 4.0 * _DENSITY * area * n)
    return float(2.0 * _DENSITY * area / (root - linear))


def _border(
    stream: UniformStream, domain: Domain, r: float, focus: Floats, finest: float
) -> tuple[Floats, NDArray[np.bool_]]:
    """Place points on the boundary: its corners, then those within each side."""
    points = [domain.corners]
    at_corner = np.zeros(len(domain.corners), dtype=bool)
    at_corner[domain.sides[domain.fixed].ravel()] = True
    marks = [at_corner]
    for (a, b), mark in zip(domain.sides, domain.fixed, strict=True):
        inner = _on_side(domain.corners[a], domain.corners[b], _SPACING * r, focus, finest)
        steps = np.diff(np.concatenate(([0.0], inner, [1.0])))
        smaller = np.minimum(steps[:-1], steps[1:])
        inner = inner + smaller * stream.uniform(len(inner), -0.05, 0.05)
        points.append(domain.corners[a] + inner[:, None] * (domain.corners[b] - domain.corners[a]))
        marks.append(np.full(len(inner), mark))
    return np.concatenate(points), np.concatenate(marks)


def _triangles(points: Floats, domain: Domain) -> Integers:
    """Delaunay triangles inside the domain: turned left, smallest node first, sorted."""
    # Far points make the hull, so that no flat triangle lies along a side of the domain.
    far = np.array([[-9.0, -9.1], [9.2, -9.0], [9.0, 9.3], [-9.4, 9.0]])
    triangles = scipy.spatial.Delaunay(np.concatenate((points, far))).simplices.astype(np.int64)
    triangles = triangles[(triangles < len(points)).all(axis=1)]
    a, b, c = points[triangles[:, 0]], points[triangles[:, 1]], points[triangles[:, 2]]
    middle = (a + b + c) / 3.0
    inside = _inside(middle[:, 0], middle[:, 1], domain.corners, domain.sides)
    left = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) > (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])
    triangles[~left] = triangles[~left][:, [0, 2, 1]]
    triangles = triangles[inside]
    turned = (np.argmin(triangles, axis=1)[:, None] + np.arange(3)) % 3
    triangles = np.take_along_axis(triangles, turned, axis=1)
    return triangles[np.lexsort(triangles.T[::-1])]


@kernel
def _size(x: float, y: float, focus: Any, finest: float) -> Any:
    """Wanted distance of points, in units of the largest one."""
    dx, dy = x - focus[0], y - focus[1]
    return min(1.0, finest + (1.0 - finest) * np.sqrt(dx * dx + dy * dy))


@kernel
def _within(x: float, y: float, corners: Any, sides: Any) -> Any:
    """Whether a ray to the right crosses the boundary an odd number of times."""
    inside = False
    for side in range(sides.shape[0]):
        ax, ay = corners[sides[side, 0], 0], corners[sides[side, 0], 1]
        bx, by = corners[sides[side, 1], 0], corners[sides[side, 1], 1]
        if (ay > y) != (by > y) and x < ax + (bx - ax) * ((y - ay) / (by - ay)):
            inside = not inside
    return inside


@kernel
def _inside(x: Any, y: Any, corners: Any, sides: Any) -> Any:
    found = np.zeros(x.shape[0], dtype=np.bool_)
    for i in range(x.shape[0]):
        found[i] = _within(x[i], y[i], corners, sides)
    return found


@kernel
def _scaled_area(corners: Any, sides: Any, focus: Any, finest: float) -> Any:
    """Integral of 1 / size^2 over the domain, by the midpoints of a grid of 128 x 128 cells."""
    total = 0.0
    for i in range(128):
        for j in range(128):
            x, y = -1.0 + (i + 0.5) / 64.0, -1.0 + (j + 0.5) / 64.0
            if _within(x, y, corners, sides):
                size = _size(x, y, focus, finest)
                total += 1.0 / (size * size)
    return total / 4096.0


@kernel
def _on_side(a: Any, b: Any, step: float, focus: Any, finest: float) -> Any:
    """Divide a side: walk from end to end by steps of the wanted size, then stretch the walk."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = np.sqrt(dx * dx + dy * dy)
    places = np.empty(2 + int(length / (step * finest)))
    place, count = 0.0, 0
    while place < 1.0:
        places[count] = place
        count += 1
        place += step * _size(a[0] + place * dx, a[1] + place * dy, focus, finest) / length
    # `place` is behind the end. A short rest is shared out among the steps before it.
    last = places[count - 1]
    if count > 1 and 1.0 - last < 0.2 * (place - last):
        count -= 1
        place = last
    return places[1:count] / place


@kernel
def _poisson_disk(
    border: Any, corners: Any, sides: Any, r: float, focus: Any, finest: float, pool: Any, room: int
) -> Any:
    """Add inner points around those there are, first come, first served.

    A try is a point of the square of half side 2 r around one, and is left out nearer than r.
    Points are found by lists in square cells of side r / 2.
    """
    width = 2.0 / r * 2.0
    across = int(width) + 2
    heads = np.full(across * across, -1, dtype=np.int64)
    following = np.full(room, -1, dtype=np.int64)
    points = np.empty((room, 2))
    sizes = np.empty(room)
    count = 0
    for i in range(border.shape[0]):
        points[i, 0], points[i, 1] = border[i, 0], border[i, 1]
        count += 1
    for i in range(count):
        sizes[i] = r * _size(points[i, 0], points[i, 1], focus, finest)
        cell = int((points[i, 0] + 1.0) / r * 2.0) * across + int((points[i, 1] + 1.0) / r * 2.0)
        following[i] = heads[cell]
        heads[cell] = i
    current, drawn = 0, 0
    while current < count:
        for _ in range(_TRIES):
            if drawn + 2 > pool.shape[0] or count == room:
                break
            dx = (4.0 * pool[drawn] - 2.0) * sizes[current]
            dy = (4.0 * pool[drawn + 1] - 2.0) * sizes[current]
            drawn += 2
            x, y = points[current, 0] + dx, points[current, 1] + dy
            square = (dx * dx + dy * dy) / (sizes[current] * sizes[current])
            if square < 1.0 or square > 4.0 or not _within(x, y, corners, sides):
                continue
            size = r * _size(x, y, focus, finest)
            reach = int(size / r * 2.0) + 1
            column, row = int((x + 1.0) / r * 2.0), int((y + 1.0) / r * 2.0)
            near = False
            for i in range(max(column - reach, 0), min(column + reach + 1, across)):
                for j in range(max(row - reach, 0), min(row + reach + 1, across)):
                    other = heads[i * across + j]
                    while other >= 0 and not near:
                        ox, oy = points[other, 0] - x, points[other, 1] - y
                        near = ox * ox + oy * oy < size * size
                        other = following[other]
            if not near:
                points[count, 0], points[count, 1], sizes[count] = x, y, size
                cell = column * across + row
                following[count] = heads[cell]
                heads[cell] = count
                count += 1
        current += 1
    return points, count


def _draw(stream: UniformStream, n: int, parameters: Mapping[str, float]) -> list[DiscreteSystem]:
    if n < _FEWEST:
        raise ConfigurationError(
            f"mesh-2d with n = {n}: so few nodes cannot follow the boundary; use n >= {_FEWEST}"
        )
    if parameters["domain"] < 1.0:
        domain = star_domain(stream, int(parameters["corners"]))
    else:
        domain = rectilinear_domain(stream)
    mesh = random_mesh(stream, domain, n, parameters["refinement"])
    field = smooth_field(stream, 2, parameters["length"], -1.0, 1.0)
    corners = mesh.points[mesh.triangles]
    middle = (corners[:, 0] + corners[:, 1] + corners[:, 2]) / 3.0
    coefficient = exponential(np.sqrt(parameters["variance"]) * field.at(middle))
    free = ~mesh.fixed
    return [
        DiscreteSystem(
            free_part(diffusion_matrix(mesh.points, mesh.triangles, coefficient), free),
            coordinates=mesh.points[free],
            coefficients=node_means(len(mesh.points), mesh.triangles, coefficient)[free, None],
            h=mean_edge_length(mesh.points, mesh.triangles),
            facts=dict(parameters),
        )
    ]


FAMILIES = (
    ParametricFamily(
        name="mesh-2d",
        title="Diffusion on unstructured meshes",
        stream=4,
        draw_systems=_draw,
        description="Linear elements on Delaunay meshes of random polygons, lognormal coefficient, "
        "Dirichlet and Neumann conditions on random sides.",
        parameters={
            "variance": Parameter(0.1, 4.0, "variance of log k"),
            "length": Parameter(0.1, 0.8, "correlation length of log k; the square has side 2"),
            "domain": Parameter(0.0, 1.0, "rounded down: 0 star-shaped, 1 rectilinear", most=2.0),
            "corners": Parameter(
                5.0, 11.0, "corners of a star-shaped domain, rounded down", least=3.0, most=16.0
            ),
            "refinement": Parameter(
                1.0, 4.0, "largest element size over the smallest", least=1.0, most=16.0
            ),
        },
        axes={
            "contrast": {"variance": 10.0},
            "mesh": {"domain": 1.0, "refinement": (4.0, 8.0)},
        },
        coefficients=("k",),
    ),
)
