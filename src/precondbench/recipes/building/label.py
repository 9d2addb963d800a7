"""Compute the labels of one matrix, Inv-K and incomplete Cholesky, and compare them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from precondbench.errors import AccuracyWarning, BreakdownError
from precondbench.factors import (
    DEFAULT_PATTERN,
    condition_estimate,
    estimate_cost,
    ic0_values,
    invk_report,
    invk_values,
    lower_values,
    pattern_of,
    selected_inverse,
)
from precondbench.matrices import matrix_digest
from precondbench.quality import Outcome, SymmetricProblem, k_condition_values
from precondbench.recipes.building.protocol_1 import solve_by_protocol_1
from precondbench.shards import Record

# Iteration counts of hard cases move by several percent with rounding alone, so a winner
# must need at least this share fewer.
MARGIN = 0.05
# The configuration of matrices that are too large for the benchmark.
LARGE = "large"

# About two minutes of one core; only Trefethen_20000 and 20000b, whose factors are nearly
# dense, need more among the matrices seen so far.
MAX_OPERATIONS = 1e11
ANNOUNCED_OPERATIONS = 1e9


@dataclass(frozen=True)
class FactoredMatrix:
    """A record, or the reason why there is none.

    Attributes
    ----------
    name : str
        ``group/name``.
    outcome : str
        ``built``, or why it was left out: ``diagonal``, ``not positive definite``,
        ``neither label converges``, ``too dear``, ``duplicate``, ``not verified``,
        ``unreadable``, ``not in the mirror``.
    detail : str
        One sentence more, may be empty.
    matrix_digest : str
        Digest of the source entries; empty if the matrix was not read.
    record : Record or None
        Present if ``outcome`` is ``built``.
    facts : dict
        Iterations, n log K and the rest, wherever both labels could be tried.
    tried : Record or None
        The labels that the facts are about, also where neither of them converged.
    """

    name: str
    outcome: str
    detail: str = ""
    matrix_digest: str = ""
    record: Record | None = None
    facts: dict[str, int | float | str] = field(default_factory=dict)
    tried: Record | None = None


def winner_of(ic0: Outcome | None, invk: Outcome) -> str:
    """Compare two solves with the margin: ``ic0``, ``inv-k``, ``tie`` or ``neither``.

    >>> from precondbench.quality import Outcome
    >>> from precondbench.solvers import Status
    >>> outcomes = [Outcome(Status.CONVERGED, count, (count,), 0.0) for count in (100, 97)]
    >>> winner_of(*outcomes)
    'tie'
    """
    if ic0 is None or not ic0.solved:
        return "inv-k" if invk.solved else "neither"
    if not invk.solved or ic0.iterations < (1.0 - MARGIN) * invk.iterations:
        return "ic0"
    if invk.iterations < (1.0 - MARGIN) * ic0.iterations:
        return "inv-k"
    return "tie"


def outcome_facts(solves: Mapping[str, Outcome | None]) -> dict[str, int | float | str]:
    """Facts ``iterations_<name>``, -1 where it failed, and ``status_<name>``; None: no factor."""
    facts: dict[str, int | float | str] = {}
    for method, outcome in solves.items():
        solved = outcome is not None and outcome.solved
        facts[f"iterations_{method}"] = outcome.iterations if outcome and solved else -1
        facts[f"status_{method}"] = str(outcome.status) if outcome else "breakdown"
    return facts


def iterations_text(facts: Mapping[str, int | float | str], labels: Mapping[str, str]) -> str:
    """Iterations or status of some methods, by their names in facts and in words.

    >>> facts = {"iterations_ic0": -1, "status_ic0": "breakdown", "iterations_invk": 24}
    >>> iterations_text(facts, {"ic0": "IC(0)", "invk": "Inv-K"})
    'IC(0) breakdown, Inv-K 24'
    """
    return ", ".join(
        f"{label} {facts[f'iterations_{name}']}"
        if facts[f"iterations_{name}"] != -1
        else f"{label} {facts[f'status_{name}']}"
        for name, label in labels.items()
    )


def factor_matrix(
    full_name: str,
    matrix: csr_array,
    kind: str = "",
    *,
    pattern_name: str = DEFAULT_PATTERN,
    max_operations: float = MAX_OPERATIONS,
    announce: Callable[[str], None] | None = None,
    announced_operations: float = ANNOUNCED_OPERATIONS,
    protocol: int = 2,
) -> FactoredMatrix:
    """Compute Inv-K and incomplete Cholesky of a checked matrix and solve with each.

    Everything is computed on the matrix scaled by powers of two and scaled back, which
    changes no significand.

    Parameters
    ----------
    full_name : str
        ``group/name``.
    matrix : scipy.sparse.csr_array
        Checked symmetric matrix.
    kind : str
        Problem domain, kept as a fact.
    pattern_name : str
        Pattern of both labels: ``tril``, or ``level-1`` or ``level-2`` for that of IC(1), IC(2).
    max_operations : float
        Above this predicted cost nothing is computed: the outcome is ``too dear``.
    announce : callable, optional
        Told the predicted cost of a large matrix before work on it starts.
    announced_operations : float
        Above this predicted cost a matrix is large.
    protocol : {1, 2}
        By which the two are compared: 1, of one right-hand side, is that of the published versions
        of the data; 2 that of scores.

    Returns
    -------
    FactoredMatrix
        Its record has labels ``invk`` and ``ic0`` (incomplete Cholesky on the same pattern;
        missing if it broke down) and facts:
        iterations and status of no preconditioner, Jacobi, IC(0) and Inv-K (iterations are
        -1 where the solve failed), n log K, breakdown column (-1 if none), winner, an estimate
        of the condition number in the 1-norm of A scaled to a diagonal of order one.
    """
    digest = matrix_digest(matrix)
    if matrix.nnz == matrix.shape[0]:
        return FactoredMatrix(full_name, "diagonal", "every factor is trivial", digest)
    pattern = pattern_of(matrix, pattern_name)
    try:
        problem = SymmetricProblem(matrix, pattern)
        cost = estimate_cost(problem.matrix, pattern)
        if cost.operations > max_operations:
            return FactoredMatrix(full_name, "too dear", f"needs {cost}", digest)
        if announce is not None and cost.operations > announced_operations:
            announce(f"{full_name}: {cost}")
        inverse = selected_inverse(problem.matrix, pattern)
        invk = invk_values(inverse, pattern)
    except BreakdownError as error:
        return FactoredMatrix(full_name, "not positive definite", str(error), digest)
    a = lower_values(problem.matrix, pattern)
    ic0, breakdown = ic0_values(pattern, a)
    jacobi = np.zeros_like(a)
    diagonal = pattern.indptr[1:] - 1
    jacobi[diagonal] = np.sqrt(a[diagonal])
    return _compared(
        _Compared(full_name, kind, matrix, digest, problem, invk, ic0, breakdown, protocol),
        solves={"none": None, "jacobi": jacobi},
        facts={
            "condition_scaled": condition_estimate(problem.matrix),
            "n_log_k_invk": k_condition_values(inverse, pattern, invk).n_log_k,
            "n_log_k_ic0": (
                k_condition_values(inverse, pattern, ic0).n_log_k if breakdown < 0 else math.nan
            ),
        },
    )


def factor_large(full_name: str, matrix: csr_array, kind: str = "") -> FactoredMatrix:
    """Compute Inv-K and IC(0) of a large matrix on all cores, and solve with each.

    Unlike in :func:`factor_matrix` Inv-K is computed by the method that ``invk`` chooses, and
    nothing else is solved with. Facts of Inv-K are its method, ``residual`` and
    ``diagonal_error`` (see ``InvKReport``), and ``seconds``.
    """
    digest = matrix_digest(matrix)
    problem = SymmetricProblem(matrix)
    try:
        with warnings.catch_warnings():
            # The accuracy is among the facts, and in the detail.
            warnings.simplefilter("ignore", AccuracyWarning)
            report = invk_report(problem.matrix)
    except BreakdownError as error:
        return FactoredMatrix(full_name, "not positive definite", str(error), digest)
    ic0, breakdown = ic0_values(problem.pattern, lower_values(problem.matrix, problem.pattern))
    note = f"; few correct digits in Inv-K, residual {report.residual:.1e}"
    return _compared(
        _Compared(full_name, kind, matrix, digest, problem, report.factor.data, ic0, breakdown),
        solves={},
        facts={
            "method": report.method,
            "residual": report.residual,
            "diagonal_error": report.diagonal_error,
            "seconds": report.seconds,
        },
        note="" if report.residual <= 1e-4 else note,
    )


@dataclass(frozen=True)
class _Compared:
    """A matrix and its two labels, on the scaled system."""

    full_name: str
    kind: str
    matrix: csr_array
    digest: str
    problem: SymmetricProblem
    invk: NDArray[np.float64]
    ic0: NDArray[np.float64]
    breakdown: int
    protocol: int = 2

    def solve(self, values: NDArray[np.float64] | None) -> Outcome:
        if self.protocol == 1:
            return solve_by_protocol_1(self.problem, values)
        return self.problem.solve(values)


def _compared(
    of: _Compared,
    solves: Mapping[str, NDArray[np.float64] | None],
    facts: Mapping[str, int | float | str],
    note: str = "",
) -> FactoredMatrix:
    """Solve with both labels and with ``solves``, name the winner, and make the record."""
    pattern = of.problem.pattern
    unscale = 1.0 / np.repeat(of.problem.row_scale, np.diff(pattern.indptr))
    outcomes: dict[str, Outcome | None] = {
        name: of.solve(None if values is None else values * unscale)
        for name, values in solves.items()
    }
    labels = {"invk": of.invk * unscale, "ic0": of.ic0 * unscale if of.breakdown < 0 else None}
    invk = outcomes["invk"] = of.solve(labels["invk"])
    outcomes["ic0"] = None if labels["ic0"] is None else of.solve(labels["ic0"])
    winner = winner_of(outcomes["ic0"], invk)
    known = {
        "kind": of.kind,
        "winner": winner,
        "breakdown_column": of.breakdown,
        **facts,
        **outcome_facts(outcomes),
    }
    record = Record(
        name=of.full_name,
        group=of.full_name.partition("/")[0],
        indptr=pattern.indptr,
        indices=pattern.indices,
        a=lower_values(of.matrix, pattern),
        labels=labels,
        facts=known,
    )
    names = {"none": "none", "ic0": "IC(0)", "invk": "Inv-K"}
    shown = {name: text for name, text in names.items() if name in outcomes}
    detail = iterations_text(known, shown) + note
    built = winner != "neither"
    return FactoredMatrix(
        of.full_name,
        "built" if built else "neither label converges",
        f"{detail}: {winner}" if built else detail,
        of.digest,
        record if built else None,
        known,
        record,
    )
