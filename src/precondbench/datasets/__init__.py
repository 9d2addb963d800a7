"""PyG datasets of both benchmarks."""

from precondbench.datasets.base import FactorDataset, clear_processed
from precondbench.datasets.opening import open_dataset
from precondbench.datasets.selection import DataSelection
from precondbench.datasets.suitesparse import SuiteSparseInvK
from precondbench.datasets.tridiag import SyntheticTridiag

__all__ = [
    "DataSelection",
    "FactorDataset",
    "SuiteSparseInvK",
    "SyntheticTridiag",
    "clear_processed",
    "open_dataset",
]
