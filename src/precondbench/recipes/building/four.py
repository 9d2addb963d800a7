"""Label a real matrix with four factors, and find out which of them solves it best."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from precondbench.errors import BreakdownError
from precondbench.factors import (
    condition_estimate,
    estimate_cost,
    ic0_values,
    invk_values,
    lower_pattern,
    lower_values,
    minimum_degree,
    pattern_of,
    permuted,
    reverse_cuthill_mckee,
    scale_symmetrically,
    selected_inverse,
    shifted_ic0,
    shifted_mic0,
)
from precondbench.matrices import matrix_digest, power_of_two_scaling
from precondbench.quality import Outcome, SymmetricProblem
from precondbench.recipes.building.label import (
    MAX_OPERATIONS,
    FactoredMatrix,
    iterations_text,
    outcome_facts,
)
from precondbench.recipes.building.systems import RELAXATIONS
from precondbench.recipes.suitesparse import ORDERS, UNSOLVED
from precondbench.shards import Record

# In words, in the order in which equal counts are decided.
SHIFTED = "ic0_shifted"
FOUR_LABELS = {"invk": "Inv-K", "ic0": "IC(0)", SHIFTED: "shifted IC(0)", "mic0": "MIC(0)"}

# The function of each order.
POSITIONS = dict(zip(ORDERS, (reverse_cuthill_mckee, minimum_degree), strict=True))


@dataclass(frozen=True)
class _Factor:
    values: NDArray[np.float64]
    outcome: Outcome
    shift: float = 0.0
    relaxation: float = 0.0


def label_matrix(
    full_name: str,
    matrix: csr_array,
    kind: str = "",
    pattern_name: str = "tril",
    max_operations: float = MAX_OPERATIONS,
    given: csr_array | None = None,
) -> FactoredMatrix:
    """Compute four factors of a checked matrix on a pattern, and solve with each by protocol 2.

    Parameters
    ----------
    full_name : str
        ``group/name``.
    matrix : scipy.sparse.csr_array
        From ``check_spd_candidate``.
    kind : str
        Problem domain, becomes a fact.
    pattern_name : str
        See :func:`precondbench.factors.pattern_of`.
    max_operations : float
        Above this predicted cost Inv-K is not computed.
    given : scipy.sparse.csr_array, optional
        The matrix in the order of its source, if that is another one: its condition number is
        estimated there, where SuperLU fills in less.

    Returns
    -------
    FactoredMatrix
        Labels ``invk``; ``ic0``; ``ic0_shifted``, IC(0) with the smallest shift that works, where
        that is not 0; ``mic0``, with the smallest shift that works and the best relaxation, those
        of families, where that is not 0 either. A missing one is that before it, if that is a
        variant of IC(0); IC(0) is missing where it breaks down, Inv-K where it costs too much.
        Facts: iterations (the worst of four right-hand sides, -1 where the solve failed) and
        statuses of no preconditioner, Jacobi and the labels; shifts and the relaxation; the column
        where IC(0) broke down (-1 if none); ``best_method``, the label with the fewest iterations,
        and ``best_iterations``; an estimate of the condition number in the 1-norm of A scaled to a
        diagonal of order one, where Inv-K is computed. The outcome is ``built`` where a label
        solves the matrix; the record of another has no labels, which are in ``tried``.
    """
    digest = matrix_digest(matrix)
    if matrix.nnz == matrix.shape[0]:
        return FactoredMatrix(full_name, "diagonal", "every factor is trivial", digest)
    pattern = pattern_of(matrix, pattern_name)
    scale = power_of_two_scaling(matrix.diagonal())
    problem = SymmetricProblem(scale_symmetrically(matrix, scale), pattern, full_name)
    scaled, a = problem.matrix, lower_values(problem.matrix, pattern)
    # Sweeps over the zeros of a factor on the whole pattern would give the same bits.
    diagonal = SymmetricProblem(scaled, lower_pattern(eye_array(pattern.n, format="csr")))
    solved: dict[str, Outcome | None] = {
        "none": diagonal.solve(np.ones(pattern.n)),
        "jacobi": diagonal.solve(np.sqrt(scaled.diagonal())),
    }
    factors: dict[str, _Factor] = {}
    condition = math.nan
    try:
        if estimate_cost(scaled, pattern).operations <= max_operations:
            condition = condition_estimate(scaled if given is None else _scaled(given))
            values = invk_values(selected_inverse(scaled, pattern), pattern)
            factors["invk"] = _Factor(values, problem.solve(values))
    except BreakdownError as error:
        return FactoredMatrix(full_name, "not positive definite", str(error), digest)
    values, breakdown = ic0_values(pattern, a)
    if breakdown < 0:
        factors["ic0"] = _Factor(values, problem.solve(values))
        factors[SHIFTED] = factors["ic0"]
    else:
        shifted, alpha = shifted_ic0(scaled, pattern)
        factors[SHIFTED] = _Factor(shifted.data, problem.solve(shifted.data), alpha)
    modified = factors["mic0"] = _modified(problem, factors[SHIFTED])
    solved |= {name: factors[name].outcome if name in factors else None for name in FOUR_LABELS}
    counts = {
        name: factors[name].outcome.iterations
        for name in FOUR_LABELS
        if name in factors and factors[name].outcome.solved
    }
    best = min(counts, key=lambda name: counts[name]) if counts else "none"
    facts: dict[str, int | float | str] = {
        "kind": kind,
        "breakdown_column": breakdown,
        "condition_scaled": condition,
        "shift_ic0": factors[SHIFTED].shift,
        "shift_mic0": modified.shift,
        "relaxation_mic0": modified.relaxation,
        **outcome_facts(solved),
        "best_method": best,
        "best_iterations": counts.get(best, -1),
    }
    if "invk" not in factors:
        facts["status_invk"] = "too dear"
    own: dict[str, _Factor] = {}
    for name in FOUR_LABELS:
        # IC(0) that needs no shift, and MIC(0) without relaxation, are stored once.
        if name in factors and all(factors[name] is not factor for factor in own.values()):
            own[name] = factors[name]
    rows = np.repeat(scale, np.diff(pattern.indptr))
    record = Record(
        name=full_name,
        group=full_name.partition("/")[0],
        indptr=pattern.indptr,
        indices=pattern.indices,
        a=lower_values(matrix, pattern),
        labels={name: own[name].values / rows if name in own else None for name in FOUR_LABELS},
        facts=facts,
    )
    outcome = "built" if counts else UNSOLVED
    detail = iterations_text(facts, {"none": "none", **FOUR_LABELS})
    kept = record if counts else replace(record, labels=dict.fromkeys(FOUR_LABELS))
    return FactoredMatrix(full_name, outcome, detail, digest, kept, facts, record)


def _scaled(matrix: csr_array) -> csr_array:
    return scale_symmetrically(matrix, power_of_two_scaling(matrix.diagonal()))


def label_in_order(
    full_name: str,
    matrix: csr_array,
    kind: str,
    configuration: str,
    max_operations: float = MAX_OPERATIONS,
) -> FactoredMatrix:
    """Label a matrix as a configuration of version 2.0 asks: in the order given, or in another one.

    The digest is that of the matrix as it is given.
    """
    if configuration not in POSITIONS:
        return label_matrix(full_name, matrix, kind, configuration, max_operations)
    moved = permuted(matrix, POSITIONS[configuration](matrix))
    found = label_matrix(full_name, moved, kind, max_operations=max_operations, given=matrix)
    return replace(found, matrix_digest=matrix_digest(matrix))


def _modified(problem: SymmetricProblem, unmodified: _Factor) -> _Factor:
    """MIC(0) with the relaxation that needs fewest iterations, the smallest of several.

    Each with the smallest shift that works. IC(0) is the one with relaxation 0.
    """
    best = unmodified
    for relaxation in RELAXATIONS:
        try:
            factor, shift = shifted_mic0(problem.matrix, relaxation, pattern=problem.pattern)
        except BreakdownError:
            continue
        # One that needs more than the best so far does not matter.
        most = best.outcome.penalised_iterations
        outcome = problem.solve(factor.data, maxiter=most)
        if outcome.solved and outcome.iterations < most:
            best = _Factor(factor.data, outcome, shift, relaxation)
        elif not best.outcome.solved:
            break
    return best
