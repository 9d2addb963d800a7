"""Families of matrices, and the rule that gives each family one split."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from precondbench.errors import DigestError, MissingDataError, ShardError
from precondbench.factors import DEFAULT_PATTERN
from precondbench.matrices import CollectionEntry, catalogue, formula_matrix
from precondbench.recipes.building.label import (
    MAX_OPERATIONS,
    BuildContext,
    FactoredMatrix,
    factor_matrix,
)
from precondbench.recipes.building.tasks import PartStore, Task, factor_all
from precondbench.shards import Record, SourceEntry

# Stems that name one kind of problem under several names: stiffness and mass matrices of the
# same structures, variants of one model, problems of one test set on one grid.
_ALIASES = {
    "bcsstk": "bcsst",
    "bcsstm": "bcsst",
    "mhdb": "mhd",
    "lfat": "lf",
    "muu": "kuu",
    "obstclae": "minpack",
    "torsion": "minpack",
    "jnlbrng": "minpack",
    "minsurfo": "minpack",
    "cbuckle": "plbuckle",
}
_STEM = re.compile(r"[0-9_]*([A-Za-z]*)")

# The first whole number for which the matrices verified for version 1.0 spread over the
# splits as docs/data.md demands; fixed since.
SPLIT_SALT = 2117


def family(name: str) -> str:
    """Return the family of a matrix of the collection, from its name alone.

    The stem of the name (leading digits dropped, letters up to the next digit or underscore,
    lower case), where a short list joins stems that name one kind of problem. Groups do not
    enter: ``HB/bcsstk28`` and ``Boeing/bcsstk34`` are one family.

    Parameters
    ----------
    name : str
        Name without group.

    Returns
    -------
    str
        Family.

    Examples
    --------
    >>> from precondbench.recipes.suitesparse import family
    >>> family("bcsstm07"), family("1138_bus"), family("Trefethen_20b"), family("s3rmt3m1")
    ('bcsst', 'bus', 'trefethen', 's')
    """
    match = _STEM.match(name)
    stem = match[1].lower() if match else ""
    return _ALIASES.get(stem, stem)


def split_of_family(name: str, salt: int = SPLIT_SALT) -> str:
    """Return the split of a family: a stated hash, so that a new family has one place, too.

    The first four bytes of sha256("precondbench:<salt>:<family>"), as a big-endian integer
    over 2**32, are a number t in [0, 1): train below 0.6, val below 0.8, else test.

    Examples
    --------
    >>> from precondbench.recipes.suitesparse import split_of_family
    >>> split_of_family("bcsst")
    'train'
    """
    digest = hashlib.sha256(f"precondbench:{salt}:{name}".encode()).digest()
    t = int.from_bytes(digest[:4], "big") / 2**32
    return "train" if t < 0.6 else "val" if t < 0.8 else "test"


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


RELEASE_VERSION = "1.0"
# The same 80 matrices on larger patterns; sts4098 needs most.
MAX_OPERATIONS_WITH_FILL = 3e11
SPLITS = ("train", "val", "test")


def left_out_by_index(entry: CollectionEntry) -> str:
    """Say why a matrix is no candidate, from the index alone; empty if it is one.

    Diagonal matrices have trivial factors; duplicates are marked by the collection itself.

    Examples
    --------
    >>> from precondbench.recipes.suitesparse import left_out_by_index
    >>> from precondbench.matrices import catalogue
    >>> {e.name: left_out_by_index(e) for e in catalogue() if e.name in ("bcsstk07", "bcsstm05")}
    {'bcsstm05': 'diagonal', 'bcsstk07': 'duplicate'}
    """
    if entry.nnz == entry.rows:
        return "diagonal"
    return "duplicate" if entry.kind.startswith("duplicate ") else ""


def candidates() -> list[CollectionEntry]:
    """Matrices of the catalogue that are neither diagonal nor duplicates."""
    return [entry for entry in catalogue() if not left_out_by_index(entry)]


def release_splits(sources: Iterable[SourceEntry]) -> dict[str, tuple[str, ...]]:
    """Return the names of each split, by size, then name; empty before the first release."""
    built = {f"{entry.group}/{entry.name}" for entry in sources if entry.outcome == "built"}
    splits: dict[str, tuple[str, ...]] = {}
    for split in SPLITS:
        names = tuple(
            entry.full_name
            for entry in candidates()
            if entry.full_name in built and split_of_family(family(entry.name)) == split
        )
        if names:
            splits[split] = names
    return splits


def release_recipe(names: Sequence[str], pattern: str = DEFAULT_PATTERN) -> dict[str, object]:
    """Everything that determines a split besides the matrices themselves, as JSON."""
    recipe: dict[str, object] = {
        "kind": "collection",
        "matrices": list(names),
        "stored_zeros": "dropped",
        "scaling": "power-of-two",
    }
    return recipe if pattern == DEFAULT_PATTERN else {**recipe, "pattern": pattern}


def tasks_for(
    entries: Sequence[CollectionEntry],
    context: BuildContext,
    max_operations: float = MAX_OPERATIONS,
    pattern: str = DEFAULT_PATTERN,
) -> list[Task]:
    """One task a matrix, from the source of the context."""
    source = context.collection_source()
    downloads = str(context.folder / "collection")
    return [Task(entry, source, downloads, max_operations, pattern) for entry in entries]


def release_split(
    names: Sequence[str],
    sources: Mapping[str, SourceEntry],
    pattern: str,
    context: BuildContext,
) -> Iterator[Record]:
    """Build the records of a split.

    Raises
    ------
    MissingDataError
        If the source lacks matrices; nothing that was built is lost.
    DigestError
        If a source matrix is not the one the manifest knows, or was built differently.
    """
    wanted = set(names)
    entries = [entry for entry in candidates() if entry.full_name in wanted]
    store = PartStore(context.folder / "parts")
    allowed = MAX_OPERATIONS if pattern == DEFAULT_PATTERN else MAX_OPERATIONS_WITH_FILL
    tasks = tasks_for(entries, context, allowed, pattern)
    results = factor_all(tasks, store, context.executor, context.progress)
    _check_complete(results, context)
    for result in results:
        expected = sources[result.name].matrix_digest
        if result.record is None or result.matrix_digest != expected:
            raise DigestError(
                f"{result.name} from {context.collection_source()}: outcome {result.outcome!r} "
                f"({result.detail}), matrix digest {result.matrix_digest[:16]}; the manifest says "
                f"'built' and {str(expected)[:16]}. Fetch the matrix again from the collection"
            )
        yield result.record


def _check_complete(results: Sequence[FactoredMatrix], context: BuildContext) -> None:
    missing = [result for result in results if result.outcome == "not in the mirror"]
    if missing:
        raise MissingDataError(
            f"{len(missing)} of {len(results)} matrices are not in {context.collection_source()}, "
            f"first {missing[0].name} ({missing[0].detail}); name a mirror that has them, or use "
            "version 'sample'"
        )
