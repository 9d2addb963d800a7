"""Time to a solution: problems, what is measured, and what follows from it.

Longer than other files: one small board serves many tests.
"""

import json
import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from precondbench import ParametricInvK, ic0
from precondbench.baselines import build_model
from precondbench.cli import app, output
from precondbench.datasets.geometry import geometry_of
from precondbench.errors import BreakdownError, ConfigurationError, LeaderboardError
from precondbench.leaderboard import (
    Contender,
    Effort,
    Times,
    chosen,
    classical_contenders,
    compared,
    read_times,
    time_methods,
    times_path,
    trained_contender,
    write_times,
)
from precondbench.leaderboard.timing import methods
from precondbench.leaderboard.timing.measure import CLOSE
from precondbench.leaderboard.timing.methods import CLASSICAL
from precondbench.leaderboard.timing.problems import timed_problem
from precondbench.leaderboard.timing.times import TimedRow, time_profile
from precondbench.matrices import matrix_digest
from precondbench.quality import MAXITER, SymmetricProblem
from precondbench.recipes import open_executor
from precondbench.solvers import pcg

runner = CliRunner()
QUICK = Effort(sides=(1, 6), repeats=2, least_seconds=0.0)


def row(method, setup, solve, kind="classical", **more):
    measured = {sides: int(sides) for sides in solve}
    fields = {"status": "converged", "iterations": 7, "measured": measured, **more}
    return {"method": method, "kind": kind, "setup": setup, "solve": solve, **fields}


def times(*rows, **more):
    fields = {
        "problem": "graph-100", "rows_of_matrix": 100, "entries": 500, "digest": 64 * "0",
        "machine": "m", "system": "s", "versions": {}, "date": "2026-11-29", "repeats": 2,
    }  # fmt: skip
    return Times(**{**fields, **more, "rows": list(rows)})


@pytest.fixture
def known():
    return times(
        row("IC(0)", [1.0, 1.0], {"1": [2.0, 2.0], "100": [200.0, 200.0]}),
        row("dear", [10.0, 11.0], {"1": [1.0, 1.5], "100": [100.0, 101.0]}),
        row("slow", [0.5, 0.5], {"1": [9.0, 9.0], "100": [900.0, 900.0]}),
        row("direct", [5.0, 5.0], {"1": [0.5, 0.5], "100": [50.0, 50.0]}, "direct"),
        row("ours", [0.1, 0.1], {"1": [1.4, 1.4], "100": [140.0, 140.0]}, "learned"),
        row("failed", [1.0], {}, status="stagnated", measured={}),
    )


def test_ratios_are_to_the_fastest_classical_or_direct_method(known):
    assert known.fastest(1).method == "IC(0)"
    assert known.fastest(100).method == "direct"
    assert known.ratios(1)["ours"] == 0.5  # A learned method may be faster than all of them.
    assert known.ratios(100)["IC(0)"] == 201.0 / 55.0
    assert known.ratios(1)["failed"] == math.inf


def test_break_even_is_the_first_number_of_sides_where_the_method_is_as_fast(known):
    rows = {one.method: one for one in known.rows}
    expected = {"dear": 9, "slow": math.inf, "direct": 3, "ours": 1, "IC(0)": 1}
    assert {name: known.break_even(rows[name]) for name in expected} == expected
    assert math.isnan(known.break_even(rows["failed"]))
    for name in ("dear", "direct"):
        m = expected[name]
        cost = {one: rows[one].setup[0] + np.arange(m - 1, m + 1) * rows[one].solve["1"][0]
                for one in (name, "IC(0)")}  # fmt: skip
        assert cost[name][0] > cost["IC(0)"][0]
        assert cost[name][1] <= cost["IC(0)"][1]


def test_the_spread_is_that_of_the_whole(known):
    rows = {one.method: one for one in known.rows}
    assert rows["dear"].spread(1) == pytest.approx(1.5 / 11.0)
    assert rows["IC(0)"].spread(100) == 0.0
    assert math.isnan(rows["failed"].spread(1))


def test_the_two_least_times_agree_or_not(known):
    rows = {one.method: one for one in known.rows}
    assert rows["dear"].agreement(1) == pytest.approx(1.5 / 11.0)
    assert math.isnan(rows["failed"].agreement(1))
    noisy = TimedRow(**row("a", [1.0, 1.0, 1.0], {"1": [3.0, 9.0, 3.2]}))
    assert noisy.agreement(1) == pytest.approx(0.05)
    assert noisy.spread(1) == pytest.approx(1.5)


def test_a_method_whose_times_differ_is_measured_again():
    slept = []

    class Uneven:
        def setup(self, A, context):
            slept.append((0.0, 0.0, 0.0, 0.05, 0.15, 0.05)[min(len(slept), 5)])
            time.sleep(slept[-1])
            return ic0(A)

    contenders = [Contender("u", Uneven()), Contender("s", Sleeping())]
    uneven, steady = time_methods("diffusion-2d-100", contenders, QUICK).rows
    assert len(uneven.setup) == 3
    assert len(steady.setup) == 2
    assert uneven.agreement(1) <= CLOSE < uneven.spread(1)


def test_the_profile_counts_problems(known):
    other = times(row("IC(0)", [1.0], {"1": [1.0]}), row("dear", [1.0], {"1": [0.5]}))
    profile = time_profile([known, other], 1, [1.0, 2.0, 5.0])
    assert profile["IC(0)"] == [0.5, 1.0, 1.0]
    assert profile["dear"] == [0.5, 0.5, 1.0]
    assert profile["failed"] == [0.0, 0.0, 0.0]


def test_a_file_comes_back_as_it_was(known, tmp_path):
    path = write_times(tmp_path, known)
    assert path == times_path(tmp_path, "graph-100")
    assert read_times(path) == known
    content = json.loads(path.read_text())
    content["rows"][0]["setup"] = [-1.0]
    path.write_text(json.dumps(content))
    with pytest.raises(LeaderboardError, match="not a time"):
        read_times(path)


def test_what_differs_from_stored_times(known):
    assert compared(known, known, 0.0) == []
    changed = known.model_dump()
    changed["rows"][1]["iterations"] = 8
    changed["rows"][4]["solve"]["1"] = [2.9, 2.9]
    (one, two) = compared(known, times(*changed["rows"]), 0.5)
    assert one == "dear: converged after 8 iterations, stored is converged after 7"
    assert two == "ours, m = 1: 1 times the fastest, stored is 0.5"
    assert compared(known, times(*known.model_dump()["rows"], digest=64 * "1"), 0.5) == [
        f"graph-100 has another digest: {64 * '1'}"
    ]


# -- problems --


def test_a_problem_is_always_the_same():
    one, other = timed_problem("elasticity-2d-200"), timed_problem("elasticity-2d-200")
    assert one.digest == other.digest == matrix_digest(one.A)
    assert timed_problem("elasticity-2d-300").digest != one.digest
    # No matrix of a split.
    test = ParametricInvK.generate("elasticity-2d", n=200, count=1)
    assert matrix_digest(test.pair(0).A) != one.digest


@pytest.mark.parametrize("family", ["elasticity-2d", "diffusion-2d", "mesh-2d"])
def test_a_method_knows_what_datasets_serve(family):
    problem = timed_problem(f"{family}-200")
    data = ParametricInvK.generate(family, n=200, count=1, geometry=True)
    served = geometry_of(data.shard.record(0), np.ones(data.shard.record(0).n))
    assert problem.context.geometry.keys() == served.keys()
    n = problem.A.shape[0]
    assert all(values.shape[0] == n for values in problem.context.geometry.values())
    if family == "elasticity-2d":
        assert problem.context.geometry["near_null"].shape == (n, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("poisson-1000", "there is no problem 'poisson-1000'; name a real matrix"),
        ("diffusion-2d", "a family and a number of rows"),
        ("diffusion-2d-10000001", "from 100 to 10,000,000"),
        ("HB/nothing", "no positive definite matrix 'HB/nothing'"),
    ],
)
def test_other_names(name, message):
    with pytest.raises(ConfigurationError, match=message):
        timed_problem(name)


def test_a_real_matrix(mirror, monkeypatch):
    monkeypatch.setenv("PRECONDBENCH_SUITESPARSE", os.pathsep.join(mirror.places))
    found = time_methods("HB/bcsstk01", classical_contenders()[:4], Effort((1,), 1, 60.0, 0.0))
    assert (found.rows_of_matrix, len(found.rows)) == (48, 4)
    assert found.fastest(1) is not None


# -- measuring --


class Sleeping:
    def setup(self, A, context):
        time.sleep(0.05)
        return ic0(A)


def waiting(A):
    L = ic0(A)

    def apply(r):
        time.sleep(0.001)
        return r / A.diagonal() + 0.0 * L.data[0]

    return apply


def breaking(A):
    raise BreakdownError("no pivot", 3)


def test_all_methods_on_a_small_problem():
    contenders = classical_contenders()
    assert [one.name for one in contenders][: len(CLASSICAL)] == list(CLASSICAL)
    found = time_methods("mesh-2d-300", contenders, QUICK)
    problem = timed_problem("mesh-2d-300")
    assert (found.digest, found.rows_of_matrix) == (problem.digest, problem.A.shape[0])
    for one in found.rows:
        assert one.status == "converged", one
        assert len(one.setup) == len(one.solve["1"]) == len(one.solve["6"]) >= 2
        assert one.measured["1"] == 1
        # A block in lockstep with what knows several sides; a direct solver takes all at once.
        assert one.measured["6"] in ((6,) if one.kind == "direct" else (1, 4))
        assert one.seconds(1) <= min(one.setup) + max(one.solve["1"])
        assert (one.iterations is None) == (one.kind == "direct")
    rows = {one.method: one for one in found.rows}
    # A diagonal is solved with as such.
    assert rows["Jacobi"].step_work.links == 0 < rows["IC(0)"].step_work.links
    assert rows["none"].step_work.bytes < rows["IC(0)"].step_work.bytes
    alone = pcg(problem.A, np.ones(problem.A.shape[0]), ic0(problem.A)).iterations
    assert abs(rows["IC(0)"].iterations - alone) <= 3
    assert rows["Inv-K"].iterations < rows["IC(0)"].iterations < rows["none"].iterations


def test_setup_and_solve_are_told_apart():
    found = time_methods(
        "diffusion-2d-100", [Contender("a", Sleeping()), Contender("b", waiting)], QUICK
    )
    sleeping, slow = found.rows
    assert min(sleeping.setup) >= 0.05
    # One application of M a step, and each side by itself.
    assert min(slow.solve["1"]) >= 0.001 * 10
    assert min(slow.solve["6"]) >= 0.001 * 60


def test_one_block_of_the_sides_is_measured():
    contenders = [Contender("b", waiting), *chosen(classical_contenders(), ["IC(0)"])]
    slow, fast = time_methods("diffusion-2d-100", contenders, Effort((1, 50), 1, 60.0, 0.0)).rows
    assert slow.measured == {"1": 1, "50": 1}
    assert slow.solve["50"][0] == pytest.approx(50 * slow.solve["1"][0], rel=1e-3)
    assert fast.measured == {"1": 1, "50": 4}


def test_a_direct_solver_takes_as_many_sides_as_the_time_allows():
    contenders = chosen(classical_contenders(), ["SuperLU"])
    (row,) = time_methods("diffusion-2d-100", contenders, Effort((1, 50), 1, 1e-9, 0.0)).rows
    assert row.measured == {"1": 1, "50": 1}
    assert row.solve["50"][0] == pytest.approx(50 * row.solve["1"][0], rel=1e-3)


def test_the_shortest_of_several_runs_counts():
    slept = []

    class Falling:
        """Each of its setups takes less than the one before."""

        def setup(self, A, context):
            slept.append(0.06 / (len(slept) + 1))
            time.sleep(slept[-1])
            return ic0(A)

    effort = Effort((1,), 1, 60.0, 0.05)
    (row,) = time_methods("diffusion-2d-100", [Contender("d", Falling())], effort).rows
    # Two of the small system, and one that counts the steps.
    measured = slept[3:]
    assert sum(measured) >= 0.04
    assert len(measured) > 1
    assert len(row.setup) == 1
    assert slept[-1] <= row.setup[0] < measured[0]


def test_what_only_large_matrices_need_is_compiled_first():
    seen = []

    def setup(A):
        seen.append(("setup", A.shape[0]))
        return ic0(A)

    one = Contender("mine", setup, warm=lambda A: seen.append(("warm", A.shape[0])))
    time_methods("diffusion-2d-1000", [one], Effort((1,), 1, 60.0, 0.0))
    kinds, rows = zip(*seen, strict=True)
    assert kinds[0] == "warm"
    assert "warm" not in kinds[1:]
    assert rows[0] == rows[1] < rows[-1]
    assert sum(n == rows[-1] for n in rows) == 2  # To count the steps, and to be timed.


def test_some_steps_of_a_long_solve_are_measured():
    applied = []

    def counting(A):
        applied.append(0)
        inverse = 1.0 / A.diagonal()

        def apply(r):
            applied[-1] += 1
            time.sleep(0.001)
            return inverse * r

        return apply

    found = time_methods(
        "diffusion-2d-1000", [Contender("c", counting)], Effort((1, 4), 3, 60.0, 0.0)
    )
    (slow,) = found.rows
    # Two are the small system.
    _, _, whole, *others = applied
    assert slow.status == "converged"
    assert whole == slow.iterations > 60
    # The shortest of three runs of 20 steps, in each repeat; flexible PCG applies M once more.
    assert others == 3 * [3 * 21]
    assert all(seconds >= 0.001 * whole for seconds in slow.solve["1"])
    assert slow.measured == {"1": 1, "4": 1}


def test_several_sides_are_taken_to_need_as_many_steps_as_one(monkeypatch):
    solved = []
    whole = SymmetricProblem.solve_sides

    def noted(self, given, b, maxiter):
        time.sleep(0.005)
        result = whole(self, given, b, maxiter)
        if self.matrix.shape[0] > 900:
            solved.append((b.shape[1], maxiter, max(result.iterations)))
        return result

    monkeypatch.setattr(SymmetricProblem, "solve_sides", noted)
    contenders = chosen(classical_contenders(), ["IC(0)"])
    found = time_methods("diffusion-2d-1000", contenders, Effort((1, 4, 8), 1, 0.001, 0.0))
    (row,) = found.rows
    assert [(width, most) for width, most, _ in solved] == [
        (1, MAXITER), *(3 * [(1, 20)]), *(3 * [(4, 20)])
    ]  # fmt: skip
    steps = solved[0][2]
    assert row.iterations == steps > 20
    assert row.measured == {"1": 1, "4": 4, "8": 4}
    assert row.solve["8"][0] == pytest.approx(2 * row.solve["4"][0], rel=1e-3)
    assert row.solve["4"][0] >= 0.005 * steps / 20


def test_other_processes_count_the_steps():
    contenders = [*chosen(classical_contenders(), ["IC(0)", "SuperLU"]), Contender("b", waiting)]
    alone = time_methods("graph-300", contenders, QUICK)
    told = []
    with open_executor(2) as executor:
        spread = time_methods("graph-300", contenders, QUICK, told.append, executor)
    assert told == 3 * [one.name for one in contenders]
    for one, other in zip(alone.rows, spread.rows, strict=True):
        assert one.iterations == other.iterations
        assert one.measured == other.measured
        assert (one.setup_work, one.step_work) == (other.setup_work, other.step_work)


def test_a_method_that_fails_is_a_row_with_its_reason():
    found = time_methods("diffusion-2d-100", [Contender("c", breaking)], QUICK)
    assert found.rows[0].reason == "BreakdownError: no pivot"
    assert (found.rows[0].status, found.rows[0].setup) == ("invalid", [])
    assert found.ratios(1) == {}


def test_complete_factorisations_are_refused_where_they_would_take_too_long(monkeypatch):
    monkeypatch.setattr(methods, "MOST_OPERATIONS", 1e4)
    contenders = chosen(classical_contenders(), ["IC(0)", "Inv-K", "SuperLU"])
    solved, *refused = time_methods("diffusion-2d-1000", contenders, QUICK).rows
    assert solved.status == "converged"
    for one in refused:
        assert (one.status, one.setup) == ("invalid", [])
        assert "more than 1e+04 are refused" in one.reason


def test_a_network_is_timed_like_the_others():
    model = build_model("LearnedElimination", rounds=1)
    found = time_methods("diffusion-2d-100", [trained_contender("net", model)], QUICK)
    assert (found.rows[0].kind, found.rows[0].status) == ("learned", "converged")


def test_names_of_methods():
    assert [one.name for one in chosen(classical_contenders(), ["Inv-K", "none"])] == [
        "Inv-K",
        "none",
    ]
    with pytest.raises(ConfigurationError, match="no method 'CHOLESKY'; choose from none, Jacobi"):
        chosen(classical_contenders(), ["CHOLESKY"])


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "import precondbench\ndef method(A):\n    return precondbench.ic0(A)\n"
    )
    words = ["time", "diffusion-2d-100", "--method", "IC(0)", "--code", "mine.py:method"]
    words += ["--sides", "1", "--folder", "board", "--repeats", "1"]
    monkeypatch.setattr(output, "_SECONDS_BETWEEN_LINES", 0.0)
    done = runner.invoke(app, words)
    assert done.exit_code == 0, done.output
    told = [f"{name}: {done} of 4" for done, name in enumerate(2 * ["IC(0)", "mine.py:method"])]
    assert done.stderr.splitlines() == [f"timing diffusion-2d-100, {one}" for one in told]
    path = times_path("board", "diffusion-2d-100")
    stored = read_times(path)
    assert [one.method for one in stored.rows] == ["IC(0)", "mine.py:method"]
    again = runner.invoke(app, [*words, "--check", "1000"])
    assert again.exit_code == 0, again.output
    assert read_times(path) == stored
    content = stored.model_dump(mode="json")
    content["rows"][0]["iterations"] += 1
    path.write_text(json.dumps(content))
    wrong = runner.invoke(app, [*words, "--check", "1000"])
    assert wrong.exit_code == 1
    assert "stored is converged after" in wrong.output


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--sides", "0,1"], "give numbers, such as 1,10,100"),
        (["--check", "0.5"], "name it by --folder"),
    ],
)
def test_the_command_refuses(more, message):
    shown = runner.invoke(app, ["time", "diffusion-2d-100", *more])
    assert shown.exit_code == 2
    assert message in shown.output


@pytest.mark.filterwarnings("ignore")  # dask warns about ports and versions, not about us
def test_problems_are_spread_over_a_cluster(tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the dask extra")
    words = ["time", "diffusion-2d-100", "graph-100", "--method", "IC(0)", "--sides", "1"]
    words += ["--repeats", "1", "--folder", str(tmp_path)]
    with distributed.LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        local_directory=str(tmp_path),
    ) as cluster:
        done = runner.invoke(app, [*words, "--dask", cluster.scheduler_address])
    assert done.exit_code == 0, done.output
    here = time_methods("graph-100", chosen(classical_contenders(), ["IC(0)"]), QUICK)
    (there,) = read_times(times_path(tmp_path, "graph-100")).rows
    assert (there.iterations, there.step_work) == (here.rows[0].iterations, here.rows[0].step_work)
    assert times_path(tmp_path, "diffusion-2d-100").is_file()
