"""The matrices that each law makes of random numbers.

The laws use + - * / and sqrt in a stated order only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from precondbench.errors import MatrixError
from precondbench.matrices.random_bits import UniformStream
from precondbench.matrices.tridiagonal.diagonals import (
    Diagonals,
    Vector,
    semiseparable_factor,
)

Family = Literal["cholesky", "lu"]


@dataclass(frozen=True)
class TridiagonalBase:
    """What a law draws: A before e_1 e_1^T is added to it.

    Attributes
    ----------
    factor : Diagonals
        Of L with A = L L^T, or of L and U with A = L U.
    influence : numpy.ndarray
        (L^-1 e_1)_k (U^-T e_1)_k for every k, with U = L^T for a Cholesky factor.
    matrix : Diagonals, optional
        A; by default the product of the factors.
    """

    factor: Diagonals
    influence: Vector
    matrix: Diagonals | None = None


DrawBase = Callable[[UniformStream, int], TridiagonalBase]


def _semiseparable(u: Vector, v: Vector) -> TridiagonalBase:
    first_column = u * v[0]
    return TridiagonalBase(semiseparable_factor(u, v), first_column * first_column)


def _semiseparable_lu(u: Vector, v: Vector, p: Vector, q: Vector) -> TridiagonalBase:
    return TridiagonalBase(semiseparable_factor(u, v, p, q), (p[0] * v[0]) * (q * u))


def _powers(ratios: Vector) -> Vector:
    # cumprod multiplies strictly from left to right: repeated multiplication, no pow.
    powers: Vector = np.multiply.accumulate(np.concatenate(([1.0], ratios)))
    return powers


def growth_base(c: float, family: Family = "cholesky") -> DrawBase:
    """U, q = x base, v, p = y / base with base_k = (1 + c/n)^k; x, y uniform on [0.5, 1.5)."""

    def draw(stream: UniformStream, n: int) -> TridiagonalBase:
        ratio = 1.0 + c / n
        if not ratio > 0.0:
            raise MatrixError(f"growth c = {c} needs n > {-c}, n is {n}")
        base = _powers(np.full(n - 1, ratio))
        u, v = stream.uniform(n, 0.5, 1.5) * base, stream.uniform(n, 0.5, 1.5) / base
        if family == "cholesky":
            return _semiseparable(u, v)
        p, q = stream.uniform(n, 0.5, 1.5) / base, stream.uniform(n, 0.5, 1.5) * base
        return _semiseparable_lu(u, v, p, q)

    return draw


def tent_base(c: float) -> DrawBase:
    """As :func:`growth_base`, but base rises over the first half of the rows and falls back."""

    def draw(stream: UniformStream, n: int) -> TridiagonalBase:
        ratio = 1.0 + c / n
        rising = np.arange(n - 1) < n // 2
        base = _powers(np.where(rising, ratio, 1.0 / ratio))
        return _semiseparable(
            stream.uniform(n, 0.5, 1.5) * base, stream.uniform(n, 0.5, 1.5) / base
        )

    return draw


def sawtooth_base(stream: UniformStream, n: int) -> TridiagonalBase:
    """U climbs by factors uniform on [1.3, 2.4) over 5 to 12 rows, drops to 1, climbs again.

    The factors have the geometric mean e^0.6; v = (s / t) / u with s, t uniform on [0.5, 1.5).
    """
    steps = stream.uniform(n, 1.3, 2.4)
    lengths = 5 + (8.0 * stream.uniform(n)).astype(np.int64)
    spread = stream.uniform(n, 0.5, 1.5) / stream.uniform(n, 0.5, 1.5)
    u = np.ones(n)
    row = climb = 0
    while row < n:
        end = min(n, row + int(lengths[climb]))
        u[row:end] = _powers(steps[row + 1 : end])
        row, climb = end, climb + 1
    return _semiseparable(u, spread / u)


def twin_base(family: Family) -> DrawBase:
    """U, q = x (1 + 6/n)^k, x uniform on [0.7, 1.3); v = y/u, p = y/q, y uniform on [0.5, 1.5)."""

    def draw(stream: UniformStream, n: int) -> TridiagonalBase:
        base = _powers(np.full(n - 1, 1.0 + 6.0 / n))
        u = stream.uniform(n, 0.7, 1.3) * base
        if family == "cholesky":
            return _semiseparable(u, stream.uniform(n, 0.5, 1.5) / u)
        q = stream.uniform(n, 0.7, 1.3) * base
        v, p = stream.uniform(n, 0.5, 1.5) / u, stream.uniform(n, 0.5, 1.5) / q
        return _semiseparable_lu(u, v, p, q)

    return draw


def paper_local_base(stream: UniformStream, n: int) -> TridiagonalBase:
    """L_ii = 1, L_{i+1,i} near normal: the paper's example of local dependence."""
    sub = stream.near_normal(n - 1)
    first_column = _powers(-sub)
    return TridiagonalBase(Diagonals(np.ones(n), sub), first_column * first_column)


def poisson_base(stream: UniformStream, n: int) -> TridiagonalBase:
    """-(kappa u')' = f with Dirichlet ends, kappa uniform on [0.5, 1.5) between nodes."""
    kappa = stream.uniform(n + 1, 0.5, 1.5)
    matrix = Diagonals(kappa[:-1] + kappa[1:], -kappa[1:-1])
    # Resistance from the left boundary: R_k = 1/kappa_1 + ... + 1/kappa_k.
    resistance = np.cumsum(1.0 / kappa[:-1])
    pivots = kappa[1:] + 1.0 / resistance
    diagonal = np.sqrt(pivots)
    factor = Diagonals(diagonal, matrix.subdiagonal / diagonal[:-1])
    first_column = resistance[0] / (resistance * diagonal)
    return TridiagonalBase(factor, first_column * first_column, matrix)


def convection_base(stream: UniformStream, n: int) -> TridiagonalBase:
    """L_{k+1,k} = -t_k, U_kk = d_k, U_{k,k+1} = d_{k+1} r_k / t_k: off-diagonals of opposite sign.

    The influence of A_11 changes its sign and shrinks by r_k from row to row. Smaller t and
    larger r would let the triangular solves of short windows grow from row to row.
    """
    d = stream.uniform(n, 0.5, 1.5)
    t = stream.uniform(n - 1, 0.4, 0.8)
    r = stream.uniform(n - 1, 0.2, 0.7)
    influence = np.multiply.accumulate(np.concatenate((1.0 / d[:1], -r)))
    return TridiagonalBase(Diagonals(d, -t, d[1:] * r / t), influence)
