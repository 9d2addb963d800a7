"""Forms of a preconditioner that a method may return, and the solver that each is judged by."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from precondbench import Pair, evaluate, gmres, ic0, ilu0, pcg
from precondbench.errors import MatrixError, SubmissionError
from precondbench.factors import fsai
from precondbench.leaderboard.submissions.pack import pack_function
from precondbench.quality import SIDES, problem_of
from precondbench.solvers import (
    Deflation,
    FactoredInverse,
    SparseInverse,
    chebyshev,
    gmres_operator,
    pcg_operator,
    spai,
    subdomain_deflation,
)


class One:
    """A dataset of one matrix."""

    def __init__(self, A, symmetric=True):
        self.given = Pair("one", A, ic0(A)) if symmetric else Pair("one", A, *ilu0(A))

    def __len__(self):
        return 1

    def pair(self, index):
        return self.given


class Method:
    def __init__(self, make):
        self.make = make

    def setup(self, A, context):
        return self.make(A)


def skew(A):
    return sp.csr_array(A + 0.3 * sp.triu(A, 1) - 0.2 * sp.tril(A, -1))


def roughly(A):
    """Conjugate gradients to a low tolerance: a function of r that is not linear."""
    return lambda r: pcg(A, r, rtol=0.3).x


def three_steps(A):
    """Three steps of GMRES, for any A."""
    return lambda r: gmres(A, r, maxiter=3).x


SYMMETRIC = {
    "factor": ic0,
    "values": lambda A: ic0(A).data,
    "operator": lambda A: FactoredInverse(fsai(A)),
    "sparse approximate inverse": spai,
    "subspace": lambda A: Deflation(A, np.ones(A.shape[0])),
    "subspace and factor": lambda A: subdomain_deflation(A, M=ic0(A)),
    "function": roughly,
}
GENERAL = {
    "pair": ilu0,
    "operator": lambda A: aslinearoperator(sp.diags_array(1 / A.diagonal())),
    "sparse approximate inverse": lambda A: spai(A, symmetric=False),
    "function": three_steps,
}


@pytest.mark.parametrize("form", SYMMETRIC)
def test_forms_for_symmetric_matrices(form, poisson_2d):
    A = poisson_2d(16)
    make = SYMMETRIC[form]
    row = evaluate(One(A), Method(make)).rows[0]
    assert (row.status, row.reason) == ("converged", "")
    assert row.iterations < evaluate(One(A), lambda A: sp.eye_array(256)).rows[0].iterations
    assert (row.work is None) == (form == "function")
    assert (row.cosine is None) == (form not in ("factor", "values"))
    assert row == evaluate(One(A), make).rows[0]


@pytest.mark.parametrize("form", GENERAL)
def test_forms_for_other_matrices(form, poisson_2d):
    A = skew(poisson_2d(16))
    row = evaluate(One(A, symmetric=False), Method(GENERAL[form])).rows[0]
    assert (row.status, row.reason) == ("converged", "")
    assert row == evaluate(One(A, symmetric=False), GENERAL[form]).rows[0]


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_function_is_judged_by_the_flexible_solver(symmetric, poisson_2d):
    """The plain solver gives another count."""
    A = poisson_2d(24) if symmetric else skew(poisson_2d(24))
    pair = One(A, symmetric).given
    problem = problem_of(pair)
    function = roughly(A) if symmetric else three_steps(A)
    solve = pcg_operator if symmetric else gmres_operator
    b = problem.sides()

    def applied(r):
        return function(r / problem.row_scale) / problem.column_scale

    flexible, plain = (
        solve(problem.matrix, b, applied, maxiter=200, flexible=choice) for choice in (True, False)
    )
    row = problem.score(function)
    assert row.sides == flexible.iterations
    assert row.status == "converged"
    if symmetric:
        assert min(plain.iterations) > 5 * row.iterations
    else:
        assert set(plain.status) == {"stagnated"}


def test_a_linear_function_needs_the_iterations_of_its_operator(poisson_2d):
    A = poisson_2d(16)
    M = chebyshev(A, 3)
    rows = [evaluate(One(A), lambda A, m=m: m).rows[0] for m in (M, M.matvec)]
    assert rows[0].iterations == rows[1].iterations
    assert rows[0].condition is not None
    assert rows[1].condition is None


def test_work_of_a_function_is_what_it_says(poisson_2d):
    class Counted:
        entries = 500

        def __init__(self, A):
            self.d = A.diagonal()

        def __call__(self, r):
            return r / self.d

    A = poisson_2d(8)
    assert evaluate(One(A), Counted).rows[0].work == 500 / (A.nnz + 64)


def test_functions_see_scaled_systems_alike(poisson_2d):
    """Rows and columns scaled by powers of two: the same bits."""
    D = sp.diags_array(2.0 ** np.random.default_rng(2).integers(-20, 20, 100).astype(float))
    A = poisson_2d(10)
    scaled = sp.csr_array(D @ A @ D)

    def roots(matrix):
        """Not linear; scaled by the diagonal so that it moves with it."""
        s = np.sqrt(matrix.diagonal() / 4)
        return lambda r: np.cbrt(r / s) / s

    one, other = (
        problem_of(Pair("A", matrix, ic0(matrix))).solve(roots(matrix)) for matrix in (A, scaled)
    )
    assert one == other
    for make in (lambda A: chebyshev(A, 3), spai, lambda A: subdomain_deflation(A, M=ic0(A))):
        one, other = (
            problem_of(Pair("A", matrix, ic0(matrix))).solve(make(matrix)).status
            for matrix in (A, scaled)
        )
        assert one == other == "converged"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda A: A + 0.01 * sp.triu(A, 1), "the operator is not symmetric: u^T M v = "),
        (lambda A: -A, "the operator is not positive definite: u^T M u = -"),
    ],
)
def test_an_operator_that_pcg_cannot_use_has_a_reason(change, reason, poisson_2d):
    A = poisson_2d(10)
    M = SparseInverse(change(A))
    row = evaluate(One(A), lambda A: M).rows[0]
    assert (row.status, row.iterations, row.sides) == ("invalid", 0, (10_000,) * SIDES)
    assert row.reason.startswith(reason)
    # GMRES needs neither.
    B = skew(A)
    assert evaluate(One(B, symmetric=False), lambda A: M).rows[0].reason == ""


def test_a_function_that_is_not_linear_may_not_pass_as_an_operator(poisson_2d):
    A = poisson_2d(16)
    hidden = LinearOperator(A.shape, matvec=roughly(A), dtype=float)
    row = evaluate(One(A), lambda A: hidden).rows[0]
    assert "return a function r -> z to be solved with by flexible PCG" in row.reason


def test_what_a_function_may_not_return(poisson_2d):
    A = poisson_2d(6)
    with pytest.raises(MatrixError, match=r"returns shape \(1,\) for r of shape \(36,\)"):
        evaluate(One(A), lambda A: lambda r: [1.0])
    assert evaluate(One(A), lambda A: lambda r: r * np.nan).rows[0].status == "stagnated"


def test_dependent_columns_are_a_failure_of_the_matrix(poisson_2d):
    row = evaluate(One(poisson_2d(6)), lambda A: Deflation(A, np.ones((36, 2)))).rows[0]
    assert row.status == "invalid"
    assert row.reason.startswith("BreakdownError: W^T A W is singular")


def test_predictions_in_a_file_hold_no_functions(poisson_2d, tmp_path):
    said = {"method": "Roughly", "kind": "classical", "authors": ["me"], "description": "So."}
    with pytest.raises(SubmissionError, match="a submission holds factors"):
        pack_function(Method(roughly), One(poisson_2d(6)), tmp_path, said)
