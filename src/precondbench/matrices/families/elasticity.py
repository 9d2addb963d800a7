"""Linear elasticity with graded stiffness (families ``elasticity-2d`` and ``elasticity-3d``).

A beam of height (and width) 1 is clamped at its end x = 0. It is cut into square or cubic cells,
each with one stiffness, as a design of topology optimisation by the SIMP method: a smooth density
is projected towards 0 and 1 and its third power interpolates between void and material.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from precondbench.matrices.families.elements import (
    elasticity_matrix,
    free_part,
    lame_parameters,
    mean_edge_length,
    node_means,
)
from precondbench.matrices.families.family import Parameter, ParametricFamily
from precondbench.matrices.families.fields import smooth_field
from precondbench.matrices.families.system import DiscreteSystem
from precondbench.matrices.random_bits import UniformStream

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Slope of the projection of densities.
_SHARPNESS = 20.0


class CellMesh(NamedTuple):
    """Cells of a box divided into triangles or tetrahedra; ``cell`` is that of each element."""

    points: Floats
    elements: Integers
    cell: Integers


def cell_mesh(
    cells: tuple[int, ...], size: float, stream: UniformStream | None = None, jitter: float = 0.0
) -> CellMesh:
    """Divide each square into two triangles and each cube into six tetrahedra.

    Diagonals of squares alternate like the colours of a chessboard; the tetrahedra of a cube are
    those of Kuhn, around one diagonal. Nodes and cells are numbered with the last axis fastest.

    Parameters
    ----------
    cells : tuple of int
        Cells along each axis.
    size : float
        Of a cell.
    stream : UniformStream, optional
        Source of the random shifts.
    jitter : float
        Nodes are shifted along each axis by up to this part of a cell; those on a face of the box
        stay on it. Below 1/4 in the plane and 1/6 in space every element keeps its orientation.
    """
    dimensions = len(cells)
    shape = tuple(count + 1 for count in cells)
    place = np.indices(shape).reshape(dimensions, -1)
    points: Floats = np.ascontiguousarray(place.T, dtype=np.float64) * size
    if stream is not None and jitter > 0.0:
        for axis, count in enumerate(cells):
            shift = (jitter * size) * stream.uniform(place.shape[1], -1.0, 1.0)
            inner = (place[axis] > 0) & (place[axis] < count)
            points[inner, axis] += shift[inner]
    number = np.arange(place.shape[1]).reshape(shape)
    corner = np.indices(cells).reshape(dimensions, -1)

    def node(*step: int) -> Integers:
        found: Integers = number[tuple(corner[axis] + step[axis] for axis in range(dimensions))]
        return found

    if dimensions == 2:
        a, b, c, d = node(0, 0), node(1, 0), node(1, 1), node(0, 1)
        even = (corner[0] + corner[1]) % 2 == 0
        parts = [
            np.stack((a, b, np.where(even, c, d)), axis=1),
            np.stack((np.where(even, a, b), c, d), axis=1),
        ]
    else:
        parts = []
        for first, second, _ in permutations(range(3)):
            one = tuple(int(axis == first) for axis in range(3))
            two = tuple(int(axis in (first, second)) for axis in range(3))
            parts.append(np.stack((node(0, 0, 0), node(*one), node(*two), node(1, 1, 1)), axis=1))
    elements = np.stack(parts, axis=1).reshape(-1, dimensions + 1)
    return CellMesh(points, elements, np.repeat(np.arange(corner.shape[1]), len(parts)))


def graded_stiffness(density: Floats, volume: float, void: float) -> Floats:
    """Turn a smooth density into Young's modulus, from ``void`` to 1, in three steps.

    The value that the part ``volume`` of all cells exceeds becomes 0; x / sqrt(1 + x^2), with x 20
    times the distance from it, projects towards -1 and 1, as the hyperbolic tangent does in
    topology optimisation; with t in (0, 1) the modulus is void + (1 - void) t^3 (SIMP).
    """
    threshold = np.sort(density.ravel())[int((1.0 - volume) * density.size)]
    x = _SHARPNESS * (density - threshold)
    t = 0.5 + 0.5 * (x / np.sqrt(1.0 + x * x))
    young: Floats = void + (1.0 - void) * (t * t * t)
    return young


def _cells(n: int, aspect: float, dimensions: int) -> tuple[int, ...]:
    """Cells of a beam about ``aspect`` times as long as high with about n unknowns."""
    high = 1
    while dimensions * aspect * (high + 1) * (high + 2) ** (dimensions - 1) <= n:
        high += 1
    long = max(1, int(n / (dimensions * (high + 1) ** (dimensions - 1)) + 0.5))
    return (long, *([high] * (dimensions - 1)))


def _draw(
    stream: UniformStream, n: int, parameters: Mapping[str, float], dimensions: int
) -> list[DiscreteSystem]:
    cells = _cells(n, parameters["aspect"], dimensions)
    size = 1.0 / cells[-1]
    mesh = cell_mesh(cells, size, stream, parameters["jitter"])
    field = smooth_field(stream, dimensions, parameters["length"], 0.0, max(cells) * size)
    middles = [(np.arange(count, dtype=np.float64) + 0.5) * size for count in cells]
    density = field.on_grid(middles).ravel()
    young = graded_stiffness(density, parameters["volume"], parameters["void"])[mesh.cell]
    stiffness = elasticity_matrix(
        mesh.points, mesh.elements, *lame_parameters(young, parameters["poisson"], dimensions)
    )
    free = mesh.points[:, 0] > 0.0
    return [
        DiscreteSystem(
            free_part(stiffness, free, dimensions),
            coordinates=mesh.points[free],
            coefficients=node_means(len(mesh.points), mesh.elements, young)[free, None],
            unknowns=dimensions,
            near_null_space="rigid",
            h=mean_edge_length(mesh.points, mesh.elements),
            facts=dict(parameters),
        )
    ]


def _draw_plane(
    stream: UniformStream, n: int, parameters: Mapping[str, float]
) -> list[DiscreteSystem]:
    return _draw(stream, n, parameters, 2)


def _draw_space(
    stream: UniformStream, n: int, parameters: Mapping[str, float]
) -> list[DiscreteSystem]:
    return _draw(stream, n, parameters, 3)


def _parameters(shortest: float, longest: float, most_jitter: float) -> dict[str, Parameter]:
    return {
        "void": Parameter(
            1e-6, 1e-3, "stiffness of void; that of the material is 1", decades=True, most=1.0
        ),
        "volume": Parameter(0.3, 0.7, "part of the beam that is material", least=0.01, most=1.0),
        "length": Parameter(shortest, longest, "correlation length of the density over the height"),
        "poisson": Parameter(0.1, 0.4, "Poisson's ratio", most=0.49),
        "aspect": Parameter(1.0, 3.0, "length over height, about", least=0.1, most=100.0),
        "jitter": Parameter(
            0.0, 0.0, "random shift of the nodes over the size of a cell", most=most_jitter
        ),
    }


FAMILIES = (
    ParametricFamily(
        name="elasticity-2d",
        title="Elasticity in the plane",
        stream=6,
        draw_systems=_draw_plane,
        description="Linear elements on triangles under plane stress, two unknowns a node, a "
        "clamped beam with the graded stiffness of topology optimisation.",
        parameters=_parameters(0.1, 0.5, 0.24),
        axes={"contrast": {"void": (1e-9, 1e-6)}, "mesh": {"jitter": 0.2}},
        coefficients=("Young's modulus",),
    ),
    ParametricFamily(
        name="elasticity-3d",
        title="Elasticity in space",
        stream=7,
        draw_systems=_draw_space,
        description="Linear elements on tetrahedra, three unknowns a node, a clamped beam with the "
        "graded stiffness of topology optimisation.",
        parameters=_parameters(0.2, 0.8, 0.16),
        axes={"contrast": {"void": (1e-9, 1e-6)}, "mesh": {"jitter": 0.15}},
        coefficients=("Young's modulus",),
    ),
)
