"""Which splits there are, and how each is built from nothing."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from precondbench.build import suitesparse, synthetic
from precondbench.errors import ConfigurationError
from precondbench.matrices import LAWS
from precondbench.shards import Record

__all__ = ["SplitPlan", "all_plans", "select_plans", "split_plan"]


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
        Builds the records, in order.
    count : int
        How many records there will be.
    """

    dataset: str
    version: str
    configuration: str
    split: str
    recipe: dict[str, Any]
    records: Callable[[], Iterator[Record]]
    count: int

    @property
    def path_name(self) -> str:
        """``dataset/version/configuration/split``."""
        return f"{self.dataset}/{self.version}/{self.configuration}/{self.split}"


def all_plans() -> list[SplitPlan]:
    """Every split this library can build without a download."""
    plans = [
        SplitPlan(
            synthetic.DATASET,
            synthetic.VERSION,
            configuration,
            split,
            synthetic.synthetic_recipe(configuration, split),
            partial(synthetic.synthetic_split, configuration, split),
            synthetic.SPLITS[split][2],
        )
        for configuration in LAWS
        for split in synthetic.SPLITS
    ]
    plans += [
        SplitPlan(
            suitesparse.DATASET,
            suitesparse.SAMPLE_VERSION,
            "tril",
            split,
            suitesparse.sample_recipe(split),
            partial(suitesparse.sample_split, split),
            len(matrices),
        )
        for split, matrices in suitesparse.SAMPLE_SPLITS.items()
    ]
    return plans


def select_plans(
    dataset: str | None = None,
    version: str | None = None,
    configuration: str | None = None,
    split: str | None = None,
) -> list[SplitPlan]:
    """Return the plans that have these names; None matches every name.

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
    """Return the one plan with these names; see :func:`select_plans`."""
    return select_plans(dataset, version, configuration, split)[0]
