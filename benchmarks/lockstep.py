"""Solves for four right-hand sides in lockstep against one side of version 0.1.0, in one run.

The kernels of 0.1.0 are kept here as the baseline. The parts of an iteration are timed as well,
each with the choices that were left out: they decide in which order the numbers of a solve are
added, so they were made once, and docs/protocol.md states them. Times are of the processor, the
smallest of several, taken in turns.

    python benchmarks/lockstep.py [--side 400] [--repeats 20] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import scipy.sparse as sp

from invk_and_pcg import poisson_2d
from precondbench import ic0, ilu0
from precondbench.factors import factor_values, lu_pattern
from precondbench.matrices import check_general, check_spd_candidate
from precondbench.solvers import gmres_values, pcg_values
from precondbench.solvers.conjugate_gradients import _advance, _combine
from precondbench.solvers.lanes import (
    added,
    dot,
    minus,
    moved,
    multiply,
    plus,
    put,
    row,
    scaled_row,
)
from precondbench.solvers.substitution import backward, forward, lower_triangles

kernel = numba.njit(nogil=True, error_model="numpy")
Timed = dict[str, Callable[[], object]]


# Version 0.1.0.


@kernel
def old_multiply(indptr, indices, data, x, out):
    """Write A x to ``out``."""
    for i in range(x.size):
        t = 0.0
        for p in range(indptr[i], indptr[i + 1]):
            t += data[p] * x[indices[p]]
        out[i] = t


@kernel
def old_substitution(indptr, indices, factor, x):
    """Overwrite x by (L L^T)^-1 x; L by rows, columns ascending, diagonal last in each."""
    n = x.size
    for i in range(n):
        last = indptr[i + 1] - 1
        t = x[i]
        for p in range(indptr[i], last):
            t -= factor[p] * x[indices[p]]
        x[i] = t / factor[last]
    for i in range(n - 1, -1, -1):
        last = indptr[i + 1] - 1
        x[i] /= factor[last]
        for p in range(indptr[i], last):
            x[indices[p]] -= factor[p] * x[i]


@kernel
def old_dot(x, y):
    """x^T y."""
    t = 0.0
    for i in range(x.size):
        t += x[i] * y[i]
    return t


@kernel
def old_pcg(a_indptr, a_indices, a_data, l_indptr, l_indices, factor, b, maxiter):
    """``maxiter`` steps of conjugate gradients."""
    n = b.size
    x = np.zeros(n)
    r = b.copy()
    z = r.copy()
    q = np.empty(n)
    old_substitution(l_indptr, l_indices, factor, z)
    p = z.copy()
    rho = old_dot(r, z)
    for _ in range(maxiter):
        old_multiply(a_indptr, a_indices, a_data, p, q)
        alpha = rho / old_dot(p, q)
        square = 0.0
        for i in range(n):
            x[i] += alpha * p[i]
            r[i] -= alpha * q[i]
            square += r[i] * r[i]
        if np.sqrt(square) == 0.0:
            break
        for i in range(n):
            z[i] = r[i]
        old_substitution(l_indptr, l_indices, factor, z)
        following = old_dot(r, z)
        for i in range(n):
            p[i] = z[i] + following / rho * p[i]
        rho = following
    return x


@kernel
def old_lu(indptr, indices, diagonal, values, x):
    """Overwrite x by (L U)^-1 x, L and U stored together."""
    n = x.size
    for i in range(n):
        t = x[i]
        for p in range(indptr[i], diagonal[i]):
            t -= values[p] * x[indices[p]]
        x[i] = t
    for i in range(n - 1, -1, -1):
        t = x[i]
        for p in range(diagonal[i] + 1, indptr[i + 1]):
            t -= values[p] * x[indices[p]]
        x[i] = t / values[diagonal[i]]


@kernel
def old_gmres_cycle(a_indptr, a_indices, a_data, indptr, indices, diagonal, values, b, steps):
    """One cycle without its rotations, which take no time."""
    n = b.size
    basis = np.zeros((steps + 1, n))
    w = np.empty(n)
    basis[0] = b / np.sqrt(old_dot(b, b))
    for j in range(steps):
        z = basis[j].copy()
        old_lu(indptr, indices, diagonal, values, z)
        old_multiply(a_indptr, a_indices, a_data, z, w)
        for i in range(j + 1):
            t = old_dot(w, basis[i])
            for k in range(n):
                w[k] -= t * basis[i, k]
        below = np.sqrt(old_dot(w, w))
        for k in range(n):
            basis[j + 1, k] = w[k] / below
    return basis


# Choices left out.


@kernel
def divided_forward(zero, indptr, indices, values, diagonal, x):
    """Forward substitution that ends with a division."""
    for i in range(x.shape[0]):
        t = row(zero, x, i)
        for p in range(indptr[i], indptr[i + 1]):
            t = minus(t, values[p], x, indices[p])
        for k in range(len(t)):
            x[i, k] = t[k] / diagonal[i]


@kernel
def multiplied_forward(zero, indptr, indices, values, reciprocals, x):
    """Forward substitution that ends with a product by the reciprocal."""
    for i in range(x.shape[0]):
        t = row(zero, x, i)
        for p in range(indptr[i], indptr[i + 1]):
            t = minus(t, values[p], x, indices[p])
        for k in range(len(t)):
            x[i, k] = t[k] * reciprocals[i]


@kernel
def scattered_backward(zero, indptr, indices, values, reciprocals, x):
    """Backward substitution by the rows of L: each unknown is taken from those before it."""
    for i in range(x.shape[0] - 1, -1, -1):
        for k in range(len(zero)):
            x[i, k] *= reciprocals[i]
        for p in range(indptr[i], indptr[i + 1]):
            for k in range(len(zero)):
                x[indices[p], k] -= values[p] * x[i, k]


@kernel
def dot_of_one_sum(zero, x, y):
    """x^T y in one sum."""
    t = zero
    for i in range(x.shape[0]):
        t = moved(t, row(zero, x, i), row(zero, y, i))
    return t


@kernel
def dot_of_eight_sums(zero, x, y):
    """x^T y in eight sums."""
    s = (zero, zero, zero, zero, zero, zero, zero, zero)
    for i in range(x.shape[0]):
        last = moved(s[0], row(zero, x, i), row(zero, y, i))
        s = (s[1], s[2], s[3], s[4], s[5], s[6], s[7], last)
    return added(added(added(s[0], s[1]), added(s[2], s[3])), added(s[4], added(s[5], s[6])))


@kernel
def advance_of_one_sum(zero, alpha, p, q, x, r):
    """Update of x and r with the square of r in one sum."""
    t = zero
    for i in range(x.shape[0]):
        put(x, i, moved(row(zero, x, i), alpha, row(zero, p, i)))
        put(r, i, moved(row(zero, r, i), alpha, row(zero, q, i)))
        t = moved(t, row(zero, r, i), row(zero, r, i))
    return t


@kernel
def product_alone(zero, matrix, x, out):
    """A x without x^T A x."""
    indptr, indices, data = matrix
    for i in range(x.shape[0]):
        t = zero
        for p in range(indptr[i], indptr[i + 1]):
            t = plus(t, data[p], x, indices[p])
        put(out, i, t)


@kernel
def backward_alone(zero, triangle, x):
    """Backward substitution without r^T z."""
    indptr, indices, values, reciprocals = triangle
    for i in range(x.shape[0] - 1, -1, -1):
        t = scaled_row(zero, reciprocals[i], x, i)
        for p in range(indptr[i], indptr[i + 1]):
            t = minus(t, values[p], x, indices[p])
        put(x, i, t)


def parts(A: sp.csr_array, lanes: int) -> dict[str, Timed]:
    """Parts of an iteration, each with the alternatives to the first."""
    n = A.shape[0]
    pattern, values = factor_values(ic0(A))
    lower, upper = lower_triangles(pattern, values)
    diagonal = values[pattern.diagonal]
    strict = np.delete(values, pattern.diagonal)
    rows_of_l = (lower[0], lower[1], strict)
    x, y, p, q = np.random.default_rng(0).uniform(-1, 1, (4, n, lanes))
    zero, small = (0.0,) * lanes, (1e-9,) * lanes
    matrix = (A.indptr, A.indices, A.data)
    reciprocals = lower[3]
    return {
        "forward substitution": {
            "rows divided beforehand": lambda: forward(zero, lower, x, x),
            "product by the reciprocal": lambda: multiplied_forward(
                zero, *rows_of_l, reciprocals, x
            ),
            "division": lambda: divided_forward(zero, *rows_of_l, diagonal, x),
        },
        "backward substitution, and r^T z": {
            "rows of L^T, r^T z from the last row on": lambda: backward(zero, upper, x, y),
            "rows of L^T, then r^T z": lambda: (
                backward_alone(zero, upper, x),
                dot(zero, x, y),
            ),
            "rows of L, then r^T z": lambda: (
                scattered_backward(zero, *rows_of_l, reciprocals, x),
                dot(zero, x, y),
            ),
        },
        "A p and p^T A p": {
            "together": lambda: multiply(zero, matrix, x, y),
            "one after the other": lambda: (
                product_alone(zero, matrix, x, y),
                dot(zero, x, y),
            ),
        },
        "x, r and r^T r": {
            "four sums": lambda: _advance(zero, small, p, q, x, y),
            "one sum": lambda: advance_of_one_sum(zero, small, p, q, x, y),
        },
        "a dot product": {
            "four sums": lambda: dot(zero, x, y),
            "one sum": lambda: dot_of_one_sum(zero, x, y),
            "eight sums": lambda: dot_of_eight_sums(zero, x, y),
        },
        "p": {"": lambda: _combine(zero, small, x, p)},
    }


def best(cases: Timed, repeats: int) -> dict[str, float]:
    """Smallest time of each case in seconds; the cases take turns."""
    times = dict.fromkeys(cases, np.inf)
    for turn in range(repeats + 1):
        for name, run in cases.items():
            start = time.process_time()
            run()
            if turn:  # The first one compiles.
                times[name] = min(times[name], time.process_time() - start)
    return {name: float(found) for name, found in times.items()}


def main() -> None:
    """Print times and ratios, and write them to a file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=400, help="points on a side of the grid")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50, help="iterations of a solve")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    steps = arguments.steps
    A = check_spd_candidate(poisson_2d(arguments.side**2))
    matrix = (A.indptr, A.indices, A.data)
    n = A.shape[0]
    b = np.random.default_rng(0).uniform(-1, 1, (n, 4))
    one = np.ascontiguousarray(b[:, :1])
    pattern, values = factor_values(ic0(A))
    lu = lu_pattern(check_general(A))
    L, U = ilu0(A)
    together = sp.csr_array(sp.tril(L, -1) + U)
    together.sort_indices()
    old = (pattern.indptr, pattern.indices, values)
    old_lu_arrays = (lu.indptr, lu.indices, lu.diagonal, together.data)
    solves = best(
        {
            "PCG, 0.1.0": lambda: old_pcg(*matrix, *old, b[:, 0].copy(), steps),
            "PCG, one side": lambda: pcg_values(A, one, pattern, values, 0.0, steps),
            "PCG, four sides": lambda: pcg_values(A, b, pattern, values, 0.0, steps),
            "GMRES, 0.1.0": lambda: old_gmres_cycle(*matrix, *old_lu_arrays, b[:, 0].copy(), steps),
            "GMRES, one side": lambda: gmres_values(A, one, lu, together.data, 0.0, steps),
            "GMRES, four sides": lambda: gmres_values(A, b, lu, together.data, 0.0, steps),
        },
        max(3, arguments.repeats // 4),
    )
    result = {
        "n": n,
        "iterations": steps,
        "processor": platform.processor() or platform.machine(),
        "milliseconds_an_iteration": {
            name: round(1e3 * seconds / steps, 4) for name, seconds in solves.items()
        },
        "to_one_side_of_0.1.0": {
            name: round(seconds / solves[f"{name.split(',')[0]}, 0.1.0"], 3)
            for name, seconds in solves.items()
        },
        "choices": {},
    }
    for name, ratio in result["to_one_side_of_0.1.0"].items():
        print(f"{name:20s} {1e3 * solves[name] / steps:8.3f} ms an iteration  {ratio:6.2f}")
    for lanes in (1, 4):
        label = "one side" if lanes == 1 else "four sides"
        result["choices"][label] = {}
        for part, cases in parts(A, lanes).items():
            times = best(cases, arguments.repeats)
            first = next(iter(times.values()))
            result["choices"][label][part] = {
                name: {"milliseconds": round(1e3 * t, 4), "ratio": round(t / first, 3)}
                for name, t in times.items()
            }
            for name, t in times.items():
                print(f"{label}: {part}: {name:42s} {1e3 * t:8.4f} ms {t / first:6.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
