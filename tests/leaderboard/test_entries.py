"""Entries: writing, reading, exact rescoring, and refusals."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from precondbench import SyntheticTridiag
from precondbench.cli import app
from precondbench.errors import ConfigurationError, LeaderboardError
from precondbench.leaderboard import (
    entry_path,
    pack_predictions,
    score_reference,
    score_submission,
    track_named,
)
from precondbench.leaderboard.entries import (
    entry_schema,
    read_leaderboard,
    submission_path,
    track_schema,
    write_entry,
)
from precondbench.leaderboard.submissions.check import (
    COMPUTED,
    SUBMITTED,
    check_entries,
    check_entry,
    entry_id,
)
from precondbench.leaderboard.submissions.tolerance import FLOATS, first_difference
from precondbench.shards import write_predictions

TWIN = "synthetic-tridiag-1.0-twin-test"
SAID = {"method": "Noisy (5 %)", "kind": "learned", "authors": ["a"], "description": "d"}
runner = CliRunner()


@pytest.fixture(scope="module")
def submission(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submission")
    data = SyntheticTridiag(split="test", config="twin")
    pairs = [data.pair(i) for i in range(len(data))]
    seeds = {
        seed: {
            p.name: p.L.data * (1 + 0.05 * np.random.default_rng(seed).standard_normal(p.L.nnz))
            for p in pairs
        }
        for seed in range(3)
    }
    write_predictions(folder / "p.safetensors", "m", data.shard, data.label, seeds)
    pack_predictions([folder / "p.safetensors"], folder / "s", SAID)
    return folder / "s"


@pytest.fixture(scope="module")
def original(submission, tmp_path_factory):
    folder = tmp_path_factory.mktemp("board") / "leaderboard"
    score_reference(track_named(TWIN), folder)
    score_submission(submission, folder)
    return folder


@pytest.fixture
def board(original, tmp_path):
    return shutil.copytree(original, tmp_path / "leaderboard")


def changed(board, change, entry="noisy-5"):
    path = entry_path(board, TWIN, entry)
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_single_rows_are_scored_as_all_are(board, original):
    paths = [entry_path(board, TWIN, name) for name in ("jacobi", "8-hop-oracle")]
    paths[0].unlink()
    runner.invoke(
        app,
        ["leaderboard", "reference", TWIN, "--method", "Jacobi", "--folder", str(board)],
        catch_exceptions=False,
    )
    for path in paths:
        assert path.read_bytes() == entry_path(original, TWIN, path.stem).read_bytes()
    with pytest.raises(ConfigurationError, match=r"has no row 'AMD'; choose from none, Jacobi"):
        score_reference(track_named(TWIN), board, methods=["Jacobi", "AMD"])


def test_what_is_written_is_read(board):
    read = read_leaderboard(board)
    assert list(read.tracks) == [TWIN]
    assert {"none", "jacobi", "ic-0", "smoothed-aggregation-amg", "8-hop-oracle", "noisy-5"} <= set(
        read.entries[TWIN]
    )
    entry = read.entries[TWIN]["noisy-5"]
    assert [scores.seed for scores in entry.seeds] == [0, 1, 2]
    assert read.entries[TWIN]["cholesky"].seeds[0].summary["solved"] == 1.0
    before = entry_path(board, TWIN, "noisy-5").read_bytes()
    assert write_entry(board, entry).read_bytes() == before


def test_lists_stand_on_one_line(board):
    text = entry_path(board, TWIN, "noisy-5").read_text()
    assert len(text.splitlines()) < 150
    assert json.loads(text)["kind"] == "learned"


def test_scoring_again_gives_the_same_file(board, submission, tmp_path):
    before = entry_path(board, TWIN, "noisy-5").read_bytes()
    assert check_entry(board, TWIN, "noisy-5", submission=submission) == SUBMITTED
    assert check_entry(board, TWIN, "4-hop-oracle") == COMPUTED
    score_submission(submission, tmp_path / "other")
    assert entry_path(tmp_path / "other", TWIN, "noisy-5").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["seeds"][1]["iterations"].__setitem__(7, 1),
            r"seeds\[1\].iterations\[7\] is 1",
        ),
        (lambda c: c["seeds"][0]["cosine"].__setitem__(0, 1.0), r"seeds\[0\].cosine\[0\] is 1.0"),
        (lambda c: c["seeds"][0]["summary"].__setitem__("solved", 0.5), "summary.solved is 0.5"),
        (lambda c: c["seeds"].pop(), "seeds is"),
        (lambda c: c.__setitem__("method", "Better"), "method is 'Better'"),
        (lambda c: c.__setitem__("parameters", 3), "parameters is 3"),
    ],
)
def test_a_changed_entry_is_found_out(board, submission, change, message):
    changed(board, change)
    with pytest.raises(LeaderboardError, match=message):
        check_entry(board, TWIN, "noisy-5", submission=submission)


def test_a_changed_track_is_found_out(board):
    path = board / "tracks" / f"{TWIN}.json"
    content = json.loads(path.read_text())
    content["ladder"]["8"] = 1.0
    path.write_text(json.dumps(content))
    with pytest.raises(LeaderboardError, match=rf"track {TWIN}.ladder.8 is 1.0, scored again"):
        check_entry(board, TWIN, "none")


@pytest.mark.parametrize("name", sorted(FLOATS))
def test_last_digits_are_those_of_a_machine(name):
    """Each float has the room that the table gives it, everything else none."""
    tolerance = FLOATS[name].relative
    for summary in ("", "_mean", "_median"):
        stored = {f"{name}{summary}": [3.0]}
        within, beyond = (
            {f"{name}{summary}": [3.0 * (1 + share * tolerance)]} for share in (0.9, 1.1)
        )
        assert first_difference(stored, within, "entry") is None
        assert "entry." in first_difference(stored, beyond, "entry")


def test_a_median_of_opposite_signs_has_the_room_of_its_values():
    """Near zero, 8 digits of two values of about 0.06 leave it fewer than six."""
    (stored, again) = ({"log10_one_minus_cosine_median": x} for x in (-0.00035476564, -0.000354766))
    assert first_difference(stored, again, "entry") is None


def test_everything_else_is_compared_exactly():
    assert first_difference({"residual": 1e-9}, {"residual": 1e-9 * (1 + 1e-15)}, "e")
    assert first_difference({"cosine": 1}, {"cosine": 1.0}, "e")
    assert first_difference({"iterations": [1, True]}, {"iterations": [1, 1]}, "e")
    assert first_difference({"a": None}, {"a": 0}, "e")
    assert first_difference({"a": [1]}, {"a": [1, 2]}, "e")
    assert first_difference({"a": 1}, {"b": 1}, "e")
    nested = {"gain": {"mean": -1.0, "low": -2.0, "high": 0.0}}
    close = {"gain": {"mean": -1.0 - 1e-11, "low": -2.0, "high": 1e-13}}
    assert first_difference(nested, close, "e") is None


def test_all_entries_of_a_folder(board):
    """Those that cannot be checked are named, with the others confirmed."""
    changed(board, lambda c: c.__setitem__("method", "Better"), "jacobi")
    changed(board, lambda c: c["seeds"][0]["sides"][3].__setitem__(0, 7), "none")
    (found,) = check_entries(board)
    assert found.track == TWIN
    assert set(found.problems) == {"jacobi", "none", "noisy-5"}
    assert "no method 'Better'" in found.problems["jacobi"]
    assert "seeds[0].sides[3][0] is 7" in found.problems["none"]
    assert "no weights" in found.problems["noisy-5"]
    assert set(found.confirmed.values()) == {COMPUTED}
    assert len(found.confirmed) + 3 == len(read_leaderboard(board).entries[TWIN])


def test_another_version_of_the_library_is_no_difference(board):
    changed(board, lambda c: c["scorer"].__setitem__("precondbench", "0.0.1"), "none")
    check_entry(board, TWIN, "none")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.__setitem__("id", "../../etc"), "schema at id"),
        (lambda c: c.__setitem__("id", "other"), "put it in its place"),
        (lambda c: c.__setitem__("track", "other"), "put it in its place"),
        (lambda c: c.__setitem__("content_digest", "0" * 64), "scored on other data"),
        (lambda c: c.__setitem__("rank", 1), "schema at rank"),
        (lambda c: c["links"].__setitem__("code", "javascript:x"), "schema at links.code"),
        (lambda c: c["seeds"][0]["status"].pop(), "different lengths"),
        (lambda c: c["seeds"][0]["status"].__setitem__(0, "won"), "schema at seeds.0.status.0"),
        (lambda c: c["seeds"][0]["cosine"].__setitem__(0, float("nan")), "not a JSON number"),
        (lambda c: c["seeds"][0]["iterations"].__setitem__(0, -1), "schema at seeds.0.iterations"),
        (lambda c: c.__setitem__("submitted", "2026-11-23"), "schema at submitted"),
        (lambda c: c.__setitem__("format_version", 1), "files of protocol 1 must be scored again"),
    ],
)
def test_damaged_entries_are_named(board, change, message):
    changed(board, change)
    with pytest.raises(LeaderboardError, match=message) as caught:
        read_leaderboard(board)
    assert "noisy-5.json" in str(caught.value)


def test_shorter_lists_than_the_track(board):
    def cut(content):
        for scores in content["seeds"]:
            for value in scores.values():
                if isinstance(value, list):
                    del value[-1]

    changed(board, cut)
    with pytest.raises(LeaderboardError, match="outcomes of 199 matrices, its track has 200"):
        read_leaderboard(board)


def test_no_leaderboard(tmp_path):
    with pytest.raises(LeaderboardError, match="holds no tracks"):
        read_leaderboard(tmp_path)


def test_schemas_are_json():
    for schema in (entry_schema(), track_schema()):
        assert schema["$schema"].startswith("https://json-schema.org")
        assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize(
    ("method", "name"),
    [("IC(0)", "ic-0"), ("Inv-K", "inv-k"), ("<script>", "script"), ("\u202e", "entry")],
)
def test_ids_from_names(method, name):
    assert entry_id(method) == name
    assert len(entry_id("x" * 500)) == 80


def test_commands(board, submission):
    def run(*arguments, code=0):
        result = runner.invoke(app, ["leaderboard", *map(str, arguments)])
        assert result.exit_code == code, result.output
        return " ".join((result.stdout + result.stderr).split())

    said = run("score", submission, "--folder", board, "--id", "again", "--jobs", 2)
    assert "again.json" in said
    again, jacobi = (entry_path(board, TWIN, name) for name in ("again", "jacobi"))
    assert SUBMITTED in run("check", again, "--submission", submission)
    assert "name it by --submission" in run("check", again, code=1)
    shutil.copytree(submission, submission_path(board, TWIN, "again"))
    said = run("check", again, jacobi)
    assert SUBMITTED in said
    assert COMPUTED in said
    assert f"{TWIN}: 2 entries hold (" in said
    assert "there is no entry 'x'" in run("check", again.with_stem("x"), code=1)
    assert "not the file of an entry" in run("check", board, code=1)
    assert "--submission belongs" in run("check", again, jacobi, "--submission", submission, code=2)
    assert "states no command" in run("reproduce", again, code=1)
    assert "no track 'x'" in run("reference", "x", "--folder", board, code=2)
    changed(board, lambda c: c["seeds"][0]["iterations"].__setitem__(0, 99), "again")
    said = run("check", jacobi, again, code=1)
    assert "scored again" in said
    assert "1 entries or tracks do not hold" in said


def test_an_entry_without_its_own_submission(board, submission, tmp_path):
    other = shutil.copytree(submission, tmp_path / "other")
    content = json.loads((other / "submission.json").read_text())
    content["predictions"]["1"] = "0" * 64
    (other / "submission.json").write_text(json.dumps(content))
    with pytest.raises(LeaderboardError, match="another digest"):
        check_entry(board, TWIN, "noisy-5", submission=other)


def test_reference_rows_are_what_they_claim(board):
    """What is called exact solves at once, everything else needs more; forms are stated."""
    entries = read_leaderboard(board).entries[TWIN]
    exact = {"ic-0", "ic-0-smallest-shift", "ic-0-after-rcm", "ic-0-after-minimum-degree"}
    exact |= {"inv-k", "inv-k-after-rcm", "cholesky"}
    for name, entry in entries.items():
        if entry.tier != "reference":
            continue
        mean = entry.seeds[0].summary["iterations_mean"]
        assert (mean <= 2) == (name in exact or name == "32-hop-oracle"), name
        assert (entry.kind == "oracle") == (name in exact or "hop-oracle" in name), name
        operator = entry.form == "operator"
        assert operator == (entry.seeds[0].cosine[0] is None), name
        assert entry.seeds[0].work[0] > 0
    hops = {k: entries[f"local-patch-inv-k-k-{k}"].seeds[0].iterations for k in (1, 7)}
    assert hops[1] == entries["1-hop-oracle"].seeds[0].iterations
    assert sum(hops[7]) < sum(hops[1])


def test_entries_of_operators_are_scored_again(board):
    for name in ("smoothed-aggregation-amg", "ic-0-after-rcm", "fsai"):
        check_entry(board, TWIN, name)
