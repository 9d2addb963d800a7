"""Recipe of the non-symmetric synthetic benchmark: tridiagonal matrices with exact LU factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from precondbench.matrices import (
    LU_LAWS,
    Bidiagonal,
    LULaw,
    LUSample,
    Tridiagonal,
    TridiagonalLU,
    draw_tridiagonal_lu,
    interleave,
    tridiagonal_pattern,
)
from precondbench.quality import twin_lu_ceiling
from precondbench.recipes.spec import BuildContext, DatasetSpec, Version
from precondbench.recipes.synthetic import SEED, SPLITS, TridiagonalBuilder, ceiling_columns
from precondbench.shards import A_UPPER, Record, upper_label

SYNTHETIC_LU = "synthetic-tridiag-lu"
SYNTHETIC_LU_VERSION = "1.0"


def lu_records(law: LULaw, n: int, count: int, *entropy: int, prefix: str) -> Iterator[Record]:
    """Draw records one after the other; each depends on the arguments and its index only.

    Parameters
    ----------
    law : LULaw
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
        With labels ``modified`` (L of the record's own matrix) and ``literal`` (L of A), U of
        each as ``modified_upper`` and ``literal_upper``, and ``a_upper``. A perturbed law gives
        A + e_1 e_1^T for each draw; a law of twins gives A as record 2i and A + e_1 e_1^T as
        record 2i + 1, with their ceilings as facts.
    """
    twins = law.records == "twins"
    ceilings: dict[str, float] = {}
    for i in range(count):
        sample = draw_tridiagonal_lu(law, n, *entropy, i // 2 if twins else i)
        facts: dict[str, int | float | str] = {"attempts": sample.attempts}
        if twins:
            if i % 2 == 0:
                ceilings = _ceilings(sample)
            facts["perturbed"] = i % 2
            facts |= ceilings
        if twins and i % 2 == 0:
            matrix, modified = sample.original, sample.literal
        else:
            matrix, modified = sample.matrix, sample.modified
        yield _record(f"{prefix}-{i:05d}", matrix, modified, sample.literal, facts)


def _ceilings(sample: LUSample) -> dict[str, float]:
    """Facts ``ceiling_<k>``: the best mean cosine on the twins if k columns may see A_11."""
    return {
        f"ceiling_{k:03d}": twin_lu_ceiling(sample.literal, sample.modified, k)
        for k in ceiling_columns(sample.matrix.n)
    }


def _record(
    name: str,
    matrix: Tridiagonal,
    modified: TridiagonalLU,
    literal: TridiagonalLU,
    facts: dict[str, int | float | str],
) -> Record:
    indptr, indices = tridiagonal_pattern(matrix.n)
    labels = {A_UPPER: interleave(Bidiagonal(matrix.diagonal, matrix.superdiagonal))}
    for label, factor in (("modified", modified), ("literal", literal)):
        labels[label] = interleave(Bidiagonal(np.ones(matrix.n), factor.multipliers))
        labels[upper_label(label)] = interleave(Bidiagonal(factor.pivots, factor.superdiagonal))
    return Record(
        name=name,
        group="synthetic",
        indptr=indptr,
        indices=indices,
        a=interleave(Bidiagonal(matrix.diagonal, matrix.subdiagonal)),
        labels=labels,
        facts=facts,
    )


def _rows(law: LULaw, split: str) -> int:
    return law.rows_large if split == "test_large" else law.rows


def lu_recipe(configuration: str, split: str) -> dict[str, object]:
    """Everything that determines a split, as JSON."""
    stream, count = SPLITS[split]
    law = LU_LAWS[configuration]
    return {
        "kind": "tridiagonal-lu",
        "law": law.name,
        "records": law.records,
        "description": law.description,
        "n": _rows(law, split),
        "count": count,
        "entropy": [SEED, law.stream, stream],
        "scaling": "none",
    }


def lu_split(configuration: str, split: str) -> Iterator[Record]:
    """Records of a named split."""
    stream, count = SPLITS[split]
    law = LU_LAWS[configuration]
    entropy = (SEED, law.stream, stream)
    return lu_records(law, _rows(law, split), count, *entropy, prefix=f"{configuration}-{split}")


@dataclass(frozen=True)
class TridiagonalLUBuilder(TridiagonalBuilder):
    """Every law is a configuration."""

    configurations: tuple[str, ...] = tuple(LU_LAWS)

    def title(self, configuration: str, split: str) -> str:
        """Law and size."""
        return f"{configuration}, n = {_rows(LU_LAWS[configuration], split)}"

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split, as JSON."""
        return lu_recipe(configuration, split)

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Draw the records; nothing else is needed."""
        return lu_split(configuration, split)


SYNTHETIC_LU_SPEC = DatasetSpec(
    name=SYNTHETIC_LU,
    title="Tridiagonal LU",
    versions=(
        Version(
            SYNTHETIC_LU_VERSION,
            "Non-symmetric tridiagonal matrices with exact, non-local LU factors: "
            + ", ".join(LU_LAWS),
            TridiagonalLUBuilder(),
        ),
    ),
    labels=("modified", "literal"),
    default_configuration="uniform",
    served_by="SyntheticTridiag",
    ranked=dict.fromkeys(LU_LAWS, ("test", "test_large")),
    symmetric=False,
    tridiagonal=True,
)
