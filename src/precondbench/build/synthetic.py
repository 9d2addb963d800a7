"""Recipe of the synthetic benchmark: tridiagonal matrices with exact factors."""

from __future__ import annotations

from collections.abc import Iterator

from precondbench.matrices import LAWS, TridiagonalLaw, draw_tridiagonal
from precondbench.matrices.tridiagonal import interleave, tridiagonal_pattern
from precondbench.shards import Record

__all__ = ["DATASET", "SPLITS", "VERSION", "synthetic_recipe", "tridiagonal_records"]

DATASET = "synthetic-tridiag"
VERSION = "0.1"
SEED = 20260722

# split -> (number of its random stream, rows, records)
SPLITS: dict[str, tuple[int, int, int]] = {
    "train": (0, 50, 1000),
    "val": (1, 50, 200),
    "test": (2, 50, 200),
    "test_large": (3, 200, 200),
}


def tridiagonal_records(
    law: TridiagonalLaw, n: int, count: int, *entropy: int, prefix: str
) -> Iterator[Record]:
    """Draw records one after the other; record i depends on the arguments and i only.

    Parameters
    ----------
    law : TridiagonalLaw
        Random law.
    n, count : int
        Rows of each matrix, number of records.
    *entropy : int
        Names of the random stream, before the record's index.
    prefix : str
        Names are ``f"{prefix}-{i:05d}"``.

    Yields
    ------
    Record
        Matrix A + e_1 e_1^T with labels ``modified`` and ``literal``.
    """
    indptr, indices = tridiagonal_pattern(n)
    for i in range(count):
        sample = draw_tridiagonal(law, n, *entropy, i)
        yield Record(
            name=f"{prefix}-{i:05d}",
            group="synthetic",
            indptr=indptr,
            indices=indices,
            a=interleave(sample.matrix),
            labels={
                "modified": interleave(sample.modified),
                "literal": interleave(sample.literal),
            },
            facts={"attempts": sample.attempts},
        )


def synthetic_recipe(configuration: str, split: str) -> dict[str, object]:
    """Everything that determines a split, as JSON."""
    stream, n, count = SPLITS[split]
    law = LAWS[configuration]
    return {
        "kind": "tridiagonal",
        "law": law.name,
        "growth": law.growth,
        "description": law.description,
        "n": n,
        "count": count,
        "entropy": [SEED, law.stream, stream],
        "scaling": "none",
    }


def synthetic_split(configuration: str, split: str) -> Iterator[Record]:
    """Records of a named split."""
    stream, n, count = SPLITS[split]
    law = LAWS[configuration]
    return tridiagonal_records(
        law, n, count, SEED, law.stream, stream, prefix=f"{configuration}-{split}"
    )
