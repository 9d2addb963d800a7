"""Graph Laplacians with a small shift (family ``graph``).

Four kinds of random graphs: geometric (Gilbert), small-world (Watts and Strogatz), power-law
(Barabasi and Albert), and communities (the planted partition model). Edges are sorted pairs, each
once, without loops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.matrices.families.family import Parameter, ParametricFamily
from precondbench.matrices.families.fields import exponential
from precondbench.matrices.families.system import DiscreteSystem
from precondbench.matrices.random_bits import UniformStream

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Area of a circle of radius 1.
_PI = 3.141592653589793
_COMMUNITY = 32


def geometric_graph(stream: UniformStream, n: int, degree: float) -> Integers:
    """Join points of the unit square that are nearer than r, where n pi r^2 = degree.

    Points are numbered in strips of height r, each from the left to the right.
    """
    radius = float(np.sqrt(degree / (_PI * n)))
    points = stream.uniform(2 * n).reshape(2, n)
    points = points[:, np.lexsort((points[0], np.floor(points[1] / radius)))]
    return _edges(n, _near_pairs(points[0], points[1], radius))


def small_world_graph(stream: UniformStream, n: int, degree: float, rewired: float) -> Integers:
    """Join each node of a ring to the next degree / 2; the far end of some edges is random.

    ``rewired`` is the probability of that.
    """
    reach = max(1, int(degree / 2.0))
    first = np.repeat(np.arange(n), reach)
    second = (first + np.tile(np.arange(1, reach + 1), n)) % n
    moved = stream.uniform(n * reach) < rewired
    anywhere = (stream.uniform(n * reach) * n).astype(np.int64)
    return _edges(n, np.stack((first, np.where(moved, anywhere, second)), axis=1))


def power_law_graph(stream: UniformStream, n: int, degree: float) -> Integers:
    """Join each new node to degree / 2 ends of edges drawn at random (preferential attachment).

    The degrees have the tail k^-3.
    """
    new = max(1, int(degree / 2.0))
    return _edges(n, _attach(n, new, stream.uniform(n * new)))


def community_graph(stream: UniformStream, n: int, degree: float, outside: float) -> Integers:
    """Join each node to degree / 2 of its community of 32, or, with a probability, of all nodes."""
    new = max(1, int(degree / 2.0))
    first = np.repeat(np.arange(n), new)
    start = first // _COMMUNITY * _COMMUNITY
    size = np.minimum(start + _COMMUNITY, n) - start
    anywhere = stream.uniform(n * new) < outside
    place = stream.uniform(n * new)
    inside = start + (place * size).astype(np.int64)
    second = np.where(anywhere, (place * n).astype(np.int64), inside)
    return _edges(n, np.stack((first, second), axis=1))


def shifted_laplacian(
    n: int, edges: Integers, weights: Floats, shift: float
) -> scipy.sparse.csr_array:
    """Return L + shift * mean(L_ii) I; rows of L add up weights by ascending neighbour."""
    indptr, indices, data = _laplacian(n, edges, weights, shift)
    return scipy.sparse.csr_array((data, indices, indptr), shape=(n, n))


def _edges(n: int, pairs: Integers) -> Integers:
    low, high = np.minimum(pairs[:, 0], pairs[:, 1]), np.maximum(pairs[:, 0], pairs[:, 1])
    keys = np.unique((low * n + high)[low < high])
    return np.stack((keys // n, keys % n), axis=1)


@kernel
def _near_pairs(x: Any, y: Any, radius: float) -> Any:
    """Find near points in square cells of side ``radius``: in the own cell and the eight around."""
    n = x.shape[0]
    across = int(1.0 / radius) + 1
    heads = np.full(across * across, -1, dtype=np.int64)
    following = np.full(n, -1, dtype=np.int64)
    pairs = np.empty((16 * n + 16, 2), dtype=np.int64)
    count = 0
    for i in range(n):
        column, row = int(x[i] / radius), int(y[i] / radius)
        for c in range(max(column - 1, 0), min(column + 2, across)):
            for r in range(max(row - 1, 0), min(row + 2, across)):
                j = heads[c * across + r]
                while j >= 0:
                    dx, dy = x[i] - x[j], y[i] - y[j]
                    if dx * dx + dy * dy < radius * radius:
                        if count == pairs.shape[0]:
                            longer = np.empty((2 * count, 2), dtype=np.int64)
                            for k in range(count):
                                longer[k, 0], longer[k, 1] = pairs[k, 0], pairs[k, 1]
                            pairs = longer
                        pairs[count, 0], pairs[count, 1] = j, i
                        count += 1
                    j = following[j]
        following[i] = heads[column * across + row]
        heads[column * across + row] = i
    return pairs[:count].copy()


@kernel
def _attach(n: int, new: int, draws: Any) -> Any:
    """Draw ends of earlier edges, so that a node is drawn in proportion to its degree."""
    pairs = np.empty((n * new, 2), dtype=np.int64)
    count = 0
    for i in range(n):
        earlier = 2 * count
        for k in range(new):
            other = 0
            if i > new:
                end = int(draws[i * new + k] * earlier)
                other = pairs[end // 2, end % 2]
            elif k < i:
                # The first nodes are all joined to each other.
                other = k
            else:
                continue
            pairs[count, 0], pairs[count, 1] = other, i
            count += 1
    return pairs[:count].copy()


@kernel
def _laplacian(n: int, edges: Any, weights: Any, shift: float) -> Any:
    indptr = np.zeros(n + 1, dtype=np.int64)
    lower = np.zeros(n, dtype=np.int64)
    diagonal = np.zeros(n)
    for e in range(edges.shape[0]):
        a, b = edges[e, 0], edges[e, 1]
        indptr[a + 1] += 1
        indptr[b + 1] += 1
        lower[b] += 1
        diagonal[a] += weights[e]
        diagonal[b] += weights[e]
    total = 0.0
    for i in range(n):
        indptr[i + 1] += indptr[i] + 1
        total += diagonal[i]
    indices = np.empty(indptr[n], dtype=np.int64)
    data = np.empty(indptr[n])
    for i in range(n):
        indices[indptr[i] + lower[i]] = i
        data[indptr[i] + lower[i]] = diagonal[i] + shift * (total / n)
    # Edges are sorted: a row gets its smaller neighbours in order, and the others in order.
    below, above = indptr[:-1].copy(), indptr[:-1] + lower + 1
    for e in range(edges.shape[0]):
        a, b = edges[e, 0], edges[e, 1]
        indices[above[a]], data[above[a]] = b, -weights[e]
        indices[below[b]], data[below[b]] = a, -weights[e]
        above[a] += 1
        below[b] += 1
    return indptr, indices, data


def _draw(stream: UniformStream, n: int, parameters: Mapping[str, float]) -> list[DiscreteSystem]:
    kind, degree = int(parameters["kind"]), parameters["degree"]
    if kind == 0:
        edges = geometric_graph(stream, n, degree)
    elif kind == 1:
        edges = small_world_graph(stream, n, degree, parameters["mixing"])
    elif kind == 2:
        edges = power_law_graph(stream, n, degree)
    else:
        edges = community_graph(stream, n, degree, parameters["mixing"])
    weights = exponential(parameters["spread"] * stream.uniform(len(edges)))
    return [
        DiscreteSystem(
            shifted_laplacian(n, edges, weights, parameters["shift"]),
            facts=dict(parameters),
        )
    ]


FAMILIES = (
    ParametricFamily(
        name="graph",
        title="Graph Laplacians",
        stream=8,
        draw_systems=_draw,
        description="Weighted Laplacians of random geometric, small-world and power-law graphs "
        "with a small shift.",
        parameters={
            "kind": Parameter(
                0.0,
                3.0,
                "rounded down: 0 geometric, 1 small-world, 2 power-law, 3 communities",
                most=4.0,
            ),
            "degree": Parameter(
                6.0, 12.0, "mean number of neighbours, about", least=2.0, most=100.0
            ),
            "mixing": Parameter(
                0.01,
                0.2,
                "probability that the end of an edge is random, in kinds 1 and 3",
                most=1.0,
            ),
            "spread": Parameter(
                0.0, 4.6, "logarithm of the largest weight over the smallest", most=30.0
            ),
            "shift": Parameter(1e-6, 1e-3, "shift over the mean weighted degree", decades=True),
        },
        axes={"contrast": {"spread": (6.9, 11.5)}, "mesh": {"kind": 3.0}},
    ),
)
