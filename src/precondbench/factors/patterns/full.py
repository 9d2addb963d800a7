"""Pattern of a general matrix, on which L and U are stored together as ILU(0) leaves them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench._internal import kernel


@dataclass(frozen=True)
class LUPattern:
    """Pattern of a square matrix in CSR: columns ascend, the diagonal is present in every row.

    Values on it stand for two factors: strictly lower entries are L, whose unit diagonal is
    implied, the diagonal and what is right of it are U.

    Attributes
    ----------
    indptr : numpy.ndarray
        int64 of shape (n + 1,).
    indices : numpy.ndarray
        int32 of shape (nnz,).
    diagonal : numpy.ndarray
        int64 of shape (n,): position of each diagonal entry.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    diagonal: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.indptr.size) - 1

    @property
    def nnz(self) -> int:
        """Number of entries."""
        return int(self.indices.size)

    def rows(self) -> NDArray[np.int64]:
        """Row of each entry, int64 (nnz,)."""
        return np.repeat(np.arange(self.n, dtype=np.int64), np.diff(self.indptr))

    def strictly_lower(self) -> NDArray[np.bool_]:
        """Which entries belong to L, bool (nnz,)."""
        found: NDArray[np.bool_] = self.rows() > self.indices
        return found

    def csr(self, values: NDArray[np.float64]) -> csr_array:
        """Return the matrix with these values; they are not copied."""
        indptr = self.indptr
        short = indptr.astype(np.int32) if indptr[-1] < np.iinfo(np.int32).max else indptr
        return csr_array((values, self.indices, short), shape=(self.n, self.n))

    def factors(self, values: NDArray[np.float64]) -> tuple[csr_array, csr_array]:
        """Split values into L, its unit diagonal written out, and U."""
        rows, strict = self.rows(), self.strictly_lower()
        lower = np.where(strict, values, 1.0)
        in_lower = rows >= self.indices
        return (
            _taken(self.n, rows, self.indices, lower, in_lower),
            _taken(self.n, rows, self.indices, values, ~strict),
        )


def _taken(
    n: int,
    rows: NDArray[np.int64],
    indices: NDArray[np.int32],
    values: NDArray[np.float64],
    kept: NDArray[np.bool_],
) -> csr_array:
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows[kept], minlength=n))))
    matrix = csr_array((values[kept], indices[kept], indptr.astype(np.int32)), shape=(n, n))
    matrix.has_sorted_indices = True
    return matrix


def lu_pattern(matrix: csr_array) -> LUPattern:
    """Return the pattern of a matrix that need not be symmetric.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        From :func:`precondbench.matrices.check_general`.

    Returns
    -------
    LUPattern
        All entries of the matrix.
    """
    indptr = matrix.indptr.astype(np.int64)
    indices = matrix.indices.astype(np.int32)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(indptr))
    return LUPattern(indptr, indices, np.flatnonzero(indices == rows).astype(np.int64))


@kernel
def solve_lu(indptr, indices, diagonal, values, x):  # type: ignore[no-untyped-def]
    """Overwrite x by (L U)^-1 x, L and U stored together."""
    n = x.size
    for i in range(n):
        total = x[i]
        for p in range(indptr[i], diagonal[i]):
            total -= values[p] * x[indices[p]]
        x[i] = total
    for i in range(n - 1, -1, -1):
        total = x[i]
        for p in range(diagonal[i] + 1, indptr[i + 1]):
            total -= values[p] * x[indices[p]]
        x[i] = total / values[diagonal[i]]
