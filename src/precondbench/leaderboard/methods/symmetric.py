"""Classical methods and oracles of SPD matrices: functions A -> L or A -> M, and their rows."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, eye_array, tril
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError, CostError
from precondbench.factors import (
    LowerPattern,
    estimate_cost,
    fsai,
    ic0,
    ict,
    incomplete_cholesky,
    invk,
    khop_factor,
    local_invk,
    lower_pattern,
    pattern_of,
    reverse_cuthill_mckee,
    shifted_ic0,
)
from precondbench.leaderboard.methods.row import (
    FAMILY,
    FILLED,
    FOLDS,
    HOPS,
    MEIJERINK,
    ORDERS,
    REORDERED,
    TRIDIAGONAL,
    TRIL,
    Ordering,
    ReferenceMethod,
)
from precondbench.matrices import check_spd_candidate, lower_csr
from precondbench.quality import tridiagonal_part
from precondbench.recipes import MAX_OPERATIONS, MAX_OPERATIONS_OF_FOLDS
from precondbench.solvers import (
    FactoredInverse,
    FactoredPreconditioner,
    after_reordering,
    exact_cholesky,
    smoothed_aggregation,
)

# Minutes on one core; a few matrices with large three-dimensional patches are beyond it.
MOST_OPERATIONS = 1e12
# Powers of two, so that the entries of ICT, and with them its memory, are the same everywhere.
_FINEST = 24


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


def check_cost(A: csr_array, what: str, most_operations: float, pattern: str = "tril") -> None:
    """Raise CostError where a complete factorisation would take too long."""
    cost = estimate_cost(A, pattern_of(A, pattern))
    if cost.operations > most_operations:
        raise CostError(f"{what} needs {cost}; more than {most_operations:.0e} are refused")


def fixed_order_invk(
    A: csr_array, pattern: str | None = None, most_operations: float | None = None
) -> csr_array:
    """Inv-K with the same bits on every machine, as scores are published."""
    if most_operations is not None:
        check_cost(check_spd_candidate(A, "A"), "Inv-K", most_operations, pattern or "tril")
    return invk(A, _pattern(A, pattern), method="simplicial", workers=1)


def invk_reordered(
    A: csr_array,
    ordering: Ordering,
    pattern: str | None = None,
    most_operations: float | None = None,
) -> LinearOperator:
    """Inv-K in another order of the rows, on the pattern of the permuted matrix."""
    return after_reordering(
        A, ordering, lambda permuted: fixed_order_invk(permuted, pattern, most_operations)
    )


def cholesky_within(A: csr_array, most_operations: float) -> LinearOperator:
    """Complete factorisation, refused where it would take too long."""
    check_cost(check_spd_candidate(A, "A"), "the factorisation", most_operations)
    return exact_cholesky(A)


def patch_invk(A: csr_array, hops: int, most_operations: float = MOST_OPERATIONS) -> csr_array:
    """Local-patch Inv-K, refused where it would take too long."""
    return local_invk(A, hops, max_operations=most_operations)


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


_SPD = frozenset({TRIL, FILLED, TRIDIAGONAL})
_FOLDED = frozenset({FOLDS, REORDERED})
_EVERYWHERE = _SPD | _FOLDED | {FAMILY}
_ORDERED = frozenset({TRIL, TRIDIAGONAL, FOLDS, FAMILY})
_EVERY_ORDER = _ORDERED | {REORDERED}
_NOT_FILLED = frozenset({TRIL, TRIDIAGONAL})
_FILLED = frozenset({FILLED})
_KAPORIN = "Kaporin, 1994; Schaefer, Katzfuss and Owhadi, 2021"
_KOLOTILINA = "Kolotilina and Yeremin, 1993"

ROWS: tuple[ReferenceMethod, ...] = (
    ReferenceMethod("none", identity, "No preconditioner.", on=_EVERYWHERE, quick=True),
    ReferenceMethod("Jacobi", jacobi, "The diagonal of A.", on=_EVERYWHERE, quick=True),
    ReferenceMethod(
        "symmetric Gauss-Seidel",
        symmetric_gauss_seidel,
        "A forward and a backward sweep, written as the factor (D + E) D^-1/2 for A = E + D + E^T.",
        on=_EVERYWHERE,
    ),
    ReferenceMethod(
        "IC(0)",
        ic0,
        "Incomplete Cholesky without fill-in, in the order of the matrix.",
        MEIJERINK,
        on=_EVERYWHERE,
        exact_if_tridiagonal=True,
        quick=True,
    ),
    ReferenceMethod(
        "IC(0), smallest shift",
        incomplete_smallest_shift,
        "IC(0) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that works.",
        "Manteuffel, 1980",
        on=_EVERY_ORDER,
        exact_if_tridiagonal=True,
    ),
    *(
        ReferenceMethod(
            f"IC(0) after {name}",
            partial(ic0_reordered, ordering=ordering),
            f"IC(0) in {order}.",
            f"{source}; Duff and Meurant, 1989",
            form="operator",
            on=_ORDERED,
            exact_if_tridiagonal=True,
        )
        for (name, order, ordering), source in zip(
            ORDERS, ("Cuthill and McKee, 1969", "Liu, 1985"), strict=True
        )
    ),
    ReferenceMethod(
        "IC({level})",
        incomplete,
        "Incomplete Cholesky with fill-in up to level {level}, in the order of the matrix.",
        "Meijerink and van der Vorst, 1977; Hysom and Pothen, 2002",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "IC({level}), smallest shift",
        incomplete_smallest_shift,
        "IC({level}) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that "
        "works.",
        "Manteuffel, 1980",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "ICT of equal memory",
        ict_of_equal_memory,
        "Incomplete Cholesky that drops small entries: the smallest tolerance of 1, 1/2, 1/4, "
        "... whose factor exists and has no more entries than that of IC({level}).",
        "Munksgaard, 1980; Saad, 2003",
        form="operator",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "Inv-K",
        fixed_order_invk,
        "The factor on the pattern of tril(A) with the smallest K-condition number of L^T A^-1 L.",
        _KAPORIN,
        on=_NOT_FILLED,
        exact_if_tridiagonal=True,
        quick=True,
    ),
    *(
        ReferenceMethod(
            "Inv-K",
            partial(fixed_order_invk, most_operations=limit),
            "The factor on the pattern of tril(A) with the smallest K-condition number of "
            f"L^T A^-1 L. Refused beyond {limit:.0e} multiply-adds.",
            _KAPORIN,
            on=on,
            quick=True,
        )
        for limit, on in ((MAX_OPERATIONS, frozenset({FAMILY})), (MAX_OPERATIONS_OF_FOLDS, _FOLDED))
    ),
    ReferenceMethod(
        "Inv-K on tril(A)", fixed_order_invk, "Inv-K without the fill-in.", _KAPORIN, on=_FILLED
    ),
    ReferenceMethod(
        "Inv-K",
        fixed_order_invk,
        "The factor on the pattern of IC({level}) with the smallest K-condition number of "
        "L^T A^-1 L.",
        _KAPORIN,
        on=_FILLED,
        takes_pattern=True,
        quick=True,
    ),
    ReferenceMethod(
        "Inv-K after RCM",
        partial(invk_reordered, ordering=reverse_cuthill_mckee),
        "Inv-K in reverse Cuthill-McKee order.",
        "Kaporin, 1994",
        form="operator",
        exact_if_tridiagonal=True,
    ),
    *(
        ReferenceMethod(
            f"Inv-K after {name}",
            partial(invk_reordered, ordering=ordering, most_operations=MAX_OPERATIONS_OF_FOLDS),
            f"Inv-K in {order}. Refused beyond {MAX_OPERATIONS_OF_FOLDS:.0e} multiply-adds.",
            "Kaporin, 1994",
            form="operator",
            on=frozenset({FOLDS}),
        )
        for name, order, ordering in ORDERS
    ),
    ReferenceMethod(
        "Inv-K after RCM",
        partial(invk_reordered, ordering=reverse_cuthill_mckee),
        "Inv-K in reverse Cuthill-McKee order, on the pattern of IC({level}) in that order.",
        "Kaporin, 1994",
        form="operator",
        on=_FILLED,
        takes_pattern=True,
    ),
    *(
        ReferenceMethod(
            f"local-patch Inv-K, k = {hops}",
            partial(patch_invk, hops=hops, most_operations=limit),
            f"Inv-K with A replaced, for each column, by its part within {hops} "
            f"{'hop' if hops == 1 else 'hops'} of it: the strongest local baseline. Refused "
            f"beyond {limit:.0e} multiply-adds.",
            on=on,
        )
        for hops, limit, on in (
            *((hops, MOST_OPERATIONS, _NOT_FILLED | _FOLDED) for hops in (1, 3)),
            *((hops, MOST_OPERATIONS, _NOT_FILLED) for hops in (5, 7)),
            (3, MAX_OPERATIONS, frozenset({FAMILY})),
        )
    ),
    ReferenceMethod(
        "FSAI",
        factorised_inverse,
        "Factorised sparse approximate inverse G^T G with G on the pattern of tril(A).",
        _KOLOTILINA,
        on=_EVERY_ORDER,
        form="operator",
    ),
    ReferenceMethod(
        "FSAI",
        factorised_inverse,
        "Factorised sparse approximate inverse G^T G with G on the pattern of IC({level}).",
        _KOLOTILINA,
        form="operator",
        on=_FILLED,
        takes_pattern=True,
    ),
    ReferenceMethod(
        "smoothed-aggregation AMG",
        smoothed_aggregation,
        "One V-cycle with a hierarchy by PyAMG: constant near null space, prolongation smoothed "
        "with row-sum weights, one forward Gauss-Seidel sweep down and one backward up.",
        "Vanek, Mandel and Brezina, 1996; Bell, Olson and Schroder, 2022",
        form="operator",
        on=_SPD | _FOLDED,
    ),
    ReferenceMethod(
        "smoothed-aggregation AMG",
        smoothed_aggregation,
        "One V-cycle with a hierarchy by PyAMG: near null space of the family, prolongation "
        "smoothed with row-sum weights, one forward Gauss-Seidel sweep down and one backward up.",
        "Vanek, Mandel and Brezina, 1996; Bell, Olson and Schroder, 2022",
        form="operator",
        on=frozenset({FAMILY}),
        takes_geometry=True,
    ),
    ReferenceMethod(
        "Cholesky",
        exact_cholesky,
        "The exact factor with all its fill-in, in minimum-degree order: a direct solver.",
        form="operator",
        kind="oracle",
        on=_SPD,
    ),
    ReferenceMethod(
        "Cholesky",
        partial(cholesky_within, most_operations=MAX_OPERATIONS_OF_FOLDS),
        "The exact factor with all its fill-in, in minimum-degree order: a direct solver. "
        f"Refused beyond {MAX_OPERATIONS_OF_FOLDS:.0e} multiply-adds.",
        form="operator",
        kind="oracle",
        on=_FOLDED,
    ),
    *(
        ReferenceMethod(
            f"{hops}-hop oracle",
            partial(khop, hops=hops),
            "Cholesky restarted so many rows back: the best that a window of the rows behind "
            "can do.",
            kind="oracle",
            on=frozenset({TRIDIAGONAL}),
            quick=True,
        )
        for hops in HOPS
    ),
)
