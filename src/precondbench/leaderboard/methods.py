"""Classical methods that stand on every board, as functions A -> L."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array

from precondbench.factors import ic0, invk, khop_factor
from precondbench.matrices import lower_csr
from precondbench.quality.hops import tridiagonal_part

__all__ = ["HOPS", "khop_methods", "real_methods", "tridiagonal_methods"]

HOPS = (0, 1, 2, 4, 8, 16, 32)
Method = Callable[[csr_array], Any]


def identity(A: csr_array) -> csr_array:
    """No preconditioner."""
    return csr_array(eye_array(A.shape[0], format="csr"))


def jacobi(A: csr_array) -> csr_array:
    """Square root of the diagonal."""
    return csr_array(diags_array(np.sqrt(A.diagonal())).tocsr())


def fixed_order_invk(A: csr_array) -> csr_array:
    """Inv-K with the same bits on every machine, as scores are published."""
    return invk(A, method="simplicial", workers=1)


def khop(A: csr_array, hops: int) -> csr_array:
    """k-hop oracle of a tridiagonal matrix."""
    return lower_csr(khop_factor(tridiagonal_part(A), hops))


def khop_methods() -> dict[str, Method]:
    """k-hop oracles by name."""
    return {f"{hops}-hop oracle": partial(khop, hops=hops) for hops in HOPS}


def tridiagonal_methods() -> dict[str, Method]:
    """Methods for tridiagonal matrices; there IC(0) is the exact factor, an oracle."""
    return {"none": identity, "Jacobi": jacobi, **khop_methods(), "exact factor": ic0}


def real_methods() -> dict[str, Method]:
    """Methods for any SPD matrix."""
    return {"none": identity, "Jacobi": jacobi, "IC(0)": ic0, "Inv-K": fixed_order_invk}
