"""Diffusion on a square or a cube by finite volumes: the problems of benchmarks/solver_study.py."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

PROBLEMS = (
    "Poisson 2D",
    "Poisson 3D",
    "anisotropic 2D",
    "anisotropic 3D",
    "high contrast 2D",
    "high contrast 3D",
)
# The weak direction of an anisotropic problem, and the largest coefficient of high contrast.
WEAK = 1e-3
CONTRAST = 1e6
BLOCKS = 16


def dimension_of(problem: str) -> int:
    """2 or 3."""
    return int(problem[-2])


def points_a_side(problem: str, n: int) -> int:
    """Return the cells per side for about n cells."""
    return round(n ** (1.0 / dimension_of(problem)))


def diffusion(problem: str, m: int) -> sp.csr_array:
    """Return the matrix of -div(k grad u) with u = 0 on the boundary, m cells per side.

    The flux between two cells is the harmonic mean of their coefficients, in the weak direction
    of an anisotropic problem (the last one) times 1e-3. High contrast: blocks of m/16 cells a side
    with coefficients 10^s, s uniform on [0, 6], from raw numbers of PCG64(0).
    """
    d = dimension_of(problem)
    shape = (m,) * d
    k = coefficients(shape) if problem.startswith("high contrast") else np.ones(shape)
    cells = np.arange(m**d).reshape(shape)
    diagonal = np.zeros(shape)
    first, second, flux = [], [], []
    for axis in range(d):
        weight = WEAK if problem.startswith("anisotropic") and axis == d - 1 else 1.0
        low = [slice(None)] * d
        high = [slice(None)] * d
        low[axis], high[axis] = slice(0, m - 1), slice(1, m)
        here, there = k[tuple(low)], k[tuple(high)]
        mean = weight * 2.0 * here * there / (here + there)
        diagonal[tuple(low)] += mean
        diagonal[tuple(high)] += mean
        first.append(cells[tuple(low)].ravel())
        second.append(cells[tuple(high)].ravel())
        flux.append(mean.ravel())
        for end in (0, m - 1):
            face = [slice(None)] * d
            face[axis] = slice(end, end + 1)
            # The boundary is half a cell away.
            diagonal[tuple(face)] += weight * 2.0 * k[tuple(face)]
    i, j, values = np.concatenate(first), np.concatenate(second), -np.concatenate(flux)
    rows = np.concatenate([i, j, cells.ravel()])
    columns = np.concatenate([j, i, cells.ravel()])
    data = np.concatenate([values, values, diagonal.ravel()])
    A = sp.csr_array(sp.coo_array((data, (rows, columns)), shape=(m**d, m**d)))
    A.sort_indices()
    return A


def coefficients(shape: tuple[int, ...]) -> np.ndarray:
    """10^s on blocks, s uniform on [0, 6]."""
    d, m = len(shape), shape[0]
    raw = np.random.PCG64(0).random_raw(BLOCKS**d)
    exponent = ((raw >> 11) * 2.0**-53 * np.log10(CONTRAST)).reshape((BLOCKS,) * d)
    block = np.arange(m) * BLOCKS // m
    return 10.0 ** exponent[np.ix_(*(block,) * d)]


def right_hand_side(n: int) -> np.ndarray:
    """Uniform on [-1, 1), from raw numbers of PCG64(1)."""
    return (np.random.PCG64(1).random_raw(n) >> 11) * 2.0**-52 - 1.0
