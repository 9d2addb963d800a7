"""Random coefficients with the same bits everywhere: smooth fields, blocks and round inclusions.

Functions of the place in a domain, not of a grid: one stream gives one field, whatever the points
at which it is evaluated. Only + - * / and square roots, in a stated order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, sqrt

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError
from precondbench.matrices.random_bits import UniformStream

Floats = NDArray[np.float64]
_HALVINGS = 10
_TERMS = 7
_NEWTON_STEPS = 60
# Lattice points under a cubic B-spline whose knots are two lattice steps apart.
_TAPS = 8
_MOST_POINTS = 10**8


def exponential(x: Floats | float) -> Floats:
    """Compute exp(x) by the Taylor polynomial of degree 7 at x / 2^10, squared ten times.

    For abs(x) <= 30 the relative error is below 1e-12, whatever the machine's own exp does.
    """
    y = np.asarray(x, dtype=np.float64) * 2.0**-_HALVINGS
    value = np.ones_like(y)
    for k in range(_TERMS, 0, -1):
        value = 1.0 + y * value / k
    for _ in range(_HALVINGS):
        value = value * value
    return value


def logarithm(x: float) -> float:
    """Solve exp(y) = x by y += 2 (x - exp(y)) / (x + exp(y)), a step of third order."""
    y = 0.0
    for _ in range(_NEWTON_STEPS):
        reached = float(exponential(y))
        y += 2.0 * (x - reached) / (x + reached)
    return y


@dataclass(frozen=True, eq=False)
class SmoothField:
    r"""A random function with mean 0, variance 1 and nearly Gaussian covariance.

    .. math:: f(x) = \frac{\sum_k \xi_k B((x - x_k) / s)}{\sqrt{\sum_k B((x - x_k) / s)^2}},
              \qquad \operatorname{cov}(f(x), f(y)) \approx e^{-|x - y|^2 / \ell^2}

    The numbers xi_k are independent, with mean 0 and variance 1, on a lattice x_k of spacing s / 2;
    B is the product over the axes of cubic B-splines, i.e. of a box filter that is applied
    four times. Its variance 4 s^2 / 12 = l^2 / 4 is that of the filter of a Gaussian covariance.

    Attributes
    ----------
    noise : numpy.ndarray
        The numbers xi_k.
    spacing : float
        Of the lattice.
    first : int
        The first lattice point of each axis is ``first * spacing``.
    """

    noise: Floats
    spacing: float
    first: int

    def on_grid(self, axes: Sequence[Floats]) -> Floats:
        """Evaluate on a tensor grid; returns an array with one axis for each of ``axes``."""
        values = self.noise
        for axis, points in enumerate(axes):
            places, weights = self._taps(points)
            shape = [1] * values.ndim
            shape[axis] = -1
            total = np.zeros(1)
            for q in range(_TAPS):
                total = total + weights[q].reshape(shape) * values.take(places + q, axis=axis)
            values = total
        return values

    def at(self, points: Floats) -> Floats:
        """Evaluate at points, shape (number, dimensions); the same bits as on a grid."""
        taps = [self._taps(points[:, axis]) for axis in range(points.shape[1])]
        return self._contract(taps, len(taps) - 1, [])

    def _contract(
        self,
        taps: list[tuple[NDArray[np.int64], Floats]],
        axis: int,
        chosen: list[NDArray[np.int64]],
    ) -> Floats:
        # Innermost sum along the first axis, as on a grid.
        if axis < 0:
            return np.asarray(self.noise[tuple(chosen)])
        places, weights = taps[axis]
        total = np.zeros(places.size)
        for q in range(_TAPS):
            total = total + weights[q] * self._contract(taps, axis - 1, [places + q, *chosen])
        return total

    def _taps(self, points: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Return the first lattice point that matters, and the weights of the next eight."""
        position = points / self.spacing
        below = np.floor(position)
        weights = np.empty((_TAPS, points.size))
        squares = np.zeros(points.size)
        for q in range(_TAPS):
            weights[q] = _cubic_spline(0.5 * (position - (below + (q - 3.0))))
            squares = squares + weights[q] * weights[q]
        return below.astype(np.int64) - 3 - self.first, weights / np.sqrt(squares)


def _cubic_spline(u: Floats) -> Floats:
    """Cubic B-spline with knots at -2, -1, 0, 1, 2, times 6."""
    far = np.maximum(2.0 - np.abs(u), 0.0)
    near = np.maximum(1.0 - np.abs(u), 0.0)
    return far * far * far - 4.0 * near * near * near


def smooth_field(
    stream: UniformStream, dimensions: int, length: float, low: float = 0.0, high: float = 1.0
) -> SmoothField:
    """Draw a smooth random function on a cube.

    Parameters
    ----------
    stream : UniformStream
        Source of the random numbers.
    dimensions : int
        Of the cube.
    length : float
        Distance at which the correlation is 1/e, in the unit of the coordinates.
    low, high : float
        The cube is [low, high] along every axis.

    Returns
    -------
    SmoothField
        Evaluate it with ``at(points)`` or ``on_grid(axes)``.

    Raises
    ------
    ConfigurationError
        If the length is so short that the lattice has more than 10^8 points.
    """
    spacing = 0.25 * sqrt(3.0) * length
    first = floor(low / spacing) - 3
    count = ceil(high / spacing) + 5 - first
    if count**dimensions > _MOST_POINTS:
        raise ConfigurationError(
            f"a field with correlation length {length:g} needs {count**dimensions:.0e} numbers "
            f"on a cube with sides {high - low:g}; give a longer length"
        )
    noise = stream.near_normal(count**dimensions).reshape((count,) * dimensions)
    return SmoothField(noise, spacing, first)


def blocks(stream: UniformStream, points: Floats, count: int) -> Floats:
    """Draw a number in [0, 1) for each of ``count`` blocks a side, and return that of each point.

    Parameters
    ----------
    stream : UniformStream
        Source of the random numbers.
    points : numpy.ndarray
        In the unit cube, shape (number, dimensions).
    count : int
        Blocks along each axis, all of the same size.

    Returns
    -------
    numpy.ndarray
        The number of the block in which each point lies, shape (number,).
    """
    dimensions = points.shape[1]
    numbers = stream.uniform(count**dimensions)
    block = np.zeros(points.shape[0], dtype=np.int64)
    for axis in range(dimensions):
        along = np.floor(points[:, axis] * count).astype(np.int64)
        block = block * count + np.clip(along, 0, count - 1)
    return numbers[block]


def inside_balls(
    stream: UniformStream, points: Floats, count: int, smallest: float, largest: float
) -> NDArray[np.bool_]:
    """Draw balls with centres in the unit cube, and tell which points lie in one of them.

    Parameters
    ----------
    stream : UniformStream
        Source of the random numbers.
    points : numpy.ndarray
        In the unit cube, shape (number, dimensions).
    count : int
        Number of balls; they may overlap.
    smallest, largest : float
        Range of the radius.

    Returns
    -------
    numpy.ndarray
        Boolean, shape (number,).
    """
    dimensions = points.shape[1]
    centres = stream.uniform(count * dimensions).reshape(count, dimensions)
    radii = stream.uniform(count, smallest, largest)
    inside = np.zeros(points.shape[0], dtype=bool)
    for centre, radius in zip(centres, radii, strict=True):
        squares = np.zeros(points.shape[0])
        for axis in range(dimensions):
            away = points[:, axis] - centre[axis]
            squares = squares + away * away
        inside |= squares < radius * radius
    return inside
