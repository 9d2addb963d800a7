"""Random laws of tridiagonal matrices with known factors: the configurations of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices.random_bits import UniformStream
from precondbench.matrices.tridiagonal.bases import (
    DrawBase,
    Family,
    convection_base,
    growth_base,
    paper_local_base,
    poisson_base,
    sawtooth_base,
    tent_base,
    twin_base,
)
from precondbench.matrices.tridiagonal.diagonals import Diagonals, from_factor, updated_factor

FAMILIES: tuple[Family, ...] = ("cholesky", "lu")

# A draw is rejected when the double-precision recurrence on the stored matrix differs from the
# constructed factor by more than this (relative, any pivot): past that the matrix no longer
# determines its label in the arithmetic everyone uses.
REFACTORING_TOLERANCE = 1e-4
MAX_ATTEMPTS = 100


@dataclass(frozen=True)
class TridiagonalSample:
    """One draw: A and A + e_1 e_1^T with the factors of both.

    Attributes
    ----------
    original, literal : Diagonals
        A and its factors.
    matrix, modified : Diagonals
        A_m = A + e_1 e_1^T and its factors.
    attempts : int
        Draws needed, 1 unless draws were rejected.
    """

    original: Diagonals
    literal: Diagonals
    matrix: Diagonals
    modified: Diagonals
    attempts: int


@dataclass(frozen=True)
class Law:
    """A named random law of tridiagonal matrices with their factors.

    Attributes
    ----------
    name : str
        Name of the configuration.
    stream : int
        Number of the law in the entropy of its random stream; never reused.
    description : str
        The law in one sentence.
    draw_base : callable
        ``(stream, n) -> TridiagonalBase``: draws A and its factors.
    records : {"perturbed", "twins"}
        ``perturbed``: each draw gives one record, A + e_1 e_1^T (equation (7) of the paper).
        ``twins``: each draw gives two, A and A + e_1 e_1^T, whose rows differ in the first
        entry only.
    rows : int
        n of train, val and test.
    rows_large : int
        n of test_large.
    family : {"cholesky", "lu"}
        Symmetric positive definite matrices with L, or general ones with L and U.
    """

    name: str
    stream: int
    description: str
    draw_base: DrawBase
    records: Literal["perturbed", "twins"] = "perturbed"
    rows: int = 50
    rows_large: int = 200
    family: Family = "cholesky"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ConfigurationError(
                f"no family {self.family!r} of laws; there are: {', '.join(FAMILIES)}"
            )


_XY = "x, y uniform on [0.5, 1.5)"
_XY_ANEW = f"{_XY}, drawn anew for each generator"
_LAWS = (
    Law(
        "local",
        1,
        f"u = x base, v = y / base, base_k = (1 - 8/n)^k, {_XY}: exponentially local, control",
        growth_base(-8.0),
    ),
    Law(
        "uniform",
        2,
        f"u = x, v = y, {_XY}: influence decays like 1/distance",
        growth_base(0.0),
    ),
    Law(
        "growth",
        3,
        f"twins with u = x base, v = y / base, base_k = (1 + 6/n)^k, {_XY}: far rows agree "
        "between twins and their factors differ by 6/n",
        growth_base(6.0),
        "twins",
    ),
    Law(
        "hard",
        4,
        f"twins with u = x base, v = y / base, base rising by 1 + 12/n a row over the first "
        f"half and falling back, {_XY}: rows of the first half differ by 12/n",
        tent_base(12.0),
        "twins",
    ),
    Law(
        "paper-local",
        5,
        "L_ii = 1, L_{i+1,i} near normal (Irwin-Hall): the paper's local example",
        paper_local_base,
    ),
    Law(
        "poisson",
        6,
        "-(kappa u')' = f on an interval, kappa uniform on [0.5, 1.5) between nodes, "
        "Dirichlet ends; kappa = 1 is equation (2) of the paper",
        poisson_base,
    ),
    Law(
        "sawtooth",
        7,
        "u climbs by factors uniform on [1.3, 2.4) over 5 to 12 rows, drops to 1, climbs "
        "again; v = (s/t)/u, s, t uniform on [0.5, 1.5)",
        sawtooth_base,
    ),
    Law(
        "twin",
        8,
        "twins with u = x (1 + 6/n)^k, x uniform on [0.7, 1.3), v = y/u, y uniform on "
        "[0.5, 1.5): short, and factors of far rows differ by 29 %",
        twin_base("cholesky"),
        "twins",
        20,
        50,
    ),
    Law(
        "uniform",
        11,
        f"u, q = x, v, p = y, {_XY_ANEW}: influence decays like 1/distance",
        growth_base(0.0, "lu"),
        family="lu",
    ),
    Law(
        "growth",
        12,
        f"twins with u, q = x base, v, p = y / base, base_k = (1 + 6/n)^k, {_XY_ANEW}: far rows "
        "agree between twins and their pivots differ by 12/n",
        growth_base(6.0, "lu"),
        "twins",
        family="lu",
    ),
    Law(
        "twin",
        13,
        "twins with u, q = x (1 + 6/n)^k, x uniform on [0.7, 1.3), v = y/u, p = y/q, y uniform "
        "on [0.5, 1.5): short, and pivots of far rows differ much",
        twin_base("lu"),
        "twins",
        20,
        50,
        family="lu",
    ),
    Law(
        "convection",
        14,
        "L_{k+1,k} = -t_k, U_kk = d_k, U_{k,k+1} = d_{k+1} r_k / t_k, d uniform on [0.5, 1.5), "
        "t on [0.4, 0.8), r on [0.2, 0.7): off-diagonal entries of opposite sign, as of "
        "central differences at cell Peclet numbers above 1; exponentially local, control",
        convection_base,
        family="lu",
    ),
)
LAWS: dict[Family, dict[str, Law]] = {
    family: {law.name: law for law in _LAWS if law.family == family} for family in FAMILIES
}


def tridiagonal_law(name: str, family: Family = "cholesky") -> Law:
    """Return ``LAWS[family][name]``; the error lists the names there are."""
    try:
        return LAWS[family][name]
    except KeyError:
        known = ", ".join(LAWS.get(family, LAWS))
        raise ConfigurationError(
            f"no tridiagonal configuration {name!r} of the family {family!r}; there are {known}"
        ) from None


def growth_law(c: float, *, twins: bool = False, family: Family = "cholesky") -> Law:
    """Return the law u = x base, v = y / base, base_k = (1 + c/n)^k, for any c.

    Parameters
    ----------
    c : float
        Growth of u over all n rows is about e^c; negative decays.
    twins : bool
        Serve A and A + e_1 e_1^T; by default A + e_1 e_1^T alone.
    family : {"cholesky", "lu"}
        For LU factors q is drawn like u, and p like v.

    Returns
    -------
    Law
        Not one of the named configurations, even where it has the law of one.

    Examples
    --------
    >>> from precondbench.matrices import growth_law
    >>> growth_law(3.0).name
    'growth-3'
    """
    symmetric = family == "cholesky"
    u, v = ("u", "v") if symmetric else ("u, q", "v, p")
    return Law(
        f"growth-{c:g}",
        9 if symmetric else 15,
        f"{u} = x base, {v} = y / base, base_k = (1 + {c:g}/n)^k, {_XY if symmetric else _XY_ANEW}",
        growth_base(c, family),
        "twins" if twins else "perturbed",
        family=family,
    )


def _refactoring_error(matrix: Diagonals, factor: Diagonals) -> float:
    """Largest relative difference of the pivots of elimination from those of the factor."""
    worst = 0.0
    a, b, expected = matrix.diagonal, matrix.subdiagonal, factor.diagonal
    above = matrix.superdiagonal
    pivot = float(a[0])
    for k in range(matrix.n):
        if above is None:
            if k:
                pivot = float(a[k]) - float(b[k - 1]) * float(b[k - 1]) / pivot
            if not pivot > 0.0:
                return np.inf
            error = abs(pivot**0.5 / float(expected[k]) - 1.0)
        else:
            if k:
                pivot = float(a[k]) - float(b[k - 1]) / pivot * float(above[k - 1])
            error = abs(pivot / float(expected[k]) - 1.0)
            if pivot == 0.0 or not error < np.inf:
                return np.inf
        worst = max(worst, error)
    return worst


def draw(
    law: Law, n: int, *entropy: int, tolerance: float = REFACTORING_TOLERANCE
) -> TridiagonalSample:
    """Draw one matrix with its factors; the same arguments give the same bits everywhere.

    Parameters
    ----------
    law : Law
        The law, for example ``LAWS["cholesky"]["uniform"]``.
    n : int
        Rows, at least 2.
    *entropy : int
        Names of the random stream, for example seed, split and index.
    tolerance : float
        A draw is rejected, and the stream's next attempt taken, when elimination in double
        precision on A or on A + e_1 e_1^T differs from the constructed factors by more than
        this relative to any diagonal entry of L, or any pivot of U.

    Returns
    -------
    TridiagonalSample
        A and A + e_1 e_1^T with their factors.

    Raises
    ------
    MatrixError
        If n < 2, or if 100 draws in a row are rejected.
    ConfigurationError
        If the law draws factors of another family than its own.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import LAWS, draw, from_factor
    >>> sample = draw(LAWS["cholesky"]["uniform"], 50, 0)
    >>> rebuilt = from_factor(sample.modified)
    >>> bool(np.allclose(rebuilt.diagonal, sample.matrix.diagonal, rtol=1e-12))
    True
    """
    if n < 2:
        raise MatrixError(f"n is {n}; a tridiagonal pair needs n >= 2")
    for attempt in range(MAX_ATTEMPTS):
        base = law.draw_base(UniformStream(*entropy, attempt), n)
        if (base.factor.superdiagonal is None) != (law.family == "cholesky"):
            raise ConfigurationError(
                f"the law {law.name!r} is of the family {law.family!r} but draws factors of the "
                'other one; name it: Law(..., family="lu")'
            )
        original = from_factor(base.factor) if base.matrix is None else base.matrix
        diagonal = original.diagonal.copy()
        diagonal[0] += 1.0
        matrix = Diagonals(diagonal, original.subdiagonal, original.superdiagonal)
        modified = updated_factor(base.factor, base.influence)
        error = max(_refactoring_error(original, base.factor), _refactoring_error(matrix, modified))
        if error <= tolerance:
            return TridiagonalSample(original, base.factor, matrix, modified, attempt + 1)
    raise MatrixError(
        f"{MAX_ATTEMPTS} draws of {law.name!r} with n = {n} were all too ill-conditioned for "
        f"double precision (tolerance {tolerance:g}); use a smaller n or less growth"
    )
