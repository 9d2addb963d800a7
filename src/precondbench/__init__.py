"""precondbench: the benchmark by which learned sparse preconditioners are judged.

Names are loaded on first use, so that importing the package is cheap and touches neither
torch nor the network.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from precondbench.datasets import SuiteSparseInvK, SyntheticTridiag
    from precondbench.errors import BreakdownError, PrecondbenchError
    from precondbench.factors import ic0, ilu0, invk
    from precondbench.quality import LUPair, Pair, evaluate, gmres, k_condition, pcg

_HOME = {
    "BreakdownError": "precondbench.errors",
    "LUPair": "precondbench.quality",
    "Pair": "precondbench.quality",
    "PrecondbenchError": "precondbench.errors",
    "SuiteSparseInvK": "precondbench.datasets",
    "SyntheticTridiag": "precondbench.datasets",
    "evaluate": "precondbench.quality",
    "gmres": "precondbench.quality",
    "ic0": "precondbench.factors",
    "ilu0": "precondbench.factors",
    "invk": "precondbench.factors",
    "k_condition": "precondbench.quality",
    "pcg": "precondbench.quality",
}

__all__ = [
    "BreakdownError",
    "LUPair",
    "Pair",
    "PrecondbenchError",
    "SuiteSparseInvK",
    "SyntheticTridiag",
    "__version__",
    "evaluate",
    "gmres",
    "ic0",
    "ilu0",
    "invk",
    "k_condition",
    "pcg",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
