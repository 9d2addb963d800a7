"""The best mean cosine that a local rule can reach on a pair of twins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from precondbench.errors import ConfigurationError, MatrixError
from precondbench.matrices import Diagonals

Vector = NDArray[np.float64]
Facts = Mapping[str, int | float | str]


class _FactSource(Protocol):
    """A dataset with facts about its records."""

    def __len__(self) -> int: ...

    def facts(self, index: int) -> Facts: ...


def twin_ceiling(first: Diagonals, second: Diagonals, columns: int) -> float:
    """Largest mean cosine on two twins of a rule that sees A_11 in the first columns only.

    A and A + e_1 e_1^T have the factors ``first`` and ``second``. The rule may use A_11 in the
    first ``columns`` columns of L and rows of U; proof in docs/twins.md.
    """
    if second.n != first.n or not 0 <= columns <= first.n:
        raise MatrixError(
            f"factors of {first.n} and {second.n} rows and columns = {columns}; sizes must agree "
            "and columns lie between 0 and n"
        )
    near, far = _split(first, columns)
    other_near, other_far = _split(second, columns)
    return shared_cosine(near, far, other_near, other_far)


def _split(factor: Diagonals, columns: int) -> tuple[Vector, Vector]:
    """Entries in the first columns of L and rows of U, and the others."""
    # This order of the sums is part of the stored ceilings.
    vectors = [factor.diagonal, factor.subdiagonal]
    if factor.superdiagonal is not None:
        vectors = [factor.subdiagonal, factor.diagonal, factor.superdiagonal]
    near = np.concatenate([vector[:columns] for vector in vectors])
    return near, np.concatenate([vector[columns:] for vector in vectors])


def mean_ceiling(dataset: _FactSource, columns: int) -> float:
    """Largest mean cosine over a dataset of twins of a rule that sees A_11 in some columns only.

    docs/twins.md states and proves the bound for one pair.

    Parameters
    ----------
    dataset : SyntheticTridiag
        A split of twins, or whole pairs of it, in the order of the shard; ``len`` and
        ``facts(i)`` are enough.
    columns : int
        Columns of L that may depend on A_11, from 0 to n. A Graph Network of K blocks with
        message-passing node models has K, a k-hop oracle k + 1.

    Returns
    -------
    float
        Mean of the facts ``ceiling_<columns>``.

    Raises
    ------
    ConfigurationError
        If the dataset does not hold pairs of twins side by side, or this ceiling is not stored.

    Examples
    --------
    >>> from precondbench import SyntheticTridiag
    >>> from precondbench.quality import mean_ceiling
    >>> test = SyntheticTridiag(split="test", config="twin")
    >>> round(mean_ceiling(test, 7), 4)
    0.9947
    """
    name = f"ceiling_{columns:03d}"
    records = [dataset.facts(i) for i in range(len(dataset))]
    # The bound is on a pair, so a twin without the other would make the mean no bound.
    pairs = zip(records[::2], records[1::2], strict=False)
    if not records or len(records) % 2 or not all(map(_are_twins, pairs)):
        raise ConfigurationError(
            "the dataset does not consist of twins side by side (A, then A + e_1 e_1^T); take "
            "a whole split of a configuration of twins, or a slice of whole pairs"
        )
    if name not in records[0]:
        stored = [int(key[8:]) for key in records[0] if key.startswith("ceiling_")]
        raise ConfigurationError(
            f"no ceiling for {columns} columns is stored; there are those for "
            f"{', '.join(map(str, sorted(stored)))}"
        )
    return float(np.mean([float(facts[name]) for facts in records]))


def _are_twins(pair: tuple[Facts, Facts]) -> bool:
    first, second = (
        {key: value for key, value in facts.items() if key.startswith("ceiling_")} for facts in pair
    )
    flags = [facts.get("perturbed") for facts in pair]
    return flags == [0, 1] and first == second


def shared_cosine(near: Vector, far: Vector, other_near: Vector, other_far: Vector) -> float:
    r"""Maximise 1/2 [cos((a, x), (near, far)) + cos((b, x), (other_near, other_far))].

    Over vectors a, b and a shared x. With a and b optimal, an optimal unit x lies between the two
    far parts in their plane, which leaves one angle; they must enclose at most a right angle.
    """
    n1, f1, n2, f2 = (float(np.sum(v * v)) for v in (near, far, other_near, other_far))
    if f1 == 0.0 or f2 == 0.0:
        return 1.0
    gamma = float(np.sum(far * other_far)) / np.sqrt(f1 * f2)
    angle = float(np.arccos(np.clip(gamma, -1.0, 1.0)))

    def loss(phi: float) -> float:
        # cos^2 = 1 - sin^2 keeps small angles exact.
        own = np.sqrt(1.0 - f1 * np.sin(phi) ** 2 / (n1 + f1))
        other = np.sqrt(1.0 - f2 * np.sin(angle - phi) ** 2 / (n2 + f2))
        return 1.0 - 0.5 * float(own + other)

    ends = min(loss(0.0), loss(angle))
    from scipy.optimize import minimize_scalar  # Slow to import, and rarely needed.

    inner = minimize_scalar(loss, bounds=(0.0, angle), method="bounded", options={"xatol": 1e-12})
    return 1.0 - min(ends, float(inner.fun))
