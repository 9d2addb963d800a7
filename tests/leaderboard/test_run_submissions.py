"""Submissions of code that is run: packing, scoring, checking, and hidden matrices."""

import json
import re
import shutil

import hostile_methods
import pytest
import scipy.io
from typer.testing import CliRunner

from precondbench import ParametricInvK, SyntheticTridiag
from precondbench.cli import app
from precondbench.errors import ConfigurationError, LeaderboardError, SubmissionError
from precondbench.leaderboard import HiddenSet, Limits, Running, open_bundle, score_hidden
from precondbench.leaderboard.entries import Entry, entry_path, write_entry
from precondbench.leaderboard.running.confinement import can_confine
from precondbench.leaderboard.scoring.score import bundle_candidate, score_candidates
from precondbench.leaderboard.submissions import check
from precondbench.leaderboard.submissions.pack import pack_method
from precondbench.leaderboard.tracks import OpenTrack, track_named
from precondbench.matrices import matrix_digest

CODE = hostile_methods.__file__
QUICK = Limits(setup=20, solve=10, total=60, memory=2**30, file_size=2**23)

pytestmark = pytest.mark.skipif(bool(can_confine()), reason=f"{can_confine()}")


@pytest.fixture(scope="module")
def data():
    return SyntheticTridiag(split="test", config="twin")[:2]


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
    assert entry.limits == vars(QUICK)
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
    (path,) = trained_board.glob("entries/*/moebiuscell-1-round.json")
    assert not {"program", "limits"} & json.loads(path.read_text()).keys()
    entry = Entry.model_validate_json(path.read_text())
    assert write_entry(tmp_path, entry).read_bytes() == path.read_bytes()


# -- hidden matrices --

SECRET = b"never tell this seed"


@pytest.fixture
def scored(submission, board, tmp_path):
    entry, _, problem = board(submission)
    assert problem is None
    return entry


@pytest.fixture
def folder(tmp_path):
    """Two matrices that are not published."""
    (tmp_path / "unseen").mkdir()
    data = ParametricInvK.generate("mesh-2d", n=80, count=2)
    for i in range(2):
        scipy.io.mmwrite(tmp_path / "unseen" / f"{i}.mtx", data.pair(i).A, symmetry="symmetric")
    return tmp_path / "unseen"


def test_hidden_matrices(scored, submission, folder, tmp_path):
    hidden = HiddenSet(SECRET, folder)
    found = score_hidden(tmp_path, scored.track, scored.id, hidden, submission=submission)
    path = entry_path(tmp_path, scored.track, scored.id)
    assert Entry.model_validate_json(path.read_text()) == found
    out = found.hidden
    assert (out.matrices, out.solved) == (2, 1.0)
    # Iterations do not see a number in front of the root of the diagonal.
    assert out.ratio_mean > out.ic0_ratio_mean >= 1.0
    assert out.interval[0] <= out.ratio_mean <= out.interval[1]
    # Nothing of single matrices, and nothing else has changed.
    assert found.model_copy(update={"hidden": None}) == scored
    again = score_hidden(tmp_path, scored.track, scored.id, hidden, submission=submission)
    assert again.hidden == out
    # It is a statement of the maintainers, not what predictions give.
    (checked,) = check.check_entries(tmp_path, [(scored.track, scored.id)], submission=submission)
    assert checked.confirmed == {scored.id: check.RUN}


def test_the_digest_of_a_hidden_set_tells_nothing_without_the_seed(folder):
    digests = [matrix_digest(data.pair(i).A) for data in _hidden(SECRET, folder) for i in range(2)]
    one, other = (HiddenSet(secret).digest(digests) for secret in (SECRET, SECRET + b"."))
    assert one != other
    assert HiddenSet(SECRET).digest(digests[::-1]) == one
    assert HiddenSet(SECRET).digest(digests[:1]) != one


def _hidden(secret, folder=None, track="suitesparse-invk-1.0-tril-all", count=2):
    return list(HiddenSet(secret, folder, count).datasets(track_named(track)))


def test_draws_of_a_family_depend_on_the_seed():
    track = "parametric-1.0-diffusion-2d-test"
    (one,), (same,), (other,) = (_hidden(s, None, track) for s in (SECRET, SECRET, SECRET + b"2"))
    digests = [matrix_digest(data.pair(0).A) for data in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]
    assert len(one) == 2
    assert one.geometry(0).keys() == {"pos", "coefficients", "near_null"}


def test_sides_of_hidden_matrices_are_bound_to_the_secret():
    assert HiddenSet(SECRET).key("a") != HiddenSet(SECRET).key("b")
    assert HiddenSet(SECRET).key("a") != HiddenSet(SECRET + b"2").key("a")


def test_what_cannot_be_hidden(scored, submission, tmp_path):
    with pytest.raises(ConfigurationError, match="the seed has 3 bytes; give 16"):
        HiddenSet(b"abc")
    with pytest.raises(ConfigurationError, match="has no family to draw from; give --matrices"):
        score_hidden(tmp_path, scored.track, scored.id, HiddenSet(SECRET), submission=submission)
    with pytest.raises(ConfigurationError, match="there is no folder"):
        _hidden(SECRET, tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="holds no matrices"):
        _hidden(SECRET, submission)
    with pytest.raises(ConfigurationError, match="symmetric positive definite"):
        _hidden(SECRET, None, "synthetic-tridiag-lu-1.0-twin-test")
    (submission / "code" / "more.py").write_text("")
    with pytest.raises(SubmissionError, match="another digest"):
        score_hidden(tmp_path, scored.track, scored.id, HiddenSet(SECRET), submission=submission)
    write_entry(tmp_path, scored.model_copy(update={"program": None}))
    with pytest.raises(LeaderboardError, match="is not run"):
        score_hidden(tmp_path, scored.track, scored.id, HiddenSet(SECRET), submission=submission)


def test_the_command(scored, submission, folder, tmp_path):
    (tmp_path / "secret").write_bytes(SECRET)
    path = entry_path(tmp_path, scored.track, scored.id)
    words = ["leaderboard", "hidden", str(path), "--submission", str(submission)]
    words += ["--matrices", str(folder)]
    shown = CliRunner().invoke(app, [*words, "--seed", str(tmp_path / "secret")])
    assert shown.exit_code == 0, shown.output
    assert "2 hidden matrices, 100.0% solved" in shown.output
    site = ["leaderboard", "render", "--folder", str(tmp_path), "--out", str(tmp_path / "site")]
    rendered = CliRunner().invoke(app, site)
    assert rendered.exit_code == 0, rendered.output
    (page,) = (tmp_path / "site").rglob(f"{scored.id}.html")
    assert "2 matrices, 100.0&nbsp;% solved, ratio " in page.read_text()
    missing = CliRunner().invoke(app, [*words, "--seed", str(tmp_path / "none")])
    assert missing.exit_code == 2
