"""Rows that stand on every board of larger patterns of real matrices."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError
from precondbench.factors import (
    fsai,
    ict,
    incomplete_cholesky,
    invk,
    lower_pattern,
    pattern_of,
    reverse_cuthill_mckee,
    shifted_ic0,
)
from precondbench.leaderboard.methods.classical import ReferenceMethod, spd_rows
from precondbench.solvers import FactoredInverse, FactoredPreconditioner, after_reordering

# Rows of the boards of tril(A) that show what the smaller pattern, or none, does.
_SAME = (
    "none",
    "Jacobi",
    "symmetric Gauss-Seidel",
    "IC(0)",
    "smoothed-aggregation AMG",
    "Cholesky",
)
# Powers of two, so that the entries of ICT, and with them its memory, are the same everywhere.
_FINEST = 24


def incomplete(A: csr_array, pattern: str) -> csr_array:
    """Incomplete Cholesky on a pattern."""
    return incomplete_cholesky(A, pattern_of(A, pattern))


def incomplete_smallest_shift(A: csr_array, pattern: str) -> csr_array:
    """Incomplete Cholesky of A + alpha diag(A), alpha the smallest that works."""
    return shifted_ic0(A, pattern_of(A, pattern))[0]


def pattern_invk(A: csr_array, pattern: str) -> csr_array:
    """Inv-K on a pattern, in fixed order."""
    return invk(A, pattern_of(A, pattern), method="simplicial", workers=1)


def pattern_invk_after_rcm(A: csr_array, pattern: str) -> LinearOperator:
    """Inv-K in reverse Cuthill-McKee order, on the pattern of the permuted matrix."""
    return after_reordering(A, reverse_cuthill_mckee, partial(pattern_invk, pattern=pattern))


def pattern_fsai(A: csr_array, pattern: str) -> LinearOperator:
    """FSAI on a pattern."""
    return FactoredInverse(fsai(A, pattern_of(A, pattern)))


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
    return _factored(found)


def _factored(factor: csr_array) -> FactoredPreconditioner:
    values: NDArray[np.float64] = np.asarray(factor.data, dtype=np.float64)
    order = np.arange(factor.shape[0], dtype=np.int64)
    return FactoredPreconditioner(lower_pattern(factor), values, order)


def pattern_rows(pattern: str) -> list[ReferenceMethod]:
    """Return the rows of boards of a pattern larger than tril(A).

    Parameters
    ----------
    pattern : {"level-1", "level-2"}
        Configuration of the track.
    """
    level = pattern.removeprefix("level-")
    by_name = {row.name: row for row in spd_rows()}

    def on_pattern(function: Any) -> Any:
        return partial(function, pattern=pattern)

    tril = by_name["Inv-K"]
    return [
        *(by_name[name] for name in _SAME),
        ReferenceMethod(
            "Inv-K on tril(A)", tril.function, "Inv-K without the fill-in.", tril.reference
        ),
        ReferenceMethod(
            f"IC({level})",
            on_pattern(incomplete),
            f"Incomplete Cholesky with fill-in up to level {level}, in the order of the matrix.",
            "Meijerink and van der Vorst, 1977; Hysom and Pothen, 2002",
        ),
        ReferenceMethod(
            f"IC({level}), smallest shift",
            on_pattern(incomplete_smallest_shift),
            f"IC({level}) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that "
            "works.",
            "Manteuffel, 1980",
        ),
        ReferenceMethod(
            "ICT of equal memory",
            on_pattern(ict_of_equal_memory),
            "Incomplete Cholesky that drops small entries: the smallest tolerance of 1, 1/2, 1/4, "
            f"... whose factor exists and has no more entries than that of IC({level}).",
            "Munksgaard, 1980; Saad, 2003",
            form="operator",
        ),
        ReferenceMethod(
            "Inv-K",
            on_pattern(pattern_invk),
            f"The factor on the pattern of IC({level}) with the smallest K-condition number of "
            "L^T A^-1 L.",
            tril.reference,
        ),
        ReferenceMethod(
            "Inv-K after RCM",
            on_pattern(pattern_invk_after_rcm),
            f"Inv-K in reverse Cuthill-McKee order (SciPy), on the pattern of IC({level}) in that "
            "order.",
            "Kaporin, 1994",
            form="operator",
        ),
        ReferenceMethod(
            "FSAI",
            on_pattern(pattern_fsai),
            f"Factorised sparse approximate inverse G^T G with G on the pattern of IC({level}).",
            "Kolotilina and Yeremin, 1993",
            form="operator",
        ),
    ]
