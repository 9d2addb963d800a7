"""Recipe of the real benchmark: matrices of the SuiteSparse collection with their factors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from precondbench.errors import DigestError, MissingDataError, ShardError
from precondbench.factors import DEFAULT_PATTERN, PATTERNS
from precondbench.matrices import CollectionEntry, catalogue, formula_matrix
from precondbench.recipes.folds import family, split_of_family, splits_of_fold
from precondbench.recipes.spec import BuildContext, DatasetSpec, SplitPlan, Version
from precondbench.shards import Record, SourceEntry, load_manifest

if TYPE_CHECKING:
    from precondbench.recipes.building.label import FactoredMatrix
    from precondbench.recipes.building.tasks import Task

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
# Of matrices with a formula those that take at most two seconds. obstclae is equal to torsion1.
_SMALL_TREFETHEN = ("20b", "20", "150", "200b", "200", "300", "500", "700")
FOLDED_SAMPLE = frozenset(
    [f"JGD_Trefethen/Trefethen_{size}" for size in _SMALL_TREFETHEN]
    + ["HB/nos1", "HB/nos2", "HB/gr_30_30", "GHS_psdef/obstclae", "Oberwolfach/LF10"]
    + ["Oberwolfach/LFAT5", "Norris/fv1", "Norris/fv2", "Norris/fv3"]
)


@dataclass(frozen=True)
class PatternBuilder(ABC):
    """Real matrices with factors on patterns; every pattern is a configuration."""

    configurations: tuple[str, ...] = tuple(PATTERNS)
    kind: ClassVar[str]

    @abstractmethod
    def matrices(self, configuration: str) -> Mapping[str, Sequence[str]]:
        """``group/name`` of the matrices of each split."""

    def splits(self, configuration: str) -> dict[str, int]:
        """Number of records of each split."""
        return {split: len(names) for split, names in self.matrices(configuration).items()}

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split besides the matrices themselves, as JSON."""
        recipe: dict[str, object] = {
            "kind": self.kind,
            "matrices": list(self.matrices(configuration)[split]),
            "stored_zeros": "dropped",
            "scaling": "power-of-two",
        }
        if configuration in ORDERS:
            return recipe | {"order": ORDERS[configuration]}
        return recipe if configuration == DEFAULT_PATTERN else recipe | {"pattern": configuration}

    def title(self, configuration: str, split: str) -> str:
        """Pattern and split."""
        of = "" if configuration == DEFAULT_PATTERN else f"{configuration.replace('-', ' ')}, "
        return of + ("all, nothing learned" if split == "all" else f"{split} matrices")

    @abstractmethod
    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Build the records in order."""


class SampleBuilder(PatternBuilder):
    """Matrices that formulas reproduce entry for entry."""

    kind = "formulas"

    def matrices(self, configuration: str) -> Mapping[str, Sequence[str]]:
        """``group/name`` of the matrices of each split."""
        return {split: [name for name, _ in pairs] for split, pairs in SAMPLE_SPLITS.items()}

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Build the records; ShardError if a matrix yields none, which a sound build excludes."""
        from precondbench.recipes.building.label import factor_matrix

        for name, kind in SAMPLE_SPLITS[split]:
            result = factor_matrix(
                name, formula_matrix(name), kind, pattern_name=configuration, protocol=1
            )
            if result.record is None:
                raise ShardError(f"{name} of the sample was not built: {result.outcome}")
            yield result.record


RELEASE_VERSION = "1.0"
FOLDED_VERSION = "2.0"
FOLDED_SAMPLE_VERSION = "sample-2.0"
FOLDED_VERSIONS = (FOLDED_SAMPLE_VERSION, FOLDED_VERSION)
# Multiply-adds of Inv-K; some minutes of one core.
MAX_OPERATIONS_OF_FOLDS = 1e11
UNSOLVED = "no label converges"
# Configurations of the same matrices with the rows in another order, which is named.
ORDERS = {
    f"{DEFAULT_PATTERN}-rcm": "reverse Cuthill-McKee",
    f"{DEFAULT_PATTERN}-minimum-degree": "minimum-degree",
}
_FOUR = {
    "labels": ["invk", "ic0", "mic0", "ic0_shifted"],
    "max_operations": MAX_OPERATIONS_OF_FOLDS,
}
# The same 80 matrices on larger patterns; sts4098 needs most.
MAX_OPERATIONS_WITH_FILL = 3e11
SPLITS = ("train", "val", "test")


def left_out_by_index(entry: CollectionEntry) -> str:
    """Why a matrix is not a candidate, from the index alone; empty if it is one.

    Diagonal matrices have trivial factors; duplicates are marked by the collection itself.

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


@dataclass(frozen=True)
class CollectionBuilder(PatternBuilder):
    """Matrices of the collection.

    Which matrices a split holds depends on what became of each candidate: on ``sources``, by
    default those of the manifest.
    """

    sources: tuple[SourceEntry, ...] | None = None
    kind = "collection"

    version: ClassVar[str] = RELEASE_VERSION

    @property
    def _sources(self) -> tuple[SourceEntry, ...]:
        return manifest_sources(self.version) if self.sources is None else self.sources

    def tasks(
        self, entries: Sequence[CollectionEntry], configuration: str, context: BuildContext
    ) -> list[Task]:
        """Return what is to be factored."""
        from precondbench.recipes.building.label import MAX_OPERATIONS
        from precondbench.recipes.building.tasks import tasks_for

        allowed = MAX_OPERATIONS if configuration == DEFAULT_PATTERN else MAX_OPERATIONS_WITH_FILL
        return tasks_for(entries, context, allowed, configuration)

    def matrices(self, configuration: str) -> Mapping[str, Sequence[str]]:
        """``group/name`` of the matrices of each split."""
        return release_splits(self._sources)

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Build the records from a mirror of the collection.

        MissingDataError if the mirror lacks matrices (what was built is kept), DigestError if a
        matrix is not the one that the manifest knows, or was built differently.
        """
        from precondbench.recipes.building.tasks import PartStore, factor_all

        known = {entry.full_name: entry for entry in self._sources}
        wanted = set(self.matrices(configuration)[split])
        entries = [entry for entry in catalogue(None) if entry.full_name in wanted]
        tasks = self.tasks(entries, configuration, context)
        store = PartStore(context.folder / "parts")
        results = factor_all(tasks, store, context.executor, context.progress)
        _check_complete(results, context)
        for result in results:
            source = known[result.name]
            found = (result.outcome, result.matrix_digest)
            if result.record is None or found != (source.outcome, source.matrix_digest):
                raise DigestError(
                    f"{result.name} from {context.collection_source()}: outcome "
                    f"{result.outcome!r} ({result.detail}), matrix digest "
                    f"{result.matrix_digest[:16]}; the manifest says {source.outcome!r} and "
                    f"{str(source.matrix_digest)[:16]}. Fetch the matrix again from the collection"
                )
            yield result.record


@dataclass(frozen=True)
class FoldedSampleBuilder(PatternBuilder):
    """Matrices that formulas reproduce entry for entry, with four labels, in folds."""

    configurations: tuple[str, ...] = (DEFAULT_PATTERN, *ORDERS)
    kind = "formulas"

    def matrices(self, configuration: str) -> Mapping[str, Sequence[str]]:
        """``group/name`` of the matrices."""
        names = (entry.full_name for entry in catalogue(None))
        return {"all": tuple(name for name in names if name in FOLDED_SAMPLE)}

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split, as JSON."""
        return super().recipe(configuration, split) | _FOUR

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Build the records; ShardError if a matrix yields none, which a sound build excludes."""
        from precondbench.recipes.building.four import label_in_order

        kinds = {entry.full_name: entry.kind for entry in catalogue(None)}
        for name in self.matrices(configuration)[split]:
            result = label_in_order(name, formula_matrix(name), kinds[name], configuration)
            if result.record is None:
                raise ShardError(f"{name} of the sample was not built: {result.outcome}")
            yield result.record


@dataclass(frozen=True)
class FoldedBuilder(CollectionBuilder):
    """All matrices of the collection that were available, of every size, with four labels.

    ``all`` holds those that a label solves, to be split into folds
    (:func:`precondbench.recipes.fold_splits`), ``unsolved`` those that none solves. The same
    matrices with their rows in another order are configurations of their own.
    """

    configurations: tuple[str, ...] = (DEFAULT_PATTERN, *ORDERS)
    version = FOLDED_VERSION

    def tasks(
        self, entries: Sequence[CollectionEntry], configuration: str, context: BuildContext
    ) -> list[Task]:
        """Return what is to be factored."""
        from precondbench.recipes.building.tasks import tasks_for

        return tasks_for(entries, context, MAX_OPERATIONS_OF_FOLDS, configuration, four=True)

    def matrices(self, configuration: str) -> Mapping[str, Sequence[str]]:
        """``group/name`` of the matrices of each split."""
        outcomes = {"all": "built", "unsolved": UNSOLVED}
        if configuration in ORDERS:
            del outcomes["unsolved"]
        named = {
            split: tuple(entry.full_name for entry in self._sources if entry.outcome == outcome)
            for split, outcome in outcomes.items()
        }
        return {split: names for split, names in named.items() if names}

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split besides the matrices themselves, as JSON."""
        return super().recipe(configuration, split) | _FOUR

    def title(self, configuration: str, split: str) -> str:
        """Pattern and split."""
        of = "all matrices, in folds" if split == "all" else "matrices without a label"
        return of + (f", in {ORDERS[configuration]} order" if configuration in ORDERS else "")


@cache
def manifest_sources(version: str) -> tuple[SourceEntry, ...]:
    """Candidates of a version, from the manifest of the library."""
    return load_manifest().sources_of(version)


def _check_complete(results: Sequence[FactoredMatrix], context: BuildContext) -> None:
    missing = [result for result in results if result.outcome == "not in the mirror"]
    if missing:
        raise MissingDataError(
            f"{len(missing)} of {len(results)} matrices are not in {context.collection_source()}, "
            f"first {missing[0].name} ({missing[0].detail}); name a mirror that has them, or use "
            "version 'sample'"
        )


def family_of(version: str, full_name: str) -> str:
    """Return the family of a matrix in a version, where twins may have joined two families.

    >>> family_of("1.0", "HB/bcsstk06")
    'bcsst'
    """
    return _families(version).get(full_name) or family(full_name.rpartition("/")[2])


@cache
def _families(version: str) -> dict[str, str]:
    return {entry.full_name: entry.family for entry in manifest_sources(version)}


def fold_splits(fold: int) -> dict[str, tuple[str, ...]]:
    """Return the matrices of training, validation and test of a fold of version 2.0.

    Families never straddle them, and no validation matrix has an author in common with a test
    matrix. Version ``sample-2.0`` has some of them.

    Parameters
    ----------
    fold : int
        0 to 4.

    Returns
    -------
    dict of str to tuple of str
        ``group/name`` of the matrices under ``train``, ``val`` and ``test``, by size.

    Raises
    ------
    ConfigurationError
        If there is no such fold.

    Examples
    --------
    >>> from precondbench.recipes import fold_splits
    >>> "HB/gr_30_30" in fold_splits(0)["test"], "HB/nos1" in fold_splits(0)["val"]
    (True, True)
    """
    from precondbench.recipes.publishing.citations import authors_of

    built = [entry for entry in manifest_sources(FOLDED_VERSION) if entry.outcome == "built"]
    authors = {entry.full_name: authors_of(entry.full_name) for entry in built}
    return splits_of_fold(built, authors, fold)


SUITESPARSE_SPEC = DatasetSpec(
    name=SUITESPARSE,
    title="SuiteSparse",
    versions=(
        Version(
            SAMPLE_VERSION,
            "Inv-K and IC(0) factors on the pattern of tril(A) of SuiteSparse matrices that "
            "formulas reproduce entry for entry",
            SampleBuilder(),
        ),
        Version(
            FOLDED_SAMPLE_VERSION,
            "Inv-K, IC(0), MIC(0) and shifted IC(0) on the pattern of tril(A) of SuiteSparse "
            "matrices that formulas reproduce entry for entry, in the folds of version 2.0",
            FoldedSampleBuilder(),
        ),
        Version(
            RELEASE_VERSION,
            "Inv-K and IC(0) factors on the pattern of tril(A) of real SPD matrices of the "
            "SuiteSparse collection with n < 50,000",
            CollectionBuilder(),
            # A track comes with its reference rows: "all" of larger patterns is not scored yet.
            ranked={DEFAULT_PATTERN: ("test", "all"), "level-1": ("test",), "level-2": ("test",)},
        ),
        Version(
            FOLDED_VERSION,
            "Inv-K, IC(0), MIC(0) and shifted IC(0) on the pattern of tril(A) of real SPD matrices "
            "of the SuiteSparse collection of every size, in five folds",
            FoldedBuilder(),
            ranked={DEFAULT_PATTERN: ("all", "unsolved")} | dict.fromkeys(ORDERS, ("all",)),
        ),
    ),
    default_version=RELEASE_VERSION,
    labels=("best", "invk", "ic0", "mic0", "ic0_shifted"),
    default_configuration=DEFAULT_PATTERN,
    served_by="SuiteSparseInvK",
    from_collection=True,
    batch_size=8,
)
SPECS = (SUITESPARSE_SPEC,)


def release_plans(
    sources: Iterable[SourceEntry] | None = None, patterns: Iterable[str] = PATTERNS
) -> list[SplitPlan]:
    """Plans of version 1.0 of the real benchmark; by default from the manifest's sources."""
    given = None if sources is None else tuple(sources)
    return _plans(RELEASE_VERSION, CollectionBuilder(tuple(patterns), given))


def folds_plans(sources: Iterable[SourceEntry]) -> list[SplitPlan]:
    """Plans of version 2.0 of the real benchmark, from what became of its candidates."""
    return _plans(FOLDED_VERSION, FoldedBuilder(sources=tuple(sources)))


def _plans(name: str, builder: CollectionBuilder) -> list[SplitPlan]:
    (version,) = (version for version in SUITESPARSE_SPEC.versions if version.name == name)
    version = replace(version, builder=builder)
    return replace(SUITESPARSE_SPEC, versions=(version,)).plans()
