"""Modified incomplete Cholesky on boards: constant relaxations, and the best of nine."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.factors import (
    mic0,
    pattern_of,
    shifted_mic0,
)
from precondbench.leaderboard.methods.row import (
    FAMILY,
    FILLED,
    FOLDS,
    ORDERS,
    REORDERED,
    TRIL,
    Ordering,
    ReferenceMethod,
)
from precondbench.matrices import check_spd_candidate
from precondbench.recipes import RELAXATIONS
from precondbench.solvers import after_reordering

Vectors = NDArray[np.float64]

# Of the rows in another order and with a shift; the tuned row chooses among the others.
_USUAL = 0.97


def modified(
    A: csr_array,
    relaxation: float,
    pattern: str | None = None,
    near_null: Vectors | None = None,
    unknowns: int = 1,
) -> csr_array:
    """MIC(0) on a pattern, by default that of tril(A): row sums or translations are preserved."""
    on = None if pattern is None else pattern_of(A, pattern)
    return mic0(A, relaxation, preserve=_translations(near_null, unknowns), pattern=on)


def _translations(near_null: Vectors | None, unknowns: int) -> Vectors | None:
    """Of rigid motions those with which MIC(0) does not break down; of others all."""
    return None if near_null is None else near_null[:, :unknowns]


def modified_smallest_shift(
    A: csr_array, relaxation: float, near_null: Vectors | None = None, unknowns: int = 1
) -> csr_array:
    """MIC(0) of A + alpha diag(A), alpha the smallest that works."""
    return shifted_mic0(A, relaxation, preserve=_translations(near_null, unknowns))[0]


def modified_reordered(
    A: csr_array,
    relaxation: float,
    ordering: Ordering,
    near_null: Vectors | None = None,
    unknowns: int = 1,
) -> LinearOperator:
    """MIC(0) in another order of the rows."""
    position = ordering(check_spd_candidate(A, "A"))
    moved = None if near_null is None else near_null[np.argsort(position)]
    factor = partial(modified, relaxation=relaxation, near_null=moved, unknowns=unknowns)
    return after_reordering(A, lambda _: position, factor)


_TRIL = frozenset({TRIL, FOLDS, REORDERED, FAMILY})
_ORDERED = frozenset({TRIL, FOLDS, FAMILY})
_FILLED = frozenset({FILLED})
_GUSTAFSSON = "Gustafsson, 1978; Axelsson and Lindskog, 1986"

# A tridiagonal matrix has no fill-in: MIC(0) is IC(0) there, and not on its boards.
ROWS: tuple[ReferenceMethod, ...] = (
    *(
        ReferenceMethod(
            f"MIC(0), w = {relaxation:g}",
            partial(modified, relaxation=relaxation),
            "Incomplete Cholesky without fill-in that adds what it drops, times w, to the diagonal"
            + ("; row sums are those of A" if relaxation == 1.0 else "")
            + ". On families it preserves constants, one vector for each unknown of a node.",
            _GUSTAFSSON,
            on=_TRIL,
            takes_geometry=True,
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
        relaxations=(0.0, *RELAXATIONS),
        takes_geometry=True,
    ),
    ReferenceMethod(
        f"MIC(0), w = {_USUAL}, smallest shift",
        partial(modified_smallest_shift, relaxation=_USUAL),
        "MIC(0) of A + alpha diag(A); alpha is 0 or the first of 2^-20, 2^-19, ... that works.",
        f"{_GUSTAFSSON}; Manteuffel, 1980",
        on=_TRIL,
        takes_geometry=True,
    ),
    *(
        ReferenceMethod(
            f"MIC(0), w = {_USUAL} after {name}",
            partial(modified_reordered, relaxation=_USUAL, ordering=ordering),
            f"MIC(0) in {order}.",
            f"{_GUSTAFSSON}; Duff and Meurant, 1989",
            form="operator",
            on=_ORDERED,
            takes_geometry=True,
        )
        for name, order, ordering in ORDERS
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
