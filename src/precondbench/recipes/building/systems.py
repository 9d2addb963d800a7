"""Label one system of a family, and find out what classical methods need for it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import eye_array

from precondbench.errors import BreakdownError, ConfigurationError
from precondbench.factors import (
    estimate_cost,
    ic0_values,
    invk_values,
    lower_pattern,
    lower_values,
    mic0_values,
    scale_symmetrically,
    selected_inverse,
    shifted_ic0,
)
from precondbench.matrices import (
    DiscreteSystem,
    check_spd_candidate,
    near_null_vectors,
    power_of_two_scaling,
)
from precondbench.quality import SymmetricProblem
from precondbench.shards import Record
from precondbench.solvers import smoothed_aggregation

# Of MIC(0); with 0 it would be IC(0).
RELAXATIONS = (0.5, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 1.0)
# Multiply-adds of Inv-K; about ten seconds of one core.
MAX_OPERATIONS = 1e10


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
        Label ``invk``, missing where it would take too long. Facts: the iterations of no
        preconditioner, Jacobi, IC(0), Inv-K and MIC(0) with each of the relaxations, which
        preserves constants, one vector for each unknown of a node, and of IC(0) with the smallest
        shift that works, the worst of four right-hand sides, -1 where the solve failed or the
        factor broke down; those of smoothed aggregation as a floating-point number, NaN without
        PyAMG, since they depend on its version; the column where IC(0) broke down (-1 if none);
        the fewest iterations of ``COMPARED``, and who needs them; the facts of the system.
    """
    matrix = check_spd_candidate(system.A, name)
    scale = power_of_two_scaling(matrix.diagonal())
    problem = SymmetricProblem(scale_symmetrically(matrix, scale), name=name)
    scaled, pattern = problem.matrix, problem.pattern
    a = lower_values(scaled, pattern)

    invk: NDArray[np.float64] | None = None
    if estimate_cost(scaled, pattern).operations <= max_operations:
        invk = invk_values(selected_inverse(scaled, pattern), pattern)
    ic0, breakdown = ic0_values(pattern, a)
    # Sweeps over the zeros of a factor on the whole pattern would give the same bits.
    diagonal = SymmetricProblem(scaled, lower_pattern(eye_array(pattern.n, format="csr")), name)
    counts = {
        "none": _iterations(diagonal, np.ones(pattern.n)),
        "jacobi": _iterations(diagonal, np.sqrt(scaled.diagonal())),
        "ic0": _iterations(problem, ic0) if breakdown < 0 else -1,
        "invk": -1 if invk is None else _iterations(problem, invk),
    }
    counts["ic0_shifted"] = counts["ic0"]
    if breakdown >= 0:
        counts["ic0_shifted"] = _iterations(problem, shifted_ic0(scaled, pattern)[0].data)
    vectors = preserved = None
    if system.near_null_space != "none":
        vectors = near_null_vectors(system.near_null_space, pattern.n, system.coordinates)
        vectors /= scale[:, None]
        # Of rigid motions the translations: with rotations MIC(0) breaks down.
        preserved = vectors[:, : system.unknowns]
    for relaxation in RELAXATIONS:
        values, column = mic0_values(pattern, a, relaxation, preserved)
        counts[mic_name(relaxation)] = _iterations(problem, values) if column < 0 else -1
    known = [(counts[method], method) for method in COMPARED if counts[method] > 0]
    fewest, best = min(known, key=lambda pair: pair[0]) if known else (-1, "none")
    facts = {
        **system.facts,
        "unknowns": system.unknowns,
        "near_null_space": system.near_null_space,
        "h": float("nan") if system.h is None else system.h,
        **{f"iterations_{method}": count for method, count in counts.items()},
        "iterations_amg": _multigrid(problem, vectors, system.unknowns),
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
        labels={"invk": None if invk is None else invk / np.repeat(scale, np.diff(pattern.indptr))},
        facts=facts,
        geometry=geometry,
    )


def _iterations(problem: SymmetricProblem, values: NDArray[np.float64]) -> int:
    outcome = problem.solve(values)
    return outcome.iterations if outcome.solved else -1


def _multigrid(
    problem: SymmetricProblem, vectors: NDArray[np.float64] | None, unknowns: int
) -> float:
    try:
        outcome = problem.solve(smoothed_aggregation(problem.matrix, vectors, unknowns))
    except ConfigurationError:
        return float("nan")
    except BreakdownError:
        return -1.0
    return float(outcome.iterations) if outcome.solved else -1.0
