"""Errors and warnings on 2,000 nearly singular matrices, compared with 120 digits.

Weakly grounded resistor networks, Laplacians of paths, trees and grids with small shifts, graded
and Hilbert-like matrices, Gram matrices of nearly dependent vectors, n from 2 to 60. Of each,
Inv-K on tril(A) and K of L = I, of the computed Inv-K and of IC(0) are compared with their
definitions in 120 digits. Whether a matrix is positive definite is decided in integer arithmetic,
and asked of invk, k_condition and exact_cholesky.

The error of Inv-K is that of an entry, relative to itself or to 1e-3 of the largest in its column
in the scaled system; that of K is relative; that of n log K relative to max(1, n log K).

    python benchmarks/near_singular.py [--count N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import math
import warnings
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from precondbench import k_condition
from precondbench.errors import AccuracyWarning, BreakdownError
from precondbench.factors import ic0, invk_report
from precondbench.matrices import power_of_two_scaling
from precondbench.solvers import exact_cholesky

COUNT = 2000
DIGITS = 120
# An error above the first must come with a warning; a warning with an error below the second is a
# false alarm.
SILENT, HARMLESS = 1e-3, 1e-9


def laplacian(n: int, edges: list[tuple[int, int]], weights: np.ndarray) -> np.ndarray:
    """Weighted graph Laplacian."""
    A = np.zeros((n, n))
    for (i, j), w in zip(edges, weights, strict=True):
        A[i, j] -= w
        A[j, i] -= w
        A[i, i] += w
        A[j, j] += w
    return A


def path(n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Edges of a path."""
    return [(i, i + 1) for i in range(n - 1)]


def tree(n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Edges of a random recursive tree."""
    return [(int(rng.integers(0, i)), i) for i in range(1, n)]


def grid(n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Edges of a grid with n nodes in rows of about sqrt(n)."""
    m = max(1, math.isqrt(n))
    edges = [(i, i + 1) for i in range(n - 1) if (i + 1) % m]
    return edges + [(i, i + m) for i in range(n - m)]


def network(n: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """A random tree and as many more edges."""
    extra = {tuple(sorted(map(int, rng.integers(0, n, 2)))) for _ in range(n)}
    return sorted({tuple(sorted(e)) for e in tree(n, rng)} | {e for e in extra if e[0] != e[1]})


def grounded(n: int, rng: np.random.Generator) -> np.ndarray:
    """Resistors in a network of some shape, grounded at one node by almost nothing."""
    edges = (path, tree, grid, network)[int(rng.integers(4))](n, rng)
    weights = 10.0 ** rng.uniform(-1, 1, len(edges)) if rng.random() < 0.8 else np.ones(len(edges))
    A = laplacian(n, edges, weights)
    k = int(rng.integers(n))
    A[k, k] += 10.0 ** rng.uniform(-18, -6)
    return A


def shifted(n: int, rng: np.random.Generator) -> np.ndarray:
    """Laplacian plus a small multiple of the identity, in a random order."""
    edges = (path, tree, grid, network)[int(rng.integers(4))](n, rng)
    A = laplacian(n, edges, 10.0 ** rng.uniform(-2, 2, len(edges)))
    p = rng.permutation(n)
    return A[np.ix_(p, p)] + 10.0 ** rng.uniform(-18, -6) * np.eye(n)


def hilbert(n: int, rng: np.random.Generator) -> np.ndarray:
    """1 / (x_i + x_j), Cauchy's form of Hilbert's matrix, of modest size."""
    n = min(n, 14)
    x = np.cumsum(rng.uniform(0.2, 2.0, n))
    return 1.0 / (x[:, None] + x[None, :])


def graded(n: int, rng: np.random.Generator) -> np.ndarray:
    """A near-singular network whose unknowns have units between 1e-8 and 1e8."""
    d = 10.0 ** rng.uniform(-8, 8, n)
    A = shifted(n, rng) if rng.random() < 0.5 else grounded(n, rng)
    A = A * d[:, None] * d[None, :]
    return (A + A.T) / 2


def stepped(n: int, rng: np.random.Generator) -> np.ndarray:
    """Resistors in a path whose conductances fall from 1 to 1e-14."""
    w = np.sort(10.0 ** rng.uniform(-14, 0, n - 1))[:: int(rng.choice([-1, 1]))]
    A = laplacian(n, path(n, rng), w)
    A[0, 0] += 10.0 ** rng.uniform(-14, 0)
    return A


def dependent(n: int, rng: np.random.Generator) -> np.ndarray:
    """Gram matrix of vectors that nearly depend on each other, full."""
    n = min(n, 25)
    V = rng.standard_normal((n, n))
    V[-1] = rng.standard_normal(n - 1) @ V[:-1] if n > 1 else V[-1]
    V[-1] += 10.0 ** rng.uniform(-9, -3) * rng.standard_normal(n)
    A = V @ V.T
    return (A + A.T) / 2


def exact_integers(n: int, rng: np.random.Generator) -> np.ndarray:
    """Laplacian with unit weights and a ground that is a power of two: rounding may be zero."""
    edges = (path, tree)[int(rng.integers(2))](n, rng)
    A = laplacian(n, edges, np.ones(len(edges)))
    A[0, 0] += 2.0 ** -int(rng.integers(20, 52))
    return A


FAMILIES = (grounded, shifted, hilbert, graded, stepped, dependent, exact_integers)


def matrices(count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Families in turn, sizes from 2 to 60."""
    for k in range(count):
        rng = np.random.default_rng((20261128, k))
        family = FAMILIES[k % len(FAMILIES)]
        yield family.__name__, family(int(rng.integers(2, 61)), rng)


def is_positive_definite(A: np.ndarray) -> bool:
    """Elimination in integers (Bareiss 1968); its pivots are the leading minors."""
    scale = power_of_two_scaling(np.diag(A))
    exact = [[Fraction(float(x)) for x in row] for row in A * scale[:, None] * scale[None, :]]
    common = max(x.denominator for row in exact for x in row)
    M = np.array([[int(x * common) for x in row] for row in exact], dtype=object)
    before = 1
    for k in range(len(A)):
        if M[k, k] <= 0:
            return False
        later = M[k + 1 :, k].copy()
        M[k + 1 :, k + 1 :] *= M[k, k]
        M[k + 1 :, k + 1 :] -= later[:, None] * M[k, k + 1 :][None, :]
        M[k + 1 :, k + 1 :] //= before
        before = M[k, k]
    return True


def exactly(A: np.ndarray) -> np.ndarray:
    """The same numbers as decimals."""
    return np.vectorize(lambda x: Decimal(float(x)), otypes=[object])(A)


class Reference:
    """Inv-K and K of one matrix by their definitions, in the precision of the decimal context."""

    def __init__(self, A: np.ndarray) -> None:
        self.n = n = len(A)
        # Gauss and Jordan, without pivoting: A is positive definite.
        M = np.concatenate([exactly(A), exactly(np.eye(n))], axis=1)
        self.log_determinant = Decimal(0)
        for k in range(n):
            self.log_determinant += M[k, k].ln()
            M[k] /= M[k, k]
            others = np.flatnonzero((M[:, k] != 0) & (np.arange(n) != k))
            M[others] -= M[others, k][:, None] * M[k]
        self.B = M[:, n:]

    def invk(self, lower: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows and entries of each column of Inv-K."""
        columns = []
        for i in range(self.n):
            s = np.flatnonzero(lower[:, i])
            # B[s, s] v = e_1; elimination from the last row up leaves v_1 at the end.
            block, m = self.B[np.ix_(s, s)].copy(), s.size
            v = exactly(np.eye(m)[0])
            for k in range(m - 1, 0, -1):
                ratio = block[:k, k] / block[k, k]
                block[:k] -= ratio[:, None] * block[k]
                v[:k] -= ratio * v[k]
            for k in range(m):
                v[k] = (v[k] - np.sum(block[k, :k] * v[:k])) / block[k, k]
            columns.append((s, v / v[0].sqrt()))
        return columns

    def n_log_k(self, L: np.ndarray) -> Decimal:
        """N log K."""
        n, E = self.n, exactly(L)
        trace, logarithms = Decimal(0), Decimal(0)
        for i in range(n):
            s = np.flatnonzero(L[:, i])
            trace += np.sum(self.B[np.ix_(s, s)] * E[s, i] * E[s, i][:, None])
            logarithms += abs(E[i, i]).ln()
        return n * (trace / n).ln() - 2 * logarithms + self.log_determinant


def warned(call):
    """Result of a call, or the BreakdownError, and whether it warned of few digits."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = call()
        except BreakdownError as error:
            result = error
    return result, any(issubclass(one.category, AccuracyWarning) for one in caught)


def k_error(found, exact: Decimal, n: int) -> float:
    """The larger of the relative error of K and the error of n log K over its scale."""
    difference = Decimal(found.n_log_k) - exact
    return max(abs(math.expm1(float(difference / n))), float(abs(difference) / max(1, abs(exact))))


def compare(A: np.ndarray) -> list[dict]:
    """What was found for one matrix: a row for each figure."""
    matrix = sp.csr_array(A)
    definite = is_positive_definite(A)
    answers = {
        "invk": warned(lambda: invk_report(matrix, probes=0)),
        "k_condition": warned(lambda: k_condition(matrix, np.eye(len(A)))),
        "exact_cholesky": warned(lambda: exact_cholesky(matrix)),
    }
    said = {name: not isinstance(result, BreakdownError) for name, (result, _) in answers.items()}
    if set(said.values()) != {definite}:
        return [{"figure": "definiteness", "definite": definite, "said": said}]
    if not definite:
        return [{"figure": "indefinite"}]
    rows = []
    with localcontext(prec=DIGITS):
        reference = Reference(A)
        report, warning = answers["invk"]
        L = report.factor.toarray()
        scale = power_of_two_scaling(np.diag(A))
        error = 0.0
        for i, (s, column) in enumerate(reference.invk(np.tril(A))):
            powers = exactly(scale[s])
            size = np.abs(column) * powers
            least = np.max(size) / 1000
            difference = np.abs(exactly(L[s, i]) - column) * powers
            error = max(error, float(np.max(difference / np.maximum(size, least))))
        rows.append({"figure": "invk", "error": error, "warned": warning})
        found, warning = answers["k_condition"]
        wanted = reference.n_log_k(np.eye(len(A)))
        rows.append(
            {"figure": "K of I", "error": k_error(found, wanted, len(A)), "warned": warning}
        )
        for name, factor in (("K of Inv-K", L), ("K of IC(0)", warned(lambda: ic0(matrix))[0])):
            if isinstance(factor, BreakdownError):
                continue
            factor = factor if isinstance(factor, np.ndarray) else factor.toarray()
            found, warning = warned(lambda factor=factor: k_condition(matrix, factor))
            wanted = reference.n_log_k(factor)
            rows.append(
                {"figure": name, "error": k_error(found, wanted, len(A)), "warned": warning}
            )
    return rows


def summary(found: list[tuple[str, list[dict]]]) -> dict:
    """Counts over all matrices, and what was wrong."""
    rows = [(family, row) for family, part in found for row in part]
    judged = [row for _, row in rows if "error" in row]
    result = {
        "matrices": len(found),
        "families": dict(Counter(family for family, _ in found)),
        "positive_definite": sum(part[0]["figure"] == "invk" for _, part in found),
        "wrong_or_different_answers_on_definiteness": sum(
            row["figure"] == "definiteness" for _, row in rows
        ),
        "figures": {},
    }
    for name in ("invk", "K of I", "K of Inv-K", "K of IC(0)"):
        part = [row for row in judged if row["figure"] == name]
        errors = np.array([row["error"] for row in part])
        warning = np.array([row["warned"] for row in part])
        result["figures"][name] = {
            "count": len(part),
            "error_above_1e-3": int(np.sum(errors > SILENT)),
            "error_above_1e-3_without_warning": int(np.sum((errors > SILENT) & ~warning)),
            "largest_error_without_warning": float(np.max(errors[~warning], initial=0.0)),
            "warned": int(np.sum(warning)),
            "warned_with_error_below_1e-9": int(np.sum(warning & (errors < HARMLESS))),
        }
    return result


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--json", help="also write the counts to this file")
    arguments = parser.parse_args()
    found = []
    for name, A in matrices(arguments.count):
        found.append((name, compare(A)))
    result = summary(found)
    print(json.dumps(result, indent=1))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
