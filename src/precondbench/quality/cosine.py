"""Cosine similarity of factor values, the paper's measure."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from precondbench.errors import PredictionError

__all__ = ["cosine", "one_minus_cosine"]


def _unit(values: ArrayLike, name: str) -> NDArray[np.float64]:
    vector = np.asarray(values, dtype=np.float64)
    # Dividing by the largest entry first keeps the sum of squares within range.
    largest = float(np.max(np.abs(vector))) if vector.size else 0.0
    if not (largest > 0.0 and np.isfinite(largest)):
        raise PredictionError(f"{name} must be finite and not all zero to have a cosine")
    scaled = vector / largest
    unit: NDArray[np.float64] = scaled / np.sqrt(np.sum(scaled * scaled))
    return unit


def cosine(predicted: ArrayLike, target: ArrayLike) -> float:
    """Cosine of the angle between two factors, taken as vectors of their entries.

    Parameters
    ----------
    predicted, target : array_like
        Values on one pattern, shape (nnz,).

    Returns
    -------
    float
        In [-1, 1]; 1 when they agree up to a positive scale.

    Raises
    ------
    PredictionError
        If the lengths differ, or a vector is zero or not finite.

    Examples
    --------
    >>> from precondbench.quality import cosine
    >>> cosine([1.0, 2.0], [2.0, 4.0])
    1.0
    """
    return 1.0 - one_minus_cosine(predicted, target)


def one_minus_cosine(predicted: ArrayLike, target: ArrayLike) -> float:
    """1 - cosine without cancellation: half the squared distance of the unit vectors.

    Parameters
    ----------
    predicted, target : array_like
        Vectors of one length.

    Returns
    -------
    float
        Between 0 and 2.

    Examples
    --------
    >>> from precondbench.quality import one_minus_cosine
    >>> f"{one_minus_cosine([1.0, 1e-9], [1.0, 0.0]):.1e}"
    '5.0e-19'
    """
    p = _unit(predicted, "predicted values")
    t = _unit(target, "target values")
    if p.shape != t.shape:
        raise PredictionError(f"predicted {p.shape} and target {t.shape} differ in length")
    difference = p - t
    return min(2.0, 0.5 * float(np.sum(difference * difference)))
