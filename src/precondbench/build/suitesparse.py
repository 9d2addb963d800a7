"""Recipe of the real benchmark's sample: SuiteSparse matrices that formulas reproduce."""

from __future__ import annotations

from collections.abc import Iterator

from precondbench.build.factored import factor_matrix
from precondbench.build.patterns import DEFAULT_PATTERN
from precondbench.errors import ShardError
from precondbench.matrices import formula_matrix
from precondbench.shards import Record

__all__ = [
    "SUITESPARSE",
    "SAMPLE_SPLITS",
    "SAMPLE_VERSION",
    "sample_recipe",
    "sample_split",
]

SUITESPARSE = "suitesparse-invk"
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


def sample_recipe(split: str, pattern: str = DEFAULT_PATTERN) -> dict[str, object]:
    """Everything that determines a split of the sample, as JSON."""
    recipe: dict[str, object] = {
        "kind": "formulas",
        "matrices": [name for name, _ in SAMPLE_SPLITS[split]],
        "stored_zeros": "dropped",
        "scaling": "power-of-two",
    }
    return recipe if pattern == DEFAULT_PATTERN else {**recipe, "pattern": pattern}


def sample_split(split: str, pattern: str = DEFAULT_PATTERN) -> Iterator[Record]:
    """Records of a split of the sample.

    Raises
    ------
    ShardError
        If a matrix of the recipe yields no record, which cannot happen with a sound build.
    """
    for name, kind in SAMPLE_SPLITS[split]:
        result = factor_matrix(name, formula_matrix(name), kind, pattern_name=pattern)
        if result.record is None:
            raise ShardError(f"{name} of the sample was not built: {result.outcome}")
        yield result.record
