"""Methods that are run: confinement, limits and answers of hostile ones, packing and scoring."""

import os
import pickle
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hostile_methods
import psutil
import pytest

from precondbench import ParametricInvK, SyntheticTridiag, evaluate
from precondbench.errors import ConfigurationError
from precondbench.leaderboard import Limits, read_limits, run_method
from precondbench.leaderboard.running import method as running
from precondbench.leaderboard.running.confinement import can_confine
from precondbench.quality import evaluate_many

CODE = Path(hostile_methods.__file__)
QUICK = Limits(setup=20, solve=10, total=60, memory=2**30, file_size=2**23)
# For those that do not end by themselves.
SHORT = Limits(setup=1.5, solve=0.5, total=60, memory=2**30, file_size=2**23)
# What the outcome says of each hostile method.
REASONS = {
    "loops": r"setup took more than 1.5 s",
    "ignores_signals": r"setup took more than 1.5 s",
    "loops_in_the_solve_operator": r"the solve took more than 0.5 s",
    "takes_memory_at_once": r"MemoryError: Unable to allocate",
    "takes_memory_by_and_by": r"MemoryError",
    "recurses": r"RecursionError: ",
    "writes_a_large_file": r"OSError: \[Errno 27\] File too large",
    "forks": r"PermissionError",
    "starts_a_program": r"PermissionError",
    "kills_its_parent": r"PermissionError",
    "limits_its_parent": r"PermissionError",
    "leaves_its_group": r"PermissionError",
    "outlives_its_parent": r"PermissionError",
    "keeps_memory_after_its_end": r"PermissionError",
    "opens_a_connection": r"PermissionError",
    "reads_the_labels": r"PermissionError",
    "reads_the_labels_through_a_link": r"PermissionError",
    "lists_the_cache": r"PermissionError",
    "reads_memory_of_its_parent": r"PermissionError",
    "writes_outside": r"PermissionError",
    "overwrites_the_labels": r"PermissionError",
    "removes_the_labels": r"PermissionError",
    "truncates_the_labels": r"PermissionError",
    "closes_the_labels": r"PermissionError",
    "ages_the_labels": r"PermissionError",
    "changes_its_own_code": r"PermissionError",
    "exits": r"SystemExit: enough \(line \d+ of hostile_methods.py\)",
    "exits_at_once": r"the process ended before its answer, with exit status 3",
    "exits_in_the_solve_operator": r"the process ended before its answer, with exit status 0",
    "faults": r"the process was ended by signal 11",
    "raises": r"RuntimeError: no\?\[31m \? ?x+",
    "raises_nothing_readable": r"the process ended before its answer, with exit status 1",
    "writes_garbage": r"the process wrote something else than answers to its pipe",
    "announces_exabytes": r"the process sent 4611686018427387904 bytes where \d+ are the most",
    "announces_more_than_it_sends": r"setup took more than 1.5 s",
    "sends_a_job": r"the process wrote something else than answers",
    "sends_entries_outside": r"an entry outside of a matrix of shape",
    "sends_a_result": r"another answer than a preconditioner",
    "closes_its_pipes": r"the process closed its pipe, or was killed",
    "returns_nothing": r"no prediction",
    "returns_text": r"ValueError: could not convert string",
    "returns_nan": r"\d+ values are not finite",
    "returns_another_shape": r"7 values, the pattern has 39",
    "returns_a_cube": r"ValueError: the method returned shape \(3, 3, 3\)",
    "returns_a_pair_for_a_symmetric_matrix": r"2 values, the pattern has 39",
    "returns_an_undeclared_form": r"returned a operator, the entry states the form factor",
    "returns_another_size_operator": r"the operator has shape \(3, 3\)",
    "counts_below_zero_operator": r"the attribute entries is no count",
    "shrinks_operator": r"it returned \d+ numbers of type float64 for \d+",
}
# Those that are punished by the solver, or not at all.
OUTCOMES = {
    "prints_gigabytes": "converged",
    "makes_deep_folders": "converged",
    "makes_folders_without_rights": "converged",
    "returns_nan_operator": "stagnated",
}

pytestmark = pytest.mark.skipif(bool(can_confine()), reason=f"{can_confine()}")


@pytest.fixture(scope="module")
def data():
    return SyntheticTridiag(split="test", config="twin")[:2]


@pytest.fixture
def labels(tmp_path, monkeypatch):
    """A cache with a file that is attacked, and a folder for everything temporary."""
    file = tmp_path / "cache" / "labels"
    file.parent.mkdir()
    file.write_text("secret")
    monkeypatch.setenv("PRECONDBENCH_CACHE", str(file.parent))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "target").write_text(str(file))
    return file


def run(name, labels=None, **options):
    form = "operator" if name.endswith("_operator") else "factor"
    limits = SHORT if "took more than" in REASONS.get(name, "") else QUICK
    given = {"limits": limits, "weights": labels and labels.parents[1] / "target", **options}
    return run_method(f"hostile_methods:{name}", CODE, form=form, **given)


def processes():
    """Processes that methods are run in: the starter stays, its forks must not."""
    children = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
    starters = [p for p in children if "running.child" in " ".join(p.cmdline())]
    return [fork for starter in starters for fork in starter.children(recursive=True)]


@pytest.mark.parametrize("name", [*REASONS, *OUTCOMES])
def test_a_hostile_method_ends_in_one_outcome(name, data, labels):
    method = run(name, labels)
    start = time.monotonic()
    row = evaluate(data[:1], method, key=method.key, log_k=False).rows[0]
    assert time.monotonic() - start < 30
    if name in REASONS:
        assert row.status == "invalid"
        assert re.search(REASONS[name], row.reason), row.reason
        assert row.reason.isascii()
        assert len(row.reason) <= 600
    else:
        assert row.status == OUTCOMES[name], row.reason
    assert processes() == []
    assert labels.read_text() == "secret"
    assert labels.stat().st_mtime > 0
    assert [path.name for path in labels.parent.iterdir()] == ["labels"]
    del method
    assert list((labels.parents[1] / "temporary").iterdir()) == []


@pytest.mark.parametrize("name", ["jacobi", "values", "threads", "scratch", "plain_operator"])
def test_a_method_has_the_bits_it_has_without_a_process(name, data):
    here = getattr(hostile_methods, name if name in ("plain_operator", "values") else "jacobi")
    there = run(name)
    ours, theirs = (evaluate(data, method, key=there.key) for method in (here, there))
    assert ours.rows == theirs.rows
    assert processes() == []


def test_a_function_is_solved_with_by_flexible_pcg(data):
    method = run("function_operator")
    ours, theirs = (
        evaluate(data, one, key=method.key).rows
        for one in (hostile_methods.function_operator, method)
    )
    assert ours == theirs
    assert ours[0].status == "converged"
    assert ours[0].condition is None


def test_a_pair_of_factors():
    general = SyntheticTridiag(split="test", kind="lu", config="twin")[:2]
    ours, theirs = (
        evaluate(general, one, key="a").rows for one in (hostile_methods.pair, run("pair"))
    )
    assert ours == theirs


def test_one_outcome_does_not_end_the_others(data):
    methods = {name: run(name) for name in ("exits_at_once", "jacobi", "loops")}
    found = evaluate_many(data, methods, log_k=False)
    assert found["jacobi"].solved == (True, True)
    assert found["exits_at_once"].solved == found["loops"].solved == (False, False)


def test_the_time_of_all_matrices(data):
    method = run("loops", limits=Limits(setup=30, total=0.3))
    reasons = [row.reason for row in evaluate(data, method, log_k=False).rows]
    assert reasons == 2 * ["the time of all matrices, 0.3 s, was over"]


def test_each_matrix_has_a_process_of_its_own(data, tmp_path):
    """Nothing is carried from one matrix to another, and workers change nothing."""
    (tmp_path / "counting.py").write_text(
        "calls = []\ndef method(A):\n    calls.append(A)\n    raise ValueError(str(len(calls)))\n"
    )
    method = run_method("counting:method", tmp_path / "counting.py")
    with ThreadPoolExecutor(2) as executor:
        found = evaluate_many(data, {"": method}, executor=executor)[""]
    assert found.reason == 2 * ("ValueError: 1 (line 4 of counting.py)",)
    again = pickle.loads(pickle.dumps(method))
    assert evaluate(data, again).reason == found.reason


def test_what_a_method_is_told():
    steps = ParametricInvK.generate("sequence", n=36, count=1, geometry=True)
    reason = evaluate(steps[2:3], run("Told"), log_k=False).rows[0].reason
    facts = "['dt', 'h', 'near_null_space', 'step', 'unknowns']"
    assert f"ValueError: '' {facts}" in reason
    assert "'coefficients': (36, 1)" in reason
    assert "[(36, 36), (36, 36)]" in reason
    real = SyntheticTridiag(split="test", config="twin")
    assert "'' [] {} []" in evaluate(real[:1], run("Told")).rows[0].reason


def test_a_run_that_is_killed_leaves_no_process(tmp_path):
    code = (
        "from precondbench import SyntheticTridiag, evaluate\n"
        "from precondbench.leaderboard import run_method\n"
        f"method = run_method('hostile_methods:ignores_signals', {str(CODE)!r})\n"
        "evaluate(SyntheticTridiag(split='test', config='twin')[:1], method)\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", code], env=environment) as parent:
        known = psutil.Process(parent.pid)
        deadline = time.monotonic() + 30
        while len(started := known.children(recursive=True)) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        parent.kill()
    assert len(started) == 2
    _, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []
    assert list(tmp_path.glob("precondbench-run-*")) == []


def test_a_machine_that_cannot_confine(monkeypatch, data):
    monkeypatch.setattr(running, "can_confine", lambda: "there is no Landlock")
    with pytest.raises(ConfigurationError, match="no Landlock; run it on Linux"):
        run("jacobi")
    assert evaluate(data, run("jacobi", unconfined=True)).solved == (True, True)


def test_a_cache_where_libraries_are(monkeypatch):
    monkeypatch.setenv("PRECONDBENCH_CACHE", f"{sys.prefix}/cache")
    with pytest.raises(ConfigurationError, match="set PRECONDBENCH_CACHE to another place"):
        run("jacobi")


def test_an_interpreter_that_does_not_start(data):
    row = evaluate(data[:1], run("jacobi", python="/bin/false")).rows[0]
    assert "/bin/false does not start" in row.reason


def test_limits():
    assert read_limits(["setup=5", "memory=2e9"]) == Limits(setup=5, memory=2_000_000_000)
    for wrong in ("setup", "setup=x", "time=5", "setup=0", "memory=inf", "setup=nan"):
        with pytest.raises(ConfigurationError):
            read_limits([wrong])
