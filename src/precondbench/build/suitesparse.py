"""Recipe of the real benchmark's sample: SuiteSparse matrices that formulas reproduce."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from precondbench.build.factored import FactoredMatrix, factor_matrix
from precondbench.errors import PrecondbenchError, ShardError
from precondbench.matrices import Collection, formula_matrix
from precondbench.shards import Record

__all__ = [
    "DATASET",
    "SAMPLE_SPLITS",
    "SAMPLE_VERSION",
    "factor_collection",
    "sample_recipe",
    "sample_split",
]

DATASET = "suitesparse-invk"
SAMPLE_VERSION = "sample"

# Families (group and stem of the name) never straddle splits.
SAMPLE_SPLITS: dict[str, tuple[tuple[str, str], ...]] = {
    "train": tuple(
        (f"JGD_Trefethen/Trefethen_{size}", "combinatorial problem")
        for size in ("20b", "20", "150", "200b", "200", "300", "500", "700", "2000")
    ),
    "val": (
        ("HB/nos1", "structural problem"),
        ("HB/nos2", "structural problem"),
    ),
    "test": (
        ("HB/gr_30_30", "2D/3D problem"),
        ("GHS_psdef/torsion1", "optimization problem"),
    ),
}


def sample_recipe(split: str) -> dict[str, object]:
    """Everything that determines a split of the sample, as JSON."""
    return {
        "kind": "formulas",
        "matrices": [name for name, _ in SAMPLE_SPLITS[split]],
        "stored_zeros": "dropped",
        "scaling": "power-of-two",
    }


def sample_split(split: str) -> Iterator[Record]:
    """Records of a split of the sample.

    Raises
    ------
    ShardError
        If a matrix of the recipe yields no record, which cannot happen with a sound build.
    """
    for name, kind in SAMPLE_SPLITS[split]:
        result = factor_matrix(name, formula_matrix(name), kind)
        if result.record is None:
            raise ShardError(f"{name} of the sample was not built: {result.outcome}")
        yield result.record


def factor_collection(
    collection: Collection,
    max_n: int,
    progress: Callable[[int, int, FactoredMatrix | str], None] | None = None,
) -> list[FactoredMatrix]:
    """Factor every real SPD matrix of a mirror up to a size; one bad matrix stops nothing.

    Parameters
    ----------
    collection : Collection
        The mirror.
    max_n : int
        Largest number of rows.
    progress : callable, optional
        Called with (done, total, name) before and (done, total, result) after each matrix.

    Returns
    -------
    list of FactoredMatrix
        By size; an entry the mirror lacks has the outcome ``not in the mirror``, one that
        cannot be read ``unreadable``.
    """
    entries = collection.positive_definite(max_n)
    results: list[FactoredMatrix] = []
    for done, entry in enumerate(entries):
        if progress is not None:
            progress(done, len(entries), entry.full_name)
        if not collection.has(entry):
            result = FactoredMatrix(entry.full_name, "not in the mirror")
        else:
            try:
                result = factor_matrix(entry.full_name, collection.matrix(entry), entry.kind)
            except PrecondbenchError as error:
                result = FactoredMatrix(entry.full_name, "unreadable", str(error))
        results.append(result)
        if progress is not None:
            progress(done + 1, len(entries), result)
    return results
