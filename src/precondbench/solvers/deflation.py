"""Deflation of a subspace as a symmetric positive definite operator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, issparse, tril
from scipy.sparse.linalg import LinearOperator

from precondbench._internal import kernel
from precondbench.errors import BreakdownError, MatrixError
from precondbench.matrices import check_finite, check_spd_candidate, real_matrix
from precondbench.solvers.approximate_inverses import SparseInverse
from precondbench.solvers.forms import as_preconditioner
from precondbench.solvers.lanes import along, put, row, zeros
from precondbench.solvers.preconditioners import (
    FactoredPreconditioner,
    LockstepPreconditioner,
    Preconditioner,
    exact_cholesky,
    prolong,
)

Vector = NDArray[np.float64]

# A pivot of W^T A W over its diagonal entry, below which columns of W count as dependent.
DEPENDENT = 2.0**-46


@kernel
def _product(a_indptr, a_indices, a_data, b_indptr, b_indices, b_data, columns):  # type: ignore[no-untyped-def]
    """Return A B in CSR; sums over ascending columns of A, columns of a row in order of finding."""
    n = a_indptr.size - 1
    seen = np.full(columns, -1, np.int64)
    indptr = np.zeros(n + 1, np.int64)
    for i in range(n):
        for p in range(a_indptr[i], a_indptr[i + 1]):
            for q in range(b_indptr[a_indices[p]], b_indptr[a_indices[p] + 1]):
                if seen[b_indices[q]] != i:
                    seen[b_indices[q]] = i
                    indptr[i + 1] += 1
        indptr[i + 1] += indptr[i]
    indices = np.empty(indptr[n], np.int64)
    data = np.zeros(indptr[n])
    place = np.full(columns, -1, np.int64)
    for i in range(n):
        free = indptr[i]
        for p in range(a_indptr[i], a_indptr[i + 1]):
            for q in range(b_indptr[a_indices[p]], b_indptr[a_indices[p] + 1]):
                j = b_indices[q]
                if place[j] < indptr[i]:
                    place[j] = free
                    indices[free] = j
                    free += 1
                data[place[j]] += a_data[p] * b_data[q]
    return indptr, indices, data


def _multiplied(A: csr_array, B: csr_array) -> csr_array:
    indptr, indices, data = _product(
        A.indptr, A.indices, A.data, B.indptr, B.indices, B.data, B.shape[1]
    )
    product = csr_array((data, indices, indptr), shape=(A.shape[0], B.shape[1]))
    product.sort_indices()
    return product


@kernel
def _restrict(zero, indptr, indices, data, columns, r):  # type: ignore[no-untyped-def]
    """Return P^T r for P in CSR."""
    out = np.zeros((columns, r.shape[1]), np.float64)
    for i in range(r.shape[0]):
        t = row(zero, r, i)
        for p in range(indptr[i], indptr[i + 1]):
            put(out, indices[p], along(row(zero, out, indices[p]), data[p], t))
    return out


class Deflation(LockstepPreconditioner):
    r"""Deflation of a subspace in the balancing form, M_W = P^T M P + Q.

    Q = W (W^T A W)^-1 W^T and P = I - A Q (Mandel 1993; Nabben and Vuik 2006; Tang, Nabben, Vuik
    and Erlangga 2009). M_W A has the eigenvalue 1 on the span of W, and is symmetric positive
    definite if M is, so that plain PCG solves with it. A W is stored.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real SPD matrix, shape (n, n).
    W : sparse array, sparse matrix or array_like
        Columns span the subspace, shape (n, k) or (n,), linearly independent.
    M : LinearOperator, sparse array, sparse matrix or array_like, optional
        Symmetric positive definite preconditioner of the rest: an operator close to A^-1, or a
        lower-triangular factor L. By default the inverse diagonal of A.

    Raises
    ------
    MatrixError
        If A, W or M cannot be used.
    BreakdownError
        If columns of W are linearly dependent in double precision; carries the column.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench import pcg
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> from precondbench.solvers import Deflation
    >>> A = tridiagonal_csr(poisson_1d(99))
    >>> t = np.pi * np.arange(1, 100) / 100
    >>> smooth = np.stack([np.sin(k * t) for k in range(1, 11)], axis=1)  # ten eigenvectors
    >>> b = np.cos(np.arange(99) ** 2)
    >>> pcg(A, b).iterations, pcg(A, b, M=Deflation(A, smooth)).iterations
    (99, 48)
    """

    def __init__(self, A: Any, W: Any, M: Any = None) -> None:
        matrix = check_spd_candidate(A, "A")
        n = matrix.shape[0]
        self.W = _subspace(W, n)
        self.AW = _multiplied(matrix, self.W)
        self.coarse = _coarse_factor(_multiplied(csr_array(self.W.T), self.AW))
        if callable(M) and not isinstance(M, LinearOperator):
            raise MatrixError("M is a function; a deflation combines W with a linear operator")
        diagonal = diags_array(1.0 / matrix.diagonal())
        self.M = SparseInverse(diagonal) if M is None else as_preconditioner(M)
        if self.M.shape != (n, n):
            raise MatrixError(f"A has shape {(n, n)}, M has {self.M.shape}")
        rest = getattr(self.M, "entries", None)
        projections = 2 * (int(self.AW.nnz) + int(self.W.nnz) + self.coarse.entries)
        super().__init__(n, None if rest is None else projections + rest)

    def apply_sides(self, r: Vector) -> Vector:
        """Return P^T M P r + Q r."""
        coefficients = self._restricted(self.W, r)
        projected = r.copy()
        _prolong(self.AW, -coefficients, projected)
        z = self._rest(projected)
        coefficients -= self._restricted(self.AW, z)
        _prolong(self.W, coefficients, z)
        return z

    def _restricted(self, P: csr_array, r: Vector) -> Vector:
        """Return (W^T A W)^-1 P^T r."""
        columns = P.shape[1]
        return self.coarse.apply_sides(_restrict(zeros(r), P.indptr, P.indices, P.data, columns, r))

    def _rest(self, r: Vector) -> Vector:
        """Return M r as a new array."""
        if isinstance(self.M, Preconditioner):
            return np.array(self.M.apply_sides(r))
        return np.stack([self.M.matvec(side) for side in r.T], axis=1, dtype=np.float64)


def _prolong(P: csr_array, coarse: Vector, x: Vector) -> None:
    """Add P coarse to x."""
    prolong(zeros(x), P.indptr, P.indices, P.data, coarse, x)


def _subspace(W: Any, n: int) -> csr_array:
    """Check W, and scale its columns by powers of two, which does not change their span."""
    given = real_matrix(W, "W")
    if not issparse(given) and given.ndim == 1:
        given = given[:, np.newaxis]
    if given.ndim != 2 or given.shape[0] != n or not 1 <= given.shape[1] <= n:
        raise MatrixError(
            f"W has shape {given.shape}; A has {n} rows: give shape ({n}, k), k from 1 to {n}"
        )
    columns = csr_array(given, copy=True)
    columns.sum_duplicates()
    columns.eliminate_zeros()
    check_finite(columns, "W")
    largest = np.zeros(columns.shape[1])
    np.maximum.at(largest, columns.indices, np.abs(columns.data))
    empty = np.flatnonzero(largest == 0.0)
    if empty.size:
        raise BreakdownError(f"column {empty[0]} of W is zero; leave it out", int(empty[0]))
    _, exponents = np.frexp(largest)
    columns.data = np.ldexp(columns.data, -exponents[columns.indices])
    return columns


def _coarse_factor(product: csr_array) -> FactoredPreconditioner:
    """Factorise W^T A W; BreakdownError, with the column, where W has not full rank."""
    lower = tril(product, format="csr")
    E = csr_array(lower + tril(product, k=-1, format="csr").T)
    try:
        factor = exact_cholesky(E)
    except (BreakdownError, MatrixError) as error:
        column = getattr(error, "column", 0)
    else:
        pivots = factor.values[factor.pattern.diagonal[factor.position]] ** 2
        small = np.flatnonzero(~(pivots > DEPENDENT * E.diagonal()))
        if not small.size:
            return factor
        column = int(small[0])
    raise BreakdownError(
        f"W^T A W is singular in double precision: column {column} of W depends linearly on "
        "others; leave it out",
        column,
    )
