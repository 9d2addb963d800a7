"""The diagonal of A Z - I for a selected inverse Z: its accuracy at all rows, almost for free."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array

from precondbench.factors.jit import kernel
from precondbench.factors.selected_inverse import SelectedInverse
from precondbench.factors.supernodal_inverse import SupernodalInverse

__all__ = ["identity_residual"]


@kernel
def _simplicial(indptr, indices, data, position, colptr, rows, values, diagonal):  # type: ignore[no-untyped-def]
    worst = 0.0
    for i in range(indptr.size - 1):
        total = -1.0
        for p in range(indptr[i], indptr[i + 1]):
            j = min(position[i], position[indices[p]])
            k = max(position[i], position[indices[p]])
            if j == k:
                z = diagonal[j]
            else:
                low = colptr[j]
                z = values[low + np.searchsorted(rows[low : colptr[j + 1]], k)]
            total += data[p] * z
        # Not max(): a NaN has to come out as infinity.
        if not abs(total) <= worst:
            worst = abs(total) if abs(total) < np.inf else np.inf
    return worst


@kernel
def _supernodal(indptr, indices, data, position, first, rowptr, rows, block, owner, values):  # type: ignore[no-untyped-def]
    worst = 0.0
    for i in range(indptr.size - 1):
        total = -1.0
        for p in range(indptr[i], indptr[i + 1]):
            j = min(position[i], position[indices[p]])
            k = max(position[i], position[indices[p]])
            s = owner[j]
            width = first[s + 1] - first[s]
            height = width + rowptr[s + 1] - rowptr[s]
            row = k - first[s]
            if row >= width:
                row = width + np.searchsorted(rows[rowptr[s] : rowptr[s + 1]], k)
            total += data[p] * values[block[s] + (j - first[s]) * height + row]
        if not abs(total) <= worst:
            worst = abs(total) if abs(total) < np.inf else np.inf
    return worst


def identity_residual(matrix: csr_array, inverse: SelectedInverse | SupernodalInverse) -> float:
    """Largest |(A Z)_ii - 1|; infinity if anything is not finite.

    Row i of A meets only entries Z_ki with k a neighbour of i, and these are selected. If
    A Z = I + E, then Z = A^-1 (I + E): the residual is a relative error of Z. Its diagonal misses
    the rest of E; on 47 real matrices with n up to 1300 it was at least a third of the largest
    relative error found in a column of Inv-K, and mostly ten times above it.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
        A, symmetric.
    inverse : SelectedInverse or SupernodalInverse
        Selected on a pattern that contains that of A.

    Returns
    -------
    float
        The residual.
    """
    if isinstance(inverse, SelectedInverse):
        return float(
            _simplicial(
                matrix.indptr, matrix.indices, matrix.data, inverse.position, inverse.colptr,
                inverse.rows, inverse.values, inverse.diagonal,
            )
        )  # fmt: skip
    return float(
        _supernodal(
            matrix.indptr, matrix.indices, matrix.data, inverse.supernodes.position,
            *inverse.supernodes.structure, inverse.values,
        )
    )  # fmt: skip
