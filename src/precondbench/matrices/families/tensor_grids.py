"""Two discretisations of diffusion on tensor grids: finite volumes and bilinear elements.

Each returns the matrix with the boundary condition u = 0, or without any: then constants are in
its kernel. Entries are sums in a stated order, equal to the bit on both sides of the diagonal.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def side_of(n: int, dimensions: int) -> int:
    """Return the number of nodes a side, at least 2, whose power is closest to n."""
    side = isqrt(n)
    if dimensions == 3:
        side = 0
        while (side + 1) ** 3 <= n:
            side += 1
    lower, upper = side**dimensions, (side + 1) ** dimensions
    return max(2, side if n - lower <= upper - n else side + 1)


def graded(parts: int, stretching: float = 1.0) -> Floats:
    """Divide [0, 1] into parts whose lengths grow linearly, by ``stretching`` in all.

    The ends are x_i = (i + g i (i - 1)) / (m + g m (m - 1)), m the number of parts and
    g = (stretching - 1) / (2 (m - 1)).
    """
    i = np.arange(parts + 1, dtype=np.float64)
    growth = (stretching - 1.0) / (2.0 * (parts - 1.0))
    ends: Floats = i + growth * (i * (i - 1.0))
    ends /= ends[-1]
    return ends


def centres(edges: Floats) -> Floats:
    """Return the midpoints of the parts."""
    return 0.5 * (edges[:-1] + edges[1:])


def grid_points(axes: Sequence[Floats]) -> Floats:
    """Return the points of a tensor grid, the last axis fastest; shape (points, dimensions)."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def mean_distance(axes: Sequence[Floats]) -> float:
    """Return the mean distance of neighbours, over the axes."""
    total = 0.0
    for points in axes:
        total += float(points[-1] - points[0]) / (points.size - 1)
    return total / len(axes)


def volumes(edges: Sequence[Floats]) -> Floats:
    """Return the volume of each cell."""
    product = np.ones((1,) * len(edges))
    for axis, ends in enumerate(edges):
        product = product * _along(axis, len(edges), ends[1:] - ends[:-1])
    return product


def finite_volumes(
    k: Floats, edges: Sequence[Floats], *, boundary: bool = True
) -> scipy.sparse.csr_array:
    r"""Discretise -div(k grad u) by cell-centred finite volumes on a tensor grid.

    The flux between cells i and j with widths h_i, h_j across a face of area s is

    .. math:: \frac{2 s k_i k_j}{h_i k_j + h_j k_i} (u_i - u_j),

    the harmonic mean of the coefficients where the widths are equal, and 2 s k_i u_i / h_i
    through a face on the boundary, where u = 0. A row is the sum of the fluxes out of a cell, not
    divided by its volume. In two dimensions it has 5 entries, in three 7.

    Parameters
    ----------
    k : numpy.ndarray
        Coefficient of each cell, positive, shape of the grid.
    edges : sequence of numpy.ndarray
        Ends of the cells along each axis, increasing.
    boundary : bool
        Without it, no flux through the boundary.

    Returns
    -------
    scipy.sparse.csr_array
        Symmetric, columns sorted; the last axis is numbered fastest.
    """
    d, shape = k.ndim, k.shape
    diagonal = np.zeros(shape)
    below, above = [], []
    for axis, ends in enumerate(edges):
        width = _along(axis, d, ends[1:] - ends[:-1])
        area = np.ones((1,) * d)
        for other, across in enumerate(edges):
            if other != axis:
                area = area * _along(other, d, across[1:] - across[:-1])
        here, there = _but_last(k, axis), _but_first(k, axis)
        mean = 2.0 * here * there
        mean = mean / (_but_last(width, axis) * there + _but_first(width, axis) * here)
        between = area * mean
        outside = np.zeros_like(k.take([0], axis=axis))
        first, last = outside, outside
        if boundary:
            half = area * (2.0 * k / width)
            first, last = half.take([0], axis=axis), half.take([-1], axis=axis)
        diagonal = diagonal + np.concatenate((first, between), axis=axis)
        diagonal = diagonal + np.concatenate((between, last), axis=axis)
        below.append(np.concatenate((outside, -between), axis=axis))
        above.append(np.concatenate((-between, outside), axis=axis))
    steps = np.eye(d, dtype=np.int64)
    entries = [(tuple(-step), values) for step, values in zip(steps, below, strict=True)]
    entries.append(((0,) * d, diagonal))
    entries += [
        (tuple(step), values) for step, values in zip(steps[::-1], above[::-1], strict=True)
    ]
    return _from_stencil(entries, shape)


def bilinear_elements(
    tensor: tuple[Floats, Floats, Floats], edges: Sequence[Floats], *, boundary: bool = True
) -> scipy.sparse.csr_array:
    r"""Discretise -div(K grad u) by bilinear elements on a tensor grid of rectangles.

    With the matrices of one dimension on a unit interval, S = [[1, -1], [-1, 1]],
    M = [[2, 1], [1, 2]] / 6 and C = [[-1, -1], [1, 1]] / 2, the matrix of an element of size
    p x q is

    .. math:: K_{xx} \frac{q}{p} S \otimes M + K_{yy} \frac{p}{q} M \otimes S
              + K_{xy} (C \otimes C^T + C^T \otimes C),

    exact for a tensor that is constant on the element. A row has 9 entries.

    Parameters
    ----------
    tensor : tuple of numpy.ndarray
        K_xx, K_xy and K_yy of each element, shape of the grid of elements.
    edges : sequence of numpy.ndarray
        Ends of the elements along the two axes, increasing.
    boundary : bool
        With it, u = 0 on the boundary and only vertices inside are unknowns; without it, all
        vertices are, and no flux leaves the domain.

    Returns
    -------
    scipy.sparse.csr_array
        Symmetric, columns sorted; the last axis is numbered fastest.
    """
    k_xx, k_xy, k_yy = tensor
    nx, ny = k_xx.shape
    p = _along(0, 2, edges[0][1:] - edges[0][:-1])
    q = _along(1, 2, edges[1][1:] - edges[1][:-1])
    x_part, y_part = k_xx * (q / p), k_yy * (p / q)
    stencil = np.zeros((3, 3, nx + 1, ny + 1))
    ends = [(a, b) for a in range(2) for b in range(2)]
    for ix, iy in ends:
        for jx, jy in ends:
            stiff_x, stiff_y = (1.0 if ix == jx else -1.0), (1.0 if iy == jy else -1.0)
            mass_x, mass_y = (2.0 if ix == jx else 1.0), (2.0 if iy == jy else 1.0)
            mixed = (2 * ix - 1) * (2 * jy - 1) + (2 * jx - 1) * (2 * iy - 1)
            entry = x_part * (stiff_x * mass_y / 6.0) + y_part * (mass_x * stiff_y / 6.0)
            entry = entry + k_xy * (mixed / 4.0)
            stencil[jx - ix + 1, jy - iy + 1, ix : ix + nx, iy : iy + ny] += entry
    inside = slice(1, -1) if boundary else slice(None)
    shape = (nx - 1, ny - 1) if boundary else (nx + 1, ny + 1)
    entries = [((a - 1, b - 1), stencil[a, b][inside, inside]) for a in range(3) for b in range(3)]
    return _from_stencil(entries, shape)


def _from_stencil(
    entries: Sequence[tuple[tuple[int, ...], Floats]], shape: tuple[int, ...]
) -> scipy.sparse.csr_array:
    """Build the matrix from (offset of the neighbour, values at all nodes), columns increasing."""
    n = 1
    for size in shape:
        n *= size
    places = np.indices(shape)
    number = np.arange(n).reshape(shape)
    values = np.empty((n, len(entries)))
    columns = np.empty((n, len(entries)), dtype=np.int64)
    there = np.ones((n, len(entries)), dtype=bool)
    for e, (offset, at_nodes) in enumerate(entries):
        neighbour = number
        for axis, step in enumerate(offset):
            stride = n
            for size in shape[: axis + 1]:
                stride //= size
            neighbour = neighbour + step * stride
            place = places[axis].ravel() + step
            there[:, e] &= (place >= 0) & (place < shape[axis])
        columns[:, e] = neighbour.ravel()
        values[:, e] = at_nodes.ravel()
    there &= values != 0.0
    pointers = np.concatenate(([0], np.cumsum(there.sum(axis=1)))).astype(np.int32)
    return scipy.sparse.csr_array(
        (values[there], columns[there].astype(np.int32), pointers), shape=(n, n)
    )


def _along(axis: int, dimensions: int, values: Floats) -> Floats:
    shape = [1] * dimensions
    shape[axis] = -1
    return values.reshape(shape)


def _but_last(values: Floats, axis: int) -> Floats:
    return values.take(range(values.shape[axis] - 1), axis=axis)


def _but_first(values: Floats, axis: int) -> Floats:
    return values.take(range(1, values.shape[axis]), axis=axis)
