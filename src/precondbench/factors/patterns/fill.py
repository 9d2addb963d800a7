"""Patterns with more entries than tril(A): level of fill, and powers of the graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from precondbench._internal import kernel, whole_number
from precondbench.errors import ConfigurationError
from precondbench.factors.patterns.triangular import (
    LowerPattern,
    from_columns,
    lower_part,
    lower_pattern,
)
from precondbench.matrices import check_spd_candidate


@kernel
def _reach(indptr, indices, i, level, stamp, mark, queue, length, out, fill):  # type: ignore[no-untyped-def]
    """Rows t > i joined to i by at most level + 1 edges through nodes before i; how many."""
    mark[i] = stamp
    queue[0] = i
    length[i] = 0
    head = 0
    tail = 1
    found = 0
    while head < tail:
        node = queue[head]
        head += 1
        for p in range(indptr[node], indptr[node + 1]):
            t = indices[p]
            if mark[t] == stamp:
                continue
            mark[t] = stamp
            if t > i:
                if fill:
                    out[found] = t
                found += 1
            elif length[node] < level:
                length[t] = length[node] + 1
                queue[tail] = t
                tail += 1
    return found


@kernel
def _columns(indptr, indices, level):  # type: ignore[no-untyped-def]
    n = indptr.size - 1
    mark = np.full(n, -1, np.int64)
    queue = np.empty(n, np.int32)
    length = np.empty(n, np.int32)
    nothing = np.empty(0, np.int32)
    colptr = np.zeros(n + 1, np.int64)
    for i in range(n):
        found = _reach(indptr, indices, i, level, i, mark, queue, length, nothing, False)
        colptr[i + 1] = colptr[i] + found + 1
    rows = np.empty(colptr[n], np.int32)
    for i in range(n):
        rows[colptr[i]] = i
        below = rows[colptr[i] + 1 : colptr[i + 1]]
        _reach(indptr, indices, i, level, n + i, mark, queue, length, below, True)
        below.sort()
    return colptr, rows


def level_of_fill(A: Any, level: int) -> LowerPattern:
    """Pattern of IC(k): fill-in up to a level.

    Entries of A have level 0, and eliminating node m joins i and j at level
    lev(i, m) + lev(m, j) + 1 if that is less than it was. An entry (t, i) below the diagonal
    has level at most k if and only if a path of at most k + 1 edges joins them through nodes
    before i (Hysom and Pothen 2002), so columns are found independently by breadth-first search.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real symmetric matrix, shape (n, n).
    level : int
        Largest level, at least 0; 0 is the pattern of tril(A).

    Returns
    -------
    LowerPattern
        With the whole diagonal, sorted.

    Raises
    ------
    MatrixError
        If A cannot be used.
    ConfigurationError
        If the level is not an integer of 0 or more.

    Examples
    --------
    >>> from precondbench.factors import level_of_fill
    >>> from precondbench.matrices import formula_matrix
    >>> A = formula_matrix("HB/gr_30_30")
    >>> [level_of_fill(A, level).nnz for level in (0, 1, 2)]
    [4322, 5946, 7512]
    """
    level = whole_number("level", level)
    matrix = check_spd_candidate(A, "A")
    # No path has more edges than there are nodes.
    colptr, rows = _columns(matrix.indptr, matrix.indices, min(level, matrix.shape[0]))
    return from_columns(colptr, rows)[0]


def power_pattern(A: Any, power: int) -> LowerPattern:
    """Pattern of tril(A^p), numerical cancellation aside: nodes at most p edges apart.

    Parameters
    ----------
    A : sparse array, sparse matrix or array_like
        Real symmetric matrix, shape (n, n).
    power : int
        p, at least 1.

    Returns
    -------
    LowerPattern
        With the whole diagonal, sorted.

    Raises
    ------
    MatrixError
        If A cannot be used.
    ConfigurationError
        If the power is not an integer of 1 or more.

    Examples
    --------
    >>> from precondbench.factors import power_pattern
    >>> from precondbench.matrices import poisson_1d, tridiagonal_csr
    >>> power_pattern(tridiagonal_csr(poisson_1d(5)), 2).indices.tolist()
    [0, 0, 1, 0, 1, 2, 1, 2, 3, 2, 3, 4]
    """
    power = whole_number("power", power, least=1)
    matrix = check_spd_candidate(A, "A")
    graph = scipy.sparse.csr_array(
        (np.ones(matrix.nnz, dtype=np.bool_), matrix.indices, matrix.indptr), shape=matrix.shape
    )
    reached = graph
    for _ in range(power - 1):
        before = reached.nnz
        reached = scipy.sparse.csr_array(reached @ graph)
        if reached.nnz == before:
            break
    return lower_pattern(
        scipy.sparse.csr_array(scipy.sparse.tril(reached, format="csr"), dtype=np.float64)
    )


DEFAULT_PATTERN = "tril"

PATTERNS: dict[str, Callable[[Any], LowerPattern]] = {
    DEFAULT_PATTERN: lower_part,
    "level-1": lambda matrix: level_of_fill(matrix, 1),
    "level-2": lambda matrix: level_of_fill(matrix, 2),
}


def pattern_of(matrix: scipy.sparse.csr_array, name: str) -> LowerPattern:
    """Return the pattern of a configuration for one matrix: tril(A), or that of IC(1) or IC(2)."""
    if name not in PATTERNS:
        raise ConfigurationError(f"no pattern {name!r}; there are: {', '.join(PATTERNS)}")
    return PATTERNS[name](matrix)
