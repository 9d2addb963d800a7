"""The leaderboard of the repository: complete, what its entries claim, and what comes out again."""

from pathlib import Path

import pytest

from precondbench.leaderboard.entry_files import read_leaderboard
from precondbench.leaderboard.maintenance import check_entry, entry_id
from precondbench.leaderboard.methods import reference_methods
from precondbench.leaderboard.results import read_results
from precondbench.leaderboard.site_exports import board_markdown
from precondbench.leaderboard.standings import standings_of
from precondbench.leaderboard.tracks import TRACKS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "leaderboard"
SYNTHETIC = [track.id for track in TRACKS if track.dataset == "synthetic-tridiag"]
REAL = [track.id for track in TRACKS if track.dataset != "synthetic-tridiag"]

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the leaderboard is not part of an installation"
)


@pytest.fixture(scope="module")
def board():
    return read_leaderboard(FOLDER)


@pytest.mark.parametrize("track", TRACKS, ids=lambda track: track.id)
def test_every_classical_row_stands_on_every_board(board, track):
    entries = board.entries[track.id]
    for method in reference_methods(track.id in SYNTHETIC):
        entry = entries[entry_id(method.name)]
        assert (entry.method, entry.tier, entry.form) == (method.name, "reference", method.form)


def solved(board, track, entry):
    return board.entries[track][entry].seeds[0].summary["solved"]


@pytest.mark.parametrize("track", REAL)
def test_shares_of_real_matrices_solved(board, track):
    """Inv-K exists always, IC(0) often not; a shift, or more hops, help."""
    assert solved(board, track, "inv-k") > solved(board, track, "ic-0") + 0.2
    assert solved(board, track, "ic-0-smallest-shift") > solved(board, track, "ic-0")
    hops = [solved(board, track, f"local-patch-inv-k-k-{k}") for k in (1, 3)]
    assert hops[0] <= hops[1] <= solved(board, track, "inv-k")
    assert solved(board, track, "cholesky") == 1.0


def test_learned_rows_are_those_of_the_results(board):
    """Each seed of an entry has the iterations that docs/results.md shows, and none is missing."""
    expected = {
        (row["configuration"], row["split"], row["model"], row["rounds"], row["seed"]): row
        for row in read_results(ROOT / "benchmarks" / "results" / "baselines.jsonl")
        if row["loss"] == "negative-cosine"
    }
    groups = {}
    for key in expected:
        groups.setdefault(key[:-1], set()).add(key[-1])
    complete = {key: seeds for key, seeds in groups.items() if len(seeds) >= 3 and key[1] != "val"}
    found = {}
    for track in TRACKS:
        for entry in board.entries[track.id].values():
            if entry.kind != "learned":
                continue
            model, _, rounds = entry.method.removesuffix(" rounds)").partition(" (")
            key = (track.configuration, track.split, model, int(rounds))
            found[key] = {scores.seed for scores in entry.seeds}
            for scores in entry.seeds:
                row = expected[*key, scores.seed]
                assert scores.summary["iterations_mean"] == pytest.approx(row["iterations_mean"])
                assert scores.summary["cosine_mean"] == pytest.approx(row["cosine_mean"])
    assert found == complete


def test_a_reference_row_comes_out_again():
    check_entry(FOLDER, "synthetic-tridiag-1.0-twin-test", "smoothed-aggregation-amg")


@pytest.mark.long
@pytest.mark.parametrize("entry", ["jacobi", "smoothed-aggregation-amg", "local-patch-inv-k-k-5"])
@pytest.mark.parametrize(
    "track", ["synthetic-tridiag-1.0-twin-test", "synthetic-tridiag-1.0-sawtooth-test-large"]
)
def test_reference_rows_come_out_again(track, entry):
    check_entry(FOLDER, track, entry)


@pytest.mark.long
@pytest.mark.parametrize(
    "entry", [entry_id(m.name) for m in reference_methods(False) if "patch" not in m.name]
)
def test_reference_rows_on_real_matrices_come_out_again(monkeypatch, mirror, entry):
    monkeypatch.setenv("PRECONDBENCH_SUITESPARSE", str(mirror.folder))
    check_entry(FOLDER, "suitesparse-invk-1.0-tril-test", entry)


def test_the_page_of_the_docs_is_the_board(board):
    assert (ROOT / "docs" / "leaderboard.md").read_text("utf-8") == board_markdown(
        standings_of(board)
    )
