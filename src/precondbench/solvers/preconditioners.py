"""Preconditioners as linear operators: reordered factors, approximate inverses, multigrid."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array, csr_matrix, tril
from scipy.sparse.linalg import LinearOperator

from precondbench._internal import at, kernel
from precondbench.errors import BreakdownError, ConfigurationError, MatrixError
from precondbench.factors import (
    LowerPattern,
    analyse,
    lower_pattern,
    minimum_degree,
    permuted,
    reliable_factor,
    scale_symmetrically,
)
from precondbench.matrices import (
    check_finite,
    check_spd_candidate,
    power_of_two_scaling,
    square_matrix,
)
from precondbench.solvers.lanes import added, along, minus, nothing, over, plus, put, row, zeros
from precondbench.solvers.substitution import backward, forward, lower_triangles


class Preconditioner(LinearOperator):  # type: ignore[misc]
    """Linear operator M close to A^-1, as SciPy's iterative solvers take it.

    Parameters
    ----------
    n : int
        Rows of A.
    entries : int or None
        Stored numbers read by one application: twice nnz(L) for a factor L. None if not known.
    """

    def __init__(self, n: int, entries: int | None) -> None:
        super().__init__(np.dtype(np.float64), (n, n))
        self.entries = entries

    @abstractmethod
    def apply(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r as a new array; float64, shape (n,), sums in a fixed order."""

    def apply_sides(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r for r of shape (n, 1) or (n, 4), C order; each side as if it were alone."""
        z = np.zeros(r.shape)
        for k in np.flatnonzero(np.any(r, axis=0)):  # A side that has ended is 0.
            z[:, k] = self.apply(np.ascontiguousarray(r[:, k]))
        return z

    def _matvec(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.apply(np.ascontiguousarray(x, dtype=np.float64).reshape(-1))

    def _adjoint(self) -> Preconditioner:
        return self

    _transpose = _adjoint


class LockstepPreconditioner(Preconditioner):
    """A preconditioner whose kernels take several sides at once."""

    @abstractmethod
    def apply_sides(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r."""

    def apply(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r for one side."""
        return self.apply_sides(r.reshape(-1, 1))[:, 0]


class FactoredPreconditioner(LockstepPreconditioner):
    """M = P^T (L L^T)^-1 P, for which row i of A is row position[i] of L."""

    entries: int

    def __init__(
        self,
        pattern: LowerPattern,
        values: NDArray[np.float64],
        position: NDArray[np.int64],
    ) -> None:
        super().__init__(pattern.n, 2 * pattern.nnz)
        self.pattern = pattern
        self.values = values
        self.position = position
        self._triangles = lower_triangles(pattern, values)

    def apply_sides(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r: a permutation, two substitutions, the permutation back."""
        x = np.empty(r.shape)
        x[self.position] = r
        zero = zeros(r)
        lower, upper = self._triangles
        forward(zero, lower, x, x)
        backward(zero, upper, x, x)
        result: NDArray[np.float64] = x[self.position]
        return result


def after_reordering(
    A: Any,
    order: Callable[[csr_array], NDArray[np.int64]],
    factor: Callable[[csr_array], csr_array],
) -> FactoredPreconditioner:
    """Factorise a matrix after a symmetric permutation.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    order : callable
        Graph -> position of each row, as :func:`precondbench.factors.minimum_degree` does.
    factor : callable
        A -> L, lower triangular.

    Returns
    -------
    Preconditioner
        M = P^T (L L^T)^-1 P, in the order of A.

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If the factorisation fails; its column is one of the permuted matrix.

    Examples
    --------
    >>> from precondbench import ic0, pcg
    >>> from precondbench.factors import reverse_cuthill_mckee
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.solvers import after_reordering
    >>> A = tridiagonal_csr(poisson_1d(9))
    >>> M = after_reordering(A, reverse_cuthill_mckee, ic0)
    >>> pcg(A, [1.0] * 9, M=M).iterations
    1
    """
    matrix = check_spd_candidate(A, "A")
    position = order(matrix)
    lower = csr_array(factor(permuted(matrix, position)))
    return FactoredPreconditioner(
        lower_pattern(lower), np.asarray(lower.data, dtype=np.float64), position
    )


@kernel
def _apply(zero, indptr, indices, values, r):  # type: ignore[no-untyped-def]
    out = np.zeros(r.shape, np.float64)
    for i in range(r.shape[0]):
        t = nothing(zero)
        for p in range(indptr[i], indptr[i + 1]):
            t = plus(t, values[p], r, indices[p])
        for p in range(indptr[i], indptr[i + 1]):
            put(out, indices[p], along(row(zero, out, indices[p]), values[p], t))
    return out


class FactoredInverse(LockstepPreconditioner):
    """M = G^T G.

    Parameters
    ----------
    G : sparse array, sparse matrix or array_like
        Square, real, see :func:`precondbench.factors.fsai`.

    Raises
    ------
    MatrixError
        If G is not square, real and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import fsai
    >>> from precondbench.solvers import FactoredInverse
    >>> A = np.array([[4.0, 2.0], [2.0, 5.0]])
    >>> np.allclose(FactoredInverse(fsai(A)) @ (A @ [1.0, 2.0]), [1.0, 2.0])
    True
    """

    def __init__(self, G: Any) -> None:
        self.G = csr_array(square_matrix(G, "G"))
        check_finite(self.G, "G")
        super().__init__(self.G.shape[0], 2 * self.G.nnz)

    def apply_sides(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return G^T (G r)."""
        G = self.G
        result: NDArray[np.float64] = _apply(zeros(r), G.indptr, G.indices, G.data, r)
        return result


def exact_cholesky(A: Any) -> FactoredPreconditioner:
    """Sparse Cholesky factorisation after a minimum-degree ordering: a direct solver.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).

    Returns
    -------
    Preconditioner
        A^-1 up to rounding.

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If A is not positive definite; carries the column.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.solvers import exact_cholesky
    >>> A = np.array([[4.0, 2, 0], [2, 5, 1], [0, 1, 3]])
    >>> np.allclose(exact_cholesky(A) @ (A @ [1.0, 2.0, 3.0]), [1.0, 2.0, 3.0])
    True
    """
    matrix = check_spd_candidate(A, "A")
    n = matrix.shape[0]
    symbolic = analyse(matrix, minimum_degree(matrix))
    scale = power_of_two_scaling(matrix.diagonal())
    unit, pivots = reliable_factor(scale_symmetrically(matrix, scale), symbolic)
    root = np.sqrt(pivots)
    counts = np.diff(symbolic.colptr)
    diagonal = np.arange(n)
    L = csr_array(
        coo_array(
            (
                np.concatenate((unit * np.repeat(root, counts), root)),
                (
                    np.concatenate((symbolic.rows, diagonal)),
                    np.concatenate((np.repeat(diagonal, counts), diagonal)),
                ),
            ),
            shape=(n, n),
        )
    )
    L.sort_indices()
    # Of row position[i] of L, the power of two that row i of A was multiplied by.
    undone = np.empty(n)
    undone[symbolic.position] = 1.0 / scale
    values = L.data * np.repeat(undone, np.diff(L.indptr))
    return FactoredPreconditioner(lower_pattern(L), values, symbolic.position)


COARSEST = 10
MOST_LEVELS = 20


@kernel
def _relax(zero, indptr, indices, data, b, x, i):  # type: ignore[no-untyped-def]
    t = row(zero, b, i)
    diagonal = 0.0
    for p in range(at(indptr, i), at(indptr, i + 1)):
        j = at(indices, p)
        if j == i:
            diagonal = at(data, p)
        else:
            t = minus(t, at(data, p), x, j)
    if diagonal != 0.0:
        put(x, i, over(t, diagonal))


@kernel
def _forward_sweep(zero, indptr, indices, data, b, x):  # type: ignore[no-untyped-def]
    """One Gauss-Seidel sweep, first row to last."""
    for i in range(x.shape[0]):
        _relax(zero, indptr, indices, data, b, x, i)


@kernel
def _backward_sweep(zero, indptr, indices, data, b, x):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0] - 1, -1, -1):
        _relax(zero, indptr, indices, data, b, x, i)


@kernel
def _restrict_residual(  # type: ignore[no-untyped-def]
    zero, indptr, indices, data, b, x, p_indptr, p_indices, p_data, coarse
):
    """Return P^T (b - A x)."""
    out = np.zeros((coarse, x.shape[1]), np.float64)
    for i in range(x.shape[0]):
        t = row(zero, b, i)
        for p in range(at(indptr, i), at(indptr, i + 1)):
            t = minus(t, at(data, p), x, at(indices, p))
        for p in range(p_indptr[i], p_indptr[i + 1]):
            put(out, p_indices[p], along(row(zero, out, p_indices[p]), p_data[p], t))
    return out


@kernel
def prolong(zero, p_indptr, p_indices, p_data, coarse, x):  # type: ignore[no-untyped-def]
    """Add P coarse to x."""
    for i in range(x.shape[0]):
        t = nothing(zero)
        for p in range(p_indptr[i], p_indptr[i + 1]):
            t = plus(t, p_data[p], coarse, p_indices[p])
        put(x, i, added(row(zero, x, i), t))


class VCycle(LockstepPreconditioner):
    """One V-cycle from zero: a forward Gauss-Seidel sweep down, a backward one up.

    That makes it symmetric. The coarsest system is solved exactly: BreakdownError if its matrix is
    not positive definite, as where a prolongation has a column of zeros. It is a product, symmetric
    up to rounding, and its lower triangle counts. Finest level first.
    """

    def __init__(self, matrices: list[csr_array], prolongations: list[csr_array]) -> None:
        self.levels = list(zip(matrices[:-1], prolongations, strict=True))
        try:
            self.coarsest = exact_cholesky(_mirrored(matrices[-1]))
        except MatrixError as error:
            raise BreakdownError(f"the coarsest matrix cannot be used: {error}", 0) from None
        swept = sum(3 * A.nnz + 2 * P.nnz for A, P in self.levels)
        super().__init__(matrices[0].shape[0], self.coarsest.entries + swept)

    def apply_sides(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the result of one cycle for A x = r, started at x = 0."""
        return self._cycle(0, r)

    def _cycle(self, depth: int, b: NDArray[np.float64]) -> NDArray[np.float64]:
        if depth == len(self.levels):
            return self.coarsest.apply_sides(b)
        A, P = self.levels[depth]
        zero = zeros(b)
        x = np.zeros(b.shape)
        _forward_sweep(zero, A.indptr, A.indices, A.data, b, x)
        residual = _restrict_residual(
            zero, A.indptr, A.indices, A.data, b, x, P.indptr, P.indices, P.data, P.shape[1]
        )
        correction = self._cycle(depth + 1, residual)
        prolong(zero, P.indptr, P.indices, P.data, correction, x)
        _backward_sweep(zero, A.indptr, A.indices, A.data, b, x)
        return x


def smoothed_aggregation(
    A: Any,
    near_null: Any = None,
    unknowns: int = 1,
    *,
    strength: str = "symmetric",
    threshold: float = 0.0,
    weight: float = 4.0 / 3.0,
) -> VCycle:
    """Smoothed-aggregation algebraic multigrid (Vanek, Mandel and Brezina 1996) by PyAMG.

    PyAMG's defaults, by default with the constant vector as near null space, except that
    prolongations are smoothed with weights from row sums and not from an estimate of the spectral
    radius, which starts from random numbers. The hierarchy is applied by kernels of this library.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    near_null : array_like, optional
        Vectors that A nearly maps to zero, shape (n, k), such as rigid motions.
    unknowns : int
        Unknowns per node, which are aggregated together; a divisor of n.
    strength : {"symmetric", "classical"}
        What an entry is compared with to be strong: the diagonal of its row and column, or the
        largest entry of its row. Only strong neighbours are aggregated.
    threshold : float
        Share of it from which an entry is strong; with 0 all are, if it is symmetric.
    weight : float
        Of the Jacobi step that smooths a prolongation; with 0 it is not smoothed.

    Returns
    -------
    Preconditioner
        One V-cycle as an operator.

    Raises
    ------
    ConfigurationError
        If PyAMG is not installed.
    MatrixError
        If A cannot be used.
    BreakdownError
        If the coarsest matrix is not positive definite in double precision.

    Examples
    --------
    >>> from precondbench import pcg
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.solvers import smoothed_aggregation
    >>> A = tridiagonal_csr(poisson_1d(1000))
    >>> pcg(A, [1.0] * 1000, M=smoothed_aggregation(A)).iterations
    11
    """
    try:
        from pyamg import smoothed_aggregation_solver
    except ImportError:
        raise ConfigurationError(
            "smoothed aggregation needs PyAMG; install it with pip install 'precondbench[amg]'"
        ) from None
    matrix = check_spd_candidate(A, "A")
    if matrix.shape[0] <= COARSEST:
        return VCycle([matrix], [])
    hierarchy = smoothed_aggregation_solver(
        csr_matrix(matrix) if unknowns == 1 else csr_matrix(matrix).tobsr((unknowns, unknowns)),
        B=None if near_null is None else np.array(near_null, dtype=np.float64, order="C"),
        symmetry="symmetric",
        strength=(strength, {"theta": threshold}),
        smooth=("jacobi", {"omega": weight, "weighting": "local"}) if weight else None,
        max_levels=MOST_LEVELS,
        max_coarse=COARSEST,
    )
    levels = hierarchy.levels
    matrices = [matrix, *(_plain(level.A) for level in levels[1:])]
    if not all(np.all(np.isfinite(level.data)) for level in matrices):
        raise BreakdownError("smoothed aggregation gave a coarse matrix that is not finite", 0)
    prolongations = [_plain(level.P) for level in levels[:-1]]
    # Unknowns without neighbours belong to no aggregate, and PyAMG may make an empty one of them, a
    # column of zeros. The sweeps of the finer level solve for these unknowns.
    held = np.flatnonzero(matrices[-1].diagonal() != 0.0)
    if not held.size:
        matrices.pop()
        prolongations.pop()
    elif held.size < matrices[-1].shape[0]:
        matrices[-1] = csr_array(matrices[-1][held][:, held])
        prolongations[-1] = csr_array(prolongations[-1][:, held])
    return VCycle(matrices, prolongations)


def _mirrored(matrix: csr_array) -> csr_array:
    return csr_array(tril(matrix) + tril(matrix, -1).T)


def _plain(matrix: Any) -> csr_array:
    """Sorted CSR with scalar entries; PyAMG has blocks."""
    plain = csr_array(matrix.tocsr(), dtype=np.float64)
    plain.sum_duplicates()
    return plain
