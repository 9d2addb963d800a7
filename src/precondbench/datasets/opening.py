"""Datasets by the names that files and command lines use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from precondbench._internal import settings_class
from precondbench.datasets.base import FactorDataset
from precondbench.datasets.parametric import ParametricInvK
from precondbench.datasets.suitesparse import FOLD_SPLITS, LOCAL, SuiteSparseInvK
from precondbench.datasets.tridiagonal import SyntheticTridiag
from precondbench.errors import ConfigurationError
from precondbench.recipes import (
    FOLDED_VERSIONS,
    FOLDS,
    LARGE,
    SUITESPARSE,
    dataset_spec,
    select_plans,
    split_plan,
)

# Classes that a spec can name.
_CLASSES: dict[str, type[FactorDataset]] = {
    cls.__name__: cls for cls in (FactorDataset, SyntheticTridiag, SuiteSparseInvK, ParametricInvK)
}


def open_dataset(
    dataset: str,
    split: str,
    *,
    configuration: str | None = None,
    label: str | None = None,
    version: str | None = None,
    fold: int | None = None,
    root: str | Path | None = None,
) -> FactorDataset:
    """Open a split by name; what is left out takes its default.

    Parameters
    ----------
    dataset : str
        Name of the dataset, as ``precondbench list`` prints it.
    split : str
        Name of the split.
    configuration, label, version : str, optional
        By default those of the dataset's spec (:func:`precondbench.recipes.dataset_spec`): of
        synthetic data ``uniform`` and ``modified``, of real data ``tril`` and ``best``, and
        the newest version.
    fold : int, optional
        Of version 2.0 of real data, as for :class:`SuiteSparseInvK`.
    root : path-like, optional
        Cache folder.

    Returns
    -------
    FactorDataset
        Of the class that serves the dataset, such as :class:`SyntheticTridiag`.

    Raises
    ------
    ConfigurationError
        If a name is unknown.

    Examples
    --------
    >>> from precondbench.datasets import open_dataset
    >>> open_dataset("synthetic-tridiag", "val")
    SyntheticTridiag(200 pairs, synthetic-tridiag 1.0, uniform, val)
    """
    spec = dataset_spec(dataset)
    label = label or spec.labels[0]
    if spec.from_collection and (configuration == LARGE or version == LOCAL):
        version, configuration = LOCAL, configuration or LARGE
    else:
        version = version or spec.newest
        configuration = configuration or spec.default_configuration
        if fold is not None:
            if not spec.from_collection:
                raise ConfigurationError(f"{dataset} has no folds; leave fold={fold!r} out")
            return SuiteSparseInvK(
                root, split, label, version=version, pattern=configuration, fold=fold
            )
        split_plan(dataset, version, configuration, split)
    return _CLASSES[spec.served_by].from_spec(spec, version, configuration, split, label, root)


@settings_class
class DataSelection:
    """Names of a dataset, and a bound on the size of the matrices to learn from.

    Parameters
    ----------
    dataset : str
        Name of the dataset, as ``precondbench list`` prints it.
    configuration, label, version : str, optional
        As for ``open_dataset``.
    fold : int, optional
        Of version 2.0 of real data. Without it, a run trains on every fold, and is tested on all
        matrices.
    max_rows : int, optional
        Leave matrices with more rows out of training and validation; predictions are made for
        all.

    Raises
    ------
    ConfigurationError
        If a value has another type, or a setting is unknown.

    Examples
    --------
    >>> from precondbench.datasets import DataSelection
    >>> selection = DataSelection(dataset="suitesparse-invk", version="sample", max_rows=100)
    >>> len(selection.open("train")), len(selection.open_small("train"))
    (9, 2)
    """

    dataset: str
    configuration: str | None = None
    label: str | None = None
    version: str | None = None
    fold: Annotated[int, Field(ge=0, lt=FOLDS)] | None = None
    max_rows: Annotated[int, Field(ge=1)] | None = None

    def resolved(self) -> DataSelection:
        """Return the selection with version, configuration and label written out.

        Raises
        ------
        ConfigurationError
            If there is no such data.
        """
        spec = dataset_spec(self.dataset)
        version = self.version or spec.newest
        configuration = self.configuration or spec.default_configuration
        select_plans(self.dataset, version, configuration)
        label = self.label or spec.labels[0]
        return replace(self, version=version, configuration=configuration, label=label)

    @property
    def in_folds(self) -> bool:
        """Whether this is all folds of data that has some."""
        data = self.resolved()
        return self.fold is None and data.dataset == SUITESPARSE and data.version in FOLDED_VERSIONS

    def splits(self) -> list[str]:
        """Return the names of the splits, ``train`` first where there is one."""
        if self.fold is not None:
            return list(FOLD_SPLITS)
        data = self.resolved()
        return [p.split for p in select_plans(data.dataset, data.version, data.configuration)]

    def open(self, split: str, root: str | Path | None = None) -> FactorDataset:
        """Open a split, whole."""
        return open_dataset(
            self.dataset,
            split,
            configuration=self.configuration,
            label=self.label,
            version=self.version,
            fold=self.fold,
            root=root,
        )

    def open_small(self, split: str, root: str | Path | None = None) -> FactorDataset:
        """Open the matrices of a split that have at most ``max_rows`` rows.

        Raises
        ------
        ConfigurationError
            If there is none.
        """
        data = self.open(split, root)
        if self.max_rows is None:
            return data
        small = [i for i in range(len(data)) if data[i].x.shape[0] <= self.max_rows]
        if not small:
            raise ConfigurationError(
                f"no matrix of split {split!r} has at most {self.max_rows} rows; raise max_rows"
            )
        subset: FactorDataset = data[small]
        return subset
