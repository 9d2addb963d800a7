"""From whatever a user hands in to factor values on the published pattern."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator

from precondbench.errors import BreakdownError, CostError, MatrixError, PredictionError
from precondbench.factors import LowerPattern
from precondbench.matrices import check_indices
from precondbench.quality.pair import Pair

Predictions = Mapping[str, Any] | Sequence[Any] | Callable[[csr_array], Any]


def check_cover(predictions: Predictions, names: Sequence[str]) -> None:
    """Raise PredictionError unless there is one prediction for each name.

    A callable covers everything. A mapping must hold every name and no other; ``None`` as a
    value admits that there is none and counts as a failure.
    """
    if callable(predictions):
        return
    if isinstance(predictions, Mapping):
        missing = [name for name in names if name not in predictions]
        if missing:
            raise PredictionError(
                f"predictions lack {len(missing)} of {len(names)} matrices, first {missing[0]!r}; "
                "give every one (None for a failure)"
            )
        known = set(names)
        extra = [name for name in predictions if name not in known]
        if extra:
            raise PredictionError(
                f"predictions hold {len(extra)} names that the dataset does not have, first "
                f"{extra[0]!r}; is it the right split?"
            )
        return
    if isinstance(predictions, (str, bytes)) or not hasattr(predictions, "__len__"):
        raise PredictionError(
            f"predictions are a {type(predictions).__name__}; give a mapping name -> values, a "
            "list in the dataset's order, or a callable A -> L"
        )
    if len(predictions) != len(names):
        raise PredictionError(
            f"{len(predictions)} predictions for {len(names)} matrices; give one each, in order"
        )


def prediction_of(predictions: Predictions, index: int, name: str) -> Any:
    """Return what is predicted for one matrix: values, a factor, None, or a function A -> L."""
    if callable(predictions):
        return predictions
    return predictions[name] if isinstance(predictions, Mapping) else predictions[index]


def called(given: Any, pair: Pair) -> tuple[Any, str]:
    """Return what is predicted for a matrix, a function called, or ``None`` and the reason.

    A callable that raises BreakdownError, CostError, ZeroDivisionError, FloatingPointError or
    numpy.linalg.LinAlgError has failed on this matrix; other exceptions are bugs and pass.
    """
    if callable(given) and not isinstance(given, LinearOperator):
        try:
            given = given(pair.A)
        except (BreakdownError, CostError, ArithmeticError, np.linalg.LinAlgError) as error:
            return None, f"{type(error).__name__}: {error}"
    if given is None:
        return None, "no prediction"
    if isinstance(given, LinearOperator) and given.shape != pair.A.shape:
        raise PredictionError(
            f"{pair.name}: the operator has shape {given.shape}, the matrix {pair.A.shape}"
        )
    return given, ""


def values_on_pattern(
    given: Any, pattern: LowerPattern, name: str
) -> tuple[NDArray[np.float64] | None, str]:
    """Values in the pattern's order from a vector of them, or from a lower-triangular matrix.

    A matrix may leave entries of the pattern out (they are zero) but not reach beyond it.

    Raises
    ------
    PredictionError
        If a vector has another length, or a matrix another shape.
    """
    if sparse.issparse(given):
        try:
            check_indices(given, name)
        except MatrixError as error:
            raise PredictionError(str(error)) from None
    else:
        given = as_array(given)
        if given.ndim == 1:
            if given.size != pattern.nnz:
                raise PredictionError(
                    f"{name}: {given.size} values, the pattern has {pattern.nnz} "
                    f"(lower triangle of A by rows, diagonal last)"
                )
            return as_float(given, name), ""
    if given.ndim != 2 or given.shape != (pattern.n, pattern.n):
        raise PredictionError(
            f"{name}: shape {given.shape}; give {pattern.nnz} values or a "
            f"{pattern.n} x {pattern.n} lower-triangular matrix"
        )
    values, outside = place_on_pattern(
        sparse.coo_array(given), pattern.indptr, pattern.indices, name
    )
    if values is None:
        return None, f"entry {outside} lies outside the pattern of L"
    return values, ""


def place_on_pattern(
    coo: Any, indptr: NDArray[np.int64], indices: NDArray[np.int32], name: str
) -> tuple[NDArray[np.float64] | None, str]:
    """Entries of a matrix in the order of a sorted CSR pattern, zero where it has none.

    Returns
    -------
    values : numpy.ndarray or None
        float64 of the pattern's length; None if a non-zero entry lies outside.
    outside : str
        The first such entry.
    """
    n = indptr.size - 1
    data = as_float(coo.data, name)
    row, column, data = coo.row[data != 0], coo.col[data != 0], data[data != 0]
    keys = np.repeat(np.arange(n, dtype=np.int64), np.diff(indptr)) * n + indices
    wanted = row.astype(np.int64) * n + column
    at = np.minimum(np.searchsorted(keys, wanted), keys.size - 1)
    beyond = np.flatnonzero(keys[at] != wanted)
    if beyond.size:
        return None, f"({row[beyond[0]]}, {column[beyond[0]]})"
    values = np.zeros(indices.size)
    np.add.at(values, at, data)
    return values, ""


def as_array(given: Any) -> NDArray[Any]:
    """Return an array, also of a torch tensor on any device."""
    if hasattr(given, "detach"):  # a torch tensor, without importing torch
        given = given.detach().cpu().numpy()
    try:
        return np.asarray(given)
    except ValueError as error:
        raise PredictionError(f"a prediction cannot be read as an array: {error}") from None


def as_float(values: NDArray[Any], name: str) -> NDArray[np.float64]:
    """Convert integers and floats; PredictionError for anything else."""
    if values.dtype.kind not in "fiu":
        raise PredictionError(f"{name}: values of type {values.dtype}; give real numbers")
    return values.astype(np.float64)
