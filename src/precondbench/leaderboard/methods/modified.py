"""Modified incomplete Cholesky on boards: constant relaxations, and the best of nine."""

from __future__ import annotations

from functools import partial

from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.factors import (
    mic0,
    minimum_degree,
    pattern_of,
    reverse_cuthill_mckee,
    shifted_mic0,
)
from precondbench.leaderboard.methods.row import FILLED, TRIL, ReferenceMethod
from precondbench.leaderboard.methods.symmetric import Ordering
from precondbench.solvers import after_reordering

# Of the rows in another order and with a shift; the tuned row chooses among the others.
_USUAL = 0.97
_RELAXATIONS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 1.0)


def modified(A: csr_array, relaxation: float, pattern: str | None = None) -> csr_array:
    """MIC(0) on a pattern, by default that of tril(A): row sums are preserved."""
    return mic0(A, relaxation, pattern=None if pattern is None else pattern_of(A, pattern))


def modified_smallest_shift(A: csr_array, relaxation: float) -> csr_array:
    """MIC(0) of A + alpha diag(A), alpha the smallest that works."""
    return shifted_mic0(A, relaxation)[0]


def modified_reordered(A: csr_array, relaxation: float, ordering: Ordering) -> LinearOperator:
    """MIC(0) in another order of the rows."""
    return after_reordering(A, ordering, partial(modified, relaxation=relaxation))


_TRIL = frozenset({TRIL})
_FILLED = frozenset({FILLED})
_GUSTAFSSON = "Gustafsson, 1978; Axelsson and Lindskog, 1986"

# A tridiagonal matrix has no fill-in: MIC(0) is IC(0) there, and not on its boards.
ROWS: tuple[ReferenceMethod, ...] = (
    *(
        ReferenceMethod(
            f"MIC(0), w = {relaxation:g}",
            partial(modified, relaxation=relaxation),
            "Incomplete Cholesky without fill-in that adds what it drops, times w, to the diagonal"
            + ("; row sums are those of A." if relaxation == 1.0 else "."),
            _GUSTAFSSON,
            on=_TRIL,
        )
        for relaxation in (0.9, 0.97, 0.99, 1.0)
    ),
    ReferenceMethod(
        "MIC(0), tuned",
        modified,
        "MIC(0) with the relaxation w of nine constants from 0 to 1 that is best on the "
        "validation split: by the geometric mean of iterations, failures at the limit.",
        _GUSTAFSSON,
        on=_TRIL,
        relaxations=_RELAXATIONS,
    ),
    ReferenceMethod(
        f"MIC(0), w = {_USUAL}, smallest shift",
        partial(modified_smallest_shift, relaxation=_USUAL),
        "MIC(0) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that works.",
        f"{_GUSTAFSSON}; Manteuffel, 1980",
        on=_TRIL,
    ),
    ReferenceMethod(
        f"MIC(0), w = {_USUAL} after RCM",
        partial(modified_reordered, relaxation=_USUAL, ordering=reverse_cuthill_mckee),
        "MIC(0) in reverse Cuthill-McKee order (SciPy).",
        f"{_GUSTAFSSON}; Duff and Meurant, 1989",
        form="operator",
        on=_TRIL,
    ),
    ReferenceMethod(
        f"MIC(0), w = {_USUAL} after minimum degree",
        partial(modified_reordered, relaxation=_USUAL, ordering=minimum_degree),
        "MIC(0) in multiple minimum-degree order (SuperLU).",
        f"{_GUSTAFSSON}; Duff and Meurant, 1989",
        form="operator",
        on=_TRIL,
    ),
    *(
        ReferenceMethod(
            f"MIC({{level}}), w = {relaxation:g}",
            partial(modified, relaxation=relaxation),
            "IC({level}) that adds what it drops, times w, to the diagonal.",
            _GUSTAFSSON,
            on=_FILLED,
            takes_pattern=True,
        )
        for relaxation in (_USUAL, 1.0)
    ),
)
