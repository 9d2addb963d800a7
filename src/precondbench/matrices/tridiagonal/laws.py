"""Random laws of tridiagonal pairs: the named configurations of the synthetic benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices.tridiagonal.bases import (
    DrawBase,
    growth_base,
    paper_local_base,
    poisson_base,
    sawtooth_base,
    tent_base,
    twin_base,
)
from precondbench.matrices.tridiagonal.diagonals import Bidiagonal, perturbed_factor
from precondbench.matrices.tridiagonal.random_bits import UniformStream

# A draw is rejected when the double-precision Cholesky recurrence on the stored matrix
# differs from the constructed factor by more than this (relative, any entry): past that
# the matrix no longer determines its label in the arithmetic everyone uses.
REFACTORING_TOLERANCE = 1e-4
MAX_ATTEMPTS = 100


@dataclass(frozen=True)
class TridiagonalSample:
    """One draw: A and A + e_1 e_1^T with the factors of both.

    Attributes
    ----------
    original : Bidiagonal
        Diagonals of A.
    literal : Bidiagonal
        chol(A).
    matrix : Bidiagonal
        Diagonals of A_m = A + e_1 e_1^T.
    modified : Bidiagonal
        chol(A_m).
    attempts : int
        Draws needed, 1 unless draws were rejected.
    """

    original: Bidiagonal
    literal: Bidiagonal
    matrix: Bidiagonal
    modified: Bidiagonal
    attempts: int


@dataclass(frozen=True)
class TridiagonalLaw:
    """A named random law of tridiagonal pairs.

    Attributes
    ----------
    name : str
        Name of the configuration.
    stream : int
        Number of the law in the entropy of its random stream; never reused.
    description : str
        The law in one sentence.
    draw_base : callable
        Draws A and its factor.
    records : {"perturbed", "twins"}
        ``perturbed``: each draw gives one record, A + e_1 e_1^T (equation (7) of the paper).
        ``twins``: each draw gives two, A and A + e_1 e_1^T, whose rows differ in the first
        entry only.
    rows : int
        n of train, val and test.
    rows_large : int
        n of test_large.
    """

    name: str
    stream: int
    description: str
    draw_base: DrawBase
    records: Literal["perturbed", "twins"] = "perturbed"
    rows: int = 50
    rows_large: int = 200


def growth_law(c: float, *, twins: bool = False) -> TridiagonalLaw:
    """Return the law u = x base, v = y / base, base_k = (1 + c/n)^k, for any c.

    Parameters
    ----------
    c : float
        Growth of u over all n rows is about e^c; negative decays.
    twins : bool
        Serve A and A + e_1 e_1^T; by default A + e_1 e_1^T alone.

    Returns
    -------
    TridiagonalLaw
        Not one of the named configurations, even where it has the law of one.

    Examples
    --------
    >>> from precondbench.matrices import growth_law
    >>> growth_law(3.0).name
    'growth-3'
    """
    return TridiagonalLaw(
        f"growth-{c:g}",
        9,
        f"u = x base, v = y / base, base_k = (1 + {c:g}/n)^k, x, y uniform on [0.5, 1.5)",
        growth_base(c),
        "twins" if twins else "perturbed",
    )


_XY = "x, y uniform on [0.5, 1.5)"
LAWS: dict[str, TridiagonalLaw] = {
    law.name: law
    for law in (
        TridiagonalLaw(
            "local",
            1,
            f"u = x base, v = y / base, base_k = (1 - 8/n)^k, {_XY}: exponentially local, control",
            growth_base(-8.0),
        ),
        TridiagonalLaw(
            "uniform",
            2,
            f"u = x, v = y, {_XY}: influence decays like 1/distance",
            growth_base(0.0),
        ),
        TridiagonalLaw(
            "growth",
            3,
            f"twins with u = x base, v = y / base, base_k = (1 + 6/n)^k, {_XY}: far rows agree "
            "between twins and their factors differ by 6/n",
            growth_base(6.0),
            "twins",
        ),
        TridiagonalLaw(
            "hard",
            4,
            f"twins with u = x base, v = y / base, base rising by 1 + 12/n a row over the first "
            f"half and falling back, {_XY}: rows of the first half differ by 12/n",
            tent_base(12.0),
            "twins",
        ),
        TridiagonalLaw(
            "paper-local",
            5,
            "L_ii = 1, L_{i+1,i} near normal (Irwin-Hall): the paper's local example",
            paper_local_base,
        ),
        TridiagonalLaw(
            "poisson",
            6,
            "-(kappa u')' = f on an interval, kappa uniform on [0.5, 1.5) between nodes, "
            "Dirichlet ends; kappa = 1 is equation (2) of the paper",
            poisson_base,
        ),
        TridiagonalLaw(
            "sawtooth",
            7,
            "u climbs by factors uniform on [1.3, 2.4) over 5 to 12 rows, drops to 1, climbs "
            "again; v = (s/t)/u, s, t uniform on [0.5, 1.5)",
            sawtooth_base,
        ),
        TridiagonalLaw(
            "twin",
            8,
            "twins with u = x (1 + 6/n)^k, x uniform on [0.7, 1.3), v = y/u, y uniform on "
            "[0.5, 1.5): short, and factors of far rows differ by 29 %",
            twin_base,
            "twins",
            rows=20,
            rows_large=50,
        ),
    )
}


def tridiagonal_law(name: str) -> TridiagonalLaw:
    """Look a law up by name.

    Parameters
    ----------
    name : str
        Name of a configuration.

    Returns
    -------
    TridiagonalLaw
        The law.

    Raises
    ------
    ConfigurationError
        If there is no such law; the message lists those there are.
    """
    try:
        return LAWS[name]
    except KeyError:
        raise ConfigurationError(
            f"no tridiagonal configuration {name!r}; there are {', '.join(LAWS)}"
        ) from None


def _refactoring_error(matrix: Bidiagonal, factor: Bidiagonal) -> float:
    """Largest relative difference of the Cholesky recurrence's pivots from the given factor."""
    worst = 0.0
    a, b, expected = matrix.diagonal, matrix.subdiagonal, factor.diagonal
    pivot = float(a[0])
    for k in range(matrix.n):
        if k:
            pivot = float(a[k]) - float(b[k - 1]) * float(b[k - 1]) / pivot
        if not pivot > 0.0:
            return np.inf
        worst = max(worst, abs(pivot**0.5 / float(expected[k]) - 1.0))
    return worst


def draw_tridiagonal(
    law: TridiagonalLaw, n: int, *entropy: int, tolerance: float = REFACTORING_TOLERANCE
) -> TridiagonalSample:
    """Draw one pair; the same arguments give the same bits everywhere.

    Parameters
    ----------
    law : TridiagonalLaw
        The law, for example ``LAWS["uniform"]``.
    n : int
        Rows, at least 2.
    *entropy : int
        Names of the random stream, for example seed, split and index.
    tolerance : float
        A draw is rejected, and the stream's next attempt taken, when the double-precision
        Cholesky recurrence on A or on A + e_1 e_1^T differs from the constructed factor by
        more than this relative to any diagonal entry.

    Returns
    -------
    TridiagonalSample
        The pair.

    Raises
    ------
    MatrixError
        If n < 2, or if 100 draws in a row are rejected.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import LAWS, draw_tridiagonal, from_factor
    >>> sample = draw_tridiagonal(LAWS["uniform"], 50, 0)
    >>> rebuilt = from_factor(sample.modified)
    >>> bool(np.allclose(rebuilt.diagonal, sample.matrix.diagonal, rtol=1e-12))
    True
    """
    if n < 2:
        raise MatrixError(f"n is {n}; a tridiagonal pair needs n >= 2")
    for attempt in range(MAX_ATTEMPTS):
        base = law.draw_base(UniformStream(*entropy, attempt), n)
        diagonal = base.matrix.diagonal.copy()
        diagonal[0] += 1.0
        matrix = Bidiagonal(diagonal, base.matrix.subdiagonal)
        modified = perturbed_factor(base.factor, base.first_column)
        error = max(
            _refactoring_error(base.matrix, base.factor), _refactoring_error(matrix, modified)
        )
        if error <= tolerance:
            return TridiagonalSample(base.matrix, base.factor, matrix, modified, attempt + 1)
    raise MatrixError(
        f"{MAX_ATTEMPTS} draws of {law.name!r} with n = {n} were all too ill-conditioned for "
        f"double precision (tolerance {tolerance:g}); use a smaller n or less growth"
    )
