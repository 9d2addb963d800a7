"""PyG datasets of both benchmarks."""

from precondbench.datasets.suitesparse import SuiteSparseInvK
from precondbench.datasets.tridiag import SyntheticTridiag

__all__ = ["SuiteSparseInvK", "SyntheticTridiag"]
