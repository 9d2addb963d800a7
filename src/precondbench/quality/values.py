"""Values on the pattern of a factor: placed from what a user gives, or those of k-hop windows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_array

from precondbench.errors import MatrixError, PredictionError
from precondbench.factors import LowerPattern, LUPattern, khop_factor
from precondbench.matrices import Diagonals, check_indices, interleave, tridiagonal_csr

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Refusal:
    """A prediction that cannot be used, which counts as a failure, and why."""

    reason: str


def values_digest(values: NDArray[np.floating[Any]]) -> str:
    """Sha256 of values as little-endian float64, all NaN made one: it names predictions."""
    plain = np.array(values, dtype="<f8")
    plain[np.isnan(plain)] = np.nan
    return hashlib.sha256(plain.tobytes()).hexdigest()


def lower_values_of(given: Any, pattern: LowerPattern, name: str) -> Vector | Refusal:
    """Values in the pattern's order from a vector of them, or from a lower-triangular matrix.

    A matrix may leave entries of the pattern out (they are zero) but not reach beyond it. A
    vector of another length or a matrix of another shape raises PredictionError.
    """
    if sparse.issparse(given):
        try:
            check_indices(given, name)
        except MatrixError as error:
            raise PredictionError(str(error)) from None
    else:
        given = _as_array(given)
        if given.ndim == 1:
            if given.size != pattern.nnz:
                raise PredictionError(
                    f"{name}: {given.size} values, the pattern has {pattern.nnz} "
                    f"(lower triangle of A by rows, diagonal last)"
                )
            return _as_float(given, name)
    if given.ndim != 2 or given.shape != (pattern.n, pattern.n):
        raise PredictionError(
            f"{name}: shape {given.shape}; give {pattern.nnz} values or a "
            f"{pattern.n} x {pattern.n} lower-triangular matrix"
        )
    values = _place(given, pattern, name)
    if isinstance(values, str):
        return Refusal(f"entry {values} lies outside the pattern of L")
    return values


def lu_values_of(given: Any, pattern: LUPattern, name: str) -> Vector | Refusal:
    """L and U stored together in the pattern's order, from a vector of values or a pair (L, U).

    An L whose diagonal is not 1 is scaled: L <- L D^-1, U <- D U. A vector of another length, or
    a factor of another shape or type, raises PredictionError.
    """
    if not isinstance(given, tuple):
        vector = _as_array(given) if not sparse.issparse(given) else given
        if vector.ndim != 1 or vector.size != pattern.nnz:
            raise PredictionError(
                f"{name}: shape {vector.shape}; give {pattern.nnz} values (L and U on the pattern "
                "of A by rows) or a pair (L, U)"
            )
        return _as_float(vector, name)
    if len(given) != 2:
        raise PredictionError(f"{name}: a tuple of {len(given)}; give a pair (L, U)")
    strict = pattern.strictly_lower()
    together = np.zeros(pattern.nnz)
    unit = np.ones(pattern.n)
    for factor, which in zip(given, "LU", strict=True):
        matrix = factor if sparse.issparse(factor) else _as_array(factor)
        if matrix.ndim != 2 or matrix.shape != (pattern.n, pattern.n):
            raise PredictionError(
                f"{name}: {which} has shape {matrix.shape}; A has {pattern.n} rows"
            )
        values = _place(matrix, pattern, name)
        if isinstance(values, str):
            return Refusal(f"entry {values} of {which} lies outside the pattern of A")
        mine = strict if which == "L" else ~strict
        wrong = ~mine
        if which == "L":
            unit = values[pattern.diagonal]
            wrong[pattern.diagonal] = False
        if np.any(values[wrong] != 0.0):
            return Refusal(f"{which} reaches across the diagonal")
        together[mine] = values[mine]
    zero = np.flatnonzero(unit == 0.0)
    if zero.size:
        return Refusal(f"diagonal entry {int(zero[0])} of L is zero")
    if np.any(unit != 1.0):
        rows, columns = pattern.rows(), pattern.indices
        with np.errstate(all="ignore"):  # Numbers that are not finite are refused by the problem.
            together = np.where(strict, together / unit[columns], together * unit[rows])
    return together


def _place(given: Any, pattern: LowerPattern | LUPattern, name: str) -> Vector | str:
    """Entries of a matrix in the order of a pattern, or the first non-zero outside, as text."""
    coo = sparse.coo_array(given)
    data = _as_float(coo.data, name)
    row, column, data = coo.row[data != 0], coo.col[data != 0], data[data != 0]
    n = pattern.n
    keys = np.repeat(np.arange(n, dtype=np.int64), np.diff(pattern.indptr)) * n + pattern.indices
    wanted = row.astype(np.int64) * n + column
    at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    beyond = np.flatnonzero(keys[at] != wanted)
    if beyond.size:
        return f"({row[beyond[0]]}, {column[beyond[0]]})"
    values = np.zeros(pattern.nnz)
    np.add.at(values, at, data)
    return values


def _as_array(given: Any) -> NDArray[Any]:
    """Return an array, also of a torch tensor on any device."""
    if hasattr(given, "detach"):  # A torch tensor; torch itself is not imported.
        given = given.detach().cpu().numpy()
    try:
        return np.asarray(given)
    except ValueError as error:
        raise PredictionError(f"a prediction cannot be read as an array: {error}") from None


def _as_float(values: NDArray[Any], name: str) -> Vector:
    """Convert integers and floats; PredictionError for anything else."""
    if values.dtype.kind not in "fiu":
        raise PredictionError(f"{name}: values of type {values.dtype}; give real numbers")
    return values.astype(np.float64)


def is_tridiagonal(matrix: csr_array) -> bool:
    """Whether a matrix has exactly the tridiagonal pattern, n >= 2."""
    n = matrix.shape[0]
    if n < 2 or matrix.nnz != 3 * n - 2:
        return False
    rows = np.repeat(np.arange(n), np.diff(matrix.indptr))
    return bool(np.all(np.abs(rows - matrix.indices) <= 1))


def tridiagonal_part(matrix: csr_array, symmetric: bool = True) -> Diagonals:
    """Diagonals of a tridiagonal matrix; MatrixError if it has another pattern."""
    if not is_tridiagonal(matrix):
        raise MatrixError("k-hop oracles are defined for tridiagonal matrices only")
    below, on, above = (np.asarray(matrix.diagonal(k), dtype=np.float64) for k in (-1, 0, 1))
    return Diagonals(on, below) if symmetric else Diagonals(on, below, above)


def window_values(matrix: csr_array, hops: int, symmetric: bool) -> Vector:
    """k-hop oracle of a tridiagonal matrix as values on its pattern."""
    return stored_values(khop_factor(tridiagonal_part(matrix, symmetric), hops))


def stored_values(factor: Diagonals) -> Vector:
    """Factors of a tridiagonal matrix as values by rows: L, or L and U stored together."""
    if factor.superdiagonal is None:
        return interleave(factor)
    return np.asarray(tridiagonal_csr(factor).data, dtype=np.float64)
