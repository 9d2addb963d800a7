"""Which splits there are, and how each is built from nothing."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from precondbench.errors import ConfigurationError
from precondbench.factors import PATTERNS
from precondbench.matrices import LAWS, LU_LAWS
from precondbench.recipes.building.label import BuildContext
from precondbench.recipes.suitesparse import (
    RELEASE_VERSION,
    SAMPLE_SPLITS,
    SAMPLE_VERSION,
    SUITESPARSE,
    release_recipe,
    release_split,
    release_splits,
    sample_recipe,
    sample_split,
)
from precondbench.recipes.synthetic import (
    SPLITS,
    SYNTHETIC,
    SYNTHETIC_VERSION,
    synthetic_recipe,
    synthetic_split,
)
from precondbench.recipes.synthetic_lu import (
    SYNTHETIC_LU,
    SYNTHETIC_LU_VERSION,
    lu_recipe,
    lu_split,
)
from precondbench.shards import Record, SourceEntry, load_manifest


@dataclass(frozen=True)
class SplitPlan:
    """One split of one configuration of one version of a dataset.

    Attributes
    ----------
    dataset, version, configuration, split : str
        The four names.
    recipe : dict
        Everything that determines the content, as JSON.
    records : callable
        Builds the records, in order, given a :class:`BuildContext`.
    count : int
        How many records there will be.
    """

    dataset: str
    version: str
    configuration: str
    split: str
    recipe: dict[str, Any]
    records: Callable[[BuildContext], Iterator[Record]]
    count: int

    @property
    def path_name(self) -> str:
        """``dataset/version/configuration/split``."""
        return f"{self.dataset}/{self.version}/{self.configuration}/{self.split}"


def all_plans() -> list[SplitPlan]:
    """Return every split there is.

    Returns
    -------
    list of SplitPlan
        Of all datasets and versions.
    """
    return list(_all_plans())


@cache
def _all_plans() -> tuple[SplitPlan, ...]:
    plans = [
        SplitPlan(
            SYNTHETIC,
            SYNTHETIC_VERSION,
            configuration,
            split,
            synthetic_recipe(configuration, split),
            _without_context(synthetic_split, configuration, split),
            SPLITS[split][1],
        )
        for configuration in LAWS
        for split in SPLITS
    ]
    plans += [
        SplitPlan(
            SYNTHETIC_LU,
            SYNTHETIC_LU_VERSION,
            configuration,
            split,
            lu_recipe(configuration, split),
            _without_context(lu_split, configuration, split),
            SPLITS[split][1],
        )
        for configuration in LU_LAWS
        for split in SPLITS
    ]
    plans += [
        SplitPlan(
            SUITESPARSE,
            SAMPLE_VERSION,
            pattern,
            split,
            sample_recipe(split, pattern),
            _without_context(sample_split, split, pattern),
            len(matrices),
        )
        for pattern in PATTERNS
        for split, matrices in SAMPLE_SPLITS.items()
    ]
    return (*plans, *release_plans())


def release_plans(
    sources: Sequence[SourceEntry] | None = None, patterns: Iterable[str] = PATTERNS
) -> list[SplitPlan]:
    """Plans of version 1.0 of the real benchmark; by default from the manifest's sources."""
    if sources is None:
        sources = _manifest_sources()
    known = {f"{entry.group}/{entry.name}": entry for entry in sources}
    return [
        SplitPlan(
            SUITESPARSE,
            RELEASE_VERSION,
            pattern,
            split,
            release_recipe(names, pattern),
            partial(release_split, names, known, pattern),
            len(names),
        )
        for pattern in patterns
        for split, names in release_splits(sources).items()
    ]


@cache
def _manifest_sources() -> tuple[SourceEntry, ...]:
    return tuple(load_manifest().sources)


def _without_context(
    make: Callable[..., Iterator[Record]], *arguments: str
) -> Callable[[BuildContext], Iterator[Record]]:
    """Adapt a recipe that needs nothing from outside."""
    return lambda context: make(*arguments)


def newest_version(dataset: str) -> str:
    """Return the version that is meant when none is named.

    Parameters
    ----------
    dataset : str
        Name of the dataset.

    Returns
    -------
    str
        The version.
    """
    return select_plans(dataset)[-1].version


def select_plans(
    dataset: str | None = None,
    version: str | None = None,
    configuration: str | None = None,
    split: str | None = None,
) -> list[SplitPlan]:
    """Return the plans that have these names; None matches every name.

    Parameters
    ----------
    dataset, version, configuration, split : str, optional
        Names.

    Returns
    -------
    list of SplitPlan
        Those that match; none if the names do not go together.

    Raises
    ------
    ConfigurationError
        If one of the names is unknown; the message lists the known ones.
    """
    plans = all_plans()
    for attribute, wanted in (
        ("dataset", dataset),
        ("version", version),
        ("configuration", configuration),
        ("split", split),
    ):
        if wanted is None:
            continue
        known = list(dict.fromkeys(getattr(plan, attribute) for plan in plans))
        if wanted not in known:
            close = difflib.get_close_matches(wanted, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise ConfigurationError(
                f"no {attribute} {wanted!r}; there are: {', '.join(known)}{hint}"
            )
        plans = [plan for plan in plans if getattr(plan, attribute) == wanted]
    return plans


def split_plan(dataset: str, version: str, configuration: str, split: str) -> SplitPlan:
    """Return the one plan with these names; see :func:`select_plans`.

    Parameters
    ----------
    dataset, version, configuration, split : str
        Names.

    Returns
    -------
    SplitPlan
        The plan.
    """
    return select_plans(dataset, version, configuration, split)[0]
