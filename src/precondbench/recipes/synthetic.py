"""Recipe of the synthetic benchmark: tridiagonal matrices with exact factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from precondbench.matrices import (
    LAWS,
    Bidiagonal,
    TridiagonalLaw,
    TridiagonalSample,
    draw_tridiagonal,
    interleave,
    tridiagonal_pattern,
)
from precondbench.quality import twin_ceiling
from precondbench.recipes.spec import BuildContext, DatasetSpec, Version
from precondbench.shards import Record

SYNTHETIC = "synthetic-tridiag"
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


def split_rows(law: TridiagonalLaw, split: str) -> int:
    """Rows of the matrices of a split."""
    return law.rows_large if split == "test_large" else law.rows


def tridiagonal_records(
    law: TridiagonalLaw, n: int, count: int, *entropy: int, prefix: str
) -> Iterator[Record]:
    """Draw records one after the other; each depends on the arguments and its index only.

    Parameters
    ----------
    law : TridiagonalLaw
        Random law.
    n, count : int
        Rows of each matrix, number of records.
    *entropy : int
        Names of the random stream, before the draw's index.
    prefix : str
        Names are ``f"{prefix}-{i:05d}"``.

    Yields
    ------
    Record
        With labels ``modified`` (the factor of the record's own matrix) and ``literal``
        (chol(A)). A perturbed law gives A + e_1 e_1^T for each draw; a law of twins gives A
        as record 2i and A + e_1 e_1^T as record 2i + 1, with their ceilings as facts.
    """
    twins = law.records == "twins"
    for i in range(count):
        sample = draw_tridiagonal(law, n, *entropy, i // 2 if twins else i)
        facts: dict[str, int | float | str] = {"attempts": sample.attempts}
        if twins:
            facts["perturbed"] = i % 2
            facts |= ceilings(sample)
        if twins and i % 2 == 0:
            matrix, modified = sample.original, sample.literal
        else:
            matrix, modified = sample.matrix, sample.modified
        yield _record(f"{prefix}-{i:05d}", matrix, modified, sample.literal, facts)


def _record(
    name: str,
    matrix: Bidiagonal,
    modified: Bidiagonal,
    literal: Bidiagonal,
    facts: dict[str, int | float | str],
) -> Record:
    indptr, indices = tridiagonal_pattern(matrix.n)
    return Record(
        name=name,
        group="synthetic",
        indptr=indptr,
        indices=indices,
        a=interleave(matrix),
        labels={"modified": interleave(modified), "literal": interleave(literal)},
        facts=facts,
    )


def ceiling_columns(n: int) -> list[int]:
    """Which ceilings are stored: all up to 50 rows, beyond that a few."""
    if n <= 50:
        return list(range(1, n + 1))
    return [*range(1, 17), *(k for k in (20, 24, 32, 48, 64, 96, 128) if k < n), n]


def ceilings(sample: TridiagonalSample) -> dict[str, float]:
    """Facts ``ceiling_<k>``: the best mean cosine on the twins if k columns may see A_11."""
    return {
        f"ceiling_{k:03d}": twin_ceiling(sample.literal, sample.modified, k)
        for k in ceiling_columns(sample.matrix.n)
    }


def synthetic_recipe(configuration: str, split: str) -> dict[str, object]:
    """Everything that determines a split, as JSON."""
    stream, count = SPLITS[split]
    law = LAWS[configuration]
    return {
        "kind": "tridiagonal",
        "law": law.name,
        "records": law.records,
        "description": law.description,
        "n": split_rows(law, split),
        "count": count,
        "entropy": [SEED, law.stream, stream],
        "scaling": "none",
    }


def synthetic_split(configuration: str, split: str) -> Iterator[Record]:
    """Records of a named split."""
    stream, count = SPLITS[split]
    law = LAWS[configuration]
    return tridiagonal_records(
        law,
        split_rows(law, split),
        count,
        SEED,
        law.stream,
        stream,
        prefix=f"{configuration}-{split}",
    )


@dataclass(frozen=True)
class TridiagonalBuilder:
    """Every law is a configuration."""

    configurations: tuple[str, ...] = tuple(LAWS)

    @property
    def splits(self) -> dict[str, int]:
        """Number of records of each split."""
        return {split: count for split, (_, count) in SPLITS.items()}

    def title(self, configuration: str, split: str) -> str:
        """Law and size."""
        return f"{configuration}, n = {split_rows(LAWS[configuration], split)}"

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split, as JSON."""
        return synthetic_recipe(configuration, split)

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Draw the records; nothing else is needed."""
        return synthetic_split(configuration, split)


SYNTHETIC_SPEC = DatasetSpec(
    name=SYNTHETIC,
    title="Tridiagonal",
    versions=(
        Version(
            SYNTHETIC_VERSION,
            "Tridiagonal SPD matrices with exact, non-local Cholesky factors: " + ", ".join(LAWS),
            TridiagonalBuilder(),
        ),
    ),
    labels=("modified", "literal"),
    default_configuration="uniform",
    served_by="SyntheticTridiag",
    ranked=dict.fromkeys(("uniform", "growth", "sawtooth", "twin", "hard"), ("test", "test_large")),
    tridiagonal=True,
)
