"""Approximate inverses that are applied by products only: sparse ones and polynomials in A."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, csr_array

from precondbench._internal import kernel, whole_number
from precondbench.errors import BreakdownError
from precondbench.factors import scale_symmetrically
from precondbench.matrices import (
    check_finite,
    check_general,
    check_spd_candidate,
    general_scaling,
    power_of_two_scaling,
    square_matrix,
)
from precondbench.solvers.lanes import (
    added,
    along,
    minus,
    multiply,
    over,
    put,
    row,
    scaled_row,
    zeros,
)
from precondbench.solvers.preconditioners import LockstepPreconditioner

# Steps of the power method that improve Gershgorin's bound; each gives a bound of its own.
BOUND_STEPS = 10
# What remains of a column, below which it counts as dependent on those before it.
DEPENDENT = 2.0**-46


class SparseInverse(LockstepPreconditioner):
    """Sparse matrix M close to A^-1, as a preconditioner; a bare matrix would be a factor.

    Parameters
    ----------
    M : sparse array, sparse matrix or array_like
        Square and real; for PCG symmetric positive definite.

    Raises
    ------
    MatrixError
        If M is not square, real and finite.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import pcg
    >>> from precondbench.solvers import SparseInverse
    >>> A = np.array([[4.0, 2.0], [2.0, 5.0]])
    >>> pcg(A, [1.0, 2.0], M=SparseInverse(np.linalg.inv(A))).iterations
    1
    """

    def __init__(self, M: Any) -> None:
        self.M = csr_array(square_matrix(M, "M"), copy=True)
        self.M.sum_duplicates()
        check_finite(self.M, "M")
        super().__init__(self.M.shape[0], int(self.M.nnz))

    def apply_sides(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return M r."""
        out = np.empty(r.shape)
        multiply(zeros(r), (self.M.indptr, self.M.indices, self.M.data), r, out)
        return out

    def _adjoint(self) -> SparseInverse:
        return SparseInverse(self.M.T)

    _transpose = _adjoint


@kernel
def _touched(indptr, indices, j, slot, rows):  # type: ignore[no-untyped-def]
    """Number the rows of the columns in column j of the pattern; return how many there are."""
    count = 0
    for t in range(indptr[j], indptr[j + 1]):
        column = indices[t]
        for p in range(indptr[column], indptr[column + 1]):
            i = indices[p]
            if slot[i] < 0:
                slot[i] = count
                rows[count] = i
                count += 1
    return count


@kernel
def _least_squares(block, x):  # type: ignore[no-untyped-def]
    """Minimise |B x - b|_2 for block = (B, b)^T by modified Gram-Schmidt; False if B has no rank.

    Rows of ``block`` are the columns of B, then b; they are overwritten.
    """
    m = block.shape[0] - 1
    triangle = np.zeros((m, m + 1), np.float64)
    sizes = np.zeros(m, np.float64)
    for k in range(m):
        for i in range(block.shape[1]):
            sizes[k] += block[k, i] * block[k, i]
    for k in range(m):
        total = 0.0
        for i in range(block.shape[1]):
            total += block[k, i] * block[k, i]
        if not (DEPENDENT * DEPENDENT * sizes[k] < total < np.inf):
            return False
        norm = np.sqrt(total)
        triangle[k, k] = norm
        for i in range(block.shape[1]):
            block[k, i] /= norm
        for c in range(k + 1, m + 1):
            total = 0.0
            for i in range(block.shape[1]):
                total += block[k, i] * block[c, i]
            triangle[k, c] = total
            for i in range(block.shape[1]):
                block[c, i] -= total * block[k, i]
    for k in range(m - 1, -1, -1):
        total = triangle[k, m]
        for c in range(k + 1, m):
            total -= triangle[k, c] * x[c]
        x[k] = total / triangle[k, k]
    return True


@kernel
def _spai(indptr, indices, data):  # type: ignore[no-untyped-def]
    """Columns of M on the pattern of A, both by columns; the column that fails, or -1."""
    n = indptr.size - 1
    out = np.zeros(indices.size, np.float64)
    slot = np.full(n, -1, np.int64)
    rows = np.empty(n, np.int64)
    for j in range(n):
        count = _touched(indptr, indices, j, slot, rows)
        start = indptr[j]
        m = indptr[j + 1] - start
        block = np.zeros((m + 1, count), np.float64)
        for t in range(m):
            column = indices[start + t]
            for p in range(indptr[column], indptr[column + 1]):
                block[t, slot[indices[p]]] = data[p]
        if slot[j] >= 0:
            block[m, slot[j]] = 1.0
        for t in range(count):
            slot[rows[t]] = -1
        if not _least_squares(block, out[start : start + m]):
            return out, j
    return out, -1


def spai(A: Any, symmetric: bool = True) -> SparseInverse:
    r"""Sparse approximate inverse on the pattern of A (Grote and Huckle 1997).

    Column j of M minimises ||A m - e_j||_2 over all m with the pattern of column j of A, by
    modified Gram-Schmidt in a fixed order; all columns together minimise ||A M - I||_F. A is
    scaled by powers of two first, so that M does not depend on its scaling by them.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real matrix, shape (n, n); SPD if ``symmetric``, else with every diagonal entry stored.
    symmetric : bool
        Return (M + M^T) / 2 for PCG, else M as it is for GMRES.

    Returns
    -------
    SparseInverse
        M as an operator. The symmetric part need not be positive definite; PCG then breaks down
        (status ``stagnated``). :func:`precondbench.factors.fsai` is positive definite for every
        SPD matrix.

    Raises
    ------
    MatrixError
        If A cannot be used.
    BreakdownError
        If columns of A are linearly dependent in double precision, or if the symmetric part has a
        diagonal entry that is not positive; carries the column.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.solvers import spai
    >>> A = np.array([[4.0, 2.0], [2.0, 5.0]])  # A full pattern: the inverse.
    >>> np.allclose(spai(A) @ (A @ [1.0, 2.0]), [1.0, 2.0])
    True
    """
    if symmetric:
        matrix = check_spd_candidate(A, "A")
        left = right = power_of_two_scaling(matrix.diagonal())
        scaled = scale_symmetrically(matrix, left)
    else:
        matrix = check_general(A, "A")
        left, right = general_scaling(matrix)
        rows = np.repeat(np.arange(left.size), np.diff(matrix.indptr))
        scaled = matrix.copy()
        scaled.data = matrix.data * left[rows] * right[matrix.indices]
    by_column = csc_array(scaled)
    by_column.sort_indices()
    values, column = _spai(by_column.indptr, by_column.indices, by_column.data)
    if column >= 0 or not np.all(np.isfinite(values)):
        raise BreakdownError(
            f"SPAI broke down at column {max(column, 0)}: columns of A are linearly dependent in "
            "double precision",
            max(int(column), 0),
        )
    M = csr_array(csc_array((values, by_column.indices, by_column.indptr), shape=matrix.shape))
    if symmetric:
        M = csr_array((M + M.T) * 0.5)
        bad = np.flatnonzero(~(M.diagonal() > 0.0))
        if bad.size:
            raise BreakdownError(
                f"SPAI is not positive definite: diagonal entry {bad[0]} of its symmetric part is "
                f"{M.diagonal()[bad[0]]:.3g}; FSAI is positive definite for every SPD matrix",
                int(bad[0]),
            )
    # The inverse of R A C is C^-1 A^-1 R^-1.
    M.data = M.data * np.repeat(right, np.diff(M.indptr)) * left[M.indices]
    return SparseInverse(M)


@kernel
def _largest_eigenvalue_bound(indptr, indices, data, inverse, steps):  # type: ignore[no-untyped-def]
    """Bound the eigenvalues of D^-1 A: the least of max_i (B x)_i / x_i, B = |D^-1 A|, x > 0.

    Gershgorin's bound is that of x = 1; further x are those of the power method on B + I.
    """
    n = inverse.size
    x = np.ones(n)
    y = np.empty(n)
    bound = np.inf
    for _ in range(steps):
        worst = 0.0
        largest = 0.0
        for i in range(n):
            total = 0.0
            for p in range(indptr[i], indptr[i + 1]):
                total += abs(data[p]) * x[indices[p]]
            total *= inverse[i]
            worst = max(worst, total / x[i])
            y[i] = total + x[i]
            largest = max(largest, y[i])
        bound = min(bound, worst)
        for i in range(n):
            x[i] = y[i] / largest
            if not x[i] > 1e-200:
                return bound
    return bound


@kernel
def _chebyshev(zero, indptr, indices, data, inverse, low, high, degree, r):  # type: ignore[no-untyped-def]
    """Chebyshev iteration (Saad 2003, algorithm 12.1) from zero with D^-1, ``degree`` products."""
    n = r.shape[0]
    theta = 0.5 * (high + low)
    delta = 0.5 * (high - low)
    sigma = theta / delta
    rho = 1.0 / sigma
    d = np.empty(r.shape)
    x = np.empty(r.shape)
    residual = np.empty(r.shape)
    for i in range(n):
        t = over(scaled_row(zero, inverse[i], r, i), theta)
        put(d, i, t)
        put(x, i, t)
    for _ in range(degree):
        following = 1.0 / (2.0 * sigma - rho)
        kept, added_to = following * rho, 2.0 * following / delta
        for i in range(n):
            t = row(zero, r, i)
            for p in range(indptr[i], indptr[i + 1]):
                t = minus(t, data[p], x, indices[p])
            put(residual, i, t)
        for i in range(n):
            step = scaled_row(zero, inverse[i], residual, i)
            t = along(scaled_row(zero, kept, d, i), added_to, step)
            put(d, i, t)
            put(x, i, added(row(zero, x, i), t))
        rho = following
    return x


class ChebyshevPolynomial(LockstepPreconditioner):
    """M = p(D^-1 A) D^-1, see :func:`chebyshev`.

    Attributes
    ----------
    low, high : float
        Interval of eigenvalues of D^-1 A that p is made for.
    """

    def __init__(self, matrix: csr_array, degree: int) -> None:
        super().__init__(matrix.shape[0], degree * int(matrix.nnz) + (degree + 1) * matrix.shape[0])
        self.matrix = matrix
        self.degree = degree
        self._inverse = 1.0 / matrix.diagonal()
        self.high = float(
            _largest_eigenvalue_bound(
                matrix.indptr, matrix.indices, matrix.data, self._inverse, BOUND_STEPS
            )
        )
        self.low = self.high / (2 * (degree + 1) ** 2 + 1)

    def apply_sides(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return p(D^-1 A) D^-1 r."""
        A, bounds = self.matrix, (self.low, self.high)
        result: NDArray[np.float64] = _chebyshev(
            zeros(r), A.indptr, A.indices, A.data, self._inverse, *bounds, self.degree, r
        )
        return result


def chebyshev(A: Any, degree: int = 4) -> ChebyshevPolynomial:
    r"""Chebyshev polynomial in A, scaled by its diagonal (Johnson, Micchelli and Paul 1983).

    M = p(D^-1 A) D^-1 with 1 - t p(t) the Chebyshev polynomial of degree k + 1 on [a, b], one at
    t = 0. b bounds the eigenvalues of D^-1 A: the least of ten bounds max_i (B x)_i / x_i with
    B = |D^-1 A| and positive x, the first of them Gershgorin's. Since b is a bound, t p(t) > 0 on
    the spectrum, and M is positive definite for every SPD matrix. a = b / (2 (k + 1)^2 + 1), so
    that t p(t) is within 0.5 of 1 on [a, b]; M does not depend on the smallest eigenvalue.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    degree : int
        Degree k of p, 0 or more, and number of products with A. Degree 0 is a multiple of Jacobi.

    Returns
    -------
    Preconditioner
        M as an operator.

    Raises
    ------
    MatrixError
        If A cannot be used.
    ConfigurationError
        If ``degree`` is not an integer of 0 or more.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import pcg
    >>> from precondbench.matrices import formula_matrix
    >>> from precondbench.solvers import chebyshev
    >>> A, b = formula_matrix("HB/gr_30_30"), np.arange(900.0) % 7 - 3
    >>> [pcg(A, b, M=chebyshev(A, k)).iterations for k in (0, 2, 4)]
    [58, 25, 18]
    """
    return ChebyshevPolynomial(check_spd_candidate(A, "A"), whole_number("degree", degree))
