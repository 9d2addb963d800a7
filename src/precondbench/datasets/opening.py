"""Open a dataset by the names that files and command lines use."""

from __future__ import annotations

from pathlib import Path

from precondbench.build import newest_version, split_plan, suitesparse, synthetic, synthetic_lu
from precondbench.build.large import LARGE
from precondbench.build.patterns import DEFAULT_PATTERN
from precondbench.datasets.base import FactorDataset
from precondbench.datasets.local import LOCAL
from precondbench.datasets.suitesparse import SuiteSparseInvK
from precondbench.datasets.tridiag import SyntheticTridiag

__all__ = ["DEFAULT_CONFIGURATIONS", "DEFAULT_LABELS", "open_dataset"]

DEFAULT_LABELS = {
    synthetic.DATASET: "modified",
    synthetic_lu.DATASET: "modified",
    suitesparse.DATASET: "best",
}
DEFAULT_CONFIGURATIONS = {
    synthetic.DATASET: "uniform",
    synthetic_lu.DATASET: "uniform",
    suitesparse.DATASET: DEFAULT_PATTERN,
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
    if dataset == suitesparse.DATASET and (configuration == LARGE or version == LOCAL):
        name = configuration or LARGE
        return SuiteSparseInvK(
            root, split, label or DEFAULT_LABELS[dataset], version=LOCAL, pattern=name
        )
    version = version or newest_version(dataset)
    configuration = configuration or DEFAULT_CONFIGURATIONS[dataset]
    label = label or DEFAULT_LABELS[dataset]
    split_plan(dataset, version, configuration, split)
    if dataset in (synthetic.DATASET, synthetic_lu.DATASET):
        kind = "spd" if dataset == synthetic.DATASET else "lu"
        return SyntheticTridiag(root, split, configuration, label, version=version, kind=kind)
    return SuiteSparseInvK(root, split, label, version=version, pattern=configuration)
