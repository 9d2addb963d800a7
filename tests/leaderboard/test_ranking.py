"""Ranking: known answers, and independence of other entries."""

import math

import pytest
from board_models import SYNTHETIC, make_entry, make_seed, make_track
from hypothesis import given, settings
from hypothesis import strategies as st

from precondbench.leaderboard.board import Standing
from precondbench.leaderboard.scoring.ranking import (
    TAUS,
    Spread,
    profile,
    profile_area,
    rank_entries,
    ranked_by,
    shares_within,
)

TARGETS = [16, 32, 100, 1]


def ranks(track, *entries):
    return [(r.entry.id, r.rank) for r in rank_entries(track, {e.id: e for e in entries})]


def row_of(track, entry, *others):
    rows = rank_entries(track, {e.id: e for e in (entry, *others)})
    return next(row for row in rows if row.entry.id == entry.id)


@pytest.mark.parametrize(
    ("iterations", "area"),
    [
        (TARGETS, 0.5),
        ([1, 2, 100 / 16, 1 / 16], 1.0),
        ([256, 512, 1600, 16], 0.0),
        ([8, 16, 50, 0.5], 0.625),
        ([4, 128, 100, 1], 0.5),
        ([1e9, 1, 100, 1], (0 + 1 + 0.5 + 0.5) / 4),
    ],
)
def test_area_of_known_ratios(iterations, area):
    ratios = [i / t for i, t in zip(iterations, TARGETS, strict=True)]
    assert profile_area(ratios) == pytest.approx(area, abs=1e-12)


def test_the_target_has_half():
    row = row_of(make_track(TARGETS), make_entry("target", TARGETS))
    assert row.area == Spread(0.5, 0.5, 0.5)
    assert row.ratio_median.mean == 1.0


def test_failures_have_no_area_and_count_the_limit():
    track = make_track(TARGETS)
    row = row_of(track, make_entry("a", [16, "iteration-limit", "stagnated", "invalid"]))
    assert row.area.mean == 0.5 / 4
    assert row.solved.mean == 0.25
    assert row.iterations_mean.mean == (16 + 3 * 10_000) / 4
    assert row.ratio_median is None
    assert row.evaluations[0].ratios[1:] == (math.inf,) * 3


def test_no_iterations_count_as_one():
    row = row_of(make_track([0, 1, 16, 16]), make_entry("a", [0, 0, 16, 0]))
    assert row.ratios == (1.0, 1.0, 1.0, 1 / 16)


def test_the_area_is_that_under_the_profile():
    ratios = [0.01, 0.3, 1.0, 1.0, 5.0, 40.0, math.inf]
    corners = [(-4.0, shares_within(ratios, [1 / 16])[0])]
    corners += [(math.log2(tau), share) for tau, share in profile(ratios) if 1 / 16 < tau <= 16]
    area = sum(
        share * (following - here)
        for (here, share), (following, _) in zip(corners, [*corners[1:], (4.0, 0)], strict=True)
    )
    assert profile_area(ratios) == pytest.approx(area / 8, abs=1e-12)


def test_real_tracks_rank_by_area_and_synthetic_ones_by_iterations():
    # Fewer iterations in the mean, but a smaller area.
    targets = [10, 10, 10, 9000] * 4
    one, other = [1, 1, 1, 9500] * 4, [12, 12, 12, 20] * 4
    real, synthetic = make_track(targets), make_track(targets, "synthetic")
    a, b = make_entry("a", one), make_entry("b", other)
    assert [(row.entry.id) for row in rank_entries(real, {"b": b, "a": a})] == ["a", "b"]
    a, b = (make_entry(n, i, track=SYNTHETIC) for n, i in (("a", one), ("b", other)))
    assert [(row.entry.id) for row in rank_entries(synthetic, {"b": b, "a": a})] == ["b", "a"]
    assert (ranked_by(real), ranked_by(synthetic)) == ("profile_area", "iterations_mean")
    assert row_of(synthetic, a).area is None


def test_oracles_stand_in_their_place_without_a_rank():
    track = make_track(TARGETS)
    entries = [
        make_entry("good", [8, 16, 50, 1]),
        make_entry("oracle", TARGETS, kind="oracle"),
        make_entry("poor", [99, 99, 400, 9]),
        make_entry("exact", [1, 1, 1, 1], kind="oracle"),
    ]
    expected = [("exact", None), ("good", 1), ("oracle", None), ("poor", 2)]
    assert ranks(track, *entries) == expected


def test_the_mean_over_seeds_ranks():
    track = make_track([10, 10])
    seeds = [make_seed([10, 10], 0), make_seed([5, 5], 1), make_seed([20, "invalid"], 2)]
    row = row_of(track, make_entry("a", *seeds))
    assert row.area == Spread(pytest.approx((0.5 + 0.625 + 0.375 / 2) / 3), 0.1875, 0.625)
    assert (row.solved.low, row.solved.high) == (0.5, 1.0)
    assert row.iterations_mean.mean == pytest.approx((10 + 5 + 5010) / 3)
    assert len(row.ratios) == 6


def test_an_operator_has_no_cosine():
    none = [None, None]
    seed = make_seed([10, 10], cosine=none, log10_one_minus_cosine=none, n_log_k=none)
    row = row_of(make_track([10, 10]), make_entry("amg", seed, form="operator"))
    assert (row.cosine_mean, row.n_log_k_median, row.effective_hops) == (None, None, None)
    assert row.work_median.mean == 1.0


def test_effective_hops_are_those_of_the_scorer():
    seeds = [make_seed([9], n, summary={"effective_hops": hops}) for n, hops in ((0, 2.0), (1, 3))]
    entry = make_entry("a", *seeds, track=SYNTHETIC)
    assert row_of(make_track([1], "synthetic"), entry).effective_hops == Spread(2.5, 2.0, 3.0)


def test_shares_at_the_taus():
    assert shares_within([1.0, 2.0, math.inf, 1 / 32], TAUS)[:1] == [0.25]
    assert shares_within([1.0, 2.0, math.inf, 1 / 32], TAUS)[-1] == 0.75
    assert profile([2.0, 1.0, 2.0, math.inf]) == [(1.0, 0.25), (2.0, 0.75)]
    assert shares_within([1.0, 4.0, math.inf, 0.5], [0.5, 1, 16]) == [0.25, 0.5, 0.75]


outcome = st.one_of(
    st.integers(0, 10_000), st.sampled_from(["iteration-limit", "stagnated", "invalid"])
)
several = st.lists(st.lists(outcome, min_size=4, max_size=4), min_size=1, max_size=5)


@settings(max_examples=20, deadline=None)
@given(several, several)
def test_another_entry_changes_no_number(here, coming):
    track = make_track(TARGETS)
    before = [make_entry(f"e{number}", steps) for number, steps in enumerate(here)]
    after = before + [make_entry(f"n{number}", steps) for number, steps in enumerate(coming)]

    def numbers(entries):
        rows = rank_entries(track, {e.id: e for e in entries})
        return {r.entry.id: (r.area, r.solved, r.iterations_mean, r.ratios) for r in rows}

    known = numbers(before)
    assert known.items() <= numbers(after).items()
    # ... and the order of those who were there stays.
    old = [name for name, _ in ranks(track, *before)]
    assert [name for name, _ in ranks(track, *after) if name in known] == old
    assert all(0.0 <= area.mean <= 1.0 for area, *_ in known.values())


def test_verdicts_against_ic0():
    ic0 = make_entry("ic-0", [100, 100, 100, "invalid", "invalid", 100])
    this = make_entry("a", [90, 97, 110, 5, "stagnated", "iteration-limit"])
    standing = Standing(make_track([50] * 6), {"ic-0": ic0, "a": this})
    assert standing.verdicts(this) == ["fewer", "tie", "more", "only this", "neither", "only IC(0)"]
    assert standing.verdicts(ic0) is None
    exact = make_entry("ic-0", [1] * 6, kind="oracle")
    assert Standing(make_track([50] * 6), {"ic-0": exact, "a": this}).verdicts(this) is None
