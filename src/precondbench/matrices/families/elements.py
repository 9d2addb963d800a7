"""Linear finite elements (P1) on triangles and tetrahedra, assembled in a fixed order.

An entry of a matrix is the sum of what the elements give to it, in the order of the elements,
starting at zero. Element T gives to unknown a of node i and unknown b of node j the integral of

- diffusion: k grad(phi_i) . grad(phi_j);
- elasticity, with Lame's parameters: lambda (d_a phi_i) (d_b phi_j) +
  mu ((d_b phi_i) (d_a phi_j) + [a = b] grad(phi_i) . grad(phi_j)),

formed so that exchanging (i, a) and (j, b) changes no bit: matrices are symmetric to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import MatrixError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def shape_gradients(points: Floats, elements: Integers) -> tuple[Floats, Floats]:
    """Return the gradients of the shape functions, (elements, d + 1, d), and areas or volumes.

    Raises
    ------
    MatrixError
        If an element has no area or volume.
    """
    corners = points[elements]
    sides = corners[:, 1:] - corners[:, :1]
    gradients = np.empty_like(corners)
    if points.shape[1] == 2:
        (ax, ay), (bx, by) = sides[:, 0].T, sides[:, 1].T
        determinant = ax * by - bx * ay
        gradients[:, 1, 0], gradients[:, 1, 1] = by, -bx
        gradients[:, 2, 0], gradients[:, 2, 1] = -ay, ax
        share = 0.5
    else:
        for node in range(3):
            (ax, ay, az) = sides[:, (node + 1) % 3].T
            (bx, by, bz) = sides[:, (node + 2) % 3].T
            gradients[:, node + 1, 0] = ay * bz - az * by
            gradients[:, node + 1, 1] = az * bx - ax * bz
            gradients[:, node + 1, 2] = ax * by - ay * bx
        first, x = gradients[:, 1], sides[:, 0]
        determinant = first[:, 0] * x[:, 0] + first[:, 1] * x[:, 1] + first[:, 2] * x[:, 2]
        share = 1.0 / 6.0
    if not np.all(determinant):
        raise MatrixError(
            f"element {int(np.argmin(np.abs(determinant)))} has no area or volume; its corners lie "
            "in one line or plane"
        )
    gradients[:, 1:] /= determinant[:, None, None]
    others = gradients[:, 1].copy()
    for node in range(2, gradients.shape[1]):
        others += gradients[:, node]
    gradients[:, 0] = -others
    return gradients, share * np.abs(determinant)


def diffusion_matrix(
    points: Floats, elements: Integers, coefficient: Floats
) -> scipy.sparse.csr_array:
    """Return the stiffness of -div(k grad u), natural boundary conditions, k constant on elements.

    Parameters
    ----------
    points : numpy.ndarray
        Nodes, float64 of shape (nodes, 2 or 3).
    elements : numpy.ndarray
        Corners of the triangles or tetrahedra, int64 of shape (elements, 3 or 4).
    coefficient : numpy.ndarray
        k, of shape (elements,).
    """
    return _assembled(points, elements, coefficient, coefficient, 1)


def elasticity_matrix(
    points: Floats, elements: Integers, first: Floats, second: Floats
) -> scipy.sparse.csr_array:
    """Return the stiffness of linear elasticity, without supports.

    Unknown a of node i is row ``i * d + a``. ``first`` and ``second`` are Lame's parameters lambda
    and mu on each element.
    """
    return _assembled(points, elements, first, second, points.shape[1])


def lame_parameters(young: Floats, ratio: float, dimensions: int) -> tuple[Floats, Floats]:
    """Return lambda and mu for Young's modulus and Poisson's ratio: plane stress, or space.

    mu = E / (2 (1 + nu)); lambda = E nu / (1 - nu^2) in a sheet under plane stress, and
    E nu / ((1 + nu) (1 - 2 nu)) in space, which is plane strain too.
    """
    plane = (1.0 - ratio) if dimensions == 2 else (1.0 - 2.0 * ratio)
    return young * (ratio / ((1.0 + ratio) * plane)), young * (0.5 / (1.0 + ratio))


def free_part(
    A: scipy.sparse.csr_array, free: NDArray[np.bool_], unknowns: int = 1
) -> scipy.sparse.csr_array:
    """Leave out rows and columns of fixed nodes (zero Dirichlet values), and entries of zero."""
    rows = np.flatnonzero(np.repeat(free, unknowns))
    part = scipy.sparse.csr_array(A[rows][:, rows])
    part.eliminate_zeros()
    part.sort_indices()
    return part


def node_means(nodes: int, elements: Integers, values: Floats) -> Floats:
    """Return at each node the mean over its elements, added up in their order."""
    totals, counts = np.zeros(nodes), np.zeros(nodes)
    _spread(elements, values, totals, counts)
    return totals / counts


def mean_edge_length(points: Floats, elements: Integers) -> float:
    """Return the mean length of the edges of a mesh."""
    indptr, indices = _neighbours(len(points), elements, *_incidence(len(points), elements))
    return float(_mean_length(points, indptr, indices))


def _assembled(
    points: Floats, elements: Integers, first: Floats, second: Floats, unknowns: int
) -> scipy.sparse.csr_array:
    gradients, measures = shape_gradients(points, elements)
    nodes = len(points)
    starts, incident = _incidence(nodes, elements)
    indptr, indices = _neighbours(nodes, elements, starts, incident)
    blocks = np.zeros((len(indices), unknowns, unknowns))
    _add_elements(
        elements, gradients, first * measures, second * measures,
        starts, incident, indptr, indices, blocks,
    )  # fmt: skip
    size = nodes * unknowns
    if unknowns == 1:
        return scipy.sparse.csr_array((blocks[:, 0, 0], indices, indptr), shape=(size, size))
    A = scipy.sparse.csr_array(
        scipy.sparse.bsr_array((blocks, indices, indptr), shape=(size, size)).tocsr()
    )
    A.sort_indices()
    return A


@kernel
def _incidence(nodes: int, elements: Any) -> Any:
    """List the elements of each node, in their order."""
    starts = np.zeros(nodes + 1, dtype=np.int64)
    for e in range(elements.shape[0]):
        for corner in range(elements.shape[1]):
            starts[elements[e, corner] + 1] += 1
    for i in range(nodes):
        starts[i + 1] += starts[i]
    incident = np.empty(starts[nodes], dtype=np.int64)
    free = starts[:-1].copy()
    for e in range(elements.shape[0]):
        for corner in range(elements.shape[1]):
            node = elements[e, corner]
            incident[free[node]] = e
            free[node] += 1
    return starts, incident


@kernel
def _neighbours(nodes: int, elements: Any, starts: Any, incident: Any) -> Any:
    """List the nodes that share an element with each node, and itself, in ascending order."""
    indptr = np.zeros(nodes + 1, dtype=np.int64)
    indices = np.empty(starts[nodes] * (elements.shape[1] - 1) + nodes, dtype=np.int64)
    seen = np.full(nodes, -1, dtype=np.int64)
    end = 0
    for i in range(nodes):
        begin = end
        seen[i] = i
        indices[end] = i
        end += 1
        for position in range(starts[i], starts[i + 1]):
            for corner in range(elements.shape[1]):
                j = elements[incident[position], corner]
                if seen[j] != i:
                    seen[j] = i
                    indices[end] = j
                    end += 1
        for last in range(begin + 1, end):
            moved, position = indices[last], last
            while position > begin and indices[position - 1] > moved:
                indices[position] = indices[position - 1]
                position -= 1
            indices[position] = moved
        indptr[i + 1] = end
    return indptr, indices[:end].copy()


@kernel
def _add_elements(
    elements: Any, gradients: Any, first: Any, second: Any,
    starts: Any, incident: Any, indptr: Any, indices: Any, blocks: Any,
) -> None:  # fmt: skip
    unknowns, dimensions = blocks.shape[1], gradients.shape[2]
    place = np.zeros(indptr.shape[0] - 1, dtype=np.int64)
    for i in range(indptr.shape[0] - 1):
        for position in range(indptr[i], indptr[i + 1]):
            place[indices[position]] = position
        for position in range(starts[i], starts[i + 1]):
            e = incident[position]
            own = 0
            while elements[e, own] != i:
                own += 1
            for corner in range(elements.shape[1]):
                target = place[elements[e, corner]]
                inner = 0.0
                for a in range(dimensions):
                    inner += gradients[e, own, a] * gradients[e, corner, a]
                if unknowns == 1:
                    blocks[target, 0, 0] += second[e] * inner
                    continue
                for a in range(unknowns):
                    for b in range(unknowns):
                        across = gradients[e, own, b] * gradients[e, corner, a]
                        if a == b:
                            across += inner
                        along = gradients[e, own, a] * gradients[e, corner, b]
                        blocks[target, a, b] += first[e] * along + second[e] * across


@kernel
def _spread(elements: Any, values: Any, totals: Any, counts: Any) -> None:
    for e in range(elements.shape[0]):
        for corner in range(elements.shape[1]):
            totals[elements[e, corner]] += values[e]
            counts[elements[e, corner]] += 1.0


@kernel
def _mean_length(points: Any, indptr: Any, indices: Any) -> Any:
    total, count = 0.0, 0
    for i in range(indptr.shape[0] - 1):
        for position in range(indptr[i], indptr[i + 1]):
            j = indices[position]
            if j > i:
                square = 0.0
                for a in range(points.shape[1]):
                    side = points[j, a] - points[i, a]
                    square += side * side
                total += np.sqrt(square)
                count += 1
    return total / count
