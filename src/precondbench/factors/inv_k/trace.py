"""trace(L^T A^-1 L) as a quadratic form in the entries of L, for those who differentiate it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench._internal import kernel
from precondbench.factors.inverse.simplicial import SelectedInverse, gather_block
from precondbench.factors.patterns.lower import LowerPattern


@dataclass(frozen=True)
class TraceForm:
    """trace(L^T A^-1 L) = sum_p weight_p l[first_p] l[second_p], l the entries of L by rows.

    Attributes
    ----------
    first, second : numpy.ndarray
        int64 (pairs,): positions in the pattern, entries of one column of L.
    weight : numpy.ndarray
        float64 (pairs,): (A^-1)_jk for two entries in rows j and k, doubled where j != k.
    log_determinant : float
        log det A.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.float64]
    log_determinant: float


@kernel
def _fill_pairs(  # type: ignore[no-untyped-def]
    colptr, rows, where, position, zptr, zrows, zvalues, zdiagonal, first, second, weight
):
    n = colptr.size - 1
    slot = np.full(n, -1, np.int32)
    longest = 0
    for i in range(n):
        longest = max(longest, colptr[i + 1] - colptr[i])
    block = np.empty((longest, longest), np.float64)
    p = 0
    for i in range(n):
        start = colptr[i]
        m = colptr[i + 1] - start
        gather_block(
            rows[start : start + m], position, zptr, zrows, zvalues, zdiagonal, slot, block
        )
        for r in range(m):
            for c in range(r + 1):
                first[p] = where[start + r]
                second[p] = where[start + c]
                weight[p] = block[r, c] if r == c else 2.0 * block[r, c]
                p += 1


def trace_form(inverse: SelectedInverse, pattern: LowerPattern) -> TraceForm:
    """List the pairs of entries that share a column of a pattern, with their weights.

    Parameters
    ----------
    inverse : SelectedInverse
        From ``selected_inverse(A, pattern)``.
    pattern : LowerPattern
        Pattern of L. A column with m entries gives m (m + 1) / 2 pairs.

    Returns
    -------
    TraceForm
        Pairs, weights and log det A.

    Examples
    --------
    >>> from precondbench.factors import lower_pattern, selected_inverse, trace_form
    >>> from precondbench.matrices import lower_csr, poisson_1d, tridiagonal_csr
    >>> A = tridiagonal_csr(poisson_1d(3))
    >>> pattern = lower_pattern(lower_csr(poisson_1d(3)))
    >>> form = trace_form(selected_inverse(A, pattern), pattern)
    >>> l = [1.0, 0.0, 1.0, 0.0, 1.0]  # the identity: the trace of A^-1 is 3/4 + 1 + 3/4
    >>> pairs = zip(form.first, form.second, form.weight)
    >>> round(float(sum(weight * l[i] * l[j] for i, j, weight in pairs)), 12)
    2.5
    """
    colptr, rows, where = pattern.columns()
    lengths = np.diff(colptr)
    count = int(np.sum(lengths * (lengths + 1) // 2))
    form = TraceForm(
        np.empty(count, np.int64),
        np.empty(count, np.int64),
        np.empty(count, np.float64),
        inverse.log_determinant,
    )
    _fill_pairs(
        colptr,
        rows,
        where,
        inverse.position,
        inverse.colptr,
        inverse.rows,
        inverse.values,
        inverse.diagonal,
        form.first,
        form.second,
        form.weight,
    )
    return form
