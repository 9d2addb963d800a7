"""evaluate(): all forms of predictions, and the counting of failures."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
import scipy.sparse as sp

from precondbench import Pair, evaluate, ic0, invk
from precondbench.errors import BreakdownError, PredictionError
from precondbench.matrices import LAWS, draw, formula_matrix, lower_csr, tridiagonal_csr
from precondbench.quality import MAXITER, Context, evaluate_many, problem_of
from precondbench.quality import problem as scoring_module


class Tridiagonal:
    def __init__(self, count=5, n=30):
        self.samples = [draw(LAWS["cholesky"]["uniform"], n, 9, i) for i in range(count)]

    def __len__(self):
        return len(self.samples)

    def pair(self, index):
        sample = self.samples[index]
        return Pair(f"m{index}", tridiagonal_csr(sample.matrix), lower_csr(sample.modified))


class Real:
    names = ("HB/gr_30_30", "HB/nos1", "JGD_Trefethen/Trefethen_300")

    def __len__(self):
        return 3

    def pair(self, index):
        A = formula_matrix(self.names[index])
        return Pair(self.names[index], A, invk(A))


@pytest.fixture(scope="module")
def tridiagonal():
    return Tridiagonal()


@pytest.fixture(scope="module")
def exact(tridiagonal):
    return [tridiagonal.pair(i).L for i in range(5)]


def test_forms_of_predictions_agree(tridiagonal, exact):
    by_list = evaluate(tridiagonal, exact)
    by_values = evaluate(tridiagonal, [L.data for L in exact])
    by_name = evaluate(tridiagonal, {f"m{i}": L for i, L in enumerate(exact)})
    dense = evaluate(tridiagonal, [L.toarray() for L in exact])
    assert by_list == by_values == by_name == dense
    assert by_list.summary["solved"] == 1.0
    assert by_list.summary["iterations_mean"] <= 2
    assert by_list.summary["log10_one_minus_cosine_median"] == -32
    assert by_list.summary["n_log_k_median"] < 1e-10
    assert by_list.to_dict()["rows"][0]["name"] == "m0"


def test_a_list_of_pairs_is_a_dataset(tridiagonal, exact):
    pairs = [tridiagonal.pair(i) for i in range(5)]
    assert evaluate(pairs, exact) == evaluate(tuple(pairs), exact) == evaluate(tridiagonal, exact)
    with pytest.raises(PredictionError, match="the dataset is empty"):
        evaluate([], ic0)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (ic0, "dataset is a function; .*the dataset comes first, then the method"),
        (sp.eye_array(3), r"dataset is a dia_array; give one of this library, a list of Pair"),
        ([sp.eye_array(3)], r"dataset is a list; .* an object with len\(\) and pair\(i\)$"),
        (None, "dataset is a NoneType"),
    ],
)
def test_what_is_no_dataset(dataset, message):
    with pytest.raises(PredictionError, match=message):
        evaluate(dataset, ic0)


def test_torch_tensors_are_accepted(tridiagonal, exact):
    import torch

    tensors = [torch.tensor(L.data, requires_grad=True) for L in exact]
    assert evaluate(tridiagonal, tensors) == evaluate(tridiagonal, exact)


def test_callable_and_a_smaller_pattern(tridiagonal):
    jacobi = evaluate(tridiagonal, lambda A: sp.diags_array(np.sqrt(A.diagonal())).tocsr())
    exact = evaluate(tridiagonal, ic0)
    assert jacobi.summary["iterations_mean"] > 5 * exact.summary["iterations_mean"]
    assert jacobi.summary["effective_hops"] == 0.0
    assert exact.summary["effective_hops"] > 10


def test_negative_columns_are_flipped(tridiagonal, exact):
    flipped = [L @ sp.diags_array(np.where(np.arange(30) % 2, 1.0, -1.0)) for L in exact]
    assert evaluate(tridiagonal, flipped).summary == evaluate(tridiagonal, exact).summary


def test_failures_count(tridiagonal, exact):
    broken = list(exact)
    broken[1] = None
    broken[2] = np.full(59, np.nan)
    broken[3] = np.concatenate([np.zeros(1), exact[3].data[1:]])
    result = evaluate(tridiagonal, broken)
    assert [row.status for row in result.rows].count("invalid") == 3
    assert result.summary["solved"] == pytest.approx(0.4)
    assert result.summary["iterations_mean"] > 0.6 * MAXITER - 1
    assert result.summary["iterations_median"] == MAXITER
    assert result.rows[1].reason == "no prediction"
    assert "not finite" in result.rows[2].reason
    assert "diagonal entry 0 is zero" in result.rows[3].reason


def test_breakdown_of_a_callable_is_a_failed_row():
    result = evaluate(Real(), ic0)
    assert [row.status for row in result.rows] == ["converged", "invalid", "converged"]
    assert "IC(0) broke down" in result.rows[1].reason
    assert "effective_hops" not in result.summary


def test_other_exceptions_of_a_callable_pass(tridiagonal):
    def bug(A):
        raise KeyError("x")

    with pytest.raises(KeyError):
        evaluate(tridiagonal, bug)
    with pytest.raises(BreakdownError):
        invk(np.array([[1.0, 2.0], [2.0, 1.0]]))


def test_outside_the_pattern_is_invalid(tridiagonal):
    result = evaluate(tridiagonal, lambda A: np.tril(np.ones((30, 30))))
    assert all("outside the pattern" in row.reason for row in result.rows)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([np.ones(59)] * 4, "4 predictions for 5"),
        ({"m0": None}, "lack 4 of 5 matrices, first 'm1'"),
        ({f"m{i}": None for i in range(6)}, "hold 1 names"),
        ([np.ones(58)] * 5, "m0: 58 values, the pattern has 59"),
        ([np.ones((3, 3))] * 5, "m0: shape"),
        ([np.array(["x"] * 59)] * 5, "give real numbers"),
        ("abcde", "predictions are a str"),
        (7, "predictions are a int"),
    ],
)
def test_predictions_that_do_not_fit(tridiagonal, predictions, message):
    with pytest.raises(PredictionError, match=message):
        evaluate(tridiagonal, predictions)


def test_progress_is_reported(tridiagonal, exact):
    seen = []
    evaluate(
        tridiagonal, exact, log_k=False, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(i, 5) for i in range(1, 6)]


def test_empty_dataset():
    with pytest.raises(PredictionError, match="empty"):
        evaluate(Tridiagonal(0), [])


def test_many_methods_at_once_are_each_alone(tridiagonal, exact):
    methods = {"exact": exact, "ic0": ic0, "none": [None] * 5, "half": [L / 2 for L in exact]}
    together = evaluate_many(tridiagonal, methods)
    assert list(together) == list(methods)
    for name, predictions in methods.items():
        assert together[name] == evaluate(tridiagonal, predictions)


def test_workers_change_nothing():
    real = Real()
    methods = {"IC(0)": ic0, "Inv-K": invk, "target": [real.pair(i).L for i in range(3)]}
    alone = evaluate_many(real, methods)
    seen = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        shared = evaluate_many(
            real, methods, executor=pool, progress=lambda done, total: seen.append((done, total))
        )
    assert shared == alone
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_many_methods_share_the_work_of_a_matrix(monkeypatch, tridiagonal, exact):
    calls = []
    original = scoring_module.selected_inverse

    def counted(*arguments):
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(scoring_module, "selected_inverse", counted)
    evaluate_many(tridiagonal, {str(k): exact for k in range(4)})
    assert len(calls) == len(tridiagonal)


class Recorder:
    """A method that keeps what it is given."""

    def __init__(self):
        self.contexts = []

    def setup(self, A, context):
        self.contexts.append(context)
        if context.name == "m1":
            raise ZeroDivisionError("no factor")
        return ic0(A)


def test_a_method_sees_the_matrix_and_its_context(tridiagonal):
    method = Recorder()
    result = evaluate(tridiagonal, method)
    assert method.contexts == [Context(f"m{i}") for i in range(5)]
    assert result.status == ("converged", "invalid", *("converged",) * 3)
    assert result.reason[1] == "ZeroDivisionError: no factor"
    alone = evaluate(tridiagonal, ic0)
    assert [row for i, row in enumerate(alone.rows) if i != 1] == [
        row for i, row in enumerate(result.rows) if i != 1
    ]


def test_a_context_has_the_facts_of_the_record(tridiagonal):
    class Known(Tridiagonal):
        def facts(self, index):
            return {"perturbed": index % 2}

    method = Recorder()
    evaluate(Known(), {f"m{i}": method for i in range(5)})
    assert [context.facts for context in method.contexts] == [
        {"perturbed": index % 2} for index in range(5)
    ]


def test_columns_and_rows_are_two_views(tridiagonal, exact):
    result = evaluate(tridiagonal, [*exact[:4], None])
    assert result.name == tuple(row.name for row in result.rows)
    assert result.penalised_iterations == (*result.iterations[:4], MAXITER)
    assert result.solved == (True, True, True, True, False)
    assert result.ratios == (1.0, 1.0, 1.0, 1.0, np.inf)
    assert result.one_minus_cosine_mean == 1e-32
    short = result.rounded(3)
    assert [f"{value:.3g}" for value in result.residual[:4]] == [
        f"{value:.3g}" for value in short.residual[:4]
    ]
    assert short.residual[4] is None
    assert short.rounded(3) == short
    assert short.iterations == result.iterations


def test_the_problem_of_a_pair_scores_as_evaluate_does(tridiagonal):
    pair = tridiagonal.pair(2)
    problem = problem_of(pair)
    assert problem.score(ic0(pair.A)) == evaluate(tridiagonal, ic0).rows[2]
    assert problem.solve(problem.window(29)).iterations == problem.target_iterations
    assert "outside the pattern" in problem.place(np.tril(np.ones((30, 30)))).reason
