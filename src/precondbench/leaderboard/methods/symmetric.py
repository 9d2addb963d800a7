"""Classical preconditioners of SPD matrices, as functions A -> L or A -> M."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array, tril
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError
from precondbench.factors import (
    LowerPattern,
    fsai,
    ic0,
    ict,
    incomplete_cholesky,
    invk,
    khop_factor,
    local_invk,
    lower_pattern,
    pattern_of,
    shifted_ic0,
)
from precondbench.matrices import lower_csr
from precondbench.quality import tridiagonal_part
from precondbench.solvers import FactoredInverse, FactoredPreconditioner, after_reordering

# Minutes on one core; a few matrices with large three-dimensional patches are beyond it.
MOST_OPERATIONS = 1e12
# Powers of two, so that the entries of ICT, and with them its memory, are the same everywhere.
_FINEST = 24

Ordering = Callable[[csr_array], NDArray[np.int64]]


def identity(A: csr_array) -> csr_array:
    """No preconditioner."""
    return csr_array(eye_array(A.shape[0], format="csr"))


def jacobi(A: csr_array) -> csr_array:
    """Square root of the diagonal."""
    return csr_array(diags_array(np.sqrt(A.diagonal())).tocsr())


def symmetric_gauss_seidel(A: csr_array) -> csr_array:
    """Return (D + E) D^-1/2 with A = E + D + E^T: a factor on the pattern of tril(A)."""
    return csr_array(tril(A, format="csr") / np.sqrt(A.diagonal())[np.newaxis, :])


def incomplete(A: csr_array, pattern: str) -> csr_array:
    """Incomplete Cholesky on a pattern."""
    return incomplete_cholesky(A, pattern_of(A, pattern))


def incomplete_smallest_shift(A: csr_array, pattern: str | None = None) -> csr_array:
    """Incomplete Cholesky of A + alpha diag(A), alpha the smallest that works."""
    return shifted_ic0(A, _pattern(A, pattern))[0]


def ic0_reordered(A: csr_array, ordering: Ordering) -> LinearOperator:
    """IC(0) in another order of the rows."""
    return after_reordering(A, ordering, ic0)


def fixed_order_invk(A: csr_array, pattern: str | None = None) -> csr_array:
    """Inv-K with the same bits on every machine, as scores are published."""
    return invk(A, _pattern(A, pattern), method="simplicial", workers=1)


def invk_reordered(A: csr_array, ordering: Ordering, pattern: str | None = None) -> LinearOperator:
    """Inv-K in another order of the rows, on the pattern of the permuted matrix."""
    return after_reordering(A, ordering, lambda permuted: fixed_order_invk(permuted, pattern))


def patch_invk(A: csr_array, hops: int) -> csr_array:
    """Local-patch Inv-K, refused where it would take too long."""
    return local_invk(A, hops, max_operations=MOST_OPERATIONS)


def factorised_inverse(A: csr_array, pattern: str | None = None) -> LinearOperator:
    """FSAI on a pattern."""
    return FactoredInverse(fsai(A, _pattern(A, pattern)))


def ict_of_equal_memory(A: csr_array, pattern: str) -> LinearOperator:
    """ICT with the finest drop tolerance whose factor has no more entries than the pattern."""
    most = pattern_of(A, pattern).nnz
    found = ict(A, 1.0)  # No entry off the diagonal exceeds the norm of its column.
    for power in range(1, _FINEST + 1):
        try:
            factor = ict(A, 2.0**-power)
        except BreakdownError:
            continue
        if factor.nnz > most:
            break
        found = factor
    values: NDArray[np.float64] = np.asarray(found.data, dtype=np.float64)
    order = np.arange(found.shape[0], dtype=np.int64)
    return FactoredPreconditioner(lower_pattern(found), values, order)


def khop(A: csr_array, hops: int) -> csr_array:
    """k-hop oracle of a tridiagonal matrix."""
    return lower_csr(khop_factor(tridiagonal_part(A), hops))


def _pattern(A: csr_array, name: str | None) -> LowerPattern | None:
    return None if name is None else pattern_of(A, name)
