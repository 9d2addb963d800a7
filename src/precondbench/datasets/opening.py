"""Open a dataset by the names that files and command lines use."""

from __future__ import annotations

from pathlib import Path

from precondbench.build import newest_version, split_plan
from precondbench.build.large import LARGE
from precondbench.build.patterns import DEFAULT_PATTERN
from precondbench.build.suitesparse import SUITESPARSE
from precondbench.build.synthetic import SYNTHETIC
from precondbench.build.synthetic_lu import SYNTHETIC_LU
from precondbench.datasets.base import FactorDataset
from precondbench.datasets.local import LOCAL
from precondbench.datasets.suitesparse import SuiteSparseInvK
from precondbench.datasets.tridiag import SyntheticTridiag

__all__ = ["DEFAULT_CONFIGURATIONS", "DEFAULT_LABELS", "open_dataset"]

DEFAULT_LABELS = {
    SYNTHETIC: "modified",
    SYNTHETIC_LU: "modified",
    SUITESPARSE: "best",
}
DEFAULT_CONFIGURATIONS = {
    SYNTHETIC: "uniform",
    SYNTHETIC_LU: "uniform",
    SUITESPARSE: DEFAULT_PATTERN,
}


def open_dataset(
    dataset: str,
    split: str,
    *,
    configuration: str | None = None,
    label: str | None = None,
    version: str | None = None,
    root: str | Path | None = None,
) -> FactorDataset:
    """Open a split by name; what is left out takes its default.

    Parameters
    ----------
    dataset : {"synthetic-tridiag", "synthetic-tridiag-lu", "suitesparse-invk"}
        Name of the dataset.
    split : str
        Name of the split.
    configuration, label, version : str, optional
        By default ``uniform`` and ``modified``, or ``tril`` and ``best``, and the newest.
    root : path-like, optional
        Cache folder.

    Returns
    -------
    FactorDataset
        A :class:`SyntheticTridiag` or a :class:`SuiteSparseInvK`.

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
    if dataset == SUITESPARSE and (configuration == LARGE or version == LOCAL):
        name = configuration or LARGE
        return SuiteSparseInvK(
            root, split, label or DEFAULT_LABELS[dataset], version=LOCAL, pattern=name
        )
    version = version or newest_version(dataset)
    configuration = configuration or DEFAULT_CONFIGURATIONS[dataset]
    label = label or DEFAULT_LABELS[dataset]
    split_plan(dataset, version, configuration, split)
    if dataset in (SYNTHETIC, SYNTHETIC_LU):
        kind = "spd" if dataset == SYNTHETIC else "lu"
        return SyntheticTridiag(root, split, configuration, label, version=version, kind=kind)
    return SuiteSparseInvK(root, split, label, version=version, pattern=configuration)
