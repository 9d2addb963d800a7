"""Version 1.0 of the real benchmark: which matrices, in which split, built from the collection.

The manifest says what became of each of the 161 candidates; a split holds those that were
built, and its digest is fixed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from precondbench.build.context import BuildContext
from precondbench.build.factored import MAX_OPERATIONS, FactoredMatrix
from precondbench.build.families import family, split_of_family
from precondbench.build.parts import PartStore, Task, factor_all
from precondbench.build.patterns import DEFAULT_PATTERN
from precondbench.errors import DigestError, MissingDataError
from precondbench.matrices import CollectionEntry, catalogue
from precondbench.shards import Record
from precondbench.shards.manifest import SourceEntry

__all__ = [
    "RELEASE_VERSION",
    "candidates",
    "left_out_by_index",
    "release_recipe",
    "release_split",
    "release_splits",
    "tasks_for",
]

RELEASE_VERSION = "1.0"
# The same 80 matrices on larger patterns; sts4098 needs most.
MAX_OPERATIONS_WITH_FILL = 3e11
SPLITS = ("train", "val", "test")


def left_out_by_index(entry: CollectionEntry) -> str:
    """Say why a matrix is no candidate, from the index alone; empty if it is one.

    Diagonal matrices have trivial factors; duplicates are marked by the collection itself.

    Examples
    --------
    >>> from precondbench.build.collection_release import left_out_by_index
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
