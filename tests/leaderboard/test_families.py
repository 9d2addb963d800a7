"""Boards of families: the ratio that ranks, its intervals, and one table for all families."""

import json
import statistics
from dataclasses import replace

import numpy as np
import pytest

from precondbench import ParametricInvK, ic0, invk
from precondbench.leaderboard import board_of, render_site, standings_of
from precondbench.leaderboard.entries import Leaderboard
from precondbench.leaderboard.methods.registry import reference_rows
from precondbench.leaderboard.scoring.intervals import Resampled
from precondbench.leaderboard.scoring.ranking import ratio_mean
from precondbench.leaderboard.scoring.summary import family_tracks, summarise
from precondbench.leaderboard.site.export import board_markdown, board_table
from precondbench.leaderboard.tracks import OpenTrack, TrackName
from precondbench.quality import evaluate_many
from toy_family import TOY


def doubled(A):
    """IC(0) of another size is as good as IC(0)."""
    return 2.0 * ic0(A)


@pytest.fixture(scope="module")
def board():
    tracks, entries = {}, {}
    for name, seed in (("toy", 0), ("play", 1)):
        data = ParametricInvK.generate(replace(TOY, name=name), n=64, seed=seed, count=12)
        made = board_of(data, {"doubled": doubled, "mine": lambda A: 1.0001 * invk(A)})
        tracks |= made.tracks
        entries |= made.entries
    return Leaderboard(tracks=tracks, entries=entries)


@pytest.fixture(scope="module")
def standings(board):
    return standings_of(board)


def test_the_geometric_mean_of_ratios_ranks(standings):
    for standing in standings:
        assert standing.ranked_as == "ratio"
        means = [row.score.mean for row in standing.rows]
        assert means == sorted(means)
        for row in standing.rows:
            (seed,) = row.evaluations
            best = [matrix.target_iterations for matrix in standing.track.matrices]
            ratios = [a / b for a, b in zip(seed.penalised_iterations, best, strict=True)]
            assert row.ratio_mean.mean == pytest.approx(statistics.geometric_mean(ratios))
            assert row.ratio_mean.mean == pytest.approx(seed.summary["ratio_to_target"])
            assert row.entry.interval[0] <= row.score.mean <= row.entry.interval[1]
            assert row.area is None
        # Rows of equal counts share a rank.
        assert standing.by_id["doubled"].rank == standing.by_id["ic-0"].rank


@pytest.mark.parametrize("name", ["jumps-2d", "elasticity-2d", "graph", "random-spd"])
def test_rows_need_the_iterations_that_facts_say(name):
    data = ParametricInvK.generate(name, n=150, count=3)
    track = OpenTrack(TrackName("parametric", "1.0", name, "test", "invk", "A title"), [data])
    rows = {key: row for key, row in reference_rows(track.name).items() if not row.relaxations}
    scored = evaluate_many(track, rows, log_k=False)
    for key, fact in {
        "none": "none",
        "Jacobi": "jacobi",
        "IC(0)": "ic0",
        "IC(0), smallest shift": "ic0_shifted",
        "Inv-K": "invk",
        "MIC(0), w = 0.9": "mic_900",
        "MIC(0), w = 1": "mic_1000",
        "smoothed-aggregation AMG": "amg",
    }.items():
        for i, (solved, count) in enumerate(
            zip(scored[key].solved, scored[key].iterations, strict=True)
        ):
            assert data.facts(i)[f"iterations_{fact}"] == (count if solved else -1), (key, i)
    assert scored["IC(0)"].target_iterations == tuple(
        data.facts(i)["best_iterations"] for i in range(3)
    )


def test_the_best_of_hindsight_has_no_ratio_below_one(standings):
    for standing in standings:
        for name in ("ic-0", "inv-k"):
            assert min(standing.by_id[name].evaluations[0].ratios) >= 1.0


def test_failures_count_as_the_limit(standings):
    (seed,) = standings[0].by_id["ic-0"].evaluations
    failed = replace(seed, status=("stagnated", *seed.status[1:]))
    best = seed.target_iterations[0]
    more = 10_000 / best / seed.ratios[0]
    assert ratio_mean(failed) == pytest.approx(ratio_mean(seed) * more ** (1 / len(seed.name)))


def test_intervals_are_those_of_resampled_geometric_means(standings):
    (seed,) = standings[0].by_id["none"].evaluations
    families = list(seed.name)
    found = Resampled("ratio_mean", families, [seed]).interval()
    assert found.mean == pytest.approx(ratio_mean(seed))
    logarithms = np.log(seed.penalised_ratios)
    spread = logarithms.std(ddof=1) / np.sqrt(logarithms.size)
    # Student's t with 11 degrees of freedom.
    assert np.log(found.high / found.mean) == pytest.approx(2.2 * spread, rel=0.25)
    assert np.log(found.mean / found.low) == pytest.approx(2.2 * spread, rel=0.25)
    (other,) = standings[0].by_id["jacobi"].evaluations
    gain = Resampled("ratio_mean", families, [other], [seed]).interval()
    assert gain.mean == pytest.approx(ratio_mean(other) - ratio_mean(seed))
    assert gain.low < gain.mean < gain.high < 0
    difference = Resampled("ratio_mean", families, [other]).minus(
        Resampled("ratio_mean", families, [seed])
    )
    assert difference == pytest.approx(gain)


def test_one_table_for_all_families(standings):
    ((split, tracks),) = family_tracks(standings).items()
    assert (split, len(tracks)) == ("all", 2)
    rows = summarise(tracks)
    assert {row.entry.id for row in rows} == set(tracks[0].by_id)
    assert [row.mean_rank for row in rows] == sorted(row.mean_rank for row in rows)
    for row in rows:
        means = [one.ratio_mean.mean for one in row.rows]
        assert row.ratio == pytest.approx(statistics.geometric_mean(means))
        assert row.solved == 1.0
        assert list(row.profile) == sorted(row.profile)
    places = {row.entry.id: row.places for row in rows}
    assert places["doubled"] == places["ic-0"]
    assert places["none"] == (len(rows), len(rows))
    assert family_tracks(standings[:1]) == {}
    assert summarise([]) == []


def test_pages_and_texts(board, standings, tmp_path):
    render_site(board, tmp_path / "site")
    page = (tmp_path / "site" / "families.html").read_text(encoding="utf-8")
    assert page.count("<tr>") >= 2 * len(standings[0].rows)
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "families.html" in index
    assert "Families of matrices" in index
    content = json.loads((tmp_path / "site" / "leaderboard.json").read_text(encoding="utf-8"))
    for track in content["tracks"]:
        assert track["ranked_by"] == "ratio_mean"
        assert track["kind"] == "parametric"
    head, lines = board_table(standings[0])
    assert head[3] == "ratio"
    assert len(lines) == len(standings[0].rows)
    assert "eight relaxations" in board_markdown(standings)
    # A board of one family has no table of all.
    name = standings[0].track.id
    alone = Leaderboard(tracks={name: board.tracks[name]}, entries={name: board.entries[name]})
    render_site(alone, tmp_path / "alone")
    assert not (tmp_path / "alone" / "families.html").exists()
