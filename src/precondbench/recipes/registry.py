"""Which datasets and splits there are."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from precondbench._internal import did_you_mean
from precondbench.errors import ConfigurationError
from precondbench.recipes.spec import DatasetSpec, SplitPlan

# A new dataset is a module that defines ``SPECS``, and one line here.
_MODULES = (
    "synthetic",
    "suitesparse",
    "parametric",
)
_SPECS: tuple[DatasetSpec, ...] = tuple(
    spec for name in _MODULES for spec in import_module(f"precondbench.recipes.{name}").SPECS
)


def dataset_specs() -> tuple[DatasetSpec, ...]:
    """Return every dataset there is.

    Returns
    -------
    tuple of DatasetSpec
        In the order in which they are listed everywhere.

    Examples
    --------
    >>> from precondbench.recipes import dataset_specs
    >>> [spec.name for spec in dataset_specs()]
    ['synthetic-tridiag', 'synthetic-tridiag-lu', 'suitesparse-invk', 'parametric']
    """
    return _SPECS


def dataset_spec(dataset: str) -> DatasetSpec:
    """Return the dataset of that name.

    Parameters
    ----------
    dataset : str
        Its name.

    Returns
    -------
    DatasetSpec
        Its versions, labels and defaults.

    Raises
    ------
    ConfigurationError
        If there is none; the message lists the known ones.

    Examples
    --------
    >>> from precondbench.recipes import dataset_spec
    >>> dataset_spec("synthetic-tridiag-lu").symmetric
    False
    """
    known = {spec.name: spec for spec in _SPECS}
    _check_name("dataset", dataset, list(known))
    return known[dataset]


def _check_name(kind: str, wanted: str, known: list[str]) -> None:
    if wanted not in known:
        hint = did_you_mean(wanted, known)
        raise ConfigurationError(f"no {kind} {wanted!r}; there are: {', '.join(known)}{hint}")


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
    return tuple(plan for spec in _SPECS for plan in spec.plans())


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
        _check_name(attribute, wanted, known)
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
