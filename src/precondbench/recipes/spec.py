"""Datasets as data: names, splits, defaults, and who builds them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from precondbench._internal import offline
from precondbench.errors import MissingDataError
from precondbench.matrices import SOURCE_VARIABLE
from precondbench.shards import Record, cache_root

COLLECTION_URL = "https://sparse.tamu.edu"


@dataclass(frozen=True)
class BuildContext:
    """Where matrices come from, where finished parts go, and who does the work.

    Attributes
    ----------
    source : str or None
        Mirror of the collection, folder or URL; None: ``PRECONDBENCH_SUITESPARSE``, else the
        collection's own site unless the network is forbidden.
    root : pathlib.Path or None
        Cache folder; None: the default.
    executor : concurrent.futures.Executor or None
        Workers; None: this process.
    progress : callable or None
        Called as ``progress(done, total, name)``.
    """

    source: str | None = None
    root: Path | None = None
    executor: Executor | None = None
    progress: Callable[[int, int, str], None] | None = None

    @property
    def folder(self) -> Path:
        """Cache folder."""
        return cache_root(self.root)

    def parts_of(self, *names: str) -> Path:
        """Folder of finished parts of one split, which are removed when the split is written."""
        return self.folder.joinpath("parts", *names)

    def collection_source(self) -> str:
        """Return the mirror to read real matrices from.

        Raises
        ------
        MissingDataError
            If none is named and the network is forbidden.
        """
        source = self.source or os.environ.get(SOURCE_VARIABLE)
        if source:
            return source
        if offline():
            raise MissingDataError(
                "this data is built from matrices of the SuiteSparse collection, and "
                f"PRECONDBENCH_OFFLINE forbids the network; set {SOURCE_VARIABLE} to a mirror "
                "(folder or URL), or use version 'sample', which needs no download"
            )
        return COLLECTION_URL


class Builder(Protocol):
    """The splits of one version of a dataset, and how each is built from nothing."""

    @property
    def configurations(self) -> tuple[str, ...]:
        """Names of the configurations."""

    def splits(self, configuration: str) -> Mapping[str, int]:
        """Number of records of each split."""

    def recipe(self, configuration: str, split: str) -> dict[str, Any]:
        """Everything that determines the content, as JSON."""

    def title(self, configuration: str, split: str) -> str:
        """A split in a few words, for headings; ``all`` stands for all splits."""

    def records(self, configuration: str, split: str, context: BuildContext) -> Iterator[Record]:
        """Build the records in order."""


@dataclass(frozen=True)
class SplitPlan:
    """One split of one configuration of one version of a dataset.

    Attributes
    ----------
    dataset, version, configuration, split : str
        The four names.
    count : int
        How many records there will be.
    builder : Builder
        Builds them.
    """

    dataset: str
    version: str
    configuration: str
    split: str
    count: int
    builder: Builder = field(repr=False)

    @property
    def names(self) -> tuple[str, str, str, str]:
        """Dataset, version, configuration and split."""
        return self.dataset, self.version, self.configuration, self.split

    @property
    def path_name(self) -> str:
        """``dataset/version/configuration/split``."""
        return "/".join(self.names)

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything that determines the content, as JSON."""
        return self.builder.recipe(self.configuration, self.split)

    def records(self, context: BuildContext) -> Iterator[Record]:
        """Build the records in order."""
        return self.builder.records(self.configuration, self.split, context)


@dataclass(frozen=True)
class Version:
    """One version of a dataset, whose content never changes.

    Attributes
    ----------
    name : str
        Such as ``1.0``.
    description : str
        One sentence without a full stop, for the manifest and for releases.
    builder : Builder
        Its configurations and splits.
    licence : str
        SPDX identifier; by default that of the SuiteSparse collection.
    ranked : mapping of str to tuple of str
        Splits of each configuration that have a leaderboard; ``all``, where it is not a split,
        stands for all splits together.
    """

    name: str
    description: str
    builder: Builder
    licence: str = "CC-BY-4.0"
    ranked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class DatasetSpec:
    """A dataset: everything about it that commands, datasets and tracks need to know.

    Attributes
    ----------
    name, title : str
        Name in commands and files, and in headings.
    versions : tuple of Version
        The newest, which is the default, last.
    labels : tuple of str
        What can be predicted; the default first.
    default_configuration : str
        Configuration that is meant when none is named.
    served_by : str
        Name of the class in ``precondbench.datasets`` whose ``from_spec`` opens its splits;
        ``FactorDataset`` serves any of them.
    symmetric : bool
        Whether the factor is L; else there are L and U.
    tridiagonal : bool
        Whether all matrices are tridiagonal.
    from_collection : bool
        Whether matrices come from a mirror of the SuiteSparse collection, so that there may be
        a version ``local``, built here.
    batch_size : int or None
        Default of the command ``train``; None: that of ``TrainingConfiguration``.
    default_version : str or None
        The version that is meant when none is named; None: the last one.

    Examples
    --------
    >>> from precondbench.recipes import dataset_spec
    >>> spec = dataset_spec("synthetic-tridiag")
    >>> spec.newest, spec.default_configuration, spec.labels[0]
    ('1.0', 'uniform', 'modified')
    """

    name: str
    title: str
    versions: tuple[Version, ...]
    labels: tuple[str, ...]
    default_configuration: str
    served_by: str = "FactorDataset"
    symmetric: bool = True
    tridiagonal: bool = False
    from_collection: bool = False
    batch_size: int | None = None
    default_version: str | None = None

    @property
    def newest(self) -> str:
        """Name of the version that is meant when none is named."""
        return self.default_version or self.versions[-1].name

    def plans(self) -> list[SplitPlan]:
        """Every split of every version, by version, configuration and split."""
        return [
            SplitPlan(
                self.name,
                version.name,
                configuration,
                split,
                count,
                version.builder,
            )
            for version in self.versions
            for configuration in version.builder.configurations
            for split, count in version.builder.splits(configuration).items()
        ]
