"""Recipe of the synthetic benchmarks: tridiagonal matrices with exact factors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from precondbench.matrices import (
    LAWS,
    Diagonals,
    Family,
    Law,
    TridiagonalSample,
    draw,
    interleave,
    tridiagonal_law,
    tridiagonal_pattern,
)
from precondbench.quality import twin_ceiling
from precondbench.recipes.spec import BuildContext, DatasetSpec, Version
from precondbench.shards import A_UPPER, Record, upper_label

SYNTHETIC = "synthetic-tridiag"
SYNTHETIC_LU = "synthetic-tridiag-lu"
SYNTHETIC_VERSION = "1.0"
# In place of a version, for data that users draw themselves.
GENERATED_VERSION = "generated"
SEED = 20260722

# split -> (number of its random stream, records)
SPLITS: dict[str, tuple[int, int]] = {
    "train": (0, 1000),
    "val": (1, 200),
    "test": (2, 200),
    "test_large": (3, 200),
}
# Stream number of what users generate themselves.
GENERATED_STREAM = 4


def tridiagonal_records(
    law: Law, n: int, count: int, *entropy: int, prefix: str
) -> Iterator[Record]:
    """Draw records named ``f"{prefix}-{i:05d}"``; each depends on the arguments and i only.

    The labels are ``modified``, the factors of the record's own matrix, and ``literal``, those
    of A. A perturbed law gives A + e_1 e_1^T for each draw; a law of twins gives A as record 2i
    and A + e_1 e_1^T as record 2i + 1, with their ceilings as facts.
    """
    twins = law.records == "twins"
    ceilings: dict[str, float] = {}
    for i in range(count):
        sample = draw(law, n, *entropy, i // 2 if twins else i)
        facts: dict[str, int | float | str] = {"attempts": sample.attempts}
        matrix, modified = sample.matrix, sample.modified
        if twins:
            if i % 2 == 0:
                matrix, modified = sample.original, sample.literal
                ceilings = _ceilings(sample)
            facts["perturbed"] = i % 2
            facts |= ceilings
        indptr, indices = tridiagonal_pattern(n)
        yield Record(
            name=f"{prefix}-{i:05d}",
            group="synthetic",
            indptr=indptr,
            indices=indices,
            a=interleave(matrix),
            labels=_labels(matrix, {"modified": modified, "literal": sample.literal}),
            facts=facts,
        )


def _labels(matrix: Diagonals, factors: dict[str, Diagonals]) -> dict[str, NDArray[np.float64]]:
    """The lower and, where there are any, upper values of the factors and of the matrix."""
    labels = {} if matrix.upper is None else {A_UPPER: interleave(matrix.upper)}
    for label, factor in factors.items():
        labels[label] = interleave(factor.lower)
        if factor.upper is not None:
            labels[upper_label(label)] = interleave(factor.upper)
    return labels


def ceiling_columns(n: int) -> list[int]:
    """Which ceilings are stored: all up to 50 rows, beyond that a few."""
    if n <= 50:
        return list(range(1, n + 1))
    return [*range(1, 17), *(k for k in (20, 24, 32, 48, 64, 96, 128) if k < n), n]


def _ceilings(sample: TridiagonalSample) -> dict[str, float]:
    """Facts ``ceiling_<k>``: the best mean cosine on the twins if k columns may see A_11."""
    return {
        f"ceiling_{k:03d}": twin_ceiling(sample.literal, sample.modified, k)
        for k in ceiling_columns(sample.matrix.n)
    }


def tridiagonal_recipe(law: Law, n: int, count: int, *entropy: int) -> dict[str, object]:
    """Everything that determines drawn records, as JSON."""
    return {
        "kind": "tridiagonal" if law.family == "cholesky" else "tridiagonal-lu",
        "law": law.name,
        "records": law.records,
        "description": law.description,
        "n": n,
        "count": count,
        "entropy": list(entropy),
    }


@dataclass(frozen=True)
class TridiagonalBuilder:
    """Every law of a family is a configuration."""

    family: Family

    @property
    def configurations(self) -> tuple[str, ...]:
        """Names of the laws."""
        return tuple(LAWS[self.family])

    def splits(self, configuration: str) -> dict[str, int]:
        """Number of records of each split."""
        return {split: count for split, (_, count) in SPLITS.items()}

    def _drawn(self, configuration: str, split: str) -> tuple[Law, int, int, int, int, int]:
        """Law, rows, records and entropy of a split."""
        stream, count = SPLITS[split]
        law = tridiagonal_law(configuration, self.family)
        rows = law.rows_large if split == "test_large" else law.rows
        return law, rows, count, SEED, law.stream, stream

    def title(self, configuration: str, split: str) -> str:
        """Law and size."""
        return f"{configuration}, n = {self._drawn(configuration, split)[1]}"

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split, as JSON."""
        return {**tridiagonal_recipe(*self._drawn(configuration, split)), "scaling": "none"}

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Draw the records; nothing else is needed."""
        prefix = f"{configuration}-{split}"
        return tridiagonal_records(*self._drawn(configuration, split), prefix=prefix)


def _spec(
    name: str, title: str, description: str, family: Family, ranked: Iterable[str]
) -> DatasetSpec:
    described = f"{description}: {', '.join(LAWS[family])}"
    builder, tracks = TridiagonalBuilder(family), dict.fromkeys(ranked, ("test", "test_large"))
    return DatasetSpec(
        name=name,
        title=title,
        versions=(Version(SYNTHETIC_VERSION, described, builder, ranked=tracks),),
        labels=("modified", "literal"),
        default_configuration="uniform",
        served_by="SyntheticTridiag",
        symmetric=family == "cholesky",
        tridiagonal=True,
    )


SPECS = (
    _spec(
        SYNTHETIC,
        "Tridiagonal",
        "Tridiagonal SPD matrices with exact, non-local Cholesky factors",
        "cholesky",
        ("uniform", "growth", "sawtooth", "twin", "hard"),
    ),
    _spec(
        SYNTHETIC_LU,
        "Tridiagonal LU",
        "Non-symmetric tridiagonal matrices with exact, non-local LU factors",
        "lu",
        LAWS["lu"],
    ),
)
