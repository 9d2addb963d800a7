"""Preconditioners that are no lower factor on the pattern of A: operators for the same solver."""

from precondbench.preconditioners.base import Preconditioner
from precondbench.preconditioners.exact import exact_cholesky
from precondbench.preconditioners.factored import FactoredPreconditioner, after_reordering
from precondbench.preconditioners.inverse import FactoredInverse
from precondbench.preconditioners.multigrid import VCycle, smoothed_aggregation

__all__ = [
    "FactoredInverse",
    "FactoredPreconditioner",
    "Preconditioner",
    "VCycle",
    "after_reordering",
    "exact_cholesky",
    "smoothed_aggregation",
]
