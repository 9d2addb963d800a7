"""Inv-K values by a plan, with the figures that say how accurate they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import BreakdownError
from precondbench.factors.cholesky import analyse, factorise, solve_ldl
from precondbench.factors.identity_residual import identity_residual
from precondbench.factors.invk_columns import invk_values
from precondbench.factors.pattern import LowerPattern
from precondbench.factors.plan import InversionPlan
from precondbench.factors.probe import Probe, probe_inverse
from precondbench.factors.selected_inverse import invert_factor
from precondbench.factors.supernodal_cholesky import factorise_blocks
from precondbench.factors.supernodal_inverse import invert_blocks
from precondbench.factors.supernodal_invk import supernodal_invk_values
from precondbench.factors.supernodal_solve import solve
from precondbench.factors.supernodes import find_supernodes

__all__ = ["DOUBTFUL", "Inversion", "invert", "invert_guarded"]

# Above this residual the other method is tried as well.
DOUBTFUL = 1e-6


@dataclass(frozen=True)
class Inversion:
    """Inv-K by one method.

    Attributes
    ----------
    method : {"simplicial", "supernodal"}
        What computed the values.
    values : numpy.ndarray
        float64 (pattern.nnz,): Inv-K in the pattern's CSR order.
    residual : float
        Largest |(A Z)_ii - 1|, see
        :func:`precondbench.factors.identity_residual.identity_residual`.
    entries : int
        Numbers that the factor and then the selected inverse occupied.
    probe : Probe or None
        Reference blocks, if asked for.
    """

    method: str
    values: NDArray[np.float64]
    residual: float
    entries: int
    probe: Probe | None


def invert(
    matrix: csr_array,
    pattern: LowerPattern,
    plan: InversionPlan,
    method: str,
    workers: int = 1,
    probes: int = 0,
) -> Inversion:
    """Inv-K by one method in the order of a plan.

    Raises
    ------
    BreakdownError
        If A is not positive definite in double precision.
    """
    probe = None
    if method == "simplicial":
        symbolic = analyse(plan.graph, plan.position)
        lower, pivots = factorise(matrix, symbolic)
        if probes:
            probe = probe_inverse(
                matrix, pattern, partial(solve_ldl, symbolic, lower, pivots), probes
            )
        simplicial = invert_factor(symbolic, lower, pivots)
        residual = identity_residual(matrix, simplicial)
        values = invk_values(simplicial, pattern, workers)
        return Inversion(method, values, residual, simplicial.nnz, probe)
    supernodes = find_supernodes(plan.graph, plan.position)
    factor = factorise_blocks(matrix, supernodes, workers)
    if probes:
        probe = probe_inverse(matrix, pattern, partial(solve, factor), probes)
    blocks = invert_blocks(factor, workers)
    residual = identity_residual(matrix, blocks)
    values = supernodal_invk_values(blocks, pattern, workers)
    return Inversion(method, values, residual, supernodes.entries, probe)


def invert_guarded(
    matrix: csr_array,
    pattern: LowerPattern,
    plan: InversionPlan,
    workers: int = 1,
    probes: int = 0,
) -> tuple[Inversion, bool]:
    """Inv-K by the plan's method; by the other one, too, if that broke down or is in doubt.

    Returns
    -------
    inversion : Inversion
        The more accurate of what was computed.
    doubtful : bool
        Whether the other method was tried.

    Raises
    ------
    BreakdownError
        If both methods break down: A is not positive definite in double precision.
    """
    other = "simplicial" if plan.method == "supernodal" else "supernodal"
    try:
        first = invert(matrix, pattern, plan, plan.method, workers, probes)
    except BreakdownError as error:
        try:
            return invert(matrix, pattern, plan, other, workers, probes), True
        except BreakdownError:
            raise error from None
    if first.residual <= DOUBTFUL:
        return first, False
    try:
        second = invert(matrix, pattern, plan, other, workers, probes)
    except BreakdownError:
        return first, True
    return min(first, second, key=lambda one: one.residual), True
