"""Intervals and shared ranks: known answers, coverage in a small form, independence of order."""

import math
import random
from types import SimpleNamespace

import numpy as np
import pytest
from board_models import SYNTHETIC, learned, make_entry, make_seed, make_track
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from precondbench.leaderboard.scoring import intervals
from precondbench.leaderboard.scoring.intervals import (
    Interval,
    Resampled,
    gain_of,
    interval_of,
    resamples_of,
)
from precondbench.leaderboard.scoring.ranking import rank_entries
from precondbench.leaderboard.tracks import TRACKS, OpenTrack, track_named

NUMBER = "iterations_mean"


def seed_of(iterations):
    """What an interval reads of an evaluation."""
    return SimpleNamespace(penalised_iterations=iterations, ratios=[i / 10 for i in iterations])


def letters(count):
    return [f"family {number:03d}" for number in range(count)]


def ranked(track, *entries):
    return {row.entry.id: row for row in rank_entries(track, {e.id: e for e in entries})}


def test_one_family_has_no_interval():
    found = Resampled(NUMBER, ["a"] * 3, [seed_of([1, 2, 6]), seed_of([1, 2, 3])]).interval()
    assert found == Interval(2.5, 2.5, 2.5)


def test_two_families_span_their_means():
    families = ["a", "b", "b"]
    assert interval_of(NUMBER, families, [seed_of([10, 20, 40])]) == (10.0, 30.0)


def test_equal_numbers_have_an_interval_of_no_length():
    assert interval_of(NUMBER, letters(9), [seed_of([7] * 9)]) == (7.0, 7.0)
    assert interval_of("profile_area", letters(9), [seed_of([10] * 9)]) == (0.5, 0.5)


def test_many_families_give_the_interval_of_students_t():
    values = [int(v) for v in np.random.default_rng(0).normal(1000, 100, 200)]
    low, high = interval_of(NUMBER, letters(200), [seed_of(values)])
    half = stats.t.ppf(0.975, 199) * np.std(values, ddof=1) / math.sqrt(200)
    mean = np.mean(values)
    assert (mean - low, high - mean) == (pytest.approx(half, rel=0.1), pytest.approx(half, rel=0.1))


def test_matrices_of_one_family_are_drawn_together():
    values = [10, 10, 10, 10, 30, 30, 30, 30]
    together = interval_of(NUMBER, [f"{i // 4}" for i in range(8)], [seed_of(values)])
    apart = interval_of(NUMBER, letters(8), [seed_of(values)])
    assert together == (10.0, 30.0)
    assert 10 < apart[0] < 20 < apart[1] < 30


def test_names_and_order_of_matrices_change_nothing():
    values, families = [5, 9, 1, 30, 12, 18], ["x", "y", "x", "z", "w", "z"]
    order = [3, 1, 5, 0, 4, 2]
    here = interval_of("profile_area", families, [seed_of(values)])
    there = interval_of(
        "profile_area", [families[i] for i in order], [seed_of([values[i] for i in order])]
    )
    assert here == there


def test_the_interval_is_that_of_all_resamples():
    """Three families: two draws give 9 equally likely means, listed by hand."""
    values, families = [1, 2, 9], ["a", "b", "c"]
    means = sorted((x + y) / 2 for x in values for y in values)
    # Tails of t with 2 degrees of freedom leave less than 1 in 9 at each end.
    assert interval_of(NUMBER, families, [seed_of(values)]) == (means[0], means[-1])


def test_known_bits():
    values = [[3, 14, 15, 92, 65, 35, 89], [9, 12, 38, 76, 66, 43, 88], [3, 10, 8, 99, 20, 43, 70]]
    found = Resampled("profile_area", letters(7), [seed_of(v) for v in values]).interval()
    assert found == Interval(0.31973678, 0.13083392, 0.58362411)


def test_seeds_widen_an_interval_and_one_seed_does_not():
    values, families = np.arange(100, 140), letters(40)
    one = interval_of(NUMBER, families, [seed_of(list(values))])
    equal = interval_of(NUMBER, families, [seed_of(list(values))] * 3)
    apart = interval_of(NUMBER, families, [seed_of(list(values + d)) for d in (-9, 0, 9)])
    assert equal == one
    assert apart[0] < one[0] - 5
    assert apart[1] > one[1] + 5


def test_two_trainings_of_one_model_are_not_different():
    draw = np.random.default_rng(3)
    base = draw.integers(50, 80, 60)
    rows = []
    for _ in range(60):
        shifts = draw.integers(-8, 9, 3)
        rows.append(Resampled(NUMBER, letters(60), [seed_of(list(base + s)) for s in shifts]))
    pairs = zip(rows[::2], rows[1::2], strict=True)
    assert sum(not a.minus(b).holds_zero for a, b in pairs) <= 4


def test_the_interval_of_seven_families_holds_the_truth():
    """Student's t with 6 degrees of freedom is exact here; plain percentiles hold 88 %."""
    draw = np.random.default_rng(4)
    held = 0
    for _ in range(200):
        values = [int(v) for v in draw.normal(5000, 500, 7)]
        low, high = interval_of(NUMBER, letters(7), [seed_of(values)])
        held += low <= 5000 <= high
    assert 0.92 <= held / 200 <= 0.98


def test_a_difference_is_paired_by_family():
    values = list(range(10, 1010, 50))
    this = Resampled(NUMBER, letters(20), [seed_of(values)])
    other = Resampled(NUMBER, letters(20), [seed_of([v + 3 for v in values])])
    assert other.minus(this) == Interval(3.0, 3.0, 3.0)
    assert this.minus(other) == Interval(-3.0, -3.0, -3.0)
    assert this.minus(this) == Interval(0.0, 0.0, 0.0)


def test_gain_is_over_the_start_of_each_seed():
    ends = [seed_of([10, 20, 30]), seed_of([50, 60, 70])]
    starts = [seed_of([12, 22, 32]), seed_of([52, 62, 72])]
    found = gain_of(NUMBER, letters(3), ends, starts)
    assert found == {"mean": -2.0, "low": -2.0, "high": -2.0}
    assert gain_of("profile_area", letters(3), ends, starts)["mean"] > 0


def test_resamples_bound_memory():
    assert resamples_of(1) == resamples_of(2) == intervals.MOST
    assert resamples_of(200) == intervals.DRAWS // 200
    assert resamples_of(10_000) == intervals.FEWEST


TARGETS = [10] * 12


def test_equal_rows_share_a_rank_and_a_clear_winner_does_not():
    track = make_track(TARGETS)
    rows = ranked(
        track,
        make_entry("a", [20, 21, 22, 23] * 3),
        make_entry("b", [20, 21, 22, 23] * 3),
        make_entry("best", [5, 6, 5, 6] * 3),
        make_entry("worst", [90, 100, 110, 120] * 3),
        make_entry("oracle", [1] * 12, kind="oracle"),
    )
    assert {name: row.rank for name, row in rows.items()} == {
        "oracle": None,
        "best": 1,
        "a": 2,
        "b": 2,
        "worst": 4,
    }
    assert rows["best"].over_next.low > 0
    assert rows["b"].over_first == rows["a"].over_next == Interval(0.0, 0.0, 0.0)
    assert rows["best"].over_first is rows["a"].over_first is rows["worst"].over_next is None
    assert rows["oracle"].over_next is None


def test_a_row_shares_a_rank_with_the_first_of_its_group_not_with_its_neighbour():
    noise = [0, 30, -30, 20, -20, 10, -10, 15, -15, 5, -5, 0]
    steps = {
        "a": [100] * 12,
        "b": [106 + n for n in noise],
        # Clearly more than a, and no more than b.
        "c": [108] * 12,
        # Within the noise of a, too, but below c: it is compared with c.
        "d": [112 + 2 * n for n in noise],
    }
    track = make_track(TARGETS, "synthetic")
    rows = ranked(track, *(make_entry(n, s, track=SYNTHETIC) for n, s in steps.items()))
    assert {name: row.rank for name, row in rows.items()} == {"a": 1, "b": 1, "c": 3, "d": 3}


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 99), min_size=6, max_size=6), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_of_entries_changes_nothing(steps, shuffler: random.Random):
    track = make_track([10] * 6)
    entries = [learned(f"e{number}", s, s[::-1]) for number, s in enumerate(steps)]
    here = ranked(track, *entries)
    shuffler.shuffle(entries)
    there = ranked(track, *entries)
    assert [(r.entry.id, r.rank, r.over_next, r.over_first) for r in here.values()] == [
        (r.entry.id, r.rank, r.over_next, r.over_first) for r in there.values()
    ]
    places = [r.rank for r in here.values()]
    assert places[0] == 1
    assert places == sorted(places)
    # A rank is the place of the first that has it.
    assert all(places.index(rank) + 1 == rank for rank in places)


def test_one_matrix_ranks_by_the_number_alone():
    rows = ranked(make_track([10]), make_entry("a", [9]), make_entry("b", [10]))
    assert (rows["a"].rank, rows["b"].rank) == (1, 2)


def test_seed_outcomes_of_a_failure_count_the_limit():
    track = make_track([10] * 4, "synthetic")
    seed = make_seed([10, 10, "stagnated", 10])
    low, high = interval_of(NUMBER, [m.family for m in track.matrices], [seed.on(track)])
    assert low == 10
    assert high == 10_000


def test_widened_seeds_stay_in_range():
    low, high = interval_of("profile_area", letters(9), [seed_of([1] * 9), seed_of([99] * 9)])
    assert (low, high) == (0.0, 1.0)


class Split:
    """What a track reads of a dataset to know its families."""

    def __init__(self, *names):
        self.names = list(names)

    def __len__(self):
        return len(self.names)


def test_families_of_tracks():
    def families(track, *names):
        return OpenTrack(track_named(track), [Split(*names)]).families

    drawn = ("00000", "00001", "00002", "00003")
    for track in ("synthetic-tridiag-1.0-twin-test", "synthetic-tridiag-lu-1.0-growth-test"):
        assert families(track, *drawn) == ["00000", "00000", "00002", "00002"]
    assert families("synthetic-tridiag-1.0-uniform-test", *drawn) == list(drawn)
    (real, *_) = (name.id for name in TRACKS if name.kind == "real")
    names = ("HB/bcsstk28", "Boeing/bcsstk34", "HB/1138_bus")
    assert families(real, *names) == ["bcsst", "bcsst", "bus"]
