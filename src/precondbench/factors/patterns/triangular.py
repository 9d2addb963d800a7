"""Sparsity patterns of triangular factors, and values on them.

``LowerPattern`` holds L of a symmetric matrix; ``LUPattern`` holds L and U of a general matrix
in one array, as ILU(0) leaves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.errors import MatrixError
from precondbench.matrices import (
    check_spd_candidate,
    plain_lower_triangle,
    real_matrix,
    square_matrix,
)


@dataclass(frozen=True)
class Pattern:
    """Pattern of a square matrix in CSR: columns ascend, every row has its diagonal entry."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.indptr.size) - 1

    @property
    def nnz(self) -> int:
        """Number of entries, diagonal included."""
        return int(self.indices.size)

    def rows(self) -> NDArray[np.int64]:
        """Row of each entry, int64 (nnz,)."""
        return np.repeat(np.arange(self.n, dtype=np.int64), np.diff(self.indptr))

    def columns(
        self, values: NDArray[np.float64] | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[Any]]:
        """Return the pattern by columns: ``colptr, rows, position`` of each entry in the CSR order.

        Rows ascend within a column, so the diagonal of a lower triangle comes first. Given values
        take the place of their positions.
        """
        carried = np.empty(self.nnz, np.int64 if values is None else np.float64)
        colptr, rows = _transpose(self.indptr, self.indices, values, carried)
        return colptr, rows, carried

    def csr(self, values: NDArray[np.float64]) -> scipy.sparse.csr_array:
        """Return the CSR array with these values on the pattern; values are not copied."""
        return scipy.sparse.csr_array(
            (values, self.indices, _short(self.indptr)), shape=(self.n, self.n)
        )


def _short(indptr: NDArray[np.int64]) -> NDArray[np.int32] | NDArray[np.int64]:
    """Row pointers in SciPy's usual type; 64-bit ones would widen the indices as well."""
    return indptr.astype(np.int32) if indptr[-1] < np.iinfo(np.int32).max else indptr


@dataclass(frozen=True)
class LowerPattern(Pattern):
    """Pattern of a lower-triangular matrix in CSR: columns ascend, the diagonal is last in a row.

    Attributes
    ----------
    indptr : numpy.ndarray
        int64 of shape (n + 1,).
    indices : numpy.ndarray
        int32 of shape (nnz,).
    """

    @property
    def diagonal(self) -> NDArray[np.int64]:
        """Position of each diagonal entry, int64 (n,)."""
        return self.indptr[1:] - 1

    def symmetric(
        self,
    ) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]]:
        """Return the pattern mirrored to both triangles: ``indptr, indices, position, lower``.

        ``position`` is the entry of the lower pattern that each entry copies; ``lower`` marks
        entries with row >= column, which are, in order, the lower pattern itself.
        """
        out: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64], NDArray[np.bool_]] = (
            _mirror(self.indptr, self.indices, *self.columns())
        )
        return out

    def symmetric_csr(self, values: NDArray[np.float64]) -> scipy.sparse.csr_array:
        """Return the symmetric matrix whose lower triangle has these values, sorted CSR."""
        indptr, indices, position, _ = self.symmetric()
        return scipy.sparse.csr_array(
            (values[position], indices, _short(indptr)), shape=(self.n, self.n)
        )


@kernel
def _mirror(indptr, indices, colptr, rows, position):  # type: ignore[no-untyped-def]
    n = indptr.size - 1
    total = 2 * indices.size - n
    out_indptr = np.zeros(n + 1, np.int64)
    out_indices = np.empty(total, np.int32)
    out_position = np.empty(total, np.int64)
    lower = np.empty(total, np.bool_)
    t = 0
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            out_indices[t] = indices[p]
            out_position[t] = p
            lower[t] = True
            t += 1
        # The first entry of a column is its diagonal, already there.
        for p in range(colptr[i] + 1, colptr[i + 1]):
            out_indices[t] = rows[p]
            out_position[t] = position[p]
            lower[t] = False
            t += 1
        out_indptr[i + 1] = t
    return out_indptr, out_indices, out_position, lower


@kernel
def _transpose(indptr, indices, values, carried):  # type: ignore[no-untyped-def]
    n = indptr.size - 1
    colptr = np.zeros(n + 1, np.int64)
    for p in range(indices.size):
        colptr[np.uint32(indices[p]) + np.uint32(1)] += 1
    for j in range(n):
        colptr[j + 1] += colptr[j]
    cursor = colptr[:-1].copy()
    rows = np.empty(indices.size, np.int32)
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            # Unsigned, so that nothing is computed for indices from the end.
            column = np.uint32(indices[p])
            q = cursor[column]
            cursor[column] = q + 1
            rows[q] = i
            carried[q] = p if values is None else values[p]
    return colptr, rows


def lower_pattern(pattern: Any, n: int | None = None, name: str = "pattern") -> LowerPattern:
    """Check and normalise a lower-triangular pattern.

    Parameters
    ----------
    pattern : LowerPattern, sparse array or array_like
        Stored entries of the lower triangle form the pattern, explicit zeros included;
        entries above the diagonal are an error.
    n : int, optional
        Rows it must have.
    name : str
        What errors call it.

    Returns
    -------
    LowerPattern
        Sorted, diagonal present in every row.

    Raises
    ------
    MatrixError
        If the pattern is not square of the right size, reaches above the diagonal, or lacks
        a diagonal entry.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import lower_pattern
    >>> lower_pattern(np.tril(np.ones((3, 3)))).nnz
    6
    """
    if isinstance(pattern, LowerPattern):
        result = pattern
    else:
        coo = scipy.sparse.coo_array(real_matrix(pattern, name))
        if coo.ndim != 2 or coo.shape[0] != coo.shape[1] or coo.shape[0] == 0:
            raise MatrixError(f"{name} has shape {coo.shape}; a square one is needed")
        if np.any(coo.col > coo.row):
            k = int(np.flatnonzero(coo.col > coo.row)[0])
            raise MatrixError(
                f"{name} has entry ({coo.row[k]}, {coo.col[k]}) above the diagonal; "
                f"pass scipy.sparse.tril({name}), or {name}.T if it is upper triangular"
            )
        ones = scipy.sparse.csr_array((np.ones(coo.nnz), (coo.row, coo.col)), shape=coo.shape)
        ones.sum_duplicates()
        result = LowerPattern(ones.indptr.astype(np.int64), ones.indices.astype(np.int32))
    if n is not None and result.n != n:
        raise MatrixError(f"{name} has {result.n} rows, the matrix has {n}")
    empty = np.flatnonzero(np.diff(result.indptr) == 0)
    last = result.indices[result.diagonal]
    missing = empty if empty.size else np.flatnonzero(last != np.arange(result.n))
    if missing.size:
        raise MatrixError(
            f"{name} lacks the diagonal entry of row {int(missing[0])}; a factor needs them all"
        )
    return result


def from_columns(
    colptr: NDArray[np.int64], rows: NDArray[np.int32]
) -> tuple[LowerPattern, NDArray[np.int64]]:
    """Pattern by rows of one by columns, and which of the given entries each entry is."""
    # The transpose of a pattern by columns is the pattern by rows.
    indptr, indices, position = LowerPattern(colptr, rows).columns()
    return LowerPattern(indptr, indices), position


def lower_part(matrix: scipy.sparse.csr_array) -> LowerPattern:
    """Return the pattern of tril(A); MatrixError where a diagonal entry is not stored."""
    if not matrix.has_canonical_format:
        return lower_pattern(scipy.sparse.tril(matrix, format="csr"))
    return lower_pattern(LowerPattern(*_lower_part(matrix.indptr, matrix.indices)))


@kernel
def _lower_part(indptr, indices):  # type: ignore[no-untyped-def]
    n = indptr.size - 1
    total = 0
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1]):
            total += indices[p] <= i
    starts = np.zeros(n + 1, np.int64)
    found = np.empty(total, np.int32)
    t = 0
    for i in range(n):
        p = indptr[i]
        while p < indptr[i + 1] and indices[p] <= i:
            found[t] = indices[p]
            t += 1
            p += 1
        starts[i + 1] = t
    return starts, found


def matrix_and_pattern(A: Any, pattern: Any = None) -> tuple[scipy.sparse.csr_array, LowerPattern]:
    """Check A and a pattern for its factor, by default that of tril(A)."""
    matrix = check_spd_candidate(A, "A")
    if pattern is None:
        return matrix, lower_part(matrix)
    return matrix, lower_pattern(pattern, matrix.shape[0])


def lower_triangle(
    A: Any, pattern: Any = None
) -> tuple[LowerPattern, NDArray[np.float64], scipy.sparse.csr_array | None]:
    """Check A; return a pattern for its factor, by default that of tril(A), and values on it.

    Also A itself, if it passes every check as it is and no pattern is given.
    """
    if pattern is None:
        triangle = plain_lower_triangle(A)
        if triangle is not None:
            indptr, indices, values = triangle
            return LowerPattern(indptr, indices), values, A
    matrix, wanted = matrix_and_pattern(A, pattern)
    return wanted, lower_values(matrix, wanted), None


def lower_values(
    matrix: scipy.sparse.csr_array, pattern: LowerPattern | None = None
) -> NDArray[np.float64]:
    """Entries of a checked symmetric matrix on a lower pattern, by default that of tril(A)."""
    pattern = lower_part(matrix) if pattern is None else pattern
    values: NDArray[np.float64] = _values_on(
        matrix.indptr, matrix.indices, matrix.data, pattern.indptr, pattern.indices
    )
    return values


@kernel
def _values_on(a_indptr, a_indices, a_data, indptr, indices):  # type: ignore[no-untyped-def]
    out = np.zeros(indices.size, np.float64)
    for i in range(indptr.size - 1):
        q = a_indptr[i]
        end = a_indptr[i + 1]
        for p in range(indptr[i], indptr[i + 1]):
            while q < end and a_indices[q] < indices[p]:
                q += 1
            if q < end and a_indices[q] == indices[p]:
                out[p] = a_data[q]
    return out


def factor_values(L: Any, name: str = "L") -> tuple[LowerPattern, NDArray[np.float64]]:
    """Split a lower-triangular factor into its checked pattern and its values."""
    full = scipy.sparse.csr_array(square_matrix(L, name), copy=True)
    full.sum_duplicates()
    pattern = lower_pattern(full, name=name)
    values = np.asarray(full.data, dtype=np.float64)
    if not np.all(np.isfinite(values)):
        raise MatrixError(f"{name} has {int(np.sum(~np.isfinite(values)))} entries not finite")
    zero = np.flatnonzero(values[pattern.diagonal] == 0.0)
    if zero.size:
        raise MatrixError(f"{name} is singular: diagonal entry {zero[0]} is zero")
    return pattern, values


@dataclass(frozen=True)
class LUPattern(Pattern):
    """Pattern of a square matrix in CSR: columns ascend, the diagonal is present in every row.

    Values on it stand for two factors: strictly lower entries are L, whose unit diagonal is
    implied; the diagonal and the entries right of it are U.

    Attributes
    ----------
    indptr : numpy.ndarray
        int64 of shape (n + 1,).
    indices : numpy.ndarray
        int32 of shape (nnz,).
    diagonal : numpy.ndarray
        int64 of shape (n,): position of each diagonal entry.
    """

    diagonal: NDArray[np.int64]

    def strictly_lower(self) -> NDArray[np.bool_]:
        """Which entries belong to L, bool (nnz,)."""
        found: NDArray[np.bool_] = self.rows() > self.indices
        return found

    def factors(
        self, values: NDArray[np.float64]
    ) -> tuple[scipy.sparse.csr_array, scipy.sparse.csr_array]:
        """Split values into L, with its unit diagonal stored, and U."""
        unit = np.where(self.strictly_lower(), values, 1.0)
        lower = scipy.sparse.csr_array(scipy.sparse.tril(self.csr(unit), format="csr"))
        return lower, scipy.sparse.csr_array(scipy.sparse.triu(self.csr(values), format="csr"))


def lu_pattern(matrix: scipy.sparse.csr_array) -> LUPattern:
    """Return the pattern of all entries of a matrix checked by ``check_general``."""
    indptr = matrix.indptr.astype(np.int64)
    indices = matrix.indices.astype(np.int32)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(indptr))
    return LUPattern(indptr, indices, np.flatnonzero(indices == rows).astype(np.int64))
