"""Local boards: prediction files with classical methods, in memory and as a site."""

import json

import numpy as np
import pytest

from precondbench import SuiteSparseInvK, SyntheticTridiag, evaluate
from precondbench.errors import PredictionError
from precondbench.leaderboard import (
    TRACKS,
    board_of_files,
    board_table,
    classical_methods,
    render_site,
    standings_of,
)
from precondbench.leaderboard.methods.registry import ROWS, reference_rows
from precondbench.leaderboard.tracks import TrackName
from precondbench.shards import write_predictions

UNIFORM = "synthetic-tridiag-1.0-uniform-val"


@pytest.fixture(scope="module")
def dataset():
    return SyntheticTridiag(split="val")


@pytest.fixture(scope="module")
def write(dataset, tmp_path_factory):
    """Write a file of predictions: the targets, off by a share."""
    folder = tmp_path_factory.mktemp("files")
    pairs = [dataset.pair(i) for i in range(len(dataset))]

    def make(method, *seeds, error=0.0):
        path = folder / f"{method}-{seeds}.safetensors"
        rng = np.random.default_rng(0)
        values = {
            pair.name: pair.L.data * (1 + error * rng.standard_normal(pair.L.nnz)) for pair in pairs
        }
        write_predictions(path, method, dataset.shard, "modified", dict.fromkeys(seeds, values))
        return path

    return make


@pytest.fixture(scope="module")
def board(write):
    return board_of_files([write("Mine", 0, error=0.1), write("Mine", 1), write("exact", 0)])


def test_files_stand_beside_classical_rows_and_are_ranked(board):
    (standing,) = standings_of(board)
    kinds = {row.entry.method: row.entry.kind for row in standing.rows}
    assert kinds["Mine"] == kinds["exact"] == "learned"
    assert kinds["IC(0)"] == kinds["4-hop oracle"] == "oracle"
    assert kinds["Jacobi"] == "classical"
    ranks = [row.entry.method for row in standing.rows if row.rank is not None]
    assert ranks == ["exact", "Mine", "Jacobi", "none"]
    steps = [row.iterations_mean.mean for row in standing.rows]
    assert steps == sorted(steps)
    mine = board.entries[UNIFORM]["mine"]
    assert [seed.seed for seed in mine.seeds] == [0, 1]
    assert mine.description.startswith("Predictions in ")
    assert board.tracks[UNIFORM].ladder is not None


def test_the_table_for_a_terminal(board):
    (standing,) = standings_of(board)
    headings, rows = board_table(standing)
    assert headings[:5] == ("rank", "method", "kind", "iterations", "95 % interval")
    assert {len(row) for row in rows} == {len(headings)}
    by_method = {row[1]: dict(zip(headings, row, strict=True)) for row in rows}
    # One of its two seeds is exact, so "Mine" may be as good.
    assert by_method["exact"]["rank"] == by_method["Mine"]["rank"] == "=1"
    assert by_method["IC(0)"]["rank"] == "-"
    assert by_method["4-hop oracle"]["effective hops"] == pytest.approx(4)


def test_a_site_of_it(board, tmp_path):
    render_site(board, tmp_path / "site")
    page = (tmp_path / "site" / "tracks" / f"{UNIFORM}.html").read_text()
    assert page.count("<svg") >= 2
    assert "Mine" in page
    content = json.loads((tmp_path / "site" / "leaderboard.json").read_text())
    assert [track["id"] for track in content["tracks"]] == [UNIFORM]
    # An earlier site is replaced, other things are not.
    assert render_site(board, tmp_path / "site") > 10


def test_files_that_do_not_go_together(write, tmp_path):
    one = write("Mine", 0)
    with pytest.raises(PredictionError, match="name at least one"):
        board_of_files([])
    with pytest.raises(PredictionError, match="repeats 'Mine, seed 0'"):
        board_of_files([one, one])
    with pytest.raises(PredictionError, match="is a row of every board"):
        board_of_files([write("Jacobi", 0)])
    with pytest.raises(PredictionError, match="cannot stand on a board"):
        board_of_files([write(" Mine", 0)])
    other = SyntheticTridiag(split="test")
    path = tmp_path / "other.safetensors"
    write_predictions(path, "Mine", other.shard, "modified", {0: {}})
    with pytest.raises(PredictionError, match="predictions of one split"):
        board_of_files([one, path])


def test_the_methods_of_a_quick_look(dataset):
    methods = classical_methods(dataset.pair(0))
    few = dataset[:20]
    counts = {name: evaluate(few, row).summary["iterations_mean"] for name, row in methods.items()}
    assert counts["IC(0)"] < counts["8-hop oracle"] < counts["0-hop oracle"] < counts["Jacobi"]
    assert methods["IC(0)"].kind == "oracle"
    real = classical_methods(SuiteSparseInvK(split="val", version="sample").pair(0))
    assert list(real) == ["none", "Jacobi", "IC(0)", "Inv-K"]
    assert {row.kind for row in real.values()} == {"classical"}


def test_rows_have_names_of_their_own_on_every_board():
    for track in TRACKS:
        rows = reference_rows(track)
        assert all("{" not in row.name + row.description for row in rows.values())
    boards = {board for row in ROWS for board in row.on}
    real = {"tril", "filled", "folds", "reordered"}
    assert boards == real | {"tridiagonal", "family", "lu", "tridiagonal-lu"}
    # A split that is not ranked has them, too.
    name = TrackName("suitesparse-invk", "sample", "tril", "val", "best", "sample")
    assert "Inv-K" in reference_rows(name, quick=True)
