"""Random laws of tridiagonal pairs: the named configurations of the synthetic benchmark."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices.random_bits import UniformStream
from precondbench.matrices.tridiagonal import (
    Bidiagonal,
    from_factor,
    perturbed_factor,
    semiseparable_factor,
)

__all__ = ["LAWS", "TridiagonalLaw", "TridiagonalSample", "draw_tridiagonal", "tridiagonal_law"]

# A draw is rejected when the double-precision Cholesky recurrence on the stored matrix
# differs from the constructed factor by more than this (relative, any entry): past that
# the matrix no longer determines its label in the arithmetic everyone uses.
REFACTORING_TOLERANCE = 1e-4
MAX_ATTEMPTS = 100


@dataclass(frozen=True)
class TridiagonalSample:
    """One draw: the matrix A + e_1 e_1^T with both readings of equation (7) of the paper.

    Attributes
    ----------
    matrix : Bidiagonal
        Diagonals of A_m = A + e_1 e_1^T.
    modified : Bidiagonal
        chol(A_m), the default target.
    literal : Bidiagonal
        chol(A), what equation (7) says literally.
    attempts : int
        Draws needed, 1 unless draws were rejected.
    """

    matrix: Bidiagonal
    modified: Bidiagonal
    literal: Bidiagonal
    attempts: int


@dataclass(frozen=True)
class _Base:
    """A before the change: its diagonals, factor, and w = L^-1 e_1."""

    matrix: Bidiagonal
    factor: Bidiagonal
    first_column: NDArray[np.float64]


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
    growth : float or None
        c of the growth dial base_k = (1 + c / n)^k, where the law has one.
    """

    name: str
    stream: int
    description: str
    draw_base: Callable[[UniformStream, int], _Base]
    growth: float | None = None


def _growth_base(c: float) -> Callable[[UniformStream, int], _Base]:
    def draw(stream: UniformStream, n: int) -> _Base:
        ratio = 1.0 + c / n
        if not ratio > 0.0:
            raise MatrixError(f"growth c = {c} needs n > {-c}, n is {n}")
        # cumprod multiplies strictly from left to right: repeated multiplication, no pow.
        base = np.cumprod(np.concatenate(([1.0], np.full(n - 1, ratio))))
        u = stream.uniform(n, 0.5, 1.5) * base
        v = stream.uniform(n, 0.5, 1.5) / base
        factor = semiseparable_factor(u, v)
        return _Base(from_factor(factor), factor, u * v[0])

    return draw


def _paper_local_base(stream: UniformStream, n: int) -> _Base:
    sub = stream.near_normal(n - 1)
    factor = Bidiagonal(np.ones(n), sub)
    first_column: NDArray[np.float64] = np.multiply.accumulate(np.concatenate(([1.0], -sub)))
    return _Base(from_factor(factor), factor, first_column)


def _poisson_base(stream: UniformStream, n: int) -> _Base:
    kappa = stream.uniform(n + 1, 0.5, 1.5)
    matrix = Bidiagonal(kappa[:-1] + kappa[1:], -kappa[1:-1])
    # Resistance from the left boundary: R_k = 1/kappa_1 + ... + 1/kappa_k.
    resistance = np.cumsum(1.0 / kappa[:-1])
    pivots = kappa[1:] + 1.0 / resistance
    diagonal = np.sqrt(pivots)
    factor = Bidiagonal(diagonal, matrix.subdiagonal / diagonal[:-1])
    first_column = resistance[0] / (resistance * diagonal)
    return _Base(matrix, factor, first_column)


def _growth_law(name: str, stream: int, c: float, what: str) -> TridiagonalLaw:
    return TridiagonalLaw(
        name,
        stream,
        f"u = x base, v = y / base, base_k = (1 + {c:g}/n)^k, x, y uniform on [0.5, 1.5): {what}",
        _growth_base(c),
        c,
    )


LAWS: dict[str, TridiagonalLaw] = {
    law.name: law
    for law in (
        _growth_law("local", 1, -8.0, "decaying u, exponentially local, the control"),
        _growth_law("uniform", 2, 0.0, "bounded u, influence decays like 1/distance"),
        _growth_law("growth", 3, 6.0, "growing u, persistent influence, cond about 1e7 to 1e9"),
        _growth_law("hard", 4, 12.0, "fast growing u, cond up to 1e13"),
        TridiagonalLaw(
            "paper-local",
            5,
            "L_ii = 1, L_{i+1,i} near normal (Irwin-Hall): the paper's local example",
            _paper_local_base,
        ),
        TridiagonalLaw(
            "poisson",
            6,
            "-(kappa u')' = f on an interval, kappa uniform on [0.5, 1.5) between nodes, "
            "Dirichlet ends; kappa = 1 is equation (2) of the paper",
            _poisson_base,
        ),
    )
}


def tridiagonal_law(name: str) -> TridiagonalLaw:
    """Look a law up by name.

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


def growth_law(c: float) -> TridiagonalLaw:
    """Return the growth law with any c, for :meth:`SyntheticTridiag.generate`.

    Its stream number is that of ``growth``: with c of a named configuration and the same
    seed it does not repeat that configuration's records, because c scales the same draws.
    """
    for law in LAWS.values():
        if law.growth == c:
            return law
    return _growth_law(f"growth-{c:g}", 3, c, "user-chosen growth")


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
        A draw is rejected, and the next one of the stream's successors taken, when the
        double-precision Cholesky recurrence on A or on A + e_1 e_1^T differs from the
        constructed factor by more than this relative to any diagonal entry.

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
            return TridiagonalSample(matrix, modified, base.factor, attempt + 1)
    raise MatrixError(
        f"{MAX_ATTEMPTS} draws of {law.name!r} with n = {n} were all too ill-conditioned for "
        f"double precision (tolerance {tolerance:g}); use a smaller n or less growth"
    )
