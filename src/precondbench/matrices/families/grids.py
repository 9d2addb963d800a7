"""Families on regular grids: diffusion with smooth, jumping and anisotropic coefficients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray

from precondbench.matrices.families.family import Parameter, ParametricFamily
from precondbench.matrices.families.fields import (
    blocks,
    exponential,
    inside_balls,
    logarithm,
    smooth_field,
)
from precondbench.matrices.families.system import DiscreteSystem
from precondbench.matrices.families.tensor_grids import (
    bilinear_elements,
    centres,
    finite_volumes,
    graded,
    grid_points,
    mean_distance,
    side_of,
)
from precondbench.matrices.random_bits import UniformStream

Floats = NDArray[np.float64]
Picture = Callable[[UniformStream, list[Floats], Mapping[str, float]], Floats]

VARIANCE = Parameter(0.1, 4.0, "variance of the logarithm of the coefficient")
CONTRAST = Parameter(1.0, 1e6, "largest over smallest coefficient", decades=True)
STRETCHING = Parameter(1.0, 1.0, "longest over shortest cell along each axis")
# Six standard deviations of the logarithm: exp(6 sqrt(10)) is 1e3 times exp(6 sqrt(4)).
LARGER_VARIANCE = 10.0
STRETCHED = {"stretching": 8.0}
_MOST_BLOCKS = 16
_BALLS = (4, 24)
_RADII = (0.05, 0.15)
# Correlation length of the turning direction.
_TURNING_LENGTH = 0.5


def _lognormal(
    stream: UniformStream, axes: list[Floats], parameters: Mapping[str, float]
) -> Floats:
    """Lognormal: exp of a smooth random field."""
    field = smooth_field(stream, len(axes), parameters["length"])
    return exponential(sqrt(parameters["variance"]) * field.on_grid(axes))


def _with_blocks(
    stream: UniformStream, axes: list[Floats], parameters: Mapping[str, float]
) -> Floats:
    """contrast^s on blocks of equal size, s uniform on [0, 1); 2 to 16 blocks a side."""
    count = 2 + floor(float(stream.uniform(1)[0]) * (_MOST_BLOCKS - 1))
    exponents = blocks(stream, grid_points(axes), count)
    return exponential(logarithm(parameters["contrast"]) * exponents)


def _with_inclusions(
    stream: UniformStream, axes: list[Floats], parameters: Mapping[str, float]
) -> Floats:
    """1 outside of balls; contrast or 1 / contrast, by an even draw, inside of all of them."""
    fewest, most = _BALLS
    draws = stream.uniform(2)
    count = fewest + floor(float(draws[0]) * (most + 1 - fewest))
    inner = parameters["contrast"] if draws[1] < 0.5 else 1.0 / parameters["contrast"]
    inside = inside_balls(stream, grid_points(axes), count, *_RADII)
    return np.where(inside, inner, 1.0)


def _draw_finite_volumes(
    pictures: Sequence[Picture],
    dimensions: int,
    stream: UniformStream,
    n: int,
    parameters: Mapping[str, float],
) -> list[DiscreteSystem]:
    """Draw one of the pictures of a coefficient and discretise it."""
    m = side_of(n, dimensions)
    edges = [graded(m, parameters["stretching"])] * dimensions
    axes = [centres(ends) for ends in edges]
    picture = 0
    if len(pictures) > 1:
        picture = min(floor(parameters["picture"]), len(pictures) - 1)
    k = pictures[picture](stream, axes, parameters).reshape((m,) * dimensions)
    system = DiscreteSystem(
        finite_volumes(k, edges),
        coordinates=grid_points(axes),
        coefficients=k.reshape(-1, 1),
        h=mean_distance(axes),
        facts=dict(parameters),
    )
    return [system]


def _direction(position: float) -> tuple[float, float]:
    """Return the unit vector at 180 degrees times position - 1/4, from rational functions.

    (1 - t^2, 2 t) / (1 + t^2) with t in [1 - sqrt(2), sqrt(2) - 1] covers 90 degrees, with a
    density that varies by 17 %; a quarter turn gives the other 90.
    """
    half = 2.0 * position
    turned = half >= 1.0
    t = (2.0 * (half - turned) - 1.0) * (sqrt(2.0) - 1.0)
    c, s = (1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t)
    return (-s, c) if turned else (c, s)


def rotated_tensor(
    direction: tuple[float, float], turn: Floats, ratio: float
) -> tuple[Floats, Floats, Floats]:
    """K = d d^T + (I - d d^T) / ratio, d the direction after a rotation by 2 arctan(turn).

    Returns
    -------
    tuple of numpy.ndarray
        K_xx, K_xy and K_yy, each of the shape of ``turn``.
    """
    scale = 1.0 + turn * turn
    cosine, sine = (1.0 - turn * turn) / scale, 2.0 * turn / scale
    x = cosine * direction[0] - sine * direction[1]
    y = sine * direction[0] + cosine * direction[1]
    weak = 1.0 / ratio
    strong = 1.0 - weak
    return weak + strong * x * x, strong * x * y, weak + strong * y * y


def draw_anisotropic(
    stream: UniformStream, n: int, parameters: Mapping[str, float]
) -> list[DiscreteSystem]:
    """Bilinear elements with a tensor that is constant on each of them."""
    m = side_of(n, 2)
    edges = [graded(m + 1, parameters["stretching"])] * 2
    field = smooth_field(stream, 2, _TURNING_LENGTH)
    direction = _direction(parameters["direction"])

    def tensor(axes: list[Floats]) -> tuple[Floats, Floats, Floats]:
        turn = parameters["turn"] * field.on_grid(axes)
        return rotated_tensor(direction, turn, parameters["ratio"])

    inside = [ends[1:-1] for ends in edges]
    system = DiscreteSystem(
        bilinear_elements(tensor([centres(ends) for ends in edges]), edges),
        coordinates=grid_points(inside),
        coefficients=np.stack(tensor(inside), axis=-1).reshape(-1, 3),
        h=mean_distance(inside),
        facts=dict(parameters),
    )
    return [system]


FAMILIES = (
    ParametricFamily(
        name="diffusion-2d",
        title="Diffusion with a lognormal coefficient, 2D",
        stream=1,
        draw_systems=partial(_draw_finite_volumes, (_lognormal,), 2),
        description="-div(k grad u) on the unit square, k lognormal with Gaussian covariance; "
        "5-point finite volumes, u = 0 on the boundary.",
        parameters={
            "variance": VARIANCE,
            "length": Parameter(0.05, 0.05, "correlation length, sides of the square"),
            "stretching": STRETCHING,
        },
        axes={"contrast": {"variance": LARGER_VARIANCE}, "mesh": STRETCHED},
        coefficients=("k",),
    ),
    ParametricFamily(
        name="jumps-2d",
        title="Diffusion with jumps, 2D",
        stream=2,
        draw_systems=partial(_draw_finite_volumes, (_with_blocks, _with_inclusions), 2),
        description="-div(k grad u) on the unit square, k constant on blocks or on round "
        "inclusions; 5-point finite volumes, u = 0 on the boundary.",
        parameters={
            "contrast": CONTRAST,
            "picture": Parameter(0.0, 2.0, "rounded down: 0 blocks, 1 round inclusions"),
            "stretching": STRETCHING,
        },
        axes={"contrast": {"contrast": (1e6, 1e9)}, "mesh": STRETCHED},
        coefficients=("k",),
    ),
    ParametricFamily(
        name="anisotropic-2d",
        title="Anisotropic diffusion with a turning direction, 2D",
        stream=3,
        draw_systems=draw_anisotropic,
        description="-div(K grad u) on the unit square, K with eigenvalues 1 and 1 / ratio; "
        "bilinear elements (9-point), u = 0 on the boundary.",
        parameters={
            "ratio": Parameter(1.0, 1e3, "strong over weak eigenvalue", decades=True),
            "direction": Parameter(0.0, 1.0, "of the strong eigenvector, from -45 to 135 degrees"),
            "turn": Parameter(0.0, 1.0, "the direction turns by 2 arctan(turn f), f smooth"),
            "stretching": STRETCHING,
        },
        axes={"contrast": {"ratio": (1e3, 1e6)}, "mesh": STRETCHED},
        coefficients=("K_xx", "K_xy", "K_yy"),
    ),
    ParametricFamily(
        name="diffusion-3d",
        title="Diffusion, 3D",
        stream=5,
        draw_systems=partial(_draw_finite_volumes, (_lognormal, _with_blocks, _with_inclusions), 3),
        description="-div(k grad u) on the unit cube, k lognormal or constant on blocks or on "
        "balls; 7-point finite volumes, u = 0 on the boundary.",
        parameters={
            "variance": VARIANCE,
            "length": Parameter(0.1, 0.1, "correlation length, sides of the cube"),
            "contrast": CONTRAST,
            "picture": Parameter(0.0, 3.0, "rounded down: 0 lognormal, 1 blocks, 2 balls"),
            "stretching": STRETCHING,
        },
        axes={
            "contrast": {"variance": LARGER_VARIANCE, "contrast": (1e6, 1e9)},
            "mesh": STRETCHED,
        },
        coefficients=("k",),
    ),
)
