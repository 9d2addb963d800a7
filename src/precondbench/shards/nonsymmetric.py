"""How a record of a non-symmetric matrix keeps its upper triangle, and what predictions cover.

The pattern of a record is a lower triangle. The upper triangle of A and the factor U lie on the
same pattern, transposed, as arrays with names of their own: ``a_upper``, and ``X_upper`` for each
label ``X``, which itself is L. Digests, files and checks see nothing but more arrays.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ShardError
from precondbench.factors import LowerPattern
from precondbench.shards.shard import Shard

A_UPPER = "a_upper"
_SUFFIX = "_upper"


def upper_label(label: str) -> str:
    """Name of the array that holds U, transposed, where ``label`` holds L."""
    return f"{label}{_SUFFIX}"


def is_nonsymmetric(labels: Iterable[str]) -> bool:
    """Whether arrays with these names are those of non-symmetric matrices."""
    return A_UPPER in labels


def factor_labels(labels: Iterable[str]) -> list[str]:
    """Names that stand for a factor, or for a pair of factors, sorted.

    Examples
    --------
    >>> from precondbench.shards import factor_labels
    >>> factor_labels(["modified", "modified_upper", "a_upper"])
    ['modified']
    >>> factor_labels(["invk", "ic0"])
    ['ic0', 'invk']
    """
    names = sorted(labels)
    if not is_nonsymmetric(names):
        return names
    return [name for name in names if not name.endswith(_SUFFIX)]


def check_nonsymmetric(shard: Shard) -> None:
    """Raise ShardError if a shard of non-symmetric matrices is not complete.

    Every record must have ``a_upper`` with the diagonal of ``a``, and for every label both
    factors or neither.
    """
    if not is_nonsymmetric(shard.labels):
        return
    diagonal = _diagonal(shard)
    if not np.array_equal(shard.a[diagonal], shard.labels[A_UPPER][diagonal]):
        raise ShardError(f"{shard.path}: the diagonals of a and {A_UPPER} differ")
    for label in factor_labels(shard.labels):
        other = upper_label(label)
        if other not in shard.labels:
            raise ShardError(f"{shard.path} has the factor {label!r} but no {other!r}")
        if not np.array_equal(shard.has_label[label], shard.has_label[other]):
            raise ShardError(f"{shard.path}: some records have only one of {label!r}, {other!r}")


def _diagonal(shard: Shard) -> NDArray[np.int64]:
    """Positions of the diagonal entries, which are last in their rows."""
    first = shard.row_offsets[:-1] + np.arange(len(shard))
    ends = np.delete(shard.pointers, first) + np.repeat(shard.nnz_offsets[:-1], shard.n)
    return ends - 1


def prediction_offsets(shard: Shard) -> NDArray[np.int64]:
    """Where the values predicted for each record start, int64 (records + 1,).

    On the lower triangle for symmetric matrices, on the whole pattern for others.
    """
    if not is_nonsymmetric(shard.labels):
        return shard.nnz_offsets
    return 2 * shard.nnz_offsets - shard.row_offsets


def both_triangles(
    pattern: LowerPattern, lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values on the whole pattern, in CSR order: strictly lower ones of one array, else the other.

    Parameters
    ----------
    pattern : LowerPattern
        The lower triangle.
    lower, upper : numpy.ndarray
        float64 (pattern.nnz,): lower triangle, and upper triangle transposed. The diagonal is
        taken from ``upper``: of L and U it belongs to U.

    Returns
    -------
    numpy.ndarray
        float64 (2 nnz - n,).

    Examples
    --------
    >>> import numpy as np
    >>> from precondbench.factors import lower_pattern
    >>> from precondbench.shards import both_triangles
    >>> pattern = lower_pattern(np.tril(np.ones((2, 2))))
    >>> both_triangles(pattern, np.array([1.0, 3.0, 1.0]), np.array([5.0, 6.0, 7.0]))
    array([5., 6., 3., 7.])
    """
    _, _, position, in_lower = pattern.symmetric()
    strict = np.ones(pattern.nnz, dtype=bool)
    strict[pattern.indptr[1:] - 1] = False
    values: NDArray[np.float64] = np.where(
        in_lower & strict[position], lower[position], upper[position]
    )
    return values
