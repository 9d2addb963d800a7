"""Random laws of non-symmetric tridiagonal matrices with their LU factors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices.tridiagonal.laws import MAX_ATTEMPTS, REFACTORING_TOLERANCE
from precondbench.matrices.tridiagonal.lu import (
    Tridiagonal,
    TridiagonalLU,
    from_lu,
    perturbed_lu,
    semiseparable_lu,
)
from precondbench.matrices.tridiagonal.random_bits import UniformStream

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class LUBase:
    """A before e_1 e_1^T is added: its factors, and (L^-1 e_1)_k (U^-T e_1)_k for every k."""

    factor: TridiagonalLU
    influence: Vector


DrawLUBase = Callable[[UniformStream, int], LUBase]


@dataclass(frozen=True)
class LUSample:
    """One draw: A and A + e_1 e_1^T with the factors of both.

    Attributes
    ----------
    original, literal : Tridiagonal and TridiagonalLU
        A and its factors.
    matrix, modified : Tridiagonal and TridiagonalLU
        A_m = A + e_1 e_1^T and its factors.
    attempts : int
        Draws needed, 1 unless draws were rejected.
    """

    original: Tridiagonal
    literal: TridiagonalLU
    matrix: Tridiagonal
    modified: TridiagonalLU
    attempts: int


@dataclass(frozen=True)
class LULaw:
    """A named random law of non-symmetric tridiagonal matrices.

    Attributes
    ----------
    name, stream, description, draw_base, records, rows, rows_large
        As for :class:`precondbench.matrices.TridiagonalLaw`; ``draw_base`` draws LU factors.
    """

    name: str
    stream: int
    description: str
    draw_base: DrawLUBase
    records: Literal["perturbed", "twins"] = "perturbed"
    rows: int = 50
    rows_large: int = 200


def _semiseparable(u: Vector, v: Vector, p: Vector, q: Vector) -> LUBase:
    return LUBase(semiseparable_lu(u, v, p, q), (p[0] * v[0]) * (q * u))


def _powers(ratio: float, n: int) -> Vector:
    # cumprod multiplies strictly from left to right: repeated multiplication, no pow.
    powers: Vector = np.multiply.accumulate(np.concatenate(([1.0], np.full(n - 1, ratio))))
    return powers


def growth_lu_base(c: float) -> DrawLUBase:
    """U, q = x base, v, p = y / base with base_k = (1 + c/n)^k; x, y uniform on [0.5, 1.5)."""

    def draw(stream: UniformStream, n: int) -> LUBase:
        ratio = 1.0 + c / n
        if not ratio > 0.0:
            raise MatrixError(f"growth c = {c} needs n > {-c}, n is {n}")
        base = _powers(ratio, n)
        u, v, p, q = (stream.uniform(n, 0.5, 1.5) for _ in range(4))
        return _semiseparable(u * base, v / base, p / base, q * base)

    return draw


def twin_lu_base(stream: UniformStream, n: int) -> LUBase:
    """U, q = x (1 + 6/n)^k, x uniform on [0.7, 1.3); v = y/u, p = y/q, y uniform on [0.5, 1.5)."""
    base = _powers(1.0 + 6.0 / n, n)
    u = stream.uniform(n, 0.7, 1.3) * base
    q = stream.uniform(n, 0.7, 1.3) * base
    return _semiseparable(u, stream.uniform(n, 0.5, 1.5) / u, stream.uniform(n, 0.5, 1.5) / q, q)


def convection_base(stream: UniformStream, n: int) -> LUBase:
    """L_{k+1,k} = -t_k, U_kk = d_k, U_{k,k+1} = d_{k+1} r_k / t_k: off-diagonals of opposite sign.

    The influence of A_11 changes its sign and shrinks by r_k from row to row. Smaller t and
    larger r would let the triangular solves of short windows grow from row to row.
    """
    d = stream.uniform(n, 0.5, 1.5)
    t = stream.uniform(n - 1, 0.4, 0.8)
    r = stream.uniform(n - 1, 0.2, 0.7)
    influence = np.multiply.accumulate(np.concatenate((1.0 / d[:1], -r)))
    return LUBase(TridiagonalLU(-t, d, d[1:] * r / t), influence)


_XY = "x, y uniform on [0.5, 1.5), drawn anew for each generator"
LU_LAWS: dict[str, LULaw] = {
    law.name: law
    for law in (
        LULaw(
            "uniform",
            11,
            f"u, q = x, v, p = y, {_XY}: influence decays like 1/distance",
            growth_lu_base(0.0),
        ),
        LULaw(
            "growth",
            12,
            f"twins with u, q = x base, v, p = y / base, base_k = (1 + 6/n)^k, {_XY}: far rows "
            "agree between twins and their pivots differ by 12/n",
            growth_lu_base(6.0),
            "twins",
        ),
        LULaw(
            "twin",
            13,
            "twins with u, q = x (1 + 6/n)^k, x uniform on [0.7, 1.3), v = y/u, p = y/q, y uniform "
            "on [0.5, 1.5): short, and pivots of far rows differ much",
            twin_lu_base,
            "twins",
            rows=20,
            rows_large=50,
        ),
        LULaw(
            "convection",
            14,
            "L_{k+1,k} = -t_k, U_kk = d_k, U_{k,k+1} = d_{k+1} r_k / t_k, d uniform on [0.5, 1.5), "
            "t on [0.4, 0.8), r on [0.2, 0.7): off-diagonal entries of opposite sign, as of "
            "central differences at cell Peclet numbers above 1; exponentially local, control",
            convection_base,
        ),
    )
}


def growth_lu_law(c: float, *, twins: bool = False) -> LULaw:
    """Return the law u, q = x base, v, p = y / base, base_k = (1 + c/n)^k, for any c.

    Parameters
    ----------
    c : float
        Growth of u over all n rows is about e^c; negative decays.
    twins : bool
        Serve A and A + e_1 e_1^T; by default A + e_1 e_1^T alone.

    Returns
    -------
    LULaw
        Not one of the named configurations, even where it has the law of one.

    Examples
    --------
    >>> from precondbench.matrices import growth_lu_law
    >>> growth_lu_law(3.0).name
    'growth-3'
    """
    return LULaw(
        f"growth-{c:g}",
        15,
        f"u, q = x base, v, p = y / base, base_k = (1 + {c:g}/n)^k, {_XY}",
        growth_lu_base(c),
        "twins" if twins else "perturbed",
    )


def lu_law(name: str) -> LULaw:
    """Look a law up by name; ConfigurationError lists those there are.

    Parameters
    ----------
    name : str
        Name of a configuration.

    Returns
    -------
    LULaw
        The law.
    """
    try:
        return LU_LAWS[name]
    except KeyError:
        raise ConfigurationError(
            f"no tridiagonal LU configuration {name!r}; there are {', '.join(LU_LAWS)}"
        ) from None


def _refactoring_error(matrix: Tridiagonal, factor: TridiagonalLU) -> float:
    """Largest relative difference of the elimination's pivots from the given ones."""
    worst = 0.0
    pivot = float(matrix.diagonal[0])
    for k in range(matrix.n):
        if k:
            multiplier = float(matrix.subdiagonal[k - 1]) / pivot
            pivot = float(matrix.diagonal[k]) - multiplier * float(matrix.superdiagonal[k - 1])
        error = abs(pivot / float(factor.pivots[k]) - 1.0)
        if pivot == 0.0 or not error < np.inf:
            return np.inf
        worst = max(worst, error)
    return worst


def draw_tridiagonal_lu(
    law: LULaw, n: int, *entropy: int, tolerance: float = REFACTORING_TOLERANCE
) -> LUSample:
    """Draw one matrix with its factors; the same arguments give the same bits everywhere.

    Parameters
    ----------
    law : LULaw
        The law, for example ``LU_LAWS["uniform"]``.
    n : int
        Rows, at least 2.
    *entropy : int
        Names of the random stream, for example seed, split and index.
    tolerance : float
        A draw is rejected, and the stream's next attempt taken, when elimination in double
        precision on A or on A + e_1 e_1^T differs from a constructed pivot by more than this.

    Returns
    -------
    LUSample
        A and A + e_1 e_1^T with their factors.

    Raises
    ------
    MatrixError
        If n < 2, or if 100 draws in a row are rejected.

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.matrices import LU_LAWS, draw_tridiagonal_lu, from_lu
    >>> sample = draw_tridiagonal_lu(LU_LAWS["uniform"], 50, 0)
    >>> rebuilt = from_lu(sample.modified)
    >>> bool(np.allclose(rebuilt.diagonal, sample.matrix.diagonal, rtol=1e-12))
    True
    """
    if n < 2:
        raise MatrixError(f"n is {n}; a tridiagonal pair needs n >= 2")
    for attempt in range(MAX_ATTEMPTS):
        base = law.draw_base(UniformStream(*entropy, attempt), n)
        original = from_lu(base.factor)
        diagonal = original.diagonal.copy()
        diagonal[0] += 1.0
        matrix = Tridiagonal(original.subdiagonal, diagonal, original.superdiagonal)
        modified = perturbed_lu(base.factor, base.influence)
        error = max(_refactoring_error(original, base.factor), _refactoring_error(matrix, modified))
        if error <= tolerance:
            return LUSample(original, base.factor, matrix, modified, attempt + 1)
    raise MatrixError(
        f"{MAX_ATTEMPTS} draws of {law.name!r} with n = {n} were all too ill-conditioned for "
        f"double precision (tolerance {tolerance:g}); use a smaller n or less growth"
    )
