"""Label one system of a family, and find out what classical methods need for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import BreakdownError, ConfigurationError
from precondbench.factors import (
    estimate_cost,
    ic0_values,
    invk_values,
    lower_values,
    mic0_values,
    selected_inverse,
    shifted_ic0,
)
from precondbench.matrices import DiscreteSystem, check_spd_candidate, near_null_vectors
from precondbench.quality import SymmetricProblem
from precondbench.shards import Record
from precondbench.solvers import smoothed_aggregation

# Of MIC(0); with 0 it would be IC(0).
RELAXATIONS = (0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 1.0)
# Multiply-adds of Inv-K; about ten seconds of one core.
MAX_OPERATIONS = 1e10
TOO_DEAR = "too dear"


def mic_name(relaxation: float) -> str:
    """Name of MIC(0) in facts, with the relaxation in thousandths.

    >>> mic_name(0.97)
    'mic_970'
    """
    return f"mic_{round(1000 * relaxation):03d}"


# Whose fewest iterations others are compared with, by name in facts.
COMPARED = ("jacobi", "ic0_shifted", "invk", *(mic_name(w) for w in RELAXATIONS))


def label_system(
    name: str, group: str, system: DiscreteSystem, max_operations: float = MAX_OPERATIONS
) -> Record:
    """Compute Inv-K of a system, and solve with it and with classical methods.

    Everything is computed on the matrix scaled by powers of two, as scores are.

    Parameters
    ----------
    name, group : str
        Of the record; systems of one draw have the same group.
    system : DiscreteSystem
        The matrix and its geometry.
    max_operations : float
        Above this predicted cost Inv-K is not computed.

    Returns
    -------
    Record
        Label ``invk``, missing where it is too dear. Facts: the iterations of no preconditioner,
        Jacobi, IC(0), Inv-K and MIC(0) with each of the relaxations, which preserves constants,
        one vector for each unknown of a node, and of IC(0) with the smallest shift that works, the worst
        of four right-hand sides, -1 where the solve failed or the factor broke down; those of
        smoothed aggregation as a floating-point number, NaN without PyAMG, since they depend on
        its version; the column where IC(0) broke down (-1 if none); the fewest iterations of
        ``COMPARED``, and who needs them; the facts of the system.
    """
    matrix = check_spd_candidate(system.A, name)
    problem = SymmetricProblem(matrix, name=name)
    pattern = problem.pattern
    unscale = 1.0 / np.repeat(problem.row_scale, np.diff(pattern.indptr))
    a = lower_values(problem.matrix, pattern)

    invk: NDArray[np.float64] | None = None
    if estimate_cost(problem.matrix, pattern).operations <= max_operations:
        invk = invk_values(selected_inverse(problem.matrix, pattern), pattern) * unscale
    ic0, breakdown = ic0_values(pattern, a)
    jacobi = np.zeros_like(a)
    jacobi[pattern.diagonal] = np.sqrt(a[pattern.diagonal])

    counts = {
        "none": _iterations(problem, None),
        "jacobi": _iterations(problem, jacobi * unscale),
        "ic0": _iterations(problem, ic0 * unscale) if breakdown < 0 else -1,
        "invk": -1 if invk is None else _iterations(problem, invk),
    }
    counts["ic0_shifted"] = counts["ic0"]
    if breakdown >= 0:
        shifted, _ = shifted_ic0(problem.matrix, pattern)
        counts["ic0_shifted"] = _iterations(problem, shifted.data * unscale)
    kind = "constant" if system.near_null_space == "none" else system.near_null_space
    vectors = near_null_vectors(kind, matrix.shape[0], system.coordinates)
    # Of rigid motions the translations: with rotations MIC(0) breaks down. Of the scaled matrix.
    preserved = vectors[:, : system.unknowns] / problem.row_scale[:, None]
    for relaxation in RELAXATIONS:
        values, column = mic0_values(pattern, a, relaxation, preserved)
        solved = _iterations(problem, values * unscale) if column < 0 else -1
        counts[mic_name(relaxation)] = solved
    known = [(counts[method], method) for method in COMPARED if counts[method] > 0]
    fewest, best = min(known, key=lambda pair: pair[0]) if known else (-1, "none")
    facts = {
        **system.facts,
        "unknowns": system.unknowns,
        "near_null_space": system.near_null_space,
        "h": float("nan") if system.h is None else system.h,
        **{f"iterations_{method}": count for method, count in counts.items()},
        "iterations_amg": _multigrid(problem, matrix, vectors, system.unknowns),
        "breakdown_column": breakdown,
        "best_iterations": fewest,
        "best_method": best,
    }
    geometry = {
        key: values
        for key in ("coordinates", "coefficients")
        if (values := getattr(system, key)) is not None
    }
    return Record(
        name=name,
        group=group,
        indptr=pattern.indptr,
        indices=pattern.indices,
        a=lower_values(matrix, pattern),
        labels={"invk": invk},
        facts=facts,
        geometry=geometry,
    )


def _iterations(problem: SymmetricProblem, values: NDArray[np.float64] | None) -> int:
    outcome = problem.solve(values)
    return outcome.iterations if outcome.solved else -1


def _multigrid(
    problem: SymmetricProblem, matrix: csr_array, vectors: NDArray[np.float64], unknowns: int
) -> float:
    try:
        outcome = problem.solve(smoothed_aggregation(matrix, vectors, unknowns))
    except ConfigurationError:
        return float("nan")
    except BreakdownError:
        return -1.0
    return float(outcome.iterations) if outcome.solved else -1.0
