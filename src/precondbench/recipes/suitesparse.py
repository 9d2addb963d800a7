"""Recipe of the real benchmark: matrices of the SuiteSparse collection with Inv-K and IC(0).

Each family of matrices belongs to one split, by a rule that also places families to come.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from precondbench.errors import DigestError, MissingDataError, ShardError
from precondbench.factors import DEFAULT_PATTERN, PATTERNS
from precondbench.matrices import CollectionEntry, catalogue, formula_matrix
from precondbench.recipes.spec import BuildContext, DatasetSpec, SplitPlan, Version
from precondbench.shards import Record, SourceEntry, load_manifest

if TYPE_CHECKING:
    from precondbench.recipes.building.label import FactoredMatrix

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

    The stem of the name (leading digits dropped, letters up to the next digit or underscore, lower
    case), where a short list joins stems that name one kind of problem. Groups are ignored:
    ``HB/bcsstk28`` and ``Boeing/bcsstk34`` are one family.

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
    >>> from precondbench.recipes import family
    >>> family("bcsstm07"), family("1138_bus"), family("Trefethen_20b"), family("s3rmt3m1")
    ('bcsst', 'bus', 'trefethen', 's')
    """
    match = _STEM.match(name)
    stem = match[1].lower() if match else ""
    return _ALIASES.get(stem, stem)


def split_of_family(name: str, salt: int = SPLIT_SALT) -> str:
    """Return the split of a family, by a fixed hash that also places families to come.

    The first four bytes of sha256("precondbench:<salt>:<family>"), as a big-endian integer over
    2**32, are a number t in [0, 1): train below 0.6, val below 0.8, else test.

    Parameters
    ----------
    name : str
        The family, see :func:`family`.
    salt : int
        A whole number; the default is fixed.

    Returns
    -------
    str
        ``train``, ``val`` or ``test``.

    Examples
    --------
    >>> from precondbench.recipes import split_of_family
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


@dataclass(frozen=True)
class PatternBuilder(ABC):
    """Real matrices with factors on patterns; every pattern is a configuration."""

    configurations: tuple[str, ...] = tuple(PATTERNS)
    kind: ClassVar[str]

    @abstractmethod
    def matrices(self) -> Mapping[str, Sequence[str]]:
        """``group/name`` of the matrices of each split."""

    def splits(self, configuration: str) -> dict[str, int]:
        """Number of records of each split."""
        return {split: len(names) for split, names in self.matrices().items()}

    def recipe(self, configuration: str, split: str) -> dict[str, object]:
        """Everything that determines a split besides the matrices themselves, as JSON."""
        recipe: dict[str, object] = {
            "kind": self.kind,
            "matrices": list(self.matrices()[split]),
            "stored_zeros": "dropped",
            "scaling": "power-of-two",
        }
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

    def matrices(self) -> Mapping[str, Sequence[str]]:
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

    @property
    def _sources(self) -> tuple[SourceEntry, ...]:
        return _manifest_sources() if self.sources is None else self.sources

    def matrices(self) -> Mapping[str, Sequence[str]]:
        """``group/name`` of the matrices of each split."""
        return release_splits(self._sources)

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Build the records from a mirror of the collection.

        MissingDataError if the mirror lacks matrices (what was built is kept), DigestError if a
        matrix is not the one that the manifest knows, or was built differently.
        """
        from precondbench.recipes.building.label import MAX_OPERATIONS
        from precondbench.recipes.building.tasks import PartStore, factor_all, tasks_for

        known = {f"{entry.group}/{entry.name}": entry for entry in self._sources}
        wanted = set(self.matrices()[split])
        entries = [entry for entry in candidates() if entry.full_name in wanted]
        allowed = MAX_OPERATIONS if configuration == DEFAULT_PATTERN else MAX_OPERATIONS_WITH_FILL
        tasks = tasks_for(entries, context, allowed, configuration)
        store = PartStore(context.folder / "parts")
        results = factor_all(tasks, store, context.executor, context.progress)
        _check_complete(results, context)
        for result in results:
            expected = known[result.name].matrix_digest
            if result.record is None or result.matrix_digest != expected:
                raise DigestError(
                    f"{result.name} from {context.collection_source()}: outcome "
                    f"{result.outcome!r} ({result.detail}), matrix digest "
                    f"{result.matrix_digest[:16]}; the manifest says 'built' and "
                    f"{str(expected)[:16]}. Fetch the matrix again from the collection"
                )
            yield result.record


@cache
def _manifest_sources() -> tuple[SourceEntry, ...]:
    return tuple(load_manifest().sources)


def _check_complete(results: Sequence[FactoredMatrix], context: BuildContext) -> None:
    missing = [result for result in results if result.outcome == "not in the mirror"]
    if missing:
        raise MissingDataError(
            f"{len(missing)} of {len(results)} matrices are not in {context.collection_source()}, "
            f"first {missing[0].name} ({missing[0].detail}); name a mirror that has them, or use "
            "version 'sample'"
        )


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
            RELEASE_VERSION,
            "Inv-K and IC(0) factors on the pattern of tril(A) of real SPD matrices of the "
            "SuiteSparse collection with n < 50,000",
            CollectionBuilder(),
        ),
    ),
    labels=("best", "invk", "ic0"),
    default_configuration=DEFAULT_PATTERN,
    served_by="SuiteSparseInvK",
    # A track comes with its reference rows: "all" of the larger patterns is not scored yet.
    ranked={DEFAULT_PATTERN: ("test", "all"), "level-1": ("test",), "level-2": ("test",)},
    from_collection=True,
    batch_size=8,
)
SPECS = (SUITESPARSE_SPEC,)


def release_plans(
    sources: Iterable[SourceEntry] | None = None, patterns: Iterable[str] = PATTERNS
) -> list[SplitPlan]:
    """Plans of version 1.0 of the real benchmark; by default from the manifest's sources."""
    builder = CollectionBuilder(tuple(patterns), None if sources is None else tuple(sources))
    version = replace(SUITESPARSE_SPEC.versions[-1], builder=builder)
    return replace(SUITESPARSE_SPEC, versions=(version,)).plans()
