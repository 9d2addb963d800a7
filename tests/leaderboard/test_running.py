"""Methods that are run: confinement, limits and answers of hostile ones, packing and scoring."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hostile_methods
import psutil
import pytest

from precondbench import ParametricInvK, SyntheticTridiag, evaluate
from precondbench.errors import ConfigurationError, SubmissionError
from precondbench.leaderboard import Limits, Running, open_bundle, read_limits, run_method
from precondbench.leaderboard.entries import Entry, write_entry
from precondbench.leaderboard.running import method as running
from precondbench.leaderboard.running.confinement import can_confine
from precondbench.leaderboard.scoring.score import bundle_candidate, score_candidates
from precondbench.leaderboard.submissions import check
from precondbench.leaderboard.submissions.pack import pack_method
from precondbench.leaderboard.tracks import OpenTrack, track_named
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
    starters = [p for p in psutil.Process().children() if "running.child" in " ".join(p.cmdline())]
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


# -- submissions --

SAID = {"method": "Root", "kind": "classical", "authors": ["me"], "description": "A root."}


@pytest.fixture
def submission(tmp_path):
    code = tmp_path / "source"
    (code / "part" / "__pycache__").mkdir(parents=True)
    (code / "part" / "__pycache__" / "old.pyc").write_bytes(b"")
    (code / "part" / "__init__.py").write_text("def root(d):\n    return d ** 0.5\n")
    (code / "main.py").write_text(
        "from pathlib import Path\n"
        "import scipy.sparse as sp\n"
        "from part import root\n"
        "def method(A):\n"
        "    return sp.diags_array(root(A.diagonal()) * float(Path('weights/w').read_text()))\n"
    )
    for seed in range(3):
        (tmp_path / f"{seed}").mkdir()
        (tmp_path / f"{seed}" / "w").write_text(f"{seed + 1}")
    whole = SyntheticTridiag(split="test", config="twin")
    said = {**SAID, "kind": "learned"}
    weights = [tmp_path / f"{seed}" for seed in range(3)]
    folder = tmp_path / "submission"
    pack_method("main:method", code, whole, folder, said, weights=weights)
    return folder


def stated(folder):
    return json.loads((folder / "submission.json").read_text())


def test_packing_twice_gives_the_same_files(submission, tmp_path):
    program = open_bundle(submission).submission.program
    assert program.seeds == [0, 1, 2]
    assert len({program.key(seed) for seed in range(3)}) == 3
    assert not list(submission.rglob("*.pyc"))
    data = SyntheticTridiag(split="test", config="twin")
    weights = [submission / "weights" / f"seed-{seed}" for seed in range(3)]
    said = {**SAID, "kind": "learned"}
    pack_method("main:method", submission / "code", data, tmp_path / "2", said, weights=weights)
    assert stated(tmp_path / "2") == stated(submission)


@pytest.mark.parametrize(
    ("field", "value"),
    [("entry", "main:root"), ("python", "3.99"), ("requirements", "numpy"), ("form", "operator"),
     ("code", 64 * "0"), ("weights", {"0": 64 * "0"})],
)  # fmt: skip
def test_whatever_a_method_can_read_is_in_the_key(submission, field, value):
    program = open_bundle(submission).submission.program
    assert program.model_copy(update={field: value}).key(0) != program.key(0)


def add(name, content=""):
    def spoil(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)

    return spoil


def state(**fields):
    def spoil(folder):
        content = stated(folder)
        content["program"].update(fields)
        (folder / "submission.json").write_text(json.dumps(content))

    return spoil


def link(folder):
    (folder / "code" / "main.py").unlink()
    (folder / "code" / "main.py").symlink_to("/etc/passwd")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (add("code/main.py", "changed"), "another digest than the submission states"),
        (add("code/more.py"), "another digest"),
        (add("code/__pycache__/main.cpython-311.pyc"), "is compiled code; remove it"),
        (add("code/.hidden"), "names begin with a letter"),
        (add("code/a b.py"), "names begin with a letter"),
        (add("code/large.py", "#" * 2**21), "has 2097152 bytes"),
        (add("weights/seed-7/w"), "belongs to no seed"),
        (add("weights/seed-0/more"), "another digest"),
        (link, "not a regular file"),
        (lambda folder: shutil.rmtree(folder / "code"), "cannot be read"),
        (lambda folder: shutil.rmtree(folder / "weights" / "seed-1"), "cannot be read"),
        (state(entry="os:system('x')"), "program.entry"),
        (state(entry="../main:method"), "program.entry"),
        (state(weights={}), "a learned method needs 3 seeds or more"),
        (state(form="pickle"), "program.form"),
        (state(requirements="\u202e"), "program.requirements"),
        (state(requirements="numpy"), "states other requirements"),
        (state(more=1), "program.more"),
    ],
)
def test_a_submission_with_other_files(submission, spoil, message):
    spoil(submission)
    with pytest.raises(SubmissionError, match=re.escape(message)):
        open_bundle(submission)


def test_neither_predictions_nor_code(submission):
    content = stated(submission)
    del content["program"]
    (submission / "submission.json").write_text(json.dumps(content))
    with pytest.raises(SubmissionError, match="has predictions, or a program"):
        open_bundle(submission)


def test_an_entry_that_is_run(submission, data, tmp_path):
    track = OpenTrack(track_named("synthetic-tridiag-1.0-twin-test"), [data])
    candidate = bundle_candidate(open_bundle(submission), "root", Running(QUICK))
    entry = score_candidates(track, {"": candidate})[""]
    program = entry.program
    assert [scores.key for scores in entry.seeds] == [program.key(seed) for seed in range(3)]
    # Iterations do not depend on a number in front of M; right-hand sides do on the weights.
    assert all(scores.status == ["converged"] * 2 for scores in entry.seeds)
    assert entry.seeds[0].residual != entry.seeds[1].residual
    path = write_entry(tmp_path, entry)
    assert Entry.model_validate_json(path.read_text()) == entry
    again = score_candidates(track, {"": candidate})[""]
    assert again == entry


@pytest.fixture
def board(data, tmp_path, monkeypatch):
    """Score a method on the first matrices of a track, and check the entry."""
    name = track_named("synthetic-tridiag-1.0-twin-test")
    monkeypatch.setattr(check, "open_track", lambda *_: OpenTrack(name, [data]))

    def found(submission):
        entry = check.score_submission(submission, tmp_path)
        (checked,) = check.check_entries(tmp_path, [(name.id, entry.id)], submission=submission)
        return entry, checked.confirmed.get(entry.id), checked.problems.get(entry.id)

    return found


def test_an_entry_that_is_checked(submission, board):
    assert board(submission)[1:] == (check.RUN, None)


def test_code_that_knows_its_right_hand_sides(data, tmp_path, board):
    whole = SyntheticTridiag(split="test", config="twin")
    entry = "hostile_methods:knows_its_sides"
    pack_method(entry, CODE, whole, tmp_path / "submission", {**SAID, "form": "operator"})
    entry, _, problem = board(tmp_path / "submission")
    assert entry.seeds[0].iterations == [1, 1]
    assert "2 of 2 matrices lie outside the band" in problem


def test_the_file_of_an_entry_that_is_not_run_says_nothing_of_it(trained_board, tmp_path):
    (path,) = trained_board.glob("entries/*/moebiuscell-1-rounds.json")
    assert "program" not in json.loads(path.read_text())
    entry = Entry.model_validate_json(path.read_text())
    assert write_entry(tmp_path, entry).read_bytes() == path.read_bytes()
