"""How the tridiagonal laws draw A and its factor, from uniform numbers and exact operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import MatrixError
from precondbench.matrices.tridiagonal.diagonals import (
    Bidiagonal,
    from_factor,
    semiseparable_factor,
)
from precondbench.matrices.tridiagonal.random_bits import UniformStream

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Base:
    """A before e_1 e_1^T is added: its diagonals, its factor, and w = L^-1 e_1."""

    matrix: Bidiagonal
    factor: Bidiagonal
    first_column: Vector


DrawBase = Callable[[UniformStream, int], Base]


def _semiseparable(u: Vector, v: Vector) -> Base:
    factor = semiseparable_factor(u, v)
    return Base(from_factor(factor), factor, u * v[0])


def _powers(ratios: Vector) -> Vector:
    # cumprod multiplies strictly from left to right: repeated multiplication, no pow.
    powers: Vector = np.multiply.accumulate(np.concatenate(([1.0], ratios)))
    return powers


def growth_base(c: float) -> DrawBase:
    """U = x base, v = y / base with base_k = (1 + c/n)^k; x, y uniform on [0.5, 1.5)."""

    def draw(stream: UniformStream, n: int) -> Base:
        ratio = 1.0 + c / n
        if not ratio > 0.0:
            raise MatrixError(f"growth c = {c} needs n > {-c}, n is {n}")
        base = _powers(np.full(n - 1, ratio))
        return _semiseparable(
            stream.uniform(n, 0.5, 1.5) * base, stream.uniform(n, 0.5, 1.5) / base
        )

    return draw


def tent_base(c: float) -> DrawBase:
    """As :func:`growth_base`, but base rises over the first half of the rows and falls back."""

    def draw(stream: UniformStream, n: int) -> Base:
        ratio = 1.0 + c / n
        rising = np.arange(n - 1) < n // 2
        base = _powers(np.where(rising, ratio, 1.0 / ratio))
        return _semiseparable(
            stream.uniform(n, 0.5, 1.5) * base, stream.uniform(n, 0.5, 1.5) / base
        )

    return draw


def sawtooth_base(stream: UniformStream, n: int) -> Base:
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


def twin_base(stream: UniformStream, n: int) -> Base:
    """U = x (1 + 6/n)^k with x uniform on [0.7, 1.3), v = y / u with y uniform on [0.5, 1.5)."""
    u = stream.uniform(n, 0.7, 1.3) * _powers(np.full(n - 1, 1.0 + 6.0 / n))
    return _semiseparable(u, stream.uniform(n, 0.5, 1.5) / u)


def paper_local_base(stream: UniformStream, n: int) -> Base:
    """L_ii = 1, L_{i+1,i} near normal: the paper's example of local dependence."""
    sub = stream.near_normal(n - 1)
    factor = Bidiagonal(np.ones(n), sub)
    return Base(from_factor(factor), factor, _powers(-sub))


def poisson_base(stream: UniformStream, n: int) -> Base:
    """-(kappa u')' = f with Dirichlet ends, kappa uniform on [0.5, 1.5) between nodes."""
    kappa = stream.uniform(n + 1, 0.5, 1.5)
    matrix = Bidiagonal(kappa[:-1] + kappa[1:], -kappa[1:-1])
    # Resistance from the left boundary: R_k = 1/kappa_1 + ... + 1/kappa_k.
    resistance = np.cumsum(1.0 / kappa[:-1])
    pivots = kappa[1:] + 1.0 / resistance
    diagonal = np.sqrt(pivots)
    factor = Bidiagonal(diagonal, matrix.subdiagonal / diagonal[:-1])
    return Base(matrix, factor, resistance[0] / (resistance * diagonal))
