"""Four labels of a real matrix: which is best, what is stored, and what is not."""

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import ic0, invk
from precondbench.factors import shifted_ic0, shifted_mic0
from precondbench.matrices import check_spd_candidate, formula_matrix
from precondbench.quality import MAXITER, Outcome, SymmetricProblem
from precondbench.recipes.building.four import FOUR_LABELS, label_matrix
from precondbench.recipes.suitesparse import UNSOLVED
from precondbench.solvers import Status

KERSHAW = np.array([[3, -2, 0, 2], [-2, 3, -2, 0], [0, -2, 3, -2], [2, 0, -2, 3.0]])


def labelled(name):
    return label_matrix(name, formula_matrix(name), "kind")


def factor(result, label):
    record = result.record
    values = record.labels[label]
    return sp.csr_array((values, record.indices, record.indptr), shape=(record.n,) * 2)


@pytest.mark.parametrize("name", ["HB/gr_30_30", "HB/nos1", "JGD_Trefethen/Trefethen_200"])
def test_the_best_label_needs_fewest_iterations(name):
    result = labelled(name)
    A, facts = formula_matrix(name), result.facts
    assert (result.outcome, facts["kind"]) == ("built", "kind")
    stored = [label for label in FOUR_LABELS if result.record.labels[label] is not None]
    problem = SymmetricProblem(A)
    for label in stored:
        outcome = problem.solve(problem.place(factor(result, label)))
        assert facts[f"iterations_{label}"] == (outcome.iterations if outcome.solved else -1)
    counts = [facts[f"iterations_{label}"] for label in FOUR_LABELS]
    assert facts["best_iterations"] == min(count for count in counts if count > 0)
    assert facts[f"iterations_{facts['best_method']}"] == facts["best_iterations"]


def test_labels_are_the_factors_of_the_library():
    A = formula_matrix("HB/gr_30_30")
    result = labelled("HB/gr_30_30")
    np.testing.assert_allclose(factor(result, "invk").data, invk(A).data, rtol=1e-12)
    np.testing.assert_array_equal(factor(result, "ic0").data, ic0(A).data)
    relaxed, _ = shifted_mic0(A, result.facts["relaxation_mic0"])
    np.testing.assert_array_equal(factor(result, "mic0").data, relaxed.data)


def test_a_shift_that_is_not_needed_is_not_stored():
    result = labelled("HB/gr_30_30")
    assert result.facts["shift_ic0"] == 0.0
    assert result.record.labels["ic0_shifted"] is None
    assert result.facts["iterations_ic0_shifted"] == result.facts["iterations_ic0"]


def test_a_breakdown():
    A = check_spd_candidate(KERSHAW)
    result = label_matrix("g/kershaw", A)
    assert result.record.labels["ic0"] is None
    assert (result.facts["breakdown_column"], result.facts["status_ic0"]) == (3, "breakdown")
    expected, alpha = shifted_ic0(A)
    assert result.facts["shift_ic0"] == alpha == 0.25
    np.testing.assert_array_equal(factor(result, "ic0_shifted").data, expected.data)


def test_mic_without_relaxation_is_not_stored():
    """IC(0) is best among the modified ones where dropped fill-in has both signs."""
    result = label_matrix("g/kershaw", check_spd_candidate(KERSHAW))
    facts = result.facts
    assert facts["iterations_mic0"] <= facts["iterations_ic0_shifted"]
    assert (result.record.labels["mic0"] is None) == (facts["relaxation_mic0"] == 0.0)


def test_inv_k_that_costs_too_much_is_left_out():
    A = formula_matrix("HB/gr_30_30")
    result = label_matrix("HB/gr_30_30", A, max_operations=10.0)
    assert result.record.labels["invk"] is None
    assert (result.facts["best_method"], result.facts["status_invk"]) == ("mic0", "too dear")
    assert "Inv-K too dear" in result.detail


def test_a_matrix_that_nothing_solves(monkeypatch):
    limit = Outcome(Status.ITERATION_LIMIT, MAXITER, (MAXITER,) * 4, 1.0)
    monkeypatch.setattr(SymmetricProblem, "solve", lambda *a, **k: limit)
    result = labelled("HB/nos1")
    assert result.outcome == UNSOLVED
    assert (result.facts["best_method"], result.facts["best_iterations"]) == ("none", -1)
    assert set(result.record.labels.values()) == {None}
    assert result.tried.labels["invk"] is not None


def test_other_outcomes():
    assert label_matrix("g/d", check_spd_candidate(np.diag([1.0, 2.0]))).outcome == "diagonal"
    indefinite = check_spd_candidate(np.array([[1.0, 2.0], [2.0, 1.0]]))
    assert label_matrix("g/i", indefinite).outcome == "not positive definite"
