"""Preconditioners by parts of the unknowns: coarse spaces for deflation, and additive Schwarz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, coo_array, csc_array, csr_array

from precondbench._internal import kernel, whole_number
from precondbench.errors import ConfigurationError, CostError, MatrixError
from precondbench.factors import estimate_cost, pattern_of, reverse_cuthill_mckee
from precondbench.matrices import check_spd_candidate, real_matrix
from precondbench.solvers.deflation import Deflation
from precondbench.solvers.lanes import added, put, row, zeros
from precondbench.solvers.preconditioners import (
    LockstepPreconditioner,
    Preconditioner,
    exact_cholesky,
)

Vector = NDArray[np.float64]
Labels = NDArray[np.int64]

# What remains of a near null vector on a part, below which it depends on those before it.
LOCALLY_DEPENDENT = 2.0**-26


def partition(A: Any, size: int, coordinates: Any = None, unknowns: int = 1) -> Labels:
    """Partition of the rows of a matrix by recursive bisection.

    Each part is halved until it has ``size`` rows or fewer: across its longest side where there
    are coordinates, else in reverse Cuthill-McKee order of its graph, which is by levels of a
    breadth-first search. Integers and comparisons only: the same on every machine.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n); only its pattern counts.
    size : int
        Most rows of a part, ``unknowns`` or more.
    coordinates : array_like, optional
        Position of the node of each row, shape (n, d).
    unknowns : int
        Unknowns per node, which stay together; a divisor of n.

    Returns
    -------
    numpy.ndarray
        int64 (n,): part of each row, from 0.

    Raises
    ------
    MatrixError
        If A or the coordinates cannot be used.
    ConfigurationError
        If ``size`` or ``unknowns`` is not such a number.

    Examples
    --------
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.solvers import partition
    >>> partition(tridiagonal_csr(poisson_1d(8)), 2).tolist()
    [3, 3, 2, 2, 1, 1, 0, 0]
    """
    matrix = check_spd_candidate(A, "A")
    n = matrix.shape[0]
    unknowns = whole_number("unknowns", unknowns, least=1)
    size = whole_number("size", size, least=unknowns)
    if n % unknowns:
        raise ConfigurationError(f"unknowns is {unknowns}; A has {n} rows: give a divisor of {n}")
    nodes = n // unknowns
    cut = (
        _by_graph(matrix, unknowns) if coordinates is None else _by_place(coordinates, n, unknowns)
    )
    labels = np.empty(nodes, dtype=np.int64)
    parts = [np.arange(nodes)]
    found = 0
    while parts:
        part = parts.pop()
        if part.size * unknowns <= size:
            labels[part] = found
            found += 1
            continue
        order = part[cut(part)]
        parts += [np.sort(order[part.size // 2 :]), np.sort(order[: part.size // 2])]
    return np.repeat(labels, unknowns)


Cut = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def _by_graph(matrix: csr_array, unknowns: int) -> Cut:
    coo = coo_array(matrix)
    nodes = matrix.shape[0] // unknowns
    ones = np.ones(coo.nnz)
    graph = csr_array(
        coo_array((ones, (coo.row // unknowns, coo.col // unknowns)), shape=(nodes, nodes))
    )

    def cut(part: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.argsort(reverse_cuthill_mckee(csr_array(graph[part][:, part])))

    return cut


def _by_place(coordinates: Any, n: int, unknowns: int) -> Cut:
    given = np.asarray(real_matrix(coordinates, "coordinates"))
    if given.ndim != 2 or given.shape[0] != n or not np.all(np.isfinite(given)):
        raise MatrixError(
            f"coordinates have shape {given.shape}; A has {n} rows: give finite numbers of shape "
            f"({n}, d)"
        )
    place = given[::unknowns]

    def cut(part: NDArray[np.int64]) -> NDArray[np.int64]:
        mine = place[part]
        widest = np.argmax(mine.max(axis=0) - mine.min(axis=0))
        return np.argsort(mine[:, widest], kind="stable")

    return cut


@kernel
def _orthonormal(block):  # type: ignore[no-untyped-def]
    """Orthonormalise the rows of a block in place, twice; dependent ones become zero."""
    for k in range(block.shape[0]):
        before = 0.0
        for i in range(block.shape[1]):
            before += block[k, i] * block[k, i]
        for _ in range(2):
            for c in range(k):
                total = 0.0
                for i in range(block.shape[1]):
                    total += block[c, i] * block[k, i]
                for i in range(block.shape[1]):
                    block[k, i] -= total * block[c, i]
        after = 0.0
        for i in range(block.shape[1]):
            after += block[k, i] * block[k, i]
        kept = after > LOCALLY_DEPENDENT * LOCALLY_DEPENDENT * before
        norm = np.sqrt(after)
        for i in range(block.shape[1]):
            block[k, i] = block[k, i] / norm if kept else 0.0


def _cut_vectors(near_null: Any, labels: Labels, unknowns: int) -> csr_array:
    """Return the near null vectors cut by parts, orthonormal in each: a matrix of n rows."""
    n = labels.size
    if near_null is None:
        vectors = np.tile(np.eye(unknowns), (n // unknowns, 1))
    else:
        vectors = np.asarray(real_matrix(near_null, "near_null"))
        if vectors.ndim != 2 or vectors.shape[0] != n or not np.all(np.isfinite(vectors)):
            raise MatrixError(
                f"near_null has shape {vectors.shape}; A has {n} rows: give finite numbers of "
                f"shape ({n}, k)"
            )
    order = np.argsort(labels, kind="stable")
    rows, columns, data = [], [], []
    count = 0
    for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        block = np.array(vectors[part].T, order="C")
        _orthonormal(block)
        for vector in block[np.any(block != 0.0, axis=1)]:
            rows.append(part)
            columns.append(np.full(part.size, count))
            data.append(vector)
            count += 1
    if not count:
        raise MatrixError("near_null is zero; give at least one vector that is not")
    W = csr_array(
        coo_array(
            (np.concatenate(data), (np.concatenate(rows), np.concatenate(columns))),
            shape=(n, count),
        )
    )
    W.eliminate_zeros()
    return W


def subdomain_deflation(
    A: Any,
    near_null: Any = None,
    unknowns: int = 1,
    *,
    size: int = 64,
    coordinates: Any = None,
    M: Any = None,
) -> Deflation:
    """Deflation by the near null space, cut by subdomains (Nicolaides 1987).

    The columns of W are the near null vectors on one part of a :func:`partition` each, made
    orthonormal there.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    near_null : array_like, optional
        Vectors that A nearly maps to zero, shape (n, k), such as rigid motions; by default the
        constant vector of each unknown of a node.
    unknowns : int
        Unknowns per node; a divisor of n.
    size : int
        Most rows of a part.
    coordinates : array_like, optional
        Position of the node of each row, shape (n, d), for the partition.
    M : LinearOperator, sparse array, sparse matrix or array_like, optional
        As for :class:`Deflation`.

    Returns
    -------
    Deflation
        An operator.

    Raises
    ------
    MatrixError
        If A, the vectors, the coordinates or M cannot be used.
    ConfigurationError
        If ``size`` or ``unknowns`` is not such a number.
    BreakdownError
        If W^T A W is singular in double precision.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import ic0, pcg
    >>> from precondbench.matrices import formula_matrix
    >>> from precondbench.solvers import subdomain_deflation
    >>> A, b = formula_matrix("HB/gr_30_30"), np.arange(900.0) % 7 - 3
    >>> pcg(A, b).iterations, pcg(A, b, M=subdomain_deflation(A)).iterations
    (58, 41)
    >>> pcg(A, b, ic0(A)).iterations, pcg(A, b, M=subdomain_deflation(A, M=ic0(A))).iterations
    (18, 16)
    """
    labels = partition(A, size, coordinates, unknowns)
    return Deflation(A, _cut_vectors(near_null, labels, unknowns), M)


class OverlappingPatches(LockstepPreconditioner):
    """M = sum of R_i^T (R_i A R_i^T)^-1 R_i, see :func:`additive_schwarz`."""

    def __init__(
        self,
        matrix: csr_array,
        labels: Labels,
        overlap: int,
        max_operations: float | None = None,
    ) -> None:
        n = matrix.shape[0]
        graph = csr_array((np.ones(matrix.nnz), matrix.indices, matrix.indptr), shape=matrix.shape)
        members = csr_array((np.ones(n), labels, np.arange(n + 1)))
        for _ in range(overlap):
            members = csr_array(graph @ members)
            members.data[:] = 1.0
        by_part = csc_array(members)
        by_part.sort_indices()
        self.rows = by_part.indices
        patches = np.split(self.rows, by_part.indptr[1:-1])
        blocks = block_diag([matrix[rows][:, rows] for rows in patches], format="csr")
        if max_operations is not None:
            _check_cost(np.diff(by_part.indptr), blocks, max_operations)
        # One factor of all patches at once: they do not touch each other in it.
        self.factor = exact_cholesky(blocks)
        super().__init__(n, self.factor.entries)

    def apply_sides(self, r: Vector) -> Vector:
        """Return the sum of the solutions on the patches, first patch to last."""
        out = np.zeros(r.shape)
        _add_at(zeros(r), self.rows, self.factor.apply_sides(r[self.rows]), out)
        return out


def _check_cost(sizes: NDArray[Any], blocks: csr_array, most: float) -> None:
    # Patches that are cheap as dense matrices need no prediction.
    if np.sum(sizes.astype(np.float64) ** 3) / 6.0 <= most:
        return
    cost = estimate_cost(blocks, pattern_of(blocks, "tril"))
    if cost.operations > most:
        raise CostError(
            f"the factors of {sizes.size} patches, of up to {sizes.max()} rows, need {cost}; give "
            "smaller parts or less overlap"
        )


@kernel
def _add_at(zero, rows, values, out):  # type: ignore[no-untyped-def]
    for k in range(rows.size):
        put(out, rows[k], added(row(zero, out, rows[k]), row(zero, values, k)))


def additive_schwarz(
    A: Any,
    near_null: Any = None,
    unknowns: int = 1,
    *,
    size: int = 128,
    overlap: int = 1,
    coordinates: Any = None,
    max_operations: float | None = None,
) -> Preconditioner:
    """Additive Schwarz by overlapping patches (Dryja and Widlund 1987), exact on each.

    The patches are the parts of a :func:`partition`, grown by layers of neighbours in the graph
    of A. With near null vectors there is a second level: they are cut by the parts and deflated,
    see :class:`Deflation`.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    near_null : array_like, optional
        Vectors of the coarse space, shape (n, k), such as the constant vector; by default there
        is none.
    unknowns : int
        Unknowns per node; a divisor of n.
    size : int
        Most rows of a part, before it grows.
    overlap : int
        Layers that a part grows by, 0 or more; 0 is block Jacobi.
    coordinates : array_like, optional
        Position of the node of each row, shape (n, d), for the partition.
    max_operations : float, optional
        Most multiply-adds of the factors of all patches; the prediction is that of Inv-K, see
        :func:`precondbench.factors.estimate_cost`.

    Returns
    -------
    Preconditioner
        An operator; with one part A^-1 up to rounding.

    Raises
    ------
    MatrixError
        If A, the vectors or the coordinates cannot be used.
    ConfigurationError
        If ``size``, ``overlap`` or ``unknowns`` is not such a number.
    BreakdownError
        If A is not positive definite on a patch, or W^T A W not in double precision.
    CostError
        If the patches are beyond ``max_operations``.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import pcg
    >>> from precondbench.matrices import formula_matrix
    >>> from precondbench.solvers import additive_schwarz
    >>> A, b = formula_matrix("HB/gr_30_30"), np.arange(900.0) % 7 - 3
    >>> [pcg(A, b, M=additive_schwarz(A, size=32, overlap=k)).iterations for k in (0, 1, 2)]
    [45, 37, 30]
    >>> pcg(A, b, M=additive_schwarz(A, np.ones((900, 1)), size=32)).iterations
    28
    """
    matrix = check_spd_candidate(A, "A")
    overlap = whole_number("overlap", overlap)
    labels = partition(matrix, size, coordinates, unknowns)
    patches = OverlappingPatches(matrix, labels, overlap, max_operations)
    if near_null is None:
        return patches
    return Deflation(matrix, _cut_vectors(near_null, labels, unknowns), patches)
