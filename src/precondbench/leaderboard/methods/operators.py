"""Rows that are operators of another kind: approximate inverses, polynomials, subdomains."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.factors import shifted_ic0
from precondbench.leaderboard.methods.row import FAMILY, FOLDS, REORDERED, ReferenceMethod
from precondbench.recipes import MAX_OPERATIONS
from precondbench.solvers import (
    Deflation,
    Preconditioner,
    additive_schwarz,
    chebyshev,
    spai,
    subdomain_deflation,
)

Vectors = NDArray[np.float64]


def deflated_ic0(A: csr_array, near_null: Vectors | None = None, unknowns: int = 1) -> Deflation:
    """Deflation by subdomains of 64 rows, around IC(0) with the smallest shift that works."""
    return subdomain_deflation(A, near_null, unknowns, M=shifted_ic0(A)[0])


def two_levels(A: csr_array, near_null: Vectors | None = None, unknowns: int = 1) -> Preconditioner:
    """Additive Schwarz with a coarse space, refused where its patches are too large."""
    if near_null is None:
        near_null = np.ones((A.shape[0], 1))
    return additive_schwarz(A, near_null, unknowns, max_operations=MAX_OPERATIONS)


_OPERATORS = frozenset({FAMILY, FOLDS, REORDERED})

ROWS: tuple[ReferenceMethod, ...] = (
    ReferenceMethod(
        "SPAI",
        spai,
        "Sparse approximate inverse on the pattern of A, columns by least squares, symmetrised.",
        "Grote and Huckle, 1997",
        form="operator",
        on=_OPERATORS,
    ),
    ReferenceMethod(
        "Chebyshev polynomial",
        chebyshev,
        "Polynomial of degree 4 in D^-1 A, times D^-1; no product of vectors, no substitution.",
        "Johnson, Micchelli and Paul, 1983",
        form="operator",
        on=_OPERATORS,
    ),
    ReferenceMethod(
        "deflation and IC(0)",
        deflated_ic0,
        "Near null space, cut by subdomains of at most 64 rows, deflated; IC(0) with the smallest "
        "shift that works for the rest.",
        "Nicolaides, 1987; Tang, Nabben, Vuik and Erlangga, 2009",
        form="operator",
        on=_OPERATORS,
        takes_geometry=True,
    ),
    ReferenceMethod(
        "additive Schwarz",
        two_levels,
        "Exact solves on subdomains of at most 128 rows and a layer of neighbours, and a coarse "
        f"space from the near null space. Refused beyond {MAX_OPERATIONS:.0e} multiply-adds.",
        "Dryja and Widlund, 1987",
        form="operator",
        on=_OPERATORS,
        takes_geometry=True,
    ),
)
