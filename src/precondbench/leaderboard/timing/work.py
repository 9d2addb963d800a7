"""What a step of PCG does with a preconditioner, counted from its structure."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from precondbench._internal import kernel
from precondbench.factors import LowerPattern, pattern_of
from precondbench.quality import SymmetricProblem
from precondbench.solvers import (
    ChebyshevPolynomial,
    Deflation,
    FactoredInverse,
    FactoredPreconditioner,
    OverlappingPatches,
    SparseInverse,
    VCycle,
)

# Bytes of a float64 and of an index.
_VALUE, _INDEX = 8, 4
# Vectors that a step reads or writes beside A and M: x, r, p, z and A p.
_PASSES = 12


@dataclass(frozen=True)
class Work:
    """What a piece of work moves, and what in it must wait.

    Attributes
    ----------
    bytes : int
        Read and written, matrices and vectors, each once a pass.
    links : int
        Rows of substitutions that need the row just before: on one core they wait for it.
    levels : int
        Stages, one after the other, if all that can be done at once is: of a substitution the
        longest path in the graph of the factor, of a sum of n numbers log2 n.
    operations : int
        Multiply-adds of a setup; in a step they are in proportion to the bytes, and not counted.
    dense : int
        Those in dense blocks, by BLAS.
    calls : int
        Pieces of compiled code that are called one by one from Python, where there are several.
    """

    bytes: int = 0
    links: int = 0
    levels: int = 0
    operations: int = 0
    dense: int = 0
    calls: int = 0

    def __add__(self, other: Work) -> Work:
        """Return both, one after the other."""
        return Work(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def times(self, count: int) -> Work:
        """Return it done so many times."""
        return Work(*(count * number for number in astuple(self)))


def work_of_step(problem: SymmetricProblem, given: Any) -> Work | None:
    """Count a step of PCG for one right-hand side.

    Parameters
    ----------
    problem : SymmetricProblem
        The system.
    given : array_like, LinearOperator or None
        What is solved with, as :meth:`~precondbench.quality.Problem.solve` takes it.

    Returns
    -------
    Work or None
        None for an operator or a function that this library does not know.
    """
    n = problem.matrix.shape[0]
    if given is None:
        applied: Work | None = Work()
    elif callable(given):
        # Vectors are updated outside of compiled code then.
        applied = _both(work_of_operator(given), Work(calls=5))
    else:
        applied = _substitutions(problem.pattern)
    if applied is None:
        return None
    # Two inner products a step.
    vectors = Work(_PASSES * _VALUE * n, 0, 2 * _sum(n))
    return applied + work_of_product(problem.matrix) + vectors


def work_of_product(matrix: csr_array) -> Work:
    """Count a product of a sparse matrix and a vector."""
    longest = int(np.diff(matrix.indptr).max(initial=1))
    return Work(_stored(matrix) + _VALUE * sum(matrix.shape), 0, _sum(longest))


def work_of_operator(M: Any) -> Work | None:
    """Count an application of an operator of this library."""
    if isinstance(M, FactoredPreconditioner):
        # A permutation there and back.
        moved = Work((_VALUE + _INDEX) * 4 * M.pattern.n, 0, 2)
        return _substitutions(M.pattern) + moved + Work(calls=4)
    if isinstance(M, FactoredInverse):
        return work_of_product(M.G) + work_of_product(csr_array(M.G.T)) + Work(calls=2)
    if isinstance(M, SparseInverse):
        return work_of_product(M.M) + Work(calls=1)
    if isinstance(M, ChebyshevPolynomial):
        n = M.shape[0]
        vectors = Work(5 * _VALUE * n, 0, 1)
        products = work_of_product(M.matrix).times(M.degree)
        return products + vectors.times(M.degree + 1) + Work(calls=1)
    if isinstance(M, VCycle):
        total = work_of_operator(M.coarsest)
        for A, P in M.levels:
            sweep = _sweep(pattern_of(A, "tril"), work_of_product(A))
            restricted = work_of_product(A) + work_of_product(csr_array(P.T))
            level = sweep.times(2) + restricted + work_of_product(P) + Work(calls=5)
            total = _both(total, level)
        return total
    if isinstance(M, Deflation):
        subspaces = work_of_product(M.W) + work_of_product(csr_array(M.W.T))
        images = work_of_product(M.AW) + work_of_product(csr_array(M.AW.T))
        coarse = work_of_operator(M.coarse)
        projections = subspaces + images + Work(calls=6)
        return _both(_both(work_of_operator(M.M), coarse), _both(coarse, projections))
    if isinstance(M, OverlappingPatches):
        gathered = Work((_VALUE + _INDEX) * 3 * M.rows.size, 0, 2, 0, 2)
        return _both(work_of_operator(M.factor), gathered)
    return None


def _both(one: Work | None, other: Work | None) -> Work | None:
    return None if one is None or other is None else one + other


def _substitutions(pattern: LowerPattern) -> Work:
    """Forward and backward substitution, reciprocals of the diagonal at hand."""
    n = pattern.n
    moved = (pattern.nnz - n) * (_VALUE + _INDEX) + 4 * _VALUE * n
    return _sweep(pattern, Work(moved)).times(2)


def _sweep(pattern: LowerPattern, row_by_row: Work) -> Work:
    """Work that goes through the rows in the order of a pattern."""
    return work_of_chain(pattern) + Work(row_by_row.bytes)


def work_of_chain(pattern: LowerPattern) -> Work:
    """Count what must wait where rows are taken in the order of a pattern."""
    levels, links = _chains(pattern.indptr, pattern.indices)
    return Work(0, int(links), int(levels))


@kernel
def _chains(indptr, indices):  # type: ignore[no-untyped-def]
    """Return the longest path in the graph of a factor, and the rows that need the one before."""
    n = indptr.size - 1
    level = np.zeros(n, np.int64)
    longest = links = 0
    for i in range(n):
        for p in range(indptr[i], indptr[i + 1] - 1):
            level[i] = max(level[i], level[indices[p]] + 1)
            if indices[p] == i - 1:
                links += 1
        longest = max(longest, level[i] + 1)
    return longest, links


def _stored(matrix: csr_array) -> int:
    n: int = matrix.shape[0]
    return int(matrix.nnz) * (_VALUE + _INDEX) + _INDEX * (n + 1)


def _sum(count: int) -> int:
    levels: int = math.ceil(math.log2(max(count, 1))) + 1
    return levels
